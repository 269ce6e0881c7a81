/* What a feed says about itself: one row per number, all labelled exporter="NAME". */
#include "append.h"
#include "internal.h"
#include "lanes.h"

#include "phusong/stats.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LABELS_MAX 320

static double lag_live_bytes(void *arg)
{
    const struct phu_feed *feed = arg;
    struct phu_spool_lag lag;

    phu_spool_reader_lag(feed->reader, &lag);
    return (double)lag.live_lines_bytes;
}

static double lag_backfill_bytes(void *arg)
{
    const struct phu_feed *feed = arg;
    struct phu_spool_lag lag;

    phu_spool_reader_lag(feed->reader, &lag);
    return (double)lag.backfill_bytes;
}

static double lag_seconds(void *arg)
{
    const struct phu_feed *feed = arg;
    struct phu_spool_lag lag;

    phu_spool_reader_lag(feed->reader, &lag);
    if (lag.oldest.ns == 0)
        return 0;
    return (double)(phu_sched_wall(feed->sched).ns - lag.oldest.ns) / (double)PHU_NS_PER_S;
}

static double is_up(void *arg)
{
    return ((const struct phu_feed *)arg)->state == PHU_FEED_UP;
}

static double is_held(void *arg)
{
    return ((const struct phu_feed *)arg)->state == PHU_FEED_HELD;
}

static double backoff_seconds(void *arg)
{
    const struct phu_feed *feed = arg;
    int64_t left = phu_mono_since(feed->retry_due, phu_sched_now(feed->sched));

    return phu_timer_is_armed(&feed->retry) && left > 0 ? (double)left / (double)PHU_NS_PER_S : 0;
}

static double dead_letter_files_removed(void *arg)
{
    return (double)phu_append_removed(((const struct phu_feed *)arg)->dead_letters);
}

static const struct row {
    struct phu_stat_info info;
    size_t offset;             /* of an int64_t in struct phu_feed, */
    double (*read)(void *arg); /* unless there is this */
} rows[] = {
    {{"phusong_exporter_lines_sent_total", PHU_STAT_COUNTER, "Lines that the destination has"},
     offsetof(struct phu_feed, count.lines),
     NULL},
    {{"phusong_exporter_sent_bytes_total", PHU_STAT_COUNTER,
      "Bytes of lines that the destination has, before compression"},
     offsetof(struct phu_feed, count.bytes),
     NULL},
    {{"phusong_exporter_retries_total", PHU_STAT_COUNTER,
      "Requests after which the lines were neither taken nor refused"},
     offsetof(struct phu_feed, count.retries),
     NULL},
    {{"phusong_exporter_dead_letter_lines_total", PHU_STAT_COUNTER,
      "Lines that the destination refused, written to the dead-letter file"},
     offsetof(struct phu_feed, count.dead_lines),
     NULL},
    {{"phusong_exporter_dead_letter_files_removed_total", PHU_STAT_COUNTER,
      "Dead-letter files removed for want of room"},
     0,
     dead_letter_files_removed},
    {{"phusong_exporter_live_first_total", PHU_STAT_COUNTER,
      "Times that the backlog was left to backfill so that live data go first"},
     offsetof(struct phu_feed, count.skips),
     NULL},
    {{"phusong_exporter_in_flight", PHU_STAT_GAUGE, "Requests in flight"},
     offsetof(struct phu_feed, count.in_flight),
     NULL},
    {{"phusong_exporter_up", PHU_STAT_GAUGE, "1 while the destination takes lines"}, 0, is_up},
    {{"phusong_exporter_held", PHU_STAT_GAUGE,
      "1 while everything is held because the destination does not accept the credentials or "
      "refuses every line: a person must act"},
     0,
     is_held},
    {{"phusong_exporter_backoff_seconds", PHU_STAT_GAUGE, "Time until the next attempt"},
     0,
     backoff_seconds},
    {{"phusong_exporter_lag_live_bytes", PHU_STAT_GAUGE,
      "Bytes of live lines that the destination does not have yet"},
     0,
     lag_live_bytes},
    {{"phusong_exporter_lag_backfill_bytes", PHU_STAT_GAUGE,
      "Bytes of the backlog that the destination does not have yet"},
     0,
     lag_backfill_bytes},
    {{"phusong_exporter_lag_seconds", PHU_STAT_GAUGE,
      "Age of the oldest line that the destination does not have yet"},
     0,
     lag_seconds},
};

static void make_label(const struct phu_feed *feed, char *labels)
{
    phu_stats_label(labels, LABELS_MAX, "exporter", feed->name);
}

void phu_feed_add_stats(struct phu_feed *feed)
{
    char labels[LABELS_MAX];

    make_label(feed, labels);
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        const void *value = (const char *)feed + row->offset;

        if (row->read)
            phu_stats_add_read(feed->stats, &row->info, labels, row->read, feed);
        else
            phu_stats_add(feed->stats, &row->info, labels, value);
    }
}

static struct phu_feed_code *find_code(struct phu_feed_count *count, int status)
{
    for (size_t i = 0; i < count->code_count; i++) {
        if (count->codes[i].status == status)
            return &count->codes[i];
    }
    return NULL;
}

void phu_feed_count_answer(struct phu_feed *feed, int status)
{
    static const struct phu_stat_info info = {
        .name = "phusong_exporter_requests_total",
        .kind = PHU_STAT_COUNTER,
        .help = "Requests by the status they ended with; none: without an answer"};
    const int other = -1; /* a server that makes up statuses cannot make up series without end */
    struct phu_feed_count *count = &feed->count;
    struct phu_feed_code *code;
    char labels[LABELS_MAX + 32], value[16];

    if (!find_code(count, status) && count->code_count >= PHU_FEED_CODES_MAX - 1)
        status = other;
    code = find_code(count, status);
    if (!code) {
        code = &count->codes[count->code_count++];
        *code = (struct phu_feed_code){.status = status};
        snprintf(value, sizeof value, "%d", status);
        make_label(feed, labels);
        snprintf(labels + strlen(labels), sizeof labels - strlen(labels), ",code=\"%s\"",
                 status == 0       ? "none"
                 : status == other ? "other"
                                   : value);
        phu_stats_add(feed->stats, &info, labels, &code->count);
    }
    code->count++;
}
