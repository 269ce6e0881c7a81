#include "webhook.h"

#include "book.h"
#include "mem.h"
#include "phusong/log.h"
#include "phusong/stats.h"
#include "sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "alerts"
#define LETTERS_MAX 10000
#define SECRET_MAX 4096

static const struct phu_option options[] = {
    {.name = "name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_outlet_conf, name),
     .fallback = "webhook",
     .meaning = "what logs and statistics call it"},
    {.name = "url",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_outlet_conf, url),
     .example = "https://tickets.example/hooks/phusong",
     .meaning = "where each change is posted to"},
    PHU_OUTLET_OPTIONS,
    {.name = "secret",
     .type = PHU_OPTION_SECRET,
     .offset = offsetof(struct phu_webhook_conf, secret),
     .fallback = "",
     .meaning = "file with the key that letters are signed with (HMAC-SHA256); empty: unsigned"},
    {.name = "headers",
     .type = PHU_OPTION_STRINGS,
     .offset = offsetof(struct phu_webhook_conf, headers),
     .fallback = "[]",
     .most = 4,
     .meaning = "further request headers, each \"Name: value\""},
    {.name = "send_resolved",
     .type = PHU_OPTION_BOOL,
     .offset = offsetof(struct phu_webhook_conf, sends_resolved),
     .fallback = "true",
     .meaning = "post the end of an alert, too"},
};

static void validate(const void *pointer, void *context)
{
    const struct phu_webhook_conf *conf = pointer;

    phu_outlet_validate(&conf->outlet, context);
    for (size_t i = 0; i < conf->headers.count; i++) {
        const char *header = conf->headers.items[i], *colon = strchr(header, ':');

        if (!colon || colon == header || strpbrk(header, "\r\n"))
            phu_conf_mistake(context, "headers", "header %zu is not of the form \"Name: value\"",
                             i + 1);
    }
}

const struct phu_option_table phu_webhook_options = {
    .options = options,
    .count = sizeof options / sizeof *options,
    .size = sizeof(struct phu_webhook_conf),
    .validate = validate,
};

struct letter {
    struct letter *next;
    int64_t number;
    char *body;
};

struct phu_webhook {
    struct phu_outlet outlet;
    const struct phu_webhook_conf *conf;
    struct phu_timer timer;
    struct letter *first, **end;
    int64_t waiting, dropped;
    char timestamp[48], delivery[48], signature[128];
    bool is_waiting;
};

const char *phu_webhook_name(const struct phu_webhook *webhook)
{
    return webhook->outlet.conf->name;
}

static void plan(struct phu_webhook *webhook, int64_t delay_ns)
{
    phu_timer_after(webhook->outlet.env->sched, &webhook->timer, delay_ns);
}

static void drop_first(struct phu_webhook *webhook)
{
    struct letter *letter = webhook->first;

    webhook->first = letter->next;
    if (!webhook->first)
        webhook->end = &webhook->first;
    webhook->waiting--;
    phu_book_remove_letter(webhook->outlet.env->book, letter->number);
    free(letter->body);
    free(letter);
}

static void answered(void *arg, const struct phu_http_result *result)
{
    struct phu_webhook *webhook = arg;
    int64_t delay_ns = 0;

    if (phu_outlet_done(&webhook->outlet, result, &delay_ns) != PHU_OUTLET_LATER)
        drop_first(webhook);
    webhook->is_waiting = delay_ns > 0;
    if (webhook->first)
        plan(webhook, delay_ns);
}

/* False when it should be signed and cannot be. */
static bool sign(struct phu_webhook *webhook, const char *body, int64_t seconds)
{
    char secret[SECRET_MAX], why[256], hex[PHU_SIGN_SIZE];

    if (!*webhook->conf->secret)
        return true;
    if (phu_secret_read(webhook->conf->secret, secret, sizeof secret, why, sizeof why) < 0) {
        phu_log_error(MODULE, "cannot read the key that letters are signed with",
                      "outlet=%s error=\"%s\"", webhook->outlet.conf->name, why);
        return false;
    }
    phu_sign(secret, seconds, body, strlen(body), hex);
    explicit_bzero(secret, sizeof secret);
    snprintf(webhook->signature, sizeof webhook->signature, "X-Phusong-Signature: sha256=%s", hex);
    return true;
}

static int post(struct phu_webhook *webhook, const struct letter *letter)
{
    int64_t seconds = phu_sched_wall(webhook->outlet.env->sched).ns / PHU_NS_PER_S;
    const char *headers[8];
    size_t count = 0;

    webhook->signature[0] = '\0';
    if (!sign(webhook, letter->body, seconds))
        return -1;
    snprintf(webhook->timestamp, sizeof webhook->timestamp, "X-Phusong-Timestamp: %lld",
             (long long)seconds);
    snprintf(webhook->delivery, sizeof webhook->delivery, "X-Phusong-Delivery: %lld",
             (long long)letter->number);
    headers[count++] = webhook->timestamp;
    headers[count++] = webhook->delivery;
    if (webhook->signature[0])
        headers[count++] = webhook->signature;
    for (size_t i = 0; i < webhook->conf->headers.count && count < 7; i++)
        headers[count++] = webhook->conf->headers.items[i];
    headers[count] = NULL;
    return phu_outlet_post(&webhook->outlet, webhook->conf->outlet.url,
                           phu_mem_strdup(letter->body), headers, answered, webhook);
}

static void fire(struct phu_timer *timer)
{
    struct phu_webhook *webhook = phu_container_of(timer, struct phu_webhook, timer);

    webhook->is_waiting = false;
    if (webhook->outlet.call || !webhook->first)
        return;
    if (post(webhook, webhook->first) < 0) {
        webhook->is_waiting = true;
        plan(webhook, phu_outlet_failed(&webhook->outlet, "the request could not be started"));
    }
}

static void add(struct phu_webhook *webhook, int64_t number, char *body)
{
    struct letter *letter = phu_mem_alloc(1, sizeof *letter);

    letter->number = number;
    letter->body = body;
    *webhook->end = letter;
    webhook->end = &letter->next;
    webhook->waiting++;
    if (!webhook->outlet.call && !webhook->is_waiting)
        plan(webhook, 0);
}

void phu_webhook_restore(struct phu_webhook *webhook, int64_t number, const char *body)
{
    add(webhook, number, phu_mem_strdup(body));
}

void phu_webhook_put(struct phu_webhook *webhook, const struct phu_entry *entry, const char *event,
                     int64_t number)
{
    json_t *letter;
    char *body;

    if (entry->resolved_ns && !webhook->conf->sends_resolved)
        return;
    if (webhook->waiting >= LETTERS_MAX) {
        if (webhook->dropped++ == 0)
            phu_log_error(MODULE,
                          "a webhook takes nothing and its letters are too many: from now "
                          "on changes are not kept for it",
                          "outlet=%s letters=%d", webhook->outlet.conf->name, LETTERS_MAX);
        return;
    }
    letter = json_pack("{s:s, s:I, s:o}", "event", event, "number", (json_int_t)number, "alert",
                       phu_entry_json(entry));
    body = letter ? json_dumps(letter, JSON_COMPACT) : NULL;
    json_decref(letter);
    if (!body)
        abort();
    phu_book_write_letter(webhook->outlet.env->book, number, webhook->outlet.conf->name, body);
    add(webhook, number, body);
}

struct phu_webhook *phu_webhook_new(const struct phu_outlet_env *env,
                                    const struct phu_webhook_conf *conf)
{
    static const struct phu_stat_info waiting = {
        .name = "phusong_console_alert_letters",
        .kind = PHU_STAT_GAUGE,
        .help = "Changes of alerts that a webhook has not taken yet"};
    static const struct phu_stat_info dropped = {
        .name = "phusong_console_alert_letters_dropped_total",
        .kind = PHU_STAT_COUNTER,
        .help = "Changes of alerts that were not kept for a webhook, because it took none"};
    struct phu_webhook *webhook = phu_mem_alloc(1, sizeof *webhook);
    char labels[160];

    webhook->conf = conf;
    webhook->end = &webhook->first;
    phu_outlet_init(&webhook->outlet, env, &conf->outlet, "webhook");
    phu_timer_init(&webhook->timer, fire);
    if (env->stats) {
        phu_stats_label(labels, sizeof labels, "outlet", conf->outlet.name);
        phu_stats_add(env->stats, &waiting, labels, &webhook->waiting);
        phu_stats_add(env->stats, &dropped, labels, &webhook->dropped);
    }
    return webhook;
}

void phu_webhook_free(struct phu_webhook *webhook)
{
    struct letter *next;

    phu_timer_cancel(webhook->outlet.env->sched, &webhook->timer);
    if (webhook->outlet.env->stats)
        phu_stats_remove_within(webhook->outlet.env->stats, webhook, sizeof *webhook);
    phu_outlet_fini(&webhook->outlet);
    for (struct letter *letter = webhook->first; letter; letter = next) {
        next = letter->next;
        free(letter->body);
        free(letter);
    }
    free(webhook);
}
