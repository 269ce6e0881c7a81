/* Each question opens the store for reading, asks, and writes the rows into one text as they come.
 *
 *   GET /api/v1/agents
 *   GET /api/v1/states           area agent technology operator hamlet commune site subject kind
 *   GET /api/v1/events           the same, from to
 *   GET /api/v1/summary          the same, from to by measurement
 *   GET /api/v1/series           the same, from to step by measurement field (…,…)
 *   GET /api/v1/areas            the tree of areas
 *   GET /api/v1/subjects         endpoints and devices of the inventories
 *
 * Answers are {"status":"success","data":[…]}. What is too large is cut off, and says so.
 */
#include "api.h"

#include "http/server.h"
#include "mem.h"
#include "query.h"
#include "rfc3339.h"

#include "phusong/conf.h"
#include "phusong/text.h"
#include "phusong/time.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS (INT64_C(86400) * PHU_NS_PER_S)

enum { COLUMNS_MAX = 16, FIELD_MAX = 80, ROWS_MAX = 200000 };

struct phu_api {
    const char *store;
    int64_t timeout_ns;
};

/* One question being answered. */
struct question {
    const struct phu_api *api;
    struct phu_request *request;
    struct phu_query *query;
    struct phu_query_filter filter;
    int64_t from_ns, to_ns, step_ns;
    unsigned by;
    const char *measurement;
    char fields[COLUMNS_MAX][FIELD_MAX];
    struct phu_query_column columns[COLUMNS_MAX];
    size_t column_count;
    FILE *out;
    char *text;
    size_t length, rows;
};

/* -- JSON ----------------------------------------------------------------------------------------
 */

/* What is no UTF-8 becomes a question mark: tags may hold any bytes, JSON may not. */
static void put_text(FILE *out, const char *text)
{
    size_t length = strlen(text), valid = phu_text_valid(text, length);

    putc('"', out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (i >= valid) {
            valid = i + 1 + phu_text_valid(text + i + 1, length - i - 1);
            putc('?', out);
        } else if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
    putc('"', out);
}

static void put_member(FILE *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    fprintf(out, ",\"%s\":", name);
    put_text(out, value);
}

static void put_number(FILE *out, const char *name, double value)
{
    if (isfinite(value))
        fprintf(out, ",\"%s\":%.10g", name, value);
    else
        fprintf(out, ",\"%s\":null", name);
}

static void put_int(FILE *out, const char *name, int64_t value)
{
    fprintf(out, ",\"%s\":%" PRId64, name, value);
}

/* Milliseconds since 1970, as browsers count. */
static void put_time(FILE *out, const char *name, int64_t ns)
{
    put_int(out, name, ns / PHU_NS_PER_MS);
}

static void put_bool(FILE *out, const char *name, bool value)
{
    fprintf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void put_subject(FILE *out, const struct phu_query_subject *subject)
{
    put_member(out, "kind", subject->kind);
    put_member(out, "agent", subject->agent);
    put_member(out, "id", subject->id);
    put_member(out, "name", subject->name);
    put_member(out, "hamlet", subject->hamlet);
    put_member(out, "hamlet_name", subject->hamlet_name);
    put_member(out, "commune", subject->commune);
    put_member(out, "commune_name", subject->commune_name);
    put_member(out, "technology", subject->technology);
    put_member(out, "operator", subject->operator_name);
    put_member(out, "site", subject->site);
    put_member(out, "device", subject->device);
    put_member(out, "parent", subject->parent);
    if (subject->households)
        put_int(out, "households", subject->households);
    if (subject->lat_e6 != INT32_MIN && subject->lon_e6 != INT32_MIN) {
        put_number(out, "lat", subject->lat_e6 / 1e6);
        put_number(out, "lon", subject->lon_e6 / 1e6);
    }
}

/* Members begin with a comma; the first one of an object is this. */
static bool begin_row(struct question *question)
{
    if (question->rows == ROWS_MAX)
        return false;
    fprintf(question->out, "%s{\"row\":%zu", question->rows ? ",\n" : "", question->rows);
    question->rows++;
    return true;
}

/* -- Rows
 * ------------------------------------------------------------------------------------------ */

static bool put_state(void *arg, const struct phu_query_state *state)
{
    static const char *const codes[] = {"up", "degraded", "down", "unreachable", "unknown"};
    struct question *question = arg;

    if (!begin_row(question))
        return false;
    put_subject(question->out, state->subject);
    put_member(question->out, "state", codes[state->code]);
    put_bool(question->out, "flapping", state->is_flapping);
    put_bool(question->out, "maintenance", state->is_maintenance);
    put_time(question->out, "since", state->since_ns);
    put_time(question->out, "seen", state->seen_ns);
    putc('}', question->out);
    return true;
}

static bool put_event(void *arg, const struct phu_query_event *event)
{
    struct question *question = arg;
    FILE *out = question->out;

    if (!begin_row(question))
        return false;
    put_member(out, "id", event->id);
    put_member(out, "agent", event->agent);
    put_member(out, "root", event->root);
    put_member(out, "kind", event->kind);
    put_member(out, "cause", event->cause);
    put_member(out, "refined", event->refined);
    put_member(out, "name", event->name);
    put_member(out, "hamlet", event->hamlet);
    put_member(out, "commune", event->commune);
    put_member(out, "technology", event->technology);
    put_member(out, "operator", event->operator_name);
    put_member(out, "device", event->device);
    put_member(out, "site", event->site);
    put_member(out, "hamlet_ids", event->hamlet_ids);
    put_int(out, "hamlets", event->hamlets);
    put_int(out, "households", event->households);
    put_int(out, "endpoints", event->endpoints);
    put_time(out, "begin", event->begin_ns);
    if (event->end_ns)
        put_time(out, "end", event->end_ns);
    put_time(out, "seen", event->seen_ns);
    put_bool(out, "active", event->is_active);
    put_bool(out, "inferred", event->is_inferred);
    put_bool(out, "flapping", event->is_flapping);
    put_bool(out, "maintenance", event->is_maintenance);
    putc('}', out);
    return true;
}

static bool put_summary(void *arg, const struct phu_query_summary *summary)
{
    struct question *question = arg;
    FILE *out = question->out;

    if (!begin_row(question))
        return false;
    put_subject(out, summary->group);
    put_int(out, "subjects", summary->subjects);
    put_int(out, "sent", summary->sent);
    put_int(out, "lost", summary->lost);
    put_int(out, "up_ms", summary->up_ms);
    put_int(out, "degraded_ms", summary->degraded_ms);
    put_int(out, "down_ms", summary->down_ms);
    put_int(out, "unreachable_ms", summary->unreachable_ms);
    put_int(out, "unknown_ms", summary->unknown_ms);
    put_int(out, "maintenance_ms", summary->maintenance_ms);
    put_int(out, "good_ms", summary->good_ms);
    put_int(out, "span_ms", summary->span_ms);
    put_number(out, "loss", summary->loss);
    put_number(out, "available", summary->available);
    put_number(out, "measured", summary->measured);
    put_number(out, "rtt_mean_us", summary->rtt_mean_us);
    put_number(out, "rtt_p50_us", summary->rtt_p50_us);
    put_number(out, "rtt_p95_us", summary->rtt_p95_us);
    put_number(out, "rtt_p99_us", summary->rtt_p99_us);
    put_number(out, "rtt_min_us", summary->rtt_min_us);
    put_number(out, "rtt_max_us", summary->rtt_max_us);
    put_number(out, "jitter_us", summary->jitter_us);
    putc('}', out);
    return true;
}

static bool put_bucket(void *arg, const struct phu_query_bucket *bucket)
{
    struct question *question = arg;
    FILE *out = question->out;

    if (!begin_row(question))
        return false;
    put_subject(out, bucket->group);
    put_member(out, "series", bucket->key);
    put_time(out, "start", bucket->start_ns);
    put_int(out, "step_ms", bucket->step_ns / PHU_NS_PER_MS);
    fputs(",\"values\":[", out);
    for (size_t i = 0; i < question->column_count; i++) {
        if (i)
            putc(',', out);
        if (bucket->texts && bucket->texts[i])
            put_text(out, bucket->texts[i]);
        else if (isfinite(bucket->values[i]))
            fprintf(out, "%.15g", bucket->values[i]);
        else
            fputs("null", out);
    }
    fputs("]}", out);
    return true;
}

static bool put_agent(void *arg, const struct phu_query_agent *agent)
{
    struct question *question = arg;
    FILE *out = question->out;

    if (!begin_row(question))
        return false;
    put_member(out, "id", agent->id);
    put_time(out, "seen", agent->seen_ns);
    put_time(out, "sample", agent->sample_ns);
    if (agent->inventory_ns)
        put_time(out, "inventory", agent->inventory_ns);
    put_int(out, "endpoints", agent->endpoints);
    put_int(out, "devices", agent->devices);
    put_int(out, "households", agent->households);
    putc('}', out);
    return true;
}

static bool put_area(void *arg, const struct phu_query_area *area)
{
    struct question *question = arg;
    FILE *out = question->out;

    if (!begin_row(question))
        return false;
    put_member(out, "id", area->id);
    put_member(out, "code", area->code);
    put_member(out, "level", area->level);
    put_member(out, "name", area->name);
    put_member(out, "name_en", area->name_en);
    put_member(out, "parent", area->parent);
    put_int(out, "households", area->households);
    put_int(out, "endpoints", area->endpoints);
    if (area->lat_e6 != INT32_MIN && area->lon_e6 != INT32_MIN) {
        put_number(out, "lat", area->lat_e6 / 1e6);
        put_number(out, "lon", area->lon_e6 / 1e6);
    }
    putc('}', out);
    return true;
}

/* -- Reading a question
 * ------------------------------------------------------------------------------ */

static void read_filter(struct question *question)
{
    const struct phu_request *request = question->request;

    question->filter = (struct phu_query_filter){
        .area = phu_request_query(request, "area"),
        .agent = phu_request_query(request, "agent"),
        .technology = phu_request_query(request, "technology"),
        .operator_name = phu_request_query(request, "operator"),
        .hamlet = phu_request_query(request, "hamlet"),
        .commune = phu_request_query(request, "commune"),
        .site = phu_request_query(request, "site"),
        .subject = phu_request_query(request, "subject"),
        .kind = phu_request_query(request, "kind"),
    };
}

/* RFC 3339, or "-6h": so long ago. False: answered. */
static bool read_time(struct question *question, const char *name, int64_t *ns)
{
    const char *text = phu_request_query(question->request, name);
    int64_t ago;
    struct phu_wall at;

    if (!text)
        return true;
    if (text[0] == '-' && phu_conf_parse_duration(text + 1, &ago) == 0) {
        *ns = phu_wall_now().ns - ago;
        return true;
    }
    if (phu_rfc3339_parse(text, &at) == 0) {
        *ns = at.ns;
        return true;
    }
    phu_request_fail(question->request, 400,
                     "%s=%.40s: a time is 2026-11-23T08:00:00Z, or -6h for six hours ago", name,
                     text);
    return false;
}

static bool read_period(struct question *question)
{
    question->to_ns = phu_wall_now().ns;
    question->from_ns = question->to_ns - DAY_NS;
    if (!read_time(question, "from", &question->from_ns) ||
        !read_time(question, "to", &question->to_ns))
        return false;
    if (question->from_ns < question->to_ns)
        return true;
    phu_request_fail(question->request, 400, "the period ends before it begins: from, then to");
    return false;
}

static bool read_by(struct question *question)
{
    static const char *const names[] = {"subject",  "hamlet", "commune", "technology",
                                        "operator", "agent",  "series"};
    const char *text = phu_request_query(question->request, "by");

    while (text && *text) {
        size_t length = strcspn(text, ","), i = 0;

        while (i < 7 && (strlen(names[i]) != length || memcmp(names[i], text, length) != 0))
            i++;
        if (i == 7) {
            phu_request_fail(question->request, 400,
                             "by=%.40s: it is some of subject, hamlet, commune, technology, "
                             "operator, agent, series, separated by commas",
                             text);
            return false;
        }
        question->by |= 1u << i; /* in the order of enum phu_query_by */
        text += length + (text[length] == ',');
    }
    return true;
}

/* "lost", or with what to take of it: "lost:max", "rtt:mean", "rtt:p95". */
static bool read_column(struct question *question, const char *text, size_t length)
{
    static const char *const takes[] = {"natural", "sum", "count", "min", "max", "latest", "mean"};
    struct phu_query_column *column = &question->columns[question->column_count];
    char *field = question->fields[question->column_count], *take, *end;
    long percent;

    if (question->column_count == COLUMNS_MAX || !length || length >= FIELD_MAX)
        return false;
    snprintf(field, FIELD_MAX, "%.*s", (int)length, text);
    *column = (struct phu_query_column){.field = field, .take = PHU_QUERY_NATURAL};
    question->column_count++;
    take = strrchr(field, ':');
    if (!take)
        return true;
    *take++ = '\0';
    for (int i = 0; i < 7; i++) {
        if (strcmp(take, takes[i]) == 0) {
            column->take = (enum phu_query_take)i;
            return true;
        }
    }
    if (*take != 'p')
        return false;
    percent = strtol(take + 1, &end, 10);
    column->take = PHU_QUERY_QUANTILE;
    column->share = (double)percent / 100;
    return !*end && percent > 0 && percent < 100;
}

static bool read_columns(struct question *question)
{
    const char *text = phu_request_query(question->request, "field");

    if (!text)
        text = "";
    do {
        size_t length = strcspn(text, ",");

        if (!read_column(question, text, length)) {
            phu_request_fail(question->request, 400,
                             "field=%.40s: at most %d names separated by commas, each with what to "
                             "take where that is not as the field adds up: sent, rtt:mean, "
                             "rtt:p95, x:max (natural sum count min max latest mean pNN)",
                             text, COLUMNS_MAX);
            return false;
        }
        text += length + (text[length] == ',');
    } while (*text);
    return true;
}

static bool read_step(struct question *question)
{
    const char *text = phu_request_query(question->request, "step");

    if (!text || phu_conf_parse_duration(text, &question->step_ns) == 0)
        return true;
    phu_request_fail(question->request, 400, "step=%.40s: a span such as 5m, 1h, 1d", text);
    return false;
}

/* -- Asking ---------------------------------------------------------------------------------------
 */

static bool open_question(struct question *question)
{
    char why[256] = "";
    int error = phu_query_open(question->api->store, &question->query, why, sizeof why);

    if (error) {
        phu_request_fail(question->request, 503, "the store cannot be read: %s", why);
        return false;
    }
    phu_query_set_deadline(question->query, question->api->timeout_ns);
    question->out = open_memstream(&question->text, &question->length);
    if (!question->out)
        abort();
    fputs("{\"status\":\"success\",\"data\":[\n", question->out);
    return true;
}

static void close_question(struct question *question, int error)
{
    bool is_cut = error == -ECANCELED && question->rows == ROWS_MAX;

    phu_query_close(question->query);
    fprintf(question->out, "],\"rows\":%zu,\"cut\":%s}\n", question->rows,
            is_cut ? "true" : "false");
    fclose(question->out);
    if (!error || is_cut) {
        phu_request_reply(question->request, 200, "application/json", question->text,
                          question->length);
        return;
    }
    free(question->text);
    if (error == -ETIMEDOUT)
        phu_request_fail(question->request, 504,
                         "the question takes too long; ask for a shorter period, a smaller area or "
                         "a longer step (limits.question_timeout)");
    else if (error == -EINVAL)
        phu_request_fail(question->request, 400, "the store cannot answer such a question");
    else
        phu_request_fail(question->request, 500, "the store cannot be read: %s", strerror(-error));
}

static struct question question_of(void *arg, struct phu_request *request)
{
    struct question question = {.api = arg, .request = request};
    const char *measurement = phu_request_query(request, "measurement");

    read_filter(&question);
    question.measurement = measurement ? measurement : "coverage";
    return question;
}

static void ask_states(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (open_question(&question))
        close_question(&question,
                       phu_query_states(question.query, &question.filter, put_state, &question));
}

static void ask_changes(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (read_period(&question) && open_question(&question))
        close_question(&question,
                       phu_query_state_changes(question.query, &question.filter, question.from_ns,
                                               question.to_ns, put_state, &question));
}

static void ask_events(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (read_period(&question) && open_question(&question))
        close_question(&question,
                       phu_query_events(question.query, &question.filter, question.from_ns,
                                        question.to_ns, put_event, &question));
}

static void ask_summary(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (read_period(&question) && read_by(&question) && open_question(&question))
        close_question(&question,
                       phu_query_summary(question.query, question.measurement, &question.filter,
                                         question.from_ns, question.to_ns, question.by, put_summary,
                                         &question));
}

static void ask_series(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);
    struct phu_query_series series;

    if (!read_period(&question) || !read_by(&question) || !read_columns(&question) ||
        !read_step(&question) || !open_question(&question))
        return;
    series = (struct phu_query_series){
        .measurement = question.measurement,
        .filter = question.filter,
        .from_ns = question.from_ns,
        .to_ns = question.to_ns,
        .step_ns = question.step_ns,
        .by = question.by,
        .columns = question.columns,
        .column_count = question.column_count,
    };
    close_question(&question, phu_query_series(question.query, &series, put_bucket, &question));
}

static void ask_agents(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (open_question(&question))
        close_question(&question, phu_query_agents(question.query, put_agent, &question));
}

static void ask_areas(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (open_question(&question))
        close_question(&question, phu_query_areas(question.query, question.filter.area,
                                                  phu_wall_now().ns, put_area, &question));
}

static bool put_only_subject(void *arg, const struct phu_query_subject *subject)
{
    struct question *question = arg;

    if (!begin_row(question))
        return false;
    put_subject(question->out, subject);
    putc('}', question->out);
    return true;
}

static void ask_subjects(void *arg, struct phu_request *request)
{
    struct question question = question_of(arg, request);

    if (open_question(&question))
        close_question(&question, phu_query_subjects(question.query, &question.filter,
                                                     put_only_subject, &question));
}

struct phu_api *phu_api_add(struct phu_server *server, const char *store, int64_t timeout_ns)
{
    static const struct {
        const char *path;
        phu_route_cb *work;
    } routes[] = {
        {"/api/v1/agents", ask_agents}, {"/api/v1/areas", ask_areas},
        {"/api/v1/states", ask_states}, {"/api/v1/states/changes", ask_changes},
        {"/api/v1/events", ask_events}, {"/api/v1/summary", ask_summary},
        {"/api/v1/series", ask_series}, {"/api/v1/subjects", ask_subjects},
    };
    struct phu_api *api = phu_mem_alloc(1, sizeof *api);

    api->store = store;
    api->timeout_ns = timeout_ns;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        phu_server_route(server, &(struct phu_route){.method = "GET",
                                                     .path = routes[i].path,
                                                     .role = PHU_ROLE_READ,
                                                     .is_local_free = true,
                                                     .work = routes[i].work,
                                                     .arg = api});
    return api;
}

void phu_api_free(struct phu_api *api)
{
    free(api);
}
