#include "catalog.h"

#include "core/window.h"
#include "phusong/metric.h"

#include <stdio.h>
#include <string.h>

/* -- The monitor's own fields ----------------------------------------------------------------- */

/* As core/tally.c writes them; a unit test compares. */
static const struct phu_catalog_field primary_fields[] = {
    {"sent", "integer", "1", "sum", "probes with a verdict, whether answered or not", ""},
    {"lost", "integer", "1", "sum", "of these, failed: no answer, or not the one expected", ""},
    {"confirm_sent", "integer", "1", "sum",
     "probes out of turn, to confirm an outage or a recovery; in none of the other numbers", ""},
    {"confirm_lost", "integer", "1", "sum", "of these, failed", ""},
    {"rtt_sum_us", "integer", "us", "sum", "round trips, added up", ""},
    {"rtt_count", "integer", "1", "sum", "number of round trips", ""},
    {"rtt_min_us", "integer", "us", "minimum", "shortest round trip", ""},
    {"rtt_max_us", "integer", "us", "maximum", "longest round trip", ""},
    {"rtt_b*", "integer", "1", "sum", "histogram of round trips in us: number in bucket *", ""},
    {"jitter_sum_us", "integer", "us", "sum",
     "differences between one round trip and the next, without sign, added up (RFC 3393)", ""},
    {"jitter_count", "integer", "1", "sum",
     "number of such differences; a lost probe in between leaves one out", ""},
    {"up_ms", "integer", "ms", "sum", "time in state up", ""},
    {"degraded_ms", "integer", "ms", "sum",
     "time in state degraded: answers, but not within the quality profile", ""},
    {"down_ms", "integer", "ms", "sum", "time in state down", ""},
    {"unreachable_ms", "integer", "ms", "sum",
     "time in state unreachable: something it depends on is down", ""},
    {"unknown_ms", "integer", "ms", "sum", "time in which nothing is known: not measured", ""},
    {"good_ms", "integer", "ms", "sum",
     "time in which every threshold of the quality profile was met", ""},
    {"maintenance_ms", "integer", "ms", "sum",
     "time of announced work, in whatever state: it is part of the five as well", ""},
    {"span_ms", "integer", "ms", "sum", "true length of the window: the sum of the five states",
     ""},
};

static const struct phu_catalog_field state_fields[] = {
    {"code", "integer", "1", "latest", "0 up, 1 degraded, 2 down, 3 unreachable, 4 unknown", ""},
    {"flapping", "integer", "1", "latest",
     "1 while it comes and goes, and is held at the worst of its states", ""},
    {"maintenance", "integer", "1", "latest", "1 during announced work", ""},
};

/* As outages_line.c writes them; an integration test compares. */
static const struct phu_catalog_field event_fields[] = {
    {"id", "string", "", "latest", "the same from its beginning to its end, also after a restart",
     ""},
    {"active", "integer", "1", "latest", "1 while it lasts, 0 when it has ended", ""},
    {"inferred", "integer", "1", "latest",
     "1 where the root has no verdict of its own: what hangs on it failed together", ""},
    {"hamlets", "integer", "1", "latest", "hamlets with an endpoint that it took along", ""},
    {"households", "integer", "1", "latest", "households of these hamlets", ""},
    {"endpoints", "integer", "1", "latest",
     "endpoints that it took along, the root's own included; the most of its life", ""},
    {"begin_ms", "integer", "ms", "latest", "UTC, when the first lost probe was sent", ""},
    {"end_ms", "integer", "ms", "latest", "UTC, once it has ended", ""},
    {"flapping", "integer", "1", "latest", "1 while the root comes and goes", ""},
    {"maintenance", "integer", "1", "latest", "1 while the root is in announced work", ""},
    {"merged", "integer", "1", "latest", "1 when it ended as a part of another event", ""},
    {"refined", "string", "", "latest",
     "the cause by what is known now; the tag is what was known at first", ""},
    {"hamlet_ids", "string", "", "latest", "the first 20 hamlets, separated by spaces", ""},
    {"name", "string", "", "latest", "where the root is, for people", ""},
};

static const struct phu_catalog_field secondary_fields[] = {
    {"sent", "integer", "1", "sum",
     "runs with a verdict; only of checks that are not their endpoint's first", ""},
    {"lost", "integer", "1", "sum", "of these, failed", ""},
};

/* -- Statistics ------------------------------------------------------------------------------- */

struct statistic {
    const char *name; /* without phusong_ */
    const char *kind;
    const char *labels;
    const char *meaning;
};

/* What the parts register with phu_stats_add(); an integration test compares. */
static const struct statistic statistics[] = {
    {"checks", "gauge", "", "Checks that are planned"},
    {"clock_steps_total", "counter", "", "Times that the wall clock was set"},
    {"config_reload_failed", "gauge", "",
     "1 when the last reload found mistakes and the old configuration is still running"},
    {"config_reloads_total", "counter", "", "Reloads asked for"},
    {"confirm_probes_total", "counter", "", "Probes sent to confirm a suspicion or a recovery"},
    {"confirm_rounds_total", "counter", "", "Suspicions and recoveries that were confirmed"},
    {"confirm_waiting", "gauge", "",
     "Checks that wait to be confirmed, because states.confirm_rate is used up"},
    {"event_save_errors_total", "counter", "",
     "Times that the file of open events could not be written"},
    {"events_active", "gauge", "", "Outages that have not ended, one per root cause"},
    {"events_begun_total", "counter", "", "Outages that began"},
    {"events_ended_total", "counter", "", "Outages that ended"},
    {"events_merged_total", "counter", "",
     "Of these, because they turned out to be part of another"},
    {"events_waiting", "gauge", "",
     "Subjects that are down and wait for the verdict of what they hang on"},
    {"exporter_backoff_seconds", "gauge", "exporter", "Time until the next attempt"},
    {"exporter_dead_letter_files_removed_total", "counter", "exporter",
     "Dead-letter files removed for want of room"},
    {"exporter_dead_letter_lines_total", "counter", "exporter",
     "Lines that the destination refused, written to the dead-letter file"},
    {"exporter_held", "gauge", "exporter",
     "1 while everything is held because the destination does not accept the credentials or "
     "refuses every line: a person must act"},
    {"exporter_in_flight", "gauge", "exporter", "Requests in flight"},
    {"exporter_lag_backfill_bytes", "gauge", "exporter",
     "Bytes of the backlog that the destination does not have yet"},
    {"exporter_lag_live_bytes", "gauge", "exporter",
     "Bytes of live lines that the destination does not have yet"},
    {"exporter_lag_seconds", "gauge", "exporter",
     "Age of the oldest line that the destination does not have yet"},
    {"exporter_lines_sent_total", "counter", "exporter", "Lines that the destination has"},
    {"exporter_live_first_total", "counter", "exporter",
     "Times that the backlog was left to backfill so that live data go first"},
    {"exporter_requests_total", "counter", "exporter, code",
     "Requests by the status they ended with; none: without an answer"},
    {"exporter_retries_total", "counter", "exporter",
     "Requests after which the lines were neither taken nor refused"},
    {"exporter_sent_bytes_total", "counter", "exporter",
     "Bytes of lines that the destination has, before compression"},
    {"exporter_up", "gauge", "exporter", "1 while the destination takes lines"},
    {"http_in_flight", "gauge", "", "Requests of http checks under way"},
    {"http_skipped_total", "counter", "",
     "http checks skipped because max_concurrent others were under way for too long"},
    {"icmp_corrupted_total", "counter", "", "Echo replies changed or cut short on the way"},
    {"icmp_duplicate_total", "counter", "", "Echo replies to a probe already answered"},
    {"icmp_errors_total", "counter", "", "ICMP errors about our requests"},
    {"icmp_forged_total", "counter", "", "Answers of a wrong sender, sequence or cookie"},
    {"icmp_late_total", "counter", "", "Echo replies after their timeout"},
    {"icmp_overflows_total", "counter", "", "Answers that the receive buffer had no room for"},
    {"icmp_received_total", "counter", "", "Answers read, of every kind"},
    {"icmp_send_errors_total", "counter", "", "Requests that this machine could not send"},
    {"icmp_sent_total", "counter", "", "Echo requests sent"},
    {"loop_lag_max_seconds", "gauge", "",
     "How much later than planned timers fired, worst since the start"},
    {"loop_lag_seconds", "gauge", "",
     "How much later than planned timers fired, worst of the last 10 to 20 seconds"},
    {"loop_wakeups_total", "counter", "",
     "How often the event loop called back for timers or descriptors"},
    {"maintenance_subjects", "gauge", "",
     "Endpoints and devices that are in announced maintenance"},
    {"observations_stray_total", "counter", "", "Observations of checks that do not exist"},
    {"observations_total", "counter", "result", "Results of checks, by result"},
    {"points_dropped_total", "counter", "", "Points that were longer than a line may be"},
    {"points_total", "counter", "", "Points emitted"},
    {"polls_total", "counter", "", "Polls started"},
    {"prometheus_dropped_total", "counter", "exporter",
     "Connections closed because they took too long or were too many"},
    {"prometheus_refused_total", "counter", "exporter",
     "Requests answered with an error, and why is in the answer"},
    {"prometheus_scrapes_total", "counter", "exporter", "How often /metrics was asked for"},
    {"resolver_failures_total", "counter", "", "Names that did not resolve, for whatever reason"},
    {"resolver_in_flight", "gauge", "", "Names being asked now"},
    {"resolver_old_total", "counter", "",
     "Names answered from memory past their TTL, because no name server answered"},
    {"resolver_queries_total", "counter", "", "Names asked of the name servers"},
    {"resolver_remembered_total", "counter", "",
     "Names answered from memory while their TTL lasted"},
    {"rows", "gauge", "", "Rows (interfaces, ONUs …) of all checks"},
    {"rows_refused_total", "counter", "",
     "Rows (interfaces, ONUs …) refused: beyond the 16384 that a check may have, or for an "
     "endpoint that is not in the inventory"},
    {"slots_missed_total", "counter", "reason",
     "Slots in which a check was not polled: late (the process was held up) or busy (its previous "
     "poll had not ended)"},
    {"snmp_bad_answers_total", "counter", "",
     "Broken, oversized, wrongly typed, looping or refusing SNMP answers"},
    {"snmp_in_flight", "gauge", "", "Places for questions to devices in use"},
    {"snmp_pdus_total", "counter", "", "SNMP messages sent, repetitions included"},
    {"snmp_receive_overflows_total", "counter", "",
     "SNMP answers lost because the receive buffer was full"},
    {"snmp_rows_refused_total", "counter", "",
     "Interfaces and rows of tables for which the windows had no room"},
    {"snmp_rows_bound", "gauge", "", "Rows of devices that serve an endpoint"},
    {"snmp_unbound_patterns", "gauge", "",
     "Rows whose description names an endpoint that the inventory does not have"},
    {"snmp_served_missing", "gauge", "", "Endpoints whose row their device does not show"},
    {"snmp_send_waits_total", "counter", "",
     "How often sending SNMP messages had to wait for the kernel"},
    {"snmp_strangers_total", "counter", "",
     "SNMP datagrams from addresses that nobody asked, or no longer"},
    {"snmp_timeouts_total", "counter", "",
     "SNMP questions without an answer after all repetitions"},
    {"snmp_waiting", "gauge", "", "Devices that wait for a place"},
    {"spool_appended_total", "counter", "", "Points put into the spool"},
    {"spool_bytes", "gauge", "", "Size of the spool's segments"},
    {"spool_damaged_records_total", "counter", "", "Damaged records that exporters had to skip"},
    {"spool_disk_free_bytes", "gauge", "", "Free space on the spool's file system"},
    {"spool_dropped_total", "counter", "reason",
     "Points dropped undelivered: full (max_size), age (max_age), disk (no space), oversize"},
    {"spool_durable_total", "counter", "", "Points that were written and synced"},
    {"spool_oldest_age_seconds", "gauge", "",
     "Age of the oldest point that an exporter has not delivered"},
    {"spool_quarantined_total", "counter", "",
     "Segments and cursors set aside because they could not be read"},
    {"spool_segments", "gauge", "", "Number of segments"},
    {"spool_sync_seconds", "gauge", "", "Longest wait for the disk in the last one to two minutes"},
    {"spool_torn_bytes_total", "counter", "",
     "Bytes of torn tails cut off when the spool was opened"},
    {"spool_write_errors_total", "counter", "", "Group commits that the disk refused"},
    {"tcp_connecting", "gauge", "", "Connections under way"},
    {"tcp_connects_total", "counter", "", "Connections tried"},
    {"tcp_local_errors_total", "counter", "", "Connections that this machine could not try"},
    {"tcp_skipped_total", "counter", "",
     "Checks given up because no socket became free within a second"},
    {"values_refused_total", "counter", "", "Values of unknown metrics or rows, or not finite"},
    {"windows_emitted_total", "counter", "",
     "Windows of checks that were finished and had something to say"},
};

static const char *unit_of(const char *name)
{
    if (strstr(name, "_seconds"))
        return "s";
    return strstr(name, "_bytes") ? "bytes" : "1";
}

/* -- Fields of a metric ----------------------------------------------------------------------- */

static const char *type_of(const struct phu_metric *metric)
{
    switch (metric->type) {
    case PHU_METRIC_INT:
        return "integer";
    case PHU_METRIC_FLOAT:
        return "float";
    case PHU_METRIC_TEXT:
        return "string";
    }
    return "";
}

static void visit_part(const struct phu_catalog_visitor *visitor, const struct phu_metric *metric,
                       enum phu_window_field part)
{
    static const struct {
        const char *kind, *meaning;
    } parts[PHU_WINDOW_FIELDS] = {
        [PHU_WINDOW_SUM] = {"sum", "added up"},
        [PHU_WINDOW_COUNT] = {"sum", "number of values"},
        [PHU_WINDOW_MIN] = {"minimum", "smallest"},
        [PHU_WINDOW_MAX] = {"maximum", "largest"},
        [PHU_WINDOW_BUCKET] = {"sum", "histogram: number in bucket *"},
    };
    bool is_count = part == PHU_WINDOW_COUNT || part == PHU_WINDOW_BUCKET;
    char plain[128], name[130], meaning[256];
    struct phu_catalog_field field = {.name = name,
                                      .type = is_count ? "integer" : type_of(metric),
                                      .unit = is_count ? "1" : metric->unit,
                                      .kind = parts[part].kind,
                                      .meaning = meaning,
                                      .labels = ""};

    phu_window_field_name(plain, sizeof plain, metric, part);
    snprintf(name, sizeof name, "%s%s", plain, part == PHU_WINDOW_BUCKET ? "*" : "");
    snprintf(meaning, sizeof meaning, "%s: %s", metric->meaning, parts[part].meaning);
    visitor->field(visitor->arg, &field);
}

static void visit_metric(const struct phu_catalog_visitor *visitor, const struct phu_metric *metric)
{
    if (metric->kind == PHU_METRIC_COUNT || metric->kind == PHU_METRIC_LATEST) {
        bool is_count = metric->kind == PHU_METRIC_COUNT;

        visitor->field(visitor->arg,
                       &(struct phu_catalog_field){.name = metric->name,
                                                   .type = type_of(metric),
                                                   .unit = metric->unit,
                                                   .kind = is_count ? "sum" : "latest",
                                                   .meaning = metric->meaning,
                                                   .labels = ""});
        return;
    }
    for (int part = 0; part < PHU_WINDOW_FIELDS; part++) {
        if (part == PHU_WINDOW_BUCKET && metric->kind != PHU_METRIC_SKETCH)
            continue;
        visit_part(visitor, metric, (enum phu_window_field)part);
    }
}

/* -- Measurements ----------------------------------------------------------------------------- */

static void visit_fields(const struct phu_catalog_visitor *visitor,
                         const struct phu_catalog_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        visitor->field(visitor->arg, &fields[i]);
}

static void visit_metrics_of(const struct phu_collector *const *collectors, const char *measurement,
                             const struct phu_catalog_visitor *visitor)
{
    for (; *collectors; collectors++) {
        for (size_t i = 0; i < (*collectors)->metric_count; i++) {
            if (strcmp((*collectors)->metrics[i].measurement, measurement) == 0)
                visit_metric(visitor, &(*collectors)->metrics[i]);
        }
    }
}

static void visit_primaries(const struct phu_collector *const *collectors,
                            const struct phu_catalog_visitor *visitor)
{
    static const struct phu_catalog_measurement measurements[] = {
        {.name = "coverage",
         .tags = "agent,commune,endpoint,hamlet,operator,technology",
         .row_tags = "",
         .served_tags = "",
         .meaning = "an endpoint, as its first check sees it"},
        {.name = "device",
         .tags = "agent,commune,device,hamlet,site",
         .row_tags = "",
         .served_tags = "",
         .meaning = "a device, as its first check sees it"},
        {.name = "reference",
         .tags = "agent,reference",
         .row_tags = "",
         .served_tags = "",
         .meaning = "what is pinged to know whether our own uplink works"},
    };

    for (size_t i = 0; i < sizeof measurements / sizeof *measurements; i++) {
        visitor->measurement(visitor->arg, &measurements[i]);
        visit_fields(visitor, primary_fields, sizeof primary_fields / sizeof *primary_fields);
        visit_metrics_of(collectors, measurements[i].name, visitor);
    }
}

static void visit_states(const struct phu_catalog_visitor *visitor)
{
    visitor->measurement(
        visitor->arg,
        &(struct phu_catalog_measurement){
            .name = "state",
            .tags = "agent,commune,endpoint,hamlet,kind,node,operator,reference,technology|device,"
                    "site",
            .row_tags = "",
            .served_tags = "",
            .meaning = "the state of an endpoint, a device, a reference or a node that is inferred "
                       "(kind, node), when it changes and at each window's end"});
    visit_fields(visitor, state_fields, sizeof state_fields / sizeof *state_fields);
}

static void visit_events(const struct phu_catalog_visitor *visitor)
{
    visitor->measurement(
        visitor->arg,
        &(struct phu_catalog_measurement){
            .name = "event",
            .tags = "agent,cause,commune,hamlet,kind,operator,root,technology|device,site",
            .row_tags = "",
            .served_tags = "",
            .meaning = "an outage, one per root cause: at once when it begins, changes and ends, "
                       "and at each window's end"});
    visit_fields(visitor, event_fields, sizeof event_fields / sizeof *event_fields);
}

#define CHECK_TAGS "agent,check,commune,endpoint,hamlet,operator,technology|device,site"
#define DEVICE_TAGS "agent,check,commune,device,hamlet,site"
#define SERVED_TAGS "endpoint,operator,technology"

/* Whether the metric is the first of its measurement, which no collector is named after. */
static bool is_new(const struct phu_collector *const *collectors,
                   const struct phu_collector *collector, size_t metric)
{
    const char *name = collector->metrics[metric].measurement;

    if (strcmp(name, "coverage") == 0 || strcmp(name, "device") == 0)
        return false;
    for (; *collectors; collectors++) {
        size_t end = *collectors == collector ? metric : (*collectors)->metric_count;

        if (strcmp((*collectors)->name, name) == 0)
            return false;
        for (size_t i = 0; i < end; i++) {
            if (strcmp((*collectors)->metrics[i].measurement, name) == 0)
                return false;
        }
        if (*collectors == collector)
            return true;
    }
    return true;
}

static struct phu_row_kind kind_of(const struct phu_collector *collector, const char *measurement)
{
    for (size_t i = 0; i < collector->row_kind_count; i++) {
        if (strcmp(collector->row_kinds[i].measurement, measurement) == 0)
            return collector->row_kinds[i];
    }
    return (struct phu_row_kind){.tags = "", .meaning = "a row of a device"};
}

/* Measurements that no collector is named after are those of rows. */
static void visit_rows(const struct phu_collector *const *collectors,
                       const struct phu_collector *collector, const char *measurement,
                       const struct phu_catalog_visitor *visitor)
{
    const struct phu_row_kind kind = kind_of(collector, measurement);
    char meaning[160];

    snprintf(meaning, sizeof meaning, "%s, by check %s", kind.meaning, collector->name);
    visitor->measurement(visitor->arg, &(struct phu_catalog_measurement){.name = measurement,
                                                                         .tags = DEVICE_TAGS,
                                                                         .row_tags = kind.tags,
                                                                         .served_tags = SERVED_TAGS,
                                                                         .meaning = meaning});
    visit_metrics_of(collectors, measurement, visitor);
}

static void visit_collector(const struct phu_collector *const *collectors,
                            const struct phu_collector *collector,
                            const struct phu_catalog_visitor *visitor)
{
    visitor->measurement(visitor->arg,
                         &(struct phu_catalog_measurement){.name = collector->name,
                                                           .tags = CHECK_TAGS,
                                                           .row_tags = "",
                                                           .served_tags = "",
                                                           .meaning = collector->summary});
    visit_fields(visitor, secondary_fields, sizeof secondary_fields / sizeof *secondary_fields);
    visit_metrics_of(collectors, collector->name, visitor);
    for (size_t i = 0; i < collector->metric_count; i++) {
        if (is_new(collectors, collector, i))
            visit_rows(collectors, collector, collector->metrics[i].measurement, visitor);
    }
}

static void visit_statistics(const struct phu_catalog_visitor *visitor)
{
    visitor->measurement(visitor->arg,
                         &(struct phu_catalog_measurement){
                             .name = "agent",
                             .tags = "agent",
                             .row_tags = "",
                             .served_tags = "",
                             .meaning = "what the agent measures about itself; the same numbers "
                                        "are at /metrics, with the prefix phusong_"});
    for (size_t i = 0; i < sizeof statistics / sizeof *statistics; i++) {
        const struct statistic *statistic = &statistics[i];

        visitor->field(visitor->arg, &(struct phu_catalog_field){.name = statistic->name,
                                                                 .type = "float",
                                                                 .unit = unit_of(statistic->name),
                                                                 .kind = statistic->kind,
                                                                 .meaning = statistic->meaning,
                                                                 .labels = statistic->labels});
    }
}

void phu_catalog_visit(const struct phu_collector *const *collectors,
                       const struct phu_catalog_visitor *visitor)
{
    visit_primaries(collectors, visitor);
    visit_states(visitor);
    visit_events(visitor);
    for (size_t i = 0; collectors[i]; i++)
        visit_collector(collectors, collectors[i], visitor);
    visit_statistics(visitor);
}
