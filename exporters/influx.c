/* Line protocol over HTTP: InfluxDB 1, 2 and 3, VictoriaMetrics, the console, and whatever else
 * speaks one of their write interfaces.
 *
 * One call per batch: compress on a pool thread, POST, read the answer. What an answer means is in
 * influx_answer.h; what is done about it is the feed's business. The one thing handled here is a
 * token or password that was changed in its file: after 401 or 403 it is read again, and when it is
 * another one the same batch is sent once more at once.
 */
#include "gzip.h"
#include "influx_announce.h"
#include "influx_answer.h"

#include "phusong/conf.h"
#include "phusong/exporter.h"
#include "phusong/http.h"
#include "phusong/log.h"
#include "phusong/sched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MODULE "influx"

#define SECRET_MAX 4096
#define ANSWER_MAX 16384
#define REASON_MAX 400
#define HEADERS_MAX 16
#define GZIP_LEAST 256 /* bytes; below it the headers outweigh the gain */

enum api {
    API_V1,
    API_V2,
    API_V3,
    API_VICTORIA,
    API_CONSOLE,
};

static const char *const api_names[] = {"v1", "v2", "v3", "victoria", "console", NULL};

struct influx_conf {
    char *url;
    int api;
    char *database, *retention_policy, *org, *bucket;
    char *token, *user, *password;
    int64_t gzip;
    int64_t timeout_ns;
    struct phu_strings headers;
    struct phu_http_tls_conf tls;
};

static const struct phu_option influx_options[] = {
    {.name = "url",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct influx_conf, url),
     .example = "http://127.0.0.1:8428",
     .meaning = "where the server answers, without the write path: http://HOST:PORT"},
    {.name = "api",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct influx_conf, api),
     .fallback = "v2",
     .choices = api_names,
     .meaning = "write interface: v1 (/write), v2 (/api/v2/write), v3 (/api/v3/write_lp), victoria "
                "(/write of VictoriaMetrics), console (of phusong, which is told the inventory, "
                "too)"},
    {.name = "database",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct influx_conf, database),
     .fallback = "",
     .meaning = "database, for v1 and v3; with victoria it becomes the tag db"},
    {.name = "retention_policy",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct influx_conf, retention_policy),
     .fallback = "",
     .meaning = "retention policy, for v1; empty: the database's own"},
    {.name = "org",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct influx_conf, org),
     .fallback = "",
     .meaning = "organisation, for v2"},
    {.name = "bucket",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct influx_conf, bucket),
     .fallback = "phusong",
     .meaning = "bucket, for v2"},
    {.name = "token",
     .type = PHU_OPTION_SECRET,
     .offset = offsetof(struct influx_conf, token),
     .fallback = "",
     .meaning = "file with the token; it is read again when the server does not accept it"},
    {.name = "user",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct influx_conf, user),
     .fallback = "",
     .meaning = "user of basic authentication"},
    {.name = "password",
     .type = PHU_OPTION_SECRET,
     .offset = offsetof(struct influx_conf, password),
     .fallback = "",
     .meaning = "file with the password of basic authentication"},
    {.name = "gzip",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct influx_conf, gzip),
     .fallback = "1",
     .min = "0",
     .max = "9",
     .meaning = "compression: 0 none, 1 fast (a quarter of the bytes), 9 smallest"},
    {.name = "timeout",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct influx_conf, timeout_ns),
     .fallback = "30s",
     .min = "100ms",
     .max = "10m",
     .meaning = "how long one request may take as a whole"},
    {.name = "headers",
     .type = PHU_OPTION_STRINGS,
     .offset = offsetof(struct influx_conf, headers),
     .fallback = "[]",
     .most = 8,
     .meaning = "further request headers, each \"Name: value\""},
    {.name = "tls",
     .type = PHU_OPTION_TABLE,
     .offset = offsetof(struct influx_conf, tls),
     .table = &phu_http_tls_options,
     .meaning = "certificates, for https"},
};

static bool is_header(const char *text)
{
    const char *colon = strchr(text, ':');

    return colon && colon > text && !strpbrk(text, "\r\n") &&
           strcspn(text, " \t") > (size_t)(colon - text);
}

static void validate_headers(const struct influx_conf *conf, void *context)
{
    for (size_t i = 0; i < conf->headers.count; i++) {
        if (!is_header(conf->headers.items[i]))
            phu_conf_mistake(context, "headers", "header %zu is not of the form \"Name: value\"",
                             i + 1);
    }
}

/* Each interface has its own way of naming the place; what it has no word for would be lost. */
static void validate_place(const struct influx_conf *conf, void *context)
{
    const char *api = api_names[conf->api];

    if ((conf->api == API_V1 || conf->api == API_V3) && !*conf->database)
        phu_conf_mistake(context, "api", "api %s needs database", api);
    if (conf->api == API_V2 && !*conf->bucket)
        phu_conf_mistake(context, "bucket", "api %s needs bucket", api);
    if (conf->api == API_V2 && *conf->database)
        phu_conf_mistake(context, "database", "api %s has no database; name a bucket", api);
    if (conf->api == API_CONSOLE && *conf->database)
        phu_conf_mistake(context, "database", "api console has none; leave it out");
    if (conf->api == API_CONSOLE && !*conf->token)
        phu_conf_mistake(context, "token",
                         "api console needs a token; phusong console token create --agent makes "
                         "one at the centre");
    if (conf->api != API_V2 && *conf->org)
        phu_conf_mistake(context, "org", "api %s has no org; leave it out", api);
    if (conf->api != API_V1 && conf->api != API_VICTORIA && *conf->retention_policy)
        phu_conf_mistake(context, "retention_policy", "api %s has none; leave it out", api);
}

static void validate(const void *pointer, void *context)
{
    const struct influx_conf *conf = pointer;
    bool is_https = strncasecmp(conf->url, "https://", 8) == 0;

    if (!is_https && strncasecmp(conf->url, "http://", 7) != 0)
        phu_conf_mistake(context, "url", "url must begin with http:// or https://");
    else if (!conf->url[is_https ? 8 : 7] || conf->url[is_https ? 8 : 7] == '/')
        phu_conf_mistake(context, "url", "url lacks the server: write http://HOST:PORT");
    if (strpbrk(conf->url, "?#@ "))
        phu_conf_mistake(context, "url",
                         "url must not hold a query, a user or spaces: these have options of their "
                         "own");
    validate_place(conf, context);
    if (*conf->token && *conf->user)
        phu_conf_mistake(context, "token", "use either token or user and password, not both");
    if (!*conf->user != !*conf->password)
        phu_conf_mistake(context, *conf->user ? "user" : "password",
                         "user and password belong together");
    if (!is_https && (*conf->tls.ca || *conf->tls.certificate))
        phu_conf_mistake(context, "url", "certificates are given, so url must begin with https://");
    validate_headers(conf, context);
}

static const struct phu_option_table influx_table = {
    .options = influx_options,
    .count = sizeof influx_options / sizeof *influx_options,
    .size = sizeof(struct influx_conf),
    .validate = validate,
};

struct call {
    struct call *next, **link;
    struct influx *influx;
    const struct phu_batch *batch;
    phu_batch_done_cb *done;
    void *arg;
    struct phu_gzip *gzip;
    struct phu_http_call *http;
    char *packed; /* compressed body, or NULL */
    size_t packed_length;
    unsigned secret_version; /* of what it was sent with */
    bool is_second;          /* after the secret had been read again */
    char *authorization, *user_password;
    const char *headers[HEADERS_MAX];
};

struct influx {
    struct phu_exporter_env env;
    const struct influx_conf *conf;
    char *url;
    char secret[SECRET_MAX];
    unsigned secret_version;
    struct phu_http_tls tls;
    struct call *calls;
    struct phu_announcer *announcer; /* of the api console */
};

/* -- Opening ---------------------------------------------------------------------------------- */

static void append_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", byte))
            fputc(byte, out);
        else
            fprintf(out, "%%%02X", byte);
    }
}

static void append_query(FILE *out, const char *name, const char *value)
{
    if (!*value)
        return;
    fprintf(out, "&%s=", name);
    append_escaped(out, value);
}

/* The precision is always named: each generation of servers has its own default and own words. */
static char *make_url(const struct influx_conf *conf)
{
    char *url = NULL;
    size_t length = strlen(conf->url), size;
    FILE *out = open_memstream(&url, &size);

    if (!out)
        return NULL;
    while (length > 0 && conf->url[length - 1] == '/')
        length--;
    fwrite(conf->url, 1, length, out);
    switch ((enum api)conf->api) {
    case API_V1:
    case API_VICTORIA:
        fputs("/write?precision=ns", out);
        append_query(out, "db", conf->database);
        append_query(out, "rp", conf->retention_policy);
        break;
    case API_V2:
        fputs("/api/v2/write?precision=ns", out);
        append_query(out, "org", conf->org);
        append_query(out, "bucket", conf->bucket);
        break;
    case API_CONSOLE:
        fputs("/api/v2/write?precision=ns", out);
        break;
    case API_V3:
        fputs("/api/v3/write_lp?precision=nanosecond", out);
        append_query(out, "db", conf->database);
        break;
    }
    if (fclose(out) != 0) {
        free(url);
        return NULL;
    }
    return url;
}

static const char *secret_reference(const struct influx_conf *conf)
{
    return *conf->token ? conf->token : conf->password;
}

/* Reads a small local file on the loop: at the start, and when a server says 401. */
static int read_secret(struct influx *influx, char *secret, char *why, size_t why_size)
{
    const char *reference = secret_reference(influx->conf);

    secret[0] = '\0';
    why[0] = '\0';
    if (!*reference)
        return 0;
    return phu_secret_read(reference, secret, SECRET_MAX, why, why_size);
}

static bool has_new_secret(struct influx *influx)
{
    char secret[SECRET_MAX], why[256];
    bool is_new = false;

    if (read_secret(influx, secret, why, sizeof why) < 0) {
        phu_log_warn(MODULE, "cannot read the secret again", "exporter=%s error=\"%s\"",
                     influx->env.name, why);
    } else if (strcmp(secret, influx->secret) != 0) {
        memcpy(influx->secret, secret, sizeof influx->secret);
        influx->secret_version++;
        is_new = true;
    }
    explicit_bzero(secret, sizeof secret);
    return is_new;
}

static int check_key_file(const char *path)
{
    struct stat status;

    if (!*path)
        return 0;
    if (stat(path, &status) < 0) {
        phu_log_error(MODULE, "cannot read the private key", "path=\"%s\" error=\"%s\"", path,
                      strerror(errno));
        return -ENOENT;
    }
    if (status.st_mode & (S_IROTH | S_IWOTH)) {
        phu_log_error(MODULE, "the private key is open to everybody; run chmod o-rwx on it",
                      "path=\"%s\"", path);
        return -EPERM;
    }
    return 0;
}

static void influx_close(void *self);

static char *authorize_announcer(void *arg, int is_refused)
{
    struct influx *influx = arg;
    char *header;

    if (is_refused)
        has_new_secret(influx);
    if (asprintf(&header, "Authorization: Token %s", influx->secret) < 0)
        abort();
    return header;
}

static void make_announcer(struct influx *influx)
{
    size_t length = strlen(influx->conf->url);
    char *url;

    while (length > 0 && influx->conf->url[length - 1] == '/')
        length--;
    if (asprintf(&url, "%.*s/api/v1/agents/%s/inventory", (int)length, influx->conf->url,
                 influx->env.agent) < 0)
        abort();
    influx->announcer = phu_announcer_new(&(struct phu_announcer_conf){
        .sched = influx->env.sched,
        .http = influx->env.http,
        .url = url,
        .tls = &influx->tls,
        .name = influx->env.name,
        .timeout_ns = influx->conf->timeout_ns,
        .authorize = authorize_announcer,
        .arg = influx,
    });
    free(url);
}

static int influx_open(const struct phu_exporter_env *env, const void *options, void **self)
{
    struct influx *influx = calloc(1, sizeof *influx);
    const struct influx_conf *conf = options;
    char why[256];
    int error;

    if (!influx || !(influx->url = make_url(conf)))
        abort();
    influx->env = *env;
    influx->conf = conf;
    influx->tls = phu_http_tls_of(&conf->tls);
    error = check_key_file(conf->tls.key);
    if (error == 0) {
        error = read_secret(influx, influx->secret, why, sizeof why);
        if (error < 0)
            phu_log_error(MODULE, "cannot read the secret", "exporter=%s error=\"%s\"", env->name,
                          why);
    }
    if (error < 0) {
        influx_close(influx);
        return error;
    }
    if (conf->api == API_CONSOLE)
        make_announcer(influx);
    *self = influx;
    return 0;
}

/* -- One call --------------------------------------------------------------------------------- */

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void drop_call(struct call *call)
{
    phu_gzip_cancel(call->gzip);
    phu_http_cancel(call->http);
    free(call->packed);
    wipe(call->authorization);
    wipe(call->user_password);
    free(call);
}

static void influx_close(void *self)
{
    struct influx *influx = self;
    struct call *next;

    for (struct call *call = influx->calls; call; call = next) {
        next = call->next;
        drop_call(call);
    }
    phu_announcer_free(influx->announcer);
    free(influx->url);
    explicit_bzero(influx->secret, sizeof influx->secret);
    free(influx);
}

static void finish(struct call *call, const struct phu_outcome *outcome)
{
    phu_batch_done_cb *done = call->done;
    void *arg = call->arg;

    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    drop_call(call);
    done(arg, outcome);
}

static void finish_locally(struct call *call, const char *reason)
{
    finish(call, &(struct phu_outcome){.verdict = PHU_VERDICT_RETRY, .reason = reason});
}

static const char *scheme_of(const struct influx_conf *conf)
{
    return conf->api == API_V2 || conf->api == API_CONSOLE ? "Token" : "Bearer";
}

/* Every call has its own copy: the secret may change while others are under way. */
static void set_credentials(struct call *call)
{
    const struct influx *influx = call->influx;
    const struct influx_conf *conf = influx->conf;
    const char *scheme = scheme_of(conf);

    wipe(call->authorization);
    wipe(call->user_password);
    call->authorization = call->user_password = NULL;
    call->secret_version = influx->secret_version;
    if (*conf->token &&
        asprintf(&call->authorization, "Authorization: %s %s", scheme, influx->secret) < 0)
        abort();
    if (*conf->user && asprintf(&call->user_password, "%s:%s", conf->user, influx->secret) < 0)
        abort();
}

static void set_headers(struct call *call)
{
    const struct influx_conf *conf = call->influx->conf;
    size_t count = 0;

    call->headers[count++] = "Content-Type: text/plain; charset=utf-8";
    /* No round trip to ask whether the body is welcome. */
    call->headers[count++] = "Expect:";
    if (call->packed)
        call->headers[count++] = "Content-Encoding: gzip";
    if (call->authorization)
        call->headers[count++] = call->authorization;
    for (size_t i = 0; i < conf->headers.count && count < HEADERS_MAX - 1; i++)
        call->headers[count++] = conf->headers.items[i];
    call->headers[count] = NULL;
}

static void post(struct call *call);

static bool is_sent_again(struct call *call, int status)
{
    struct influx *influx = call->influx;

    if ((status != 401 && status != 403) || call->is_second)
        return false;
    /* Another call may have read the new secret meanwhile. */
    if (call->secret_version == influx->secret_version && !has_new_secret(influx))
        return false;
    phu_log_info(MODULE, "the secret has changed; trying with the new one", "exporter=%s",
                 influx->env.name);
    call->is_second = true;
    post(call);
    return true;
}

static void answered(void *arg, const struct phu_http_result *result)
{
    struct call *call = arg;
    char reason[REASON_MAX];
    struct phu_outcome outcome = {.retry_after_ns = result->retry_after_ns, .reason = reason};

    call->http = NULL;
    if (result->error != PHU_HTTP_OK) {
        finish_locally(call, result->message);
        return;
    }
    if (is_sent_again(call, result->status))
        return;
    outcome.status = result->status;
    outcome.verdict = phu_influx_verdict(result->status);
    phu_influx_reason(result->body, result->body_length, reason, sizeof reason);
    finish(call, &outcome);
}

static void post(struct call *call)
{
    struct influx *influx = call->influx;
    struct phu_http_request request = {.method = "POST",
                                       .url = influx->url,
                                       .headers = call->headers,
                                       .timeout_ns = influx->conf->timeout_ns,
                                       .max_body = ANSWER_MAX,
                                       .tls = &influx->tls};

    set_credentials(call);
    set_headers(call);
    request.user_password = call->user_password;
    request.body = call->packed ? call->packed : call->batch->body;
    request.body_length = call->packed ? call->packed_length : call->batch->length;
    if (phu_http_start(influx->env.http, &request, answered, call, &call->http) < 0)
        finish_locally(call, "the request could not be started; is the url right?");
}

static void packed(void *arg, char *data, size_t length)
{
    struct call *call = arg;

    call->gzip = NULL;
    call->packed = data; /* NULL for want of memory: sent as it is */
    call->packed_length = length;
    post(call);
}

static void influx_send(void *self, const struct phu_batch *batch, phu_batch_done_cb *done,
                        void *arg)
{
    struct influx *influx = self;
    struct call *call = calloc(1, sizeof *call);
    int level = (int)influx->conf->gzip;

    if (!call)
        abort();
    *call = (struct call){.next = influx->calls,
                          .link = &influx->calls,
                          .influx = influx,
                          .batch = batch,
                          .done = done,
                          .arg = arg};
    if (call->next)
        call->next->link = &call->next;
    influx->calls = call;
    if (level == 0 || batch->length < GZIP_LEAST ||
        phu_gzip_start(influx->env.sched, batch->body, batch->length, level, packed, call,
                       &call->gzip) < 0)
        post(call);
}

static void influx_announce(void *self, const char *text, size_t length)
{
    struct influx *influx = self;

    if (influx->announcer)
        phu_announcer_put(influx->announcer, text, length);
}

const struct phu_exporter phu_exporter_influx = {
    .name = "influx",
    .summary = "line protocol over HTTP to InfluxDB, VictoriaMetrics or the phusong console",
    .options = &influx_table,
    .open = influx_open,
    .close = influx_close,
    .send = influx_send,
    .announce = influx_announce,
};
