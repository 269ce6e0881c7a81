#include "outlet.h"

#include "phusong/log.h"
#include "phusong/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MODULE "alerts"
#define SECRET_MAX 4096
#define ANSWER_MAX 4096
#define REASON_MAX 300

void phu_outlet_validate(const struct phu_outlet_conf *conf, void *context)
{
    bool is_https = strncasecmp(conf->url, "https://", 8) == 0;

    if (phu_http_check_url(conf->url) < 0)
        phu_conf_mistake(context, "url", "url must be of the form http://HOST:PORT/PATH");
    if (*conf->token && *conf->user)
        phu_conf_mistake(context, "token", "use either token or user and password, not both");
    if (!*conf->user != !*conf->password)
        phu_conf_mistake(context, *conf->user ? "user" : "password",
                         "user and password belong together");
    if (!is_https && (*conf->tls.ca || *conf->tls.certificate))
        phu_conf_mistake(context, "url", "certificates are given, so url must begin with https://");
}

static void add_stats(struct phu_outlet *outlet, const char *kind)
{
    static const struct phu_stat_info sent = {
        .name = "phusong_console_alert_requests_total",
        .kind = PHU_STAT_COUNTER,
        .help = "Requests to Alertmanagers and webhooks that were taken"};
    static const struct phu_stat_info failed = {
        .name = "phusong_console_alert_failures_total",
        .kind = PHU_STAT_COUNTER,
        .help = "Requests to Alertmanagers and webhooks that were not taken"};
    static const struct phu_stat_info up = {
        .name = "phusong_console_alert_outlet_up",
        .kind = PHU_STAT_GAUGE,
        .help = "1 while the Alertmanager or webhook takes what it is sent"};
    char labels[256], *end = labels;

    if (!outlet->env->stats)
        return;
    end += phu_stats_label(end, sizeof labels, "kind", kind);
    *end++ = ',';
    phu_stats_label(end, sizeof labels - (size_t)(end - labels), "outlet", outlet->conf->name);
    phu_stats_add(outlet->env->stats, &sent, labels, &outlet->sent);
    phu_stats_add(outlet->env->stats, &failed, labels, &outlet->failed);
    phu_stats_add(outlet->env->stats, &up, labels, &outlet->up);
}

void phu_outlet_init(struct phu_outlet *outlet, const struct phu_outlet_env *env,
                     const struct phu_outlet_conf *conf, const char *kind)
{
    *outlet = (struct phu_outlet){.env = env, .conf = conf, .tls = phu_http_tls_of(&conf->tls)};
    phu_backoff_init(&outlet->backoff, PHU_NS_PER_S, 30 * PHU_NS_PER_S,
                     (uint64_t)phu_sched_now(env->sched).ns);
    add_stats(outlet, kind);
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static void forget_call(struct phu_outlet *outlet)
{
    outlet->call = NULL;
    free(outlet->body);
    outlet->body = NULL;
    wipe(&outlet->authorization);
    wipe(&outlet->user_password);
}

void phu_outlet_fini(struct phu_outlet *outlet)
{
    phu_http_cancel(outlet->call);
    forget_call(outlet);
    if (outlet->env->stats)
        phu_stats_remove_within(outlet->env->stats, outlet, sizeof *outlet);
}

/* Read anew for each request: alerts are few, and a secret that is replaced holds at once. */
static int read_credentials(struct phu_outlet *outlet)
{
    const struct phu_outlet_conf *conf = outlet->conf;
    const char *reference = *conf->token ? conf->token : conf->password;
    char secret[SECRET_MAX], why[256];
    int length;

    if (!*reference)
        return 0;
    if (phu_secret_read(reference, secret, sizeof secret, why, sizeof why) < 0) {
        phu_log_error(MODULE, "cannot read the secret of an outlet", "outlet=%s error=\"%s\"",
                      conf->name, why);
        return -1;
    }
    length = *conf->token ? asprintf(&outlet->authorization, "Authorization: Bearer %s", secret)
                          : asprintf(&outlet->user_password, "%s:%s", conf->user, secret);
    explicit_bzero(secret, sizeof secret);
    if (length < 0)
        abort();
    return 0;
}

int phu_outlet_post(struct phu_outlet *outlet, const char *url, char *body,
                    const char *const *headers, phu_http_done_cb *done, void *arg)
{
    struct phu_http_request request = {.method = "POST",
                                       .url = url,
                                       .headers = outlet->headers,
                                       .body = body,
                                       .body_length = strlen(body),
                                       .timeout_ns = outlet->conf->timeout_ns,
                                       .max_body = ANSWER_MAX,
                                       .tls = &outlet->tls};
    size_t count = 0;
    int error;

    outlet->body = body;
    error = read_credentials(outlet);
    outlet->headers[count++] = "Content-Type: application/json";
    outlet->headers[count++] = "Expect:";
    if (outlet->authorization)
        outlet->headers[count++] = outlet->authorization;
    for (; headers && *headers && count < PHU_OUTLET_HEADERS - 1; headers++)
        outlet->headers[count++] = *headers;
    outlet->headers[count] = NULL;
    request.user_password = outlet->user_password;
    if (error == 0)
        error = phu_http_start(outlet->env->http, &request, done, arg, &outlet->call);
    if (error < 0)
        forget_call(outlet);
    return error;
}

/* -- Answers ---------------------------------------------------------------------------------- */

static void note_up(struct phu_outlet *outlet)
{
    outlet->sent++;
    outlet->up = 1;
    phu_backoff_succeed(&outlet->backoff);
    if (outlet->has_tried && !outlet->is_up)
        phu_log_info(MODULE, "alerts are taken again", "outlet=%s", outlet->conf->name);
    outlet->is_up = outlet->has_tried = true;
}

static void note_trouble(struct phu_outlet *outlet, const char *reason)
{
    outlet->failed++;
    outlet->up = 0;
    if (!outlet->has_tried || outlet->is_up)
        phu_log_error(MODULE, "alerts are not taken; trying again until they are",
                      "outlet=%s url=\"%s\" error=\"%s\"", outlet->conf->name, outlet->conf->url,
                      reason);
    outlet->has_tried = true;
    outlet->is_up = false;
}

int64_t phu_outlet_failed(struct phu_outlet *outlet, const char *reason)
{
    note_trouble(outlet, reason);
    return phu_backoff_fail(&outlet->backoff, 0) + PHU_NS_PER_S / 4;
}

static bool is_for_good(int status)
{
    return status >= 400 && status < 500 && status != 401 && status != 403 && status != 408 &&
           status != 425 && status != 429;
}

enum phu_outlet_fate phu_outlet_done(struct phu_outlet *outlet,
                                     const struct phu_http_result *result, int64_t *delay_ns)
{
    char reason[REASON_MAX];

    forget_call(outlet);
    if (result->error == PHU_HTTP_OK && result->status / 100 == 2) {
        note_up(outlet);
        return PHU_OUTLET_TAKEN;
    }
    if (result->error != PHU_HTTP_OK)
        snprintf(reason, sizeof reason, "%s", result->message);
    else
        snprintf(reason, sizeof reason, "%d %s", result->status, result->body);
    if (result->error == PHU_HTTP_OK && is_for_good(result->status)) {
        outlet->failed++;
        phu_log_error(MODULE, "an alert was refused for good", "outlet=%s error=\"%s\"",
                      outlet->conf->name, reason);
        return PHU_OUTLET_REFUSED;
    }
    note_trouble(outlet, reason);
    *delay_ns = phu_backoff_fail(&outlet->backoff, result->retry_after_ns) + PHU_NS_PER_S / 4;
    return PHU_OUTLET_LATER;
}
