/* What the process measures about itself. Parts register counters and gauges; the prometheus
 * exporter shows them at /metrics, and the agent pushes them as measurement `agent`.
 *
 *     static const struct phu_stat_info info = {
 *         .name = "phusong_icmp_late_replies_total", .kind = PHU_STAT_COUNTER,
 *         .help = "Echo replies that came after their timeout"};
 *     phu_stats_add(stats, &info, NULL, &self->late);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum phu_stat_kind {
    PHU_STAT_COUNTER, /* only grows; name ends in _total */
    PHU_STAT_GAUGE,
};

struct phu_stat_info {
    const char *name; /* Prometheus name with base unit: phusong_spool_bytes */
    enum phu_stat_kind kind;
    const char *help;
};

struct phu_stats;
struct phu_stat;

struct phu_stats *phu_stats_new(void);
void phu_stats_free(struct phu_stats *stats);

/* `labels` is copied and is NULL or ready text: exporter="central",code="204" with values escaped
 * by phu_stats_label(). `value` is borrowed until removal and read on the loop. */
struct phu_stat *phu_stats_add(struct phu_stats *stats, const struct phu_stat_info *info,
                               const char *labels, const int64_t *value);
/* The same for a value that is worked out when asked, in the unit of the name. */
struct phu_stat *phu_stats_add_read(struct phu_stats *stats, const struct phu_stat_info *info,
                                    const char *labels, double (*read)(void *arg), void *arg);
void phu_stats_remove(struct phu_stats *stats, struct phu_stat *stat);
/* Removes every statistic whose value pointer or arg lies in [base, base + size): what a part that
 * is closed calls once. */
void phu_stats_remove_within(struct phu_stats *stats, const void *base, size_t size);

/* name="value" with the value escaped for Prometheus text format; returns snprintf's length. */
int phu_stats_label(char *buffer, size_t size, const char *name, const char *value);

typedef void phu_stats_visit_cb(void *arg, const struct phu_stat_info *info, const char *labels,
                                double value);
/* In order of name, then of registration. */
void phu_stats_visit(const struct phu_stats *stats, phu_stats_visit_cb *visit, void *arg);
