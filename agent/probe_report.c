#include "commands.h"
#include "probe.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *words(enum phu_result result)
{
    switch (result) {
    case PHU_RESULT_OK:
        return "answered";
    case PHU_RESULT_TIMEOUT:
        return "no answer in time";
    case PHU_RESULT_REFUSED:
        return "connection refused";
    case PHU_RESULT_UNREACHABLE:
        return "unreachable, says the network";
    case PHU_RESULT_DNS:
        return "the name does not resolve";
    case PHU_RESULT_TLS:
        return "TLS handshake or certificate failed; -v says why";
    case PHU_RESULT_MISMATCH:
        return "answered, but not as expected";
    case PHU_RESULT_AUTH:
        return "credentials refused";
    case PHU_RESULT_PARTIAL:
        return "answered in part";
    case PHU_RESULT_NOPERM:
        return "not allowed to measure";
    case PHU_RESULT_LOCAL_ERROR:
        return "could not be sent from here; -v says why";
    case PHU_RESULT_SKIPPED:
        return "skipped";
    case PHU_RESULT_NONE:
        break;
    }
    return "";
}

/* -- Numbers --------------------------------------------------------------------------------- */

struct summary {
    int64_t sent, lost, unknown;
    size_t count; /* round trips */
    double average_us;
    int64_t min_us, p50_us, p95_us, max_us;
};

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Nearest rank. */
static int64_t percentile(const int64_t *sorted, size_t count, unsigned percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

static void sum_up(const struct phu_probe_target *target, struct summary *summary)
{
    const struct phu_probe *probe = target->probe;
    size_t kept = target->rtt_count < target->rtt_size ? target->rtt_count : target->rtt_size;
    int64_t failures = phu_probe_failures(target);

    *summary = (struct summary){.sent = phu_probe_answers(target) + failures, .lost = failures};
    summary->unknown = target->verdicts - summary->sent;
    summary->count = kept;
    if (!kept)
        return;
    const struct phu_probe_sum *sum = &target->rows[0].sums[probe->collector->rtt_metric];

    summary->average_us = sum->sum / (double)sum->count;
    summary->min_us = (int64_t)sum->min;
    summary->max_us = (int64_t)sum->max;
    qsort(target->rtts, kept, sizeof *target->rtts, compare);
    summary->p50_us = percentile(target->rtts, kept, 50);
    summary->p95_us = percentile(target->rtts, kept, 95);
}

/* -- For people ------------------------------------------------------------------------------ */

/* Milliseconds with as many digits as say something. */
static const char *milliseconds(char buffer[16], double us)
{
    snprintf(buffer, 16, "%.*f", us < 10000 ? 3 : us < 100000 ? 2 : 1, us / 1000);
    return buffer;
}

void phu_probe_print_result(const struct phu_probe_target *target, enum phu_result result,
                            int64_t rtt_us)
{
    char buffer[16];

    if (rtt_us >= 0)
        printf("%s: %" PRId64 ": %s ms\n", target->address, target->verdicts + 1,
               milliseconds(buffer, (double)rtt_us));
    else
        printf("%s: %" PRId64 ": %s\n", target->address, target->verdicts + 1, words(result));
    fflush(stdout);
}

static int address_width(const struct phu_probe *probe)
{
    size_t width = strlen("TARGET");

    for (size_t i = 0; i < probe->target_count; i++) {
        size_t length = strlen(probe->targets[i].address);

        width = length > width ? length : width;
    }
    return width < 60 ? (int)width : 60;
}

static void print_times(const struct summary *summary, FILE *out)
{
    double times[] = {(double)summary->min_us, (double)summary->p50_us, summary->average_us,
                      (double)summary->p95_us, (double)summary->max_us};
    char buffer[16];

    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        fprintf(out, " %8s", summary->count ? milliseconds(buffer, times[i]) : "-");
}

static void print_line(const struct phu_probe_target *target, int width, FILE *out)
{
    struct summary summary;
    char loss[16] = "-";

    sum_up(target, &summary);
    if (summary.sent)
        snprintf(loss, sizeof loss, "%.4g%%", 100.0 * (double)summary.lost / (double)summary.sent);
    fprintf(out, "%-*s %6" PRId64 " %7s", width, target->address, summary.sent, loss);
    print_times(&summary, out);
    if (target->last_failure != PHU_RESULT_OK)
        fprintf(out, "  %s", words(target->last_failure));
    fputc('\n', out);
}

static void print_value(const struct phu_metric *metric, const struct phu_probe_sum *sum, FILE *out)
{
    const char *unit = strcmp(metric->unit, "1") == 0 ? "" : metric->unit;

    fprintf(out, "    %-28s", metric->name);
    if (sum->text)
        fprintf(out, " %s", sum->text);
    else if (metric->kind == PHU_METRIC_COUNT)
        fprintf(out, " %.15g", sum->sum);
    else if (sum->count == 1)
        fprintf(out, " %.15g%s%s", sum->last, *unit ? " " : "", unit);
    else
        fprintf(out, " %.15g%s%s (%.6g to %.6g)", sum->last, *unit ? " " : "", unit, sum->min,
                sum->max);
    fputc('\n', out);
}

/* Goes to stderr, beside the table or the JSON. */
void phu_probe_print_missing(const struct phu_probe *probe, FILE *out)
{
    for (size_t i = 0; i < probe->target_count; i++) {
        const struct phu_probe_target *target = &probe->targets[i];

        if (target->verdicts < probe->count)
            fprintf(out, "phusong probe: %s: interrupted after %" PRId64 " of %" PRId64 " probes\n",
                    target->address, target->verdicts, probe->count);
    }
}

static bool has_values(const struct phu_probe *probe, const struct phu_probe_row *row)
{
    for (size_t i = 0; i < probe->collector->metric_count; i++) {
        if (row->sums[i].count && (int)i != probe->collector->rtt_metric)
            return true;
    }
    return false;
}

/* Everything that the table has no column for. */
static void print_values(const struct phu_probe_target *target, FILE *out)
{
    const struct phu_probe *probe = target->probe;

    for (size_t i = 0; i < target->row_count; i++) {
        const struct phu_probe_row *row = &target->rows[i];

        /* Rows that were watched cell by cell are told so. */
        if (!has_values(probe, row) || (i && target->trace.cell_count))
            continue;
        fprintf(out, "\n%s%s%s%s%s\n", target->address, *row->tag ? ", " : "", row->tag,
                *row->tag ? " " : "", row->name);
        for (size_t metric = 0; metric < probe->collector->metric_count; metric++) {
            if (row->sums[metric].count && (int)metric != probe->collector->rtt_metric)
                print_value(&probe->collector->metrics[metric], &row->sums[metric], out);
        }
    }
}

void phu_probe_print_table(const struct phu_probe *probe, FILE *out)
{
    int width = address_width(probe);

    fprintf(out, "%-*s %6s %7s %8s %8s %8s %8s %8s  %s\n", width, "TARGET", "SENT", "LOST",
            "MIN/ms", "P50/ms", "AVG/ms", "P95/ms", "MAX/ms", "LAST FAILURE");
    for (size_t i = 0; i < probe->target_count; i++)
        print_line(&probe->targets[i], width, out);
    for (size_t i = 0; i < probe->target_count; i++) {
        const struct phu_probe_target *target = &probe->targets[i];

        print_values(target, out);
        if (target->trace.fact_count && probe->target_count > 1)
            fprintf(out, "\n%s is\n", target->address);
        else if (target->trace.fact_count)
            fputc('\n', out);
        phu_probe_trace_print(&target->trace, out);
    }
}

/* -- For programs ---------------------------------------------------------------------------- */

static json_t *metrics_of(const struct phu_probe *probe, const struct phu_probe_row *row)
{
    json_t *all = json_object();

    for (size_t i = 0; i < probe->collector->metric_count; i++) {
        const struct phu_metric *metric = &probe->collector->metrics[i];
        const struct phu_probe_sum *sum = &row->sums[i];

        if (!sum->count)
            continue;
        if (sum->text)
            json_object_set_new(all, metric->name, json_string(sum->text));
        else if (metric->kind == PHU_METRIC_COUNT)
            json_object_set_new(all, metric->name, json_integer((json_int_t)sum->sum));
        else
            json_object_set_new(all, metric->name,
                                json_pack("{s:f, s:f, s:f, s:f, s:I, s:s}", "last", sum->last,
                                          "min", sum->min, "max", sum->max, "sum", sum->sum,
                                          "count", (json_int_t)sum->count, "unit", metric->unit));
    }
    return all;
}

static json_t *rows_of(const struct phu_probe_target *target)
{
    json_t *all = json_array();

    for (size_t i = 1; i < target->row_count; i++) {
        const struct phu_probe_row *row = &target->rows[i];

        json_array_append_new(all, json_pack("{s:s%, s:o}", *row->tag ? row->tag : "row", row->name,
                                             strlen(row->name), "metrics",
                                             metrics_of(target->probe, row)));
    }
    return all;
}

static json_t *results_of(const struct phu_probe_target *target)
{
    json_t *all = json_object();

    for (int result = 0; result < PHU_RESULT_NONE; result++) {
        if (target->results[result])
            json_object_set_new(all, phu_result_name((enum phu_result)result),
                                json_integer((json_int_t)target->results[result]));
    }
    return all;
}

static json_t *json_of(const struct phu_probe_target *target)
{
    struct summary summary;
    json_t *object;

    sum_up(target, &summary);
    object = json_pack("{s:s, s:I, s:I, s:I, s:o}", "target", target->address, "sent",
                       (json_int_t)summary.sent, "lost", (json_int_t)summary.lost, "unknown",
                       (json_int_t)summary.unknown, "results", results_of(target));
    if (summary.count) {
        json_object_set_new(object, "min_us", json_integer((json_int_t)summary.min_us));
        json_object_set_new(object, "p50_us", json_integer((json_int_t)summary.p50_us));
        json_object_set_new(object, "avg_us", json_real(summary.average_us));
        json_object_set_new(object, "p95_us", json_integer((json_int_t)summary.p95_us));
        json_object_set_new(object, "max_us", json_integer((json_int_t)summary.max_us));
    }
    if (target->last_failure != PHU_RESULT_OK)
        json_object_set_new(object, "last_failure",
                            json_string(phu_result_name(target->last_failure)));
    json_object_set_new(object, "metrics", metrics_of(target->probe, &target->rows[0]));
    if (target->row_count > 1)
        json_object_set_new(object, "rows", rows_of(target));
    phu_probe_trace_json(&target->trace, object);
    return object;
}

int phu_probe_print_json(const struct phu_probe *probe, FILE *out)
{
    json_t *all = json_array();
    int error;

    for (size_t i = 0; i < probe->target_count; i++)
        json_array_append_new(all, json_of(&probe->targets[i]));
    error = json_dumpf(all, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
    json_decref(all);
    return error;
}

int phu_probe_exit_code(const struct phu_probe *probe)
{
    int code = PHU_EXIT_OK;

    for (size_t i = 0; i < probe->target_count; i++) {
        const struct phu_probe_target *target = &probe->targets[i];

        if (phu_probe_answers(target))
            continue;
        if (target->results[PHU_RESULT_NOPERM])
            return PHU_EXIT_SYSTEM;
        if (target->results[PHU_RESULT_DNS])
            code = PHU_EXIT_NOT_FOUND;
        else if (code == PHU_EXIT_OK)
            code = PHU_EXIT_FAILED;
    }
    return code;
}
