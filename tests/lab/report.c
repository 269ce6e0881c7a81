/* Formatting for people and for tests. Pure but for the stream it prints to. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const way_names[LAB_DIRS] = {[LAB_TO] = "to", [LAB_FROM] = "from"};

static void print_way_json(const struct lab_way_stats *way, const char *name, FILE *out)
{
    fprintf(out,
            "\"%s\": {\"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"forwarded\": %" PRIu64
            ", \"duplicated\": %" PRIu64 ", \"corrupted\": %" PRIu64 ", \"dropped\": {",
            name, way->packets, way->bytes, way->forwarded, way->duplicated, way->corrupted);
    for (int cause = LAB_CAUSE_DOWN; cause < LAB_CAUSES; cause++)
        fprintf(out, "%s\"%s\": %" PRIu64, cause > LAB_CAUSE_DOWN ? ", " : "",
                lab_cause_name((enum lab_cause)cause), way->dropped[cause]);
    fprintf(out,
            "}, \"echoes\": %" PRIu64 ", \"echoes_forwarded\": %" PRIu64
            ", \"echoes_dropped\": %" PRIu64 ", \"delay_sum_ns\": %" PRIu64
            ", \"delay_min_ns\": %" PRIu64 ", \"delay_max_ns\": %" PRIu64 "}",
            way->echoes, way->echoes_forwarded, way->echoes_dropped, way->delay_sum_ns,
            way->delay_min_ns, way->delay_max_ns);
}

static void print_host_json(const struct lab_host_stats *host, FILE *out)
{
    char name[LAB_ADDR_TEXT];

    fprintf(out,
            "{\"address\": \"%s\", \"sent\": %" PRIu64 ", \"answered\": %" PRIu64
            ", \"lost_request\": %" PRIu64 ", \"lost_reply\": %" PRIu64 ", \"unanswered\": %" PRIu64
            ", \"extra_replies\": %" PRIu64 ", ",
            lab_addr_format(&host->addr, name), host->sent, host->answered, host->lost_request,
            host->lost_reply, host->unanswered, host->extra_replies);
    for (int dir = 0; dir < LAB_DIRS; dir++) {
        print_way_json(&host->ways[dir], way_names[dir], out);
        fputs(dir + 1 < LAB_DIRS ? ", " : "}", out);
    }
}

static void print_totals_json(const struct lab_board *board, FILE *out)
{
    const struct lab_totals *totals = &board->totals;

    fprintf(out,
            "\"totals\": {\"hosts\": %" PRIu64 ", \"overruns\": %" PRIu64
            ", \"overrun_to\": %" PRIu64 ", \"overrun_from\": %" PRIu64 ", \"malformed\": %" PRIu64
            ", \"foreign\": %" PRIu64 ", \"untracked_hosts\": %" PRIu64
            ", \"untracked_echoes\": %" PRIu64,
            totals->host_count, lab_board_overruns(board), totals->overrun[LAB_TO],
            totals->overrun[LAB_FROM], totals->malformed, totals->foreign, totals->untracked_hosts,
            totals->untracked_echoes);
    fprintf(out,
            ", \"queued_packets\": %" PRIu64 ", \"open_echoes\": %" PRIu64
            ", \"truth_records\": %" PRIu64 ", \"truth_lost\": %" PRIu64 ", \"delayed\": %" PRIu64
            ", \"late_p50_us\": %u, \"late_p99_us\": %u, \"late_max_us\": %" PRIu64
            ", \"spin_ns\": %" PRIu64 "}",
            totals->queued_packets, totals->open_echoes, totals->truth_records, totals->truth_lost,
            totals->released, lab_board_lateness(totals, 0.5), lab_board_lateness(totals, 0.99),
            totals->lateness_max_ns / 1000, totals->spin_ns);
}

static void print_stats_json(const struct lab_board *board, FILE *out)
{
    uint64_t count = board->totals.host_count;

    fputs("{", out);
    print_totals_json(board, out);
    fputs(",\n\"hosts\": [", out);
    for (uint64_t i = 0; i < count; i++) {
        fputs(i ? ",\n" : "\n", out);
        print_host_json(&board->hosts[i], out);
    }
    fputs("\n]}\n", out);
}

static uint64_t sum_dropped(const struct lab_way_stats *way)
{
    uint64_t sum = 0;

    for (int cause = 0; cause < LAB_CAUSES; cause++)
        sum += way->dropped[cause];
    return sum;
}

static double mean_ms(const struct lab_way_stats *way)
{
    return way->forwarded ? (double)way->delay_sum_ns / (double)way->forwarded * 1e-6 : 0;
}

static void print_stats_text(const struct lab_board *board, FILE *out)
{
    const struct lab_totals *totals = &board->totals;

    fprintf(out, "%-24s %9s %9s %9s %9s %9s %9s %9s %9s %10s %10s\n", "address", "packets",
            "dropped", "returning", "dropped", "echoes", "answered", "lost-req", "lost-rep",
            "mean-to-ms", "mean-fr-ms");
    for (uint64_t i = 0; i < totals->host_count; i++) {
        const struct lab_host_stats *host = &board->hosts[i];
        char name[LAB_ADDR_TEXT];

        fprintf(out,
                "%-24s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
                " %9" PRIu64 " %9" PRIu64 " %10.3f %10.3f\n",
                lab_addr_format(&host->addr, name), host->ways[LAB_TO].packets,
                sum_dropped(&host->ways[LAB_TO]), host->ways[LAB_FROM].packets,
                sum_dropped(&host->ways[LAB_FROM]), host->sent, host->answered, host->lost_request,
                host->lost_reply, mean_ms(&host->ways[LAB_TO]), mean_ms(&host->ways[LAB_FROM]));
    }
    fprintf(out,
            "%" PRIu64 " addresses, %" PRIu64 " overruns, %" PRIu64 " foreign, %" PRIu64
            " malformed; %" PRIu64
            " packets delayed, late by p50 %u us, p99 %u us, at most %" PRIu64 " us\n",
            totals->host_count, lab_board_overruns(board), totals->foreign, totals->malformed,
            totals->released, lab_board_lateness(totals, 0.5), lab_board_lateness(totals, 0.99),
            totals->lateness_max_ns / 1000);
}

void lab_report_stats(const struct lab_board *board, bool is_json, FILE *out)
{
    if (is_json)
        print_stats_json(board, out);
    else
        print_stats_text(board, out);
}

static void print_record_json(const struct lab_record *record, FILE *out)
{
    char name[LAB_ADDR_TEXT];

    fprintf(out,
            "{\"time_ns\": %" PRId64 ", \"address\": \"%s\", \"ident\": %u, \"sequence\": %u, "
            "\"fate\": \"%s\", \"cause\": \"%s\", \"to_ns\": %" PRIu64 ", \"from_ns\": %" PRIu64
            ", \"flags\": %u}",
            record->seen_ns, lab_addr_format(&record->addr, name), record->ident, record->sequence,
            lab_fate_name((enum lab_fate)record->fate),
            lab_cause_name((enum lab_cause)record->cause), record->to_ns, record->from_ns,
            record->flags);
}

static void print_record_csv(const struct lab_record *record, FILE *out)
{
    char name[LAB_ADDR_TEXT];

    fprintf(out, "%" PRId64 ",%s,%u,%u,%s,%s,%" PRIu64 ",%" PRIu64 ",%u\n", record->seen_ns,
            lab_addr_format(&record->addr, name), record->ident, record->sequence,
            lab_fate_name((enum lab_fate)record->fate),
            lab_cause_name((enum lab_cause)record->cause), record->to_ns, record->from_ns,
            record->flags);
}

void lab_report_records(const struct lab_record *records, size_t count, bool is_json, FILE *out)
{
    fputs(is_json ? "[" : "time_ns,address,ident,sequence,fate,cause,to_ns,from_ns,flags\n", out);
    for (size_t i = 0; i < count; i++) {
        if (!is_json) {
            print_record_csv(&records[i], out);
            continue;
        }
        fputs(i ? ",\n" : "\n", out);
        print_record_json(&records[i], out);
    }
    if (is_json)
        fputs("\n]\n", out);
}

static int compare_records(const void *a, const void *b)
{
    const struct lab_record *x = a;
    const struct lab_record *y = b;
    int order = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

    return order ? order : (x->seen_ns > y->seen_ns) - (x->seen_ns < y->seen_ns);
}

static int compare_values(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t lab_percentile(const uint64_t *sorted, size_t count, double share)
{
    size_t rank = (size_t)ceil(share * (double)count);

    if (count == 0)
        return 0;
    if (rank > count)
        rank = count;
    return sorted[rank ? rank - 1 : 0];
}

struct summary {
    size_t fates[LAB_FATES];
    uint64_t *applied; /* to + from, of the answered */
    size_t answered;
    uint64_t applied_sum;
};

static void summarise(const struct lab_record *records, size_t count, struct summary *summary)
{
    memset(summary->fates, 0, sizeof(summary->fates));
    summary->answered = 0;
    summary->applied_sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct lab_record *record = &records[i];

        if (record->fate < LAB_FATES)
            summary->fates[record->fate]++;
        if (record->fate != LAB_FATE_ANSWERED)
            continue;
        summary->applied[summary->answered] = record->to_ns + record->from_ns;
        summary->applied_sum += record->to_ns + record->from_ns;
        summary->answered++;
    }
    qsort(summary->applied, summary->answered, sizeof(uint64_t), compare_values);
}

static void print_percentiles_json(const char *name, const uint64_t *sorted, size_t count,
                                   FILE *out)
{
    fprintf(out,
            ", \"%s\": {\"min\": %" PRIu64 ", \"p50\": %" PRIu64 ", \"p95\": %" PRIu64
            ", \"p99\": %" PRIu64 ", \"max\": %" PRIu64 "}",
            name, count ? sorted[0] : 0, lab_percentile(sorted, count, 0.5),
            lab_percentile(sorted, count, 0.95), lab_percentile(sorted, count, 0.99),
            count ? sorted[count - 1] : 0);
}

static void print_summary(const struct lab_addr *addr, size_t sent, const struct summary *summary,
                          bool is_json, FILE *out)
{
    char name[LAB_ADDR_TEXT];
    size_t n = summary->answered;

    lab_addr_format(addr, name);
    if (!is_json) {
        fprintf(out, "%-24s %8zu %8zu %8zu %8zu %8zu %10.3f %10.3f %10.3f\n", name, sent, n,
                summary->fates[LAB_FATE_LOST_REQUEST], summary->fates[LAB_FATE_LOST_REPLY],
                summary->fates[LAB_FATE_UNANSWERED] + summary->fates[LAB_FATE_OPEN],
                (double)lab_percentile(summary->applied, n, 0.5) * 1e-6,
                (double)lab_percentile(summary->applied, n, 0.95) * 1e-6,
                (double)lab_percentile(summary->applied, n, 0.99) * 1e-6);
        return;
    }
    fprintf(out,
            "{\"address\": \"%s\", \"sent\": %zu, \"answered\": %zu, \"lost_request\": %zu, "
            "\"lost_reply\": %zu, \"unanswered\": %zu, \"open\": %zu, \"applied_sum_ns\": %" PRIu64,
            name, sent, n, summary->fates[LAB_FATE_LOST_REQUEST],
            summary->fates[LAB_FATE_LOST_REPLY], summary->fates[LAB_FATE_UNANSWERED],
            summary->fates[LAB_FATE_OPEN], summary->applied_sum);
    print_percentiles_json("applied_ns", summary->applied, n, out);
    fputs("}", out);
}

static void print_summaries(const struct lab_record *records, size_t count, struct summary *summary,
                            bool is_json, FILE *out)
{
    size_t first = 0;

    for (size_t i = 1; i <= count; i++) {
        if (i < count && lab_addr_equal(&records[i].addr, &records[first].addr))
            continue;
        summarise(records + first, i - first, summary);
        if (is_json)
            fputs(first ? ",\n" : "\n", out);
        print_summary(&records[first].addr, i - first, summary, is_json, out);
        first = i;
    }
}

int lab_report_summary(struct lab_record *records, size_t count, bool is_json, FILE *out)
{
    struct summary summary = {
        .applied = calloc(count + 1, sizeof(uint64_t)),
    };
    int error = summary.applied ? 0 : -ENOMEM;

    if (error == 0) {
        if (count)
            qsort(records, count, sizeof(*records), compare_records);
        if (is_json)
            fputs("[", out);
        else
            fprintf(out, "%-24s %8s %8s %8s %8s %8s %10s %10s %10s\n", "address", "sent",
                    "answered", "lost-req", "lost-rep", "no-reply", "p50-ms", "p95-ms", "p99-ms");
        print_summaries(records, count, &summary, is_json, out);
        if (is_json)
            fputs("\n]\n", out);
    }
    free(summary.applied);
    return error;
}
