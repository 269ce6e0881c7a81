#include "ingest/intake.h"

#include "ingest/lines.h"
#include "mem.h"
#include "phusong/time.h"
#include "rfc3339.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHOWN_MAX = 100, COPIES_MAX = 100000 };

/* -- Unpacking -------------------------------------------------------------------------------- */

const char *phu_intake_unpack(struct phu_intake *intake, struct phu_request *request,
                              size_t *length)
{
    const char *encoding = phu_request_header(request, "Content-Encoding");
    const char *body = phu_request_body(request, length);
    char why[160];
    int error;

    if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0)
        return body;
    if (strcasecmp(encoding, "gzip") != 0 && strcasecmp(encoding, "x-gzip") != 0) {
        phu_request_fail(request, 400,
                         "Content-Encoding \"%.40s\" is not known here; send gzip, or none",
                         encoding);
        return NULL;
    }
    error =
        phu_inflate_body(&intake->inflate, body, *length, intake->conf->max_body, why, sizeof why);
    if (error) {
        phu_request_fail(request,
                         error == -EMSGSIZE ? 413
                         : error == -ENOMEM ? 503
                                            : 400,
                         "%s", why);
        return NULL;
    }
    *length = intake->inflate.length;
    return intake->inflate.text;
}

/* -- Lines ------------------------------------------------------------------------------------ */

/* So many bytes of a text that a message shows. */
static int shown(struct phu_slice text)
{
    return text.length > SHOWN_MAX ? SHOWN_MAX : (int)text.length;
}

__attribute__((format(printf, 3, 4))) static void tell(struct phu_intake_result *result,
                                                       size_t number, const char *format, ...)
{
    size_t used = result->reasons ? strlen(result->reasons) : 0;
    va_list arguments;
    int start;

    if (result->told++ >= PHU_INTAKE_REASONS)
        return;
    if (!result->reasons)
        result->reasons = phu_mem_alloc(PHU_INTAKE_REASONS + 1, PHU_INTAKE_REASON_MAX);
    start = snprintf(result->reasons + used, PHU_INTAKE_REASON_MAX,
                     "%sline %zu: ", used ? "; " : "", number);
    va_start(arguments, format);
    vsnprintf(result->reasons + used + start, (size_t)(PHU_INTAKE_REASON_MAX - start), format,
              arguments);
    va_end(arguments);
}

/* A line's origin, checked for the token that sends it. */
struct origin {
    const char *agent; /* "": any */
    const char *token;
    int64_t now_ns, latest_ns, oldest_fed_ns;
    size_t place; /* where the tag `agent` was on the line before */
};

static bool is_text(struct phu_slice slice, const char *text, size_t length)
{
    return slice.length == length && memcmp(slice.at, text, length) == 0;
}

static bool is_own(struct origin *origin, const struct phu_sample *sample)
{
    size_t length = strlen(origin->agent);

    if (!length)
        return true;
    if (origin->place < sample->tag_count && is_text(sample->tags[origin->place].name, "agent", 5))
        return is_text(sample->tags[origin->place].value, origin->agent, length);
    for (size_t i = 0; i < sample->tag_count; i++) {
        if (is_text(sample->tags[i].name, "agent", 5)) {
            origin->place = i;
            return is_text(sample->tags[i].value, origin->agent, length);
        }
    }
    return false;
}

static bool is_welcome(struct origin *origin, const struct phu_lines *lines,
                       const struct phu_sample *sample, struct phu_intake_result *result)
{
    char time[PHU_RFC3339_SIZE], now[PHU_RFC3339_SIZE];

    if (!is_own(origin, sample)) {
        tell(result, phu_lines_number(lines),
             "token %s may write points of agent=%s only; give each agent a token of its own",
             origin->token, origin->agent);
        result->foreign++;
        return false;
    }
    if (sample->time_ns > origin->latest_ns) {
        phu_rfc3339_format(time, (struct phu_wall){sample->time_ns});
        phu_rfc3339_format(now, (struct phu_wall){origin->now_ns});
        tell(result, phu_lines_number(lines),
             "its time %s is in the future: here it is %s; set the clock of the sender, or name "
             "the precision of its timestamps",
             time, now);
        result->future++;
        return false;
    }
    return true;
}

static const char *type_name(enum phu_field_type type)
{
    switch (type) {
    case PHU_FIELD_FLOAT:
        return "float";
    case PHU_FIELD_INT:
        return "integer";
    case PHU_FIELD_BOOL:
        return "boolean";
    case PHU_FIELD_STRING:
        return "string";
    }
    return "?";
}

static void tell_refusal(const struct phu_lines *lines, const struct phu_sample *sample, int error,
                         size_t field, struct phu_intake_result *result)
{
    size_t number = phu_lines_number(lines);

    switch (error) {
    case -EEXIST:
        result->conflicts++;
        tell(result, number,
             "field type conflict: input field \"%.*s\" on measurement \"%.*s\" is type %s, "
             "already exists as another type",
             shown(sample->fields[field].name), sample->fields[field].name.at,
             shown(sample->measurement), sample->measurement.at,
             type_name(sample->fields[field].type));
        break;
    case -ESTALE:
        tell(result, number, "points beyond retention policy: it is older than what is kept");
        break;
    case -ERANGE:
        tell(result, number, "its time is before 1970 or after 2200");
        break;
    case -E2BIG:
        tell(result, number,
             "too many series or fields, or a text that is too long; see store.max_series");
        break;
    case -EINVAL:
        tell(result, number, "a state needs the field code, an event the field id");
        break;
    default:
        tell(result, number, "%s", strerror(-error));
    }
}

static void copy_for_rules(struct phu_intake *intake, const struct origin *origin,
                           const struct phu_sample *sample, struct phu_copies *copies)
{
    const struct phu_ingest_taps *taps = intake->taps;

    if (taps->wants && sample->time_ns >= origin->oldest_fed_ns && copies->count < COPIES_MAX &&
        taps->wants(taps->arg, sample->measurement))
        phu_copies_add(copies, sample);
}

static void store_sample(struct phu_intake *intake, struct origin *origin,
                         const struct phu_sample *sample, struct phu_copies *copies,
                         struct phu_intake_result *result)
{
    size_t field = 0;
    int error;

    if (!is_welcome(origin, intake->lines, sample, result)) {
        result->refused++;
        return;
    }
    error = phu_store_put(intake->store, sample, origin->now_ns, &field);
    if (!error) {
        result->stored++;
        copy_for_rules(intake, origin, sample, copies);
    } else if (error == -ENOSPC || error == -EIO) {
        result->error = error;
    } else {
        result->refused++;
        tell_refusal(intake->lines, sample, error, field, result);
    }
}

void phu_intake_lines(struct phu_intake *intake, const struct phu_request *request,
                      const char *text, size_t length, int64_t unit_ns, int64_t now_ns,
                      struct phu_copies *copies, struct phu_intake_result *result)
{
    const struct phu_identity *identity = phu_request_identity(request);
    struct origin origin = {
        .agent = identity->agent,
        .token = identity->token,
        .now_ns = now_ns,
        .latest_ns = now_ns + intake->conf->max_ahead_ns,
        .oldest_fed_ns = now_ns - intake->conf->backfill_after_ns,
    };
    struct phu_lines *lines = intake->lines;
    enum phu_lines_result one;
    struct phu_sample sample;

    phu_lines_begin(lines, text, length, now_ns, unit_ns);
    while (!result->error && (one = phu_lines_next(lines, &sample)) != PHU_LINES_END) {
        if (one == PHU_LINES_SAMPLE) {
            store_sample(intake, &origin, &sample, copies, result);
        } else if (one == PHU_LINES_ILLEGAL) {
            result->refused++;
            tell(result, phu_lines_number(lines), "%s", phu_lines_fault(lines));
        } else {
            struct phu_slice wrong = phu_lines_text(lines);

            result->unreadable++;
            tell(result, phu_lines_number(lines), "unable to parse '%.*s%s': %s", shown(wrong),
                 wrong.at, wrong.length > SHOWN_MAX ? "…" : "", phu_lines_fault(lines));
        }
    }
}

/* -- The answer ------------------------------------------------------------------------------- */

void phu_intake_answer(struct phu_request *request, const struct phu_intake_result *result)
{
    int64_t dropped = result->unreadable + result->refused;
    bool is_partial = result->stored > 0 || result->refused > 0;
    char more[64] = "";

    if (!dropped) {
        phu_request_reply(request, 204, NULL, NULL, 0);
        return;
    }
    if (result->told > PHU_INTAKE_REASONS)
        snprintf(more, sizeof more, "; and %zu more", result->told - PHU_INTAKE_REASONS);
    if (is_partial)
        phu_request_fail(request, 400, "partial write: %s%s dropped=%" PRId64, result->reasons,
                         more, dropped);
    else
        phu_request_fail(request, 400, "%s%s", result->reasons, more);
}
