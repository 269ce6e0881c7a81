#include "influx_announce.h"

#include "backoff.h"
#include "influx_answer.h"

#include "phusong/http.h"
#include "phusong/log.h"
#include "phusong/sched.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MODULE "influx"
#define RETRY_MIN_NS (2 * PHU_NS_PER_S)
#define RETRY_MAX_NS (300 * PHU_NS_PER_S)

enum { REASON_MAX = 400 };

struct phu_announcer {
    struct phu_announcer_conf conf;
    char *url;
    char *text; /* NULL: nothing was put yet */
    size_t length;
    bool is_failing; /* and that has been said */
    struct phu_backoff backoff;
    struct phu_timer timer;
    struct phu_http_call *call;
    char *authorization;
};

static void send_text(struct phu_announcer *announcer, bool is_refused);

static void wipe(struct phu_announcer *announcer)
{
    if (announcer->authorization)
        explicit_bzero(announcer->authorization, strlen(announcer->authorization));
    free(announcer->authorization);
    announcer->authorization = NULL;
}

static void retry(struct phu_announcer *announcer, int64_t wish_ns)
{
    phu_timer_after(announcer->conf.sched, &announcer->timer,
                    phu_backoff_fail(&announcer->backoff, wish_ns));
}

static void taken(struct phu_announcer *announcer)
{
    announcer->is_failing = false;
    phu_backoff_succeed(&announcer->backoff);
    phu_log_info(MODULE, "inventory registered", "exporter=%s bytes=%zu", announcer->conf.name,
                 announcer->length);
}

static void failed(struct phu_announcer *announcer, const struct phu_http_result *result)
{
    char reason[REASON_MAX];

    if (!announcer->is_failing)
        phu_log_warn(MODULE, "the inventory is not registered yet; trying again",
                     "exporter=%s status=%d reason=\"%s\"", announcer->conf.name, result->status,
                     result->status ? phu_influx_reason(result->body, result->body_length, reason,
                                                        sizeof reason)
                                    : result->message);
    announcer->is_failing = true;
    retry(announcer, result->retry_after_ns);
}

static void done(void *arg, const struct phu_http_result *result)
{
    struct phu_announcer *announcer = arg;

    announcer->call = NULL;
    wipe(announcer);
    if (result->error == PHU_HTTP_OK && result->status / 100 == 2) {
        taken(announcer);
    } else {
        failed(announcer, result);
    }
}

static void due(struct phu_timer *timer)
{
    send_text(phu_container_of(timer, struct phu_announcer, timer), true);
}

static void send_text(struct phu_announcer *announcer, bool is_refused)
{
    const struct phu_announcer_conf *conf = &announcer->conf;
    const char *headers[] = {"Content-Type: application/json", "Expect:", NULL, NULL};
    struct phu_http_request request = {
        .method = "PUT",
        .url = announcer->url,
        .headers = headers,
        .body = announcer->text,
        .body_length = announcer->length,
        .timeout_ns = conf->timeout_ns,
        .tls = conf->tls,
    };

    announcer->authorization = conf->authorize(conf->arg, is_refused);
    headers[2] = announcer->authorization;
    if (phu_http_start(conf->http, &request, done, announcer, &announcer->call) < 0) {
        wipe(announcer);
        retry(announcer, 0);
    }
}

void phu_announcer_put(struct phu_announcer *announcer, const char *text, size_t length)
{
    char *copy;

    if (announcer->text && announcer->length == length &&
        memcmp(announcer->text, text, length) == 0)
        return;
    copy = malloc(length ? length : 1);
    if (!copy)
        abort();
    memcpy(copy, text, length);
    if (announcer->call) { /* which borrows the old text */
        phu_http_cancel(announcer->call);
        announcer->call = NULL;
        wipe(announcer);
    }
    free(announcer->text);
    announcer->text = copy;
    announcer->length = length;
    phu_timer_cancel(announcer->conf.sched, &announcer->timer);
    send_text(announcer, false);
}

struct phu_announcer *phu_announcer_new(const struct phu_announcer_conf *conf)
{
    struct phu_announcer *announcer = calloc(1, sizeof *announcer);
    uint64_t seed = 0;

    if (!announcer)
        abort();
    announcer->conf = *conf;
    announcer->url = strdup(conf->url);
    if (!announcer->url)
        abort();
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed = (uint64_t)phu_sched_now(conf->sched).ns;
    phu_backoff_init(&announcer->backoff, RETRY_MIN_NS, RETRY_MAX_NS, seed);
    phu_timer_init(&announcer->timer, due);
    return announcer;
}

void phu_announcer_free(struct phu_announcer *announcer)
{
    if (!announcer)
        return;
    phu_http_cancel(announcer->call);
    phu_timer_cancel(announcer->conf.sched, &announcer->timer);
    wipe(announcer);
    free(announcer->text);
    free(announcer->url);
    free(announcer);
}
