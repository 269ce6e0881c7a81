/* What the spool measures about itself. */
#include "spool.h"

static double read_bytes(void *arg)
{
    return (double)((struct phu_spool *)arg)->table.bytes;
}

static double read_segments(void *arg)
{
    return (double)((struct phu_spool *)arg)->table.count;
}

static double read_oldest_age(void *arg)
{
    const struct phu_spool *spool = arg;
    struct phu_wall oldest = {0};
    int64_t age;

    for (size_t i = 0; i < spool->reader_count; i++) {
        struct phu_spool_lag lag;

        phu_spool_reader_lag(spool->readers[i], &lag);
        if (lag.oldest.ns && (!oldest.ns || lag.oldest.ns < oldest.ns))
            oldest = lag.oldest;
    }
    age = oldest.ns ? phu_sched_wall(spool->sched).ns - oldest.ns : 0;
    return age > 0 ? (double)age / (double)PHU_NS_PER_S : 0;
}

static double read_sync_seconds(void *arg)
{
    const struct phu_spool *spool = arg;
    int64_t worst =
        spool->sync_ns_worst > spool->sync_ns_before ? spool->sync_ns_worst : spool->sync_ns_before;

    return (double)worst / (double)PHU_NS_PER_S;
}

static void add_counters(struct phu_spool *spool)
{
    static const struct phu_stat_info counters[] = {
        {"phusong_spool_appended_total", PHU_STAT_COUNTER, "Points put into the spool"},
        {"phusong_spool_durable_total", PHU_STAT_COUNTER, "Points that were written and synced"},
        {"phusong_spool_torn_bytes_total", PHU_STAT_COUNTER,
         "Bytes of torn tails cut off when the spool was opened"},
        {"phusong_spool_quarantined_total", PHU_STAT_COUNTER,
         "Segments and cursors set aside because they could not be read"},
        {"phusong_spool_damaged_records_total", PHU_STAT_COUNTER,
         "Damaged records that exporters had to skip"},
        {"phusong_spool_write_errors_total", PHU_STAT_COUNTER,
         "Group commits that the disk refused"},
    };
    const int64_t *values[] = {&spool->appended,    &spool->durable_count, &spool->torn_bytes,
                               &spool->quarantined, &spool->damaged,       &spool->write_errors};

    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        phu_stats_add(spool->stats, &counters[i], NULL, values[i]);
}

void phu_spool_add_stats(struct phu_spool *spool)
{
    static const struct phu_stat_info dropped = {
        "phusong_spool_dropped_total", PHU_STAT_COUNTER,
        "Points dropped undelivered: full (max_size), age (max_age), disk (no space), oversize"};
    static const struct phu_stat_info free_bytes = {"phusong_spool_disk_free_bytes", PHU_STAT_GAUGE,
                                                    "Free space on the spool's file system"};
    static const struct {
        struct phu_stat_info info;
        double (*read)(void *arg);
    } reads[] = {
        {{"phusong_spool_bytes", PHU_STAT_GAUGE, "Size of the spool's segments"}, read_bytes},
        {{"phusong_spool_segments", PHU_STAT_GAUGE, "Number of segments"}, read_segments},
        {{"phusong_spool_oldest_age_seconds", PHU_STAT_GAUGE,
          "Age of the oldest point that an exporter has not delivered"},
         read_oldest_age},
        {{"phusong_spool_sync_seconds", PHU_STAT_GAUGE,
          "Longest wait for the disk in the last one to two minutes"},
         read_sync_seconds},
    };
    static const char *const reasons[] = {"reason=\"full\"", "reason=\"age\"", "reason=\"disk\"",
                                          "reason=\"oversize\""};

    if (!spool->stats)
        return;
    add_counters(spool);
    for (size_t i = 0; i < PHU_DROP_REASONS; i++)
        phu_stats_add(spool->stats, &dropped, reasons[i], &spool->dropped[i]);
    phu_stats_add(spool->stats, &free_bytes, NULL, &spool->free_bytes);
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        phu_stats_add_read(spool->stats, &reads[i].info, NULL, reads[i].read, spool);
}
