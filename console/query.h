/* What pages, rules and reports ask a store. Implemented by the embedded store; other stores come
 * behind the same functions.
 *
 * A phu_query is for one thread at a time, reads only, and sees the store as it was when each
 * question began. Questions may take long: ask them on a pool thread, with a deadline.
 *
 *     struct phu_query *query;
 *     phu_query_open(path, &query, why, sizeof why);
 *     phu_query_set_deadline(query, 5 s);
 *     phu_query_states(query, &(struct phu_query_filter){.area = "27"}, on_state, page);
 *     phu_query_close(query);
 *
 * Answers come row by row; everything in a row is good for the call only. A callback that returns
 * false ends the question with -ECANCELED. Every question returns 0 or: -ETIMEDOUT after the
 * deadline, -ECANCELED, -EINVAL for a question that makes no sense, -EIO, -EILSEQ (the file is
 * damaged). Times are UTC ns since 1970; a period is [from, to).
 */
#pragma once

#include "sample.h"

struct phu_query;

int phu_query_open(const char *path, struct phu_query **out, char *why, size_t why_size);
void phu_query_close(struct phu_query *query);
/* For each question from now on; 0: none. */
void phu_query_set_deadline(struct phu_query *query, int64_t budget_ns);
/* From any thread, while `query` is open: the question under way ends with -ECANCELED. */
void phu_query_cancel(struct phu_query *query);

/* -- Whom a question is about ------------------------------------------------------------------ */

/* NULL: any. All that is given must hold. */
struct phu_query_filter {
    const char *area; /* code of an area, or id of a hamlet: it and all below */
    const char *agent, *technology, *operator_name;
    const char *hamlet, *commune, *site;
    const char *subject; /* id of an endpoint, a device or a node */
    const char *kind;    /* "endpoint", "device", "node" */
};

/* Who a row speaks of. Texts that are not known are "". Names come from the newest inventory that
 * the agent registered; tags as the agent sent them. */
struct phu_query_subject {
    const char *kind; /* "endpoint", "device", "node", or "" (neither, as measurement `agent`) */
    const char *agent, *id, *name;
    const char *hamlet, *hamlet_name, *commune, *commune_name;
    const char *technology, *operator_name;
    const char *site, *device, *parent;
    int64_t households;     /* of its hamlet; 0: not known */
    int32_t lat_e6, lon_e6; /* of its hamlet or site; INT32_MIN: not known */
};

/* -- Latest state, and its changes ---------------------------------------------------------------
 */

enum phu_query_code {
    PHU_QUERY_UP,
    PHU_QUERY_DEGRADED,
    PHU_QUERY_DOWN,
    PHU_QUERY_UNREACHABLE,
    PHU_QUERY_UNKNOWN,
};

struct phu_query_state {
    const struct phu_query_subject *subject;
    enum phu_query_code code;
    bool is_flapping, is_maintenance;
    int64_t since_ns; /* the code holds since then */
    int64_t seen_ns;  /* newest sample that said so: when long ago, nobody knows */
};

typedef bool phu_query_state_cb(void *arg, const struct phu_query_state *state);

int phu_query_states(struct phu_query *query, const struct phu_query_filter *filter,
                     phu_query_state_cb *row, void *arg);
/* Each change within the period, and before them, once for each subject, what held at its
 * beginning (since_ns before `from`). By subject, then time. */
int phu_query_state_changes(struct phu_query *query, const struct phu_query_filter *filter,
                            int64_t from_ns, int64_t to_ns, phu_query_state_cb *row, void *arg);

/* -- Numbers -------------------------------------------------------------------------------------
 */

/* What to tell of a field over a bucket of time. */
enum phu_query_take {
    PHU_QUERY_NATURAL, /* as the field adds up: sum, smallest, largest, latest; the mean of a number
                          of an unknown measurement */
    PHU_QUERY_SUM,     /* these four of unknown measurements' numbers; latest and largest also of */
    PHU_QUERY_COUNT,   /* measurement `agent`. Where there is no such thing: NAN */
    PHU_QUERY_MIN,
    PHU_QUERY_MAX,
    PHU_QUERY_LATEST,
    PHU_QUERY_MEAN,     /* field "rtt": rtt_sum_us / rtt_count; "rsrp": rsrp_sum_dbm / rsrp_count */
    PHU_QUERY_QUANTILE, /* field "rtt": of its histogram rtt_b*, within 5 % */
};

struct phu_query_column {
    const char *field;
    enum phu_query_take take;
    double share; /* QUANTILE: 0..1 */
};

/* What a row is told apart by; several are joined with |. 0: everything in one row. */
enum phu_query_by {
    PHU_QUERY_BY_SUBJECT = 1 << 0, /* endpoint, device or node */
    PHU_QUERY_BY_HAMLET = 1 << 1,
    PHU_QUERY_BY_COMMUNE = 1 << 2,
    PHU_QUERY_BY_TECHNOLOGY = 1 << 3,
    PHU_QUERY_BY_OPERATOR = 1 << 4,
    PHU_QUERY_BY_AGENT = 1 << 5,
    PHU_QUERY_BY_SERIES = 1 << 6, /* every set of tags of its own: rows of devices too */
};

struct phu_query_series {
    const char *measurement;
    struct phu_query_filter filter;
    int64_t from_ns, to_ns;
    int64_t step_ns; /* buckets of local time, as days are; 0: one bucket for the whole period */
    unsigned by;     /* enum phu_query_by */
    const struct phu_query_column *columns;
    size_t column_count; /* at most 64 */
};

/* A group's bucket that holds anything; the others are left out. */
struct phu_query_bucket {
    const struct phu_query_subject *group; /* what it is told apart by is filled in, the rest "" */
    const char *key;                       /* BY_SERIES: the series, as in line protocol; else "" */
    int64_t start_ns, step_ns;             /* of the bucket */
    const double *values;                  /* NAN: no value */
    const char *const *texts;              /* latest text of columns that are texts; else NULL */
};

typedef bool phu_query_bucket_cb(void *arg, const struct phu_query_bucket *bucket);

/* By group, then time. The coarsest resolution that gives the step is read; where it is not made
 * yet a finer one. Where what is fine enough has been forgotten, a coarser one: its buckets count
 * whole where they begin. */
int phu_query_series(struct phu_query *query, const struct phu_query_series *series,
                     phu_query_bucket_cb *row, void *arg);

/* A period in the words of a report, of `coverage` (or `device`). */
struct phu_query_summary {
    const struct phu_query_subject *group;
    int64_t subjects; /* endpoints that sent anything in the period */
    int64_t sent, lost;
    int64_t up_ms, degraded_ms, down_ms, unreachable_ms, unknown_ms;
    int64_t maintenance_ms, good_ms, span_ms;
    double loss;      /* lost / sent; NAN when nothing was sent */
    double available; /* (up + degraded) / (up + degraded + down + unreachable) */
    double measured;  /* share of the period and its subjects that was measured at all:
                         (span - unknown) / (subjects * period) */
    double rtt_mean_us, rtt_p50_us, rtt_p95_us, rtt_p99_us;
    double rtt_min_us, rtt_max_us, jitter_us; /* NAN: none */
};

typedef bool phu_query_summary_cb(void *arg, const struct phu_query_summary *summary);

/* Sorted by the texts of the group. */
int phu_query_summary(struct phu_query *query, const char *measurement,
                      const struct phu_query_filter *filter, int64_t from_ns, int64_t to_ns,
                      unsigned by, phu_query_summary_cb *row, void *arg);

/* -- Events
 * ---------------------------------------------------------------------------------------- */

struct phu_query_event {
    const char *id, *agent, *root, *kind, *cause, *refined, *name;
    const char *hamlet, *commune, *technology, *operator_name, *device, *site;
    const char *hamlet_ids; /* the first ones, separated by spaces */
    int64_t hamlets, households, endpoints;
    int64_t begin_ns, end_ns; /* end: 0 while it lasts */
    int64_t seen_ns;          /* newest sample of it */
    bool is_active, is_inferred, is_flapping, is_maintenance;
};

typedef bool phu_query_event_cb(void *arg, const struct phu_query_event *event);

/* Those that lasted at any time within the period, by their beginning. */
int phu_query_events(struct phu_query *query, const struct phu_query_filter *filter,
                     int64_t from_ns, int64_t to_ns, phu_query_event_cb *row, void *arg);

/* -- Replays
 * ----------------------------------------------------------------------------------------- */

/* Samples exactly as they came, of the measurements named (NULL-terminated; NULL: all), by time.
 * Only as far back as the finest resolution is kept: from phu_query_range on. */
typedef bool phu_query_sample_cb(void *arg, const struct phu_sample *sample);

int phu_query_replay(struct phu_query *query, const char *const *measurements, int64_t from_ns,
                     int64_t to_ns, phu_query_sample_cb *row, void *arg);
/* Of the finest resolution: the oldest time still kept, and the newest sample. 0, 0: empty. */
int phu_query_range(struct phu_query *query, int64_t *oldest_ns, int64_t *newest_ns);

/* -- Agents and inventory
 * ------------------------------------------------------------------------------ */

struct phu_query_agent {
    const char *id;
    int64_t seen_ns;                        /* arrival of its newest body */
    int64_t sample_ns;                      /* newest timestamp */
    int64_t inventory_ns;                   /* when its newest inventory came; 0: none */
    int64_t endpoints, devices, households; /* of that inventory */
};

typedef bool phu_query_agent_cb(void *arg, const struct phu_query_agent *agent);

int phu_query_agents(struct phu_query *query, phu_query_agent_cb *row, void *arg);

struct phu_query_area {
    const char *id; /* of a hamlet; else the code */
    const char *code, *level, *name, *name_en;
    const char *parent; /* code of the area above, "" */
    int64_t households; /* of itself and, where it says none, of all below */
    int64_t endpoints;  /* at it and below */
    int32_t lat_e6, lon_e6;
};

typedef bool phu_query_area_cb(void *arg, const struct phu_query_area *area);

/* Areas in force on the day of `at_ns`, those above first. `area`: NULL for all. */
int phu_query_areas(struct phu_query *query, const char *area, int64_t at_ns,
                    phu_query_area_cb *row, void *arg);

/* Endpoints and devices of the newest inventories, whether anything is known of them or not. */
typedef bool phu_query_subject_cb(void *arg, const struct phu_query_subject *subject);
int phu_query_subjects(struct phu_query *query, const struct phu_query_filter *filter,
                       phu_query_subject_cb *row, void *arg);

/* The JSON as the agent registered it, the newest version at that time; -ENOENT. free() it. */
int phu_query_inventory(struct phu_query *query, const char *agent, int64_t at_ns, char **json,
                        int64_t *registered_ns);
