#include "config.h"

#include "conf_file.h"
#include "listen.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct phu_option tls_options[] = {
    {.name = "certificate",
     .type = PHU_OPTION_PATH,
     AT(phu_console_tls_conf, certificate),
     .fallback = "",
     .meaning = "certificate in PEM, those of intermediate authorities behind it; read again when "
                "it changes"},
    {.name = "key",
     .type = PHU_OPTION_PATH,
     AT(phu_console_tls_conf, key),
     .fallback = "",
     .meaning = "its private key in PEM; others than owner and group must not be able to read it"},
};

static void validate_tls(const void *pointer, void *context)
{
    const struct phu_console_tls_conf *conf = pointer;

    if (!*conf->certificate != !*conf->key)
        phu_conf_mistake(context, *conf->key ? "key" : "certificate",
                         "certificate and key belong together");
}

static const struct phu_option_table tls_table = {
    .options = tls_options,
    .count = sizeof tls_options / sizeof *tls_options,
    .size = sizeof(struct phu_console_tls_conf),
    .validate = validate_tls,
};

static const struct phu_option limits_options[] = {
    {.name = "max_body",
     .type = PHU_OPTION_SIZE,
     AT(phu_console_limits_conf, max_body),
     .fallback = "25MB",
     .min = "64KiB",
     .max = "256MiB",
     .meaning = "longest body of a write, as sent and unpacked; more is answered 413"},
    {.name = "max_bodies",
     .type = PHU_OPTION_SIZE,
     AT(phu_console_limits_conf, max_bodies),
     .fallback = "256MiB",
     .min = "1MiB",
     .max = "64GiB",
     .meaning = "memory for bodies that wait to be stored; more is answered 503"},
    {.name = "max_connections",
     .type = PHU_OPTION_INT,
     AT(phu_console_limits_conf, max_connections),
     .fallback = "4096",
     .min = "16",
     .max = "60000",
     .meaning = "connections that are open at a time"},
    {.name = "max_connections_per_address",
     .type = PHU_OPTION_INT,
     AT(phu_console_limits_conf, max_connections_per_address),
     .fallback = "1024",
     .min = "1",
     .max = "60000",
     .meaning = "of these, from one address"},
    {.name = "header_timeout",
     .type = PHU_OPTION_DURATION,
     AT(phu_console_limits_conf, header_timeout_ns),
     .fallback = "10s",
     .min = "1s",
     .max = "5m",
     .meaning = "how long a request's head may take to arrive, however it drips"},
    {.name = "body_timeout",
     .type = PHU_OPTION_DURATION,
     AT(phu_console_limits_conf, body_timeout_ns),
     .fallback = "2m",
     .min = "1s",
     .max = "1h",
     .meaning = "how long a body may take to arrive"},
    {.name = "idle_timeout",
     .type = PHU_OPTION_DURATION,
     AT(phu_console_limits_conf, idle_timeout_ns),
     .fallback = "3m",
     .min = "1s",
     .max = "1h",
     .meaning = "how long a connection may be open without a request"},
    {.name = "lines_per_second",
     .type = PHU_OPTION_INT,
     AT(phu_console_limits_conf, lines_per_second),
     .fallback = "50000",
     .min = "0",
     .max = "10000000",
     .meaning = "lines that one token may send, with ten seconds' worth at once; more is answered "
                "429; 0: no limit"},
    {.name = "max_ahead",
     .type = PHU_OPTION_DURATION,
     AT(phu_console_limits_conf, max_ahead_ns),
     .fallback = "10m",
     .min = "1s",
     .max = "365d",
     .meaning = "points whose time is later than now by more than this are refused"},
    {.name = "questions",
     .type = PHU_OPTION_INT,
     AT(phu_console_limits_conf, questions),
     .fallback = "2",
     .min = "1",
     .max = "3",
     .meaning = "questions to the store that are worked on at a time"},
    {.name = "question_timeout",
     .type = PHU_OPTION_DURATION,
     AT(phu_console_limits_conf, question_timeout_ns),
     .fallback = "30s",
     .min = "100ms",
     .max = "10m",
     .meaning = "how long a question may take; then it is answered 504"},
};

static const struct phu_option_table limits_table =
    PHU_OPTION_TABLE(limits_options, struct phu_console_limits_conf);

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const journals[] = {"auto", "yes", "no", NULL};

static const struct phu_option log_options[] = {
    {.name = "level",
     .type = PHU_OPTION_CHOICE,
     AT(phu_console_log_conf, level),
     .fallback = "info",
     .choices = levels,
     .meaning = "what is logged, and all above it"},
    {.name = "journal",
     .type = PHU_OPTION_CHOICE,
     AT(phu_console_log_conf, journal),
     .fallback = "auto",
     .choices = journals,
     .meaning = "priorities for journald instead of the time; auto: under systemd"},
};

static const struct phu_option_table log_table =
    PHU_OPTION_TABLE(log_options, struct phu_console_log_conf);

static const struct phu_option console_options[] = {
    {.name = "listen",
     .type = PHU_OPTION_STRING,
     AT(phu_console_conf, listen),
     .fallback = "127.0.0.1:8480",
     .meaning = "address and port, [::]:8480 for IPv6; port 0: any free one, which is logged"},
    {.name = "state_dir",
     .type = PHU_OPTION_PATH,
     AT(phu_console_conf, state_dir),
     .fallback = "/var/lib/phusong-console",
     .meaning =
         "folder of the tokens, the alerts and, unless store.path says otherwise, the store"},
    {.name = "user",
     .type = PHU_OPTION_STRING,
     AT(phu_console_conf, user),
     .fallback = "",
     .meaning = "user to become once the socket is open; empty: stay who started the console"},
    {.name = "rules",
     .type = PHU_OPTION_STRINGS,
     AT(phu_console_conf, rules),
     .fallback = "",
     .most = 32,
     .meaning =
         "files with alert rules, wildcards allowed, relative to this file; none: no alerts"},
    {.name = "backfill_after",
     .type = PHU_OPTION_DURATION,
     AT(phu_console_conf, backfill_after_ns),
     .fallback = "5m",
     .min = "10s",
     .max = "1d",
     .meaning = "points older than this when they come are stored, but fire no alert"},
    {.name = "tls",
     .type = PHU_OPTION_TABLE,
     AT(phu_console_conf, tls),
     .table = &tls_table,
     .meaning = "certificate, for https; without one the console speaks plain HTTP"},
    {.name = "limits",
     .type = PHU_OPTION_TABLE,
     AT(phu_console_conf, limits),
     .table = &limits_table,
     .meaning = "what is taken from outside at most"},
    {.name = "store",
     .type = PHU_OPTION_TABLE,
     AT(phu_console_conf, store),
     .table = &phu_store_options,
     .meaning = "where points are kept, and how long"},
    {.name = "alerts",
     .type = PHU_OPTION_TABLE,
     AT(phu_console_conf, alerts),
     .table = &phu_alerts_options,
     .meaning = "to whom alerts are told"},
    {.name = "log",
     .type = PHU_OPTION_TABLE,
     AT(phu_console_conf, log),
     .table = &log_table,
     .meaning = "what is logged, to standard error"},
};

static void validate(const void *pointer, void *context)
{
    const struct phu_console_conf *conf = pointer;
    struct sockaddr_storage address;
    const char *fault = phu_listen_parse(conf->listen, &address);

    if (fault)
        phu_conf_mistake(context, "listen", "%s", fault);
    if (!*conf->state_dir)
        phu_conf_mistake(context, "state_dir", "state_dir must not be empty");
}

const struct phu_option_table phu_console_options = {
    .options = console_options,
    .count = sizeof console_options / sizeof *console_options,
    .size = sizeof(struct phu_console_conf),
    .validate = validate,
    .manual = "phusong console config default",
};

/* -- Reading ------------------------------------------------------------------------------------
 */

static char *beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    char *joined;

    if (path[0] == '/' || !slash)
        return strdup(path);
    if (asprintf(&joined, "%.*s/%s", (int)(slash - file), file, path) < 0)
        return NULL;
    return joined;
}

int phu_console_conf_load(const char *file, struct phu_diags *diags, struct phu_console_conf *conf)
{
    int error = phu_conf_load(&phu_console_options, file, diags, conf);

    for (size_t i = 0; !error && i < conf->rules.count; i++) {
        char *path = beside(file, conf->rules.items[i]);

        if (!path)
            abort();
        free(conf->rules.items[i]);
        conf->rules.items[i] = path;
    }
    if (!error && !*conf->store.path) {
        free(conf->store.path);
        if (asprintf(&conf->store.path, "%s/store.db", conf->state_dir) < 0)
            abort();
    }
    return error;
}

void phu_console_conf_free(struct phu_console_conf *conf)
{
    phu_conf_free(&phu_console_options, conf);
}
