/* A collector: one way of measuring. One const descriptor, found through the generated table
 * phu_collectors[]; adding one takes collectors/NAME.c, a line in collectors/CMakeLists.txt, and a
 * test.
 *
 * The agent calls open once, then attach for every check, then poll whenever a check is due; all on
 * the loop. A collector never blocks, allocates nothing in poll (what a probe needs is reserved at
 * attach), and answers each poll with one verdict through the sink, within the check's timeout plus
 * a second. The agent does not poll a check again before its verdict.
 */
#pragma once

#include "phusong/metric.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_credential;
struct phu_diags;
struct phu_option_table;
struct phu_resolver;
struct phu_sched;
struct phu_sink;
struct phu_stats;
struct phu_trace;

/* What of a device serves an endpoint, as endpoints.csv says: one entry for each row that it names.
 * The collector finds the row and names the endpoint in phu_row. */
struct phu_served {
    const char *endpoint; /* id */
    const char *ifname;   /* name of an interface; "" if not given */
    /* Another row: its name ("0/1/3:5"), its index on the device ("4194312192.5"), or
     * "description=TEXT" or "serial=TEXT"; "" if not given. With neither, all rows of the device
     * that no other endpoint claims and that measure signal, optics or radio, ONUs excepted. */
    const char *index;
};

/* What the agent knows of one check. It and what it points at stay as they are, and where they are,
 * until the check has been detached: a collector may keep the pointer. */
struct phu_check_spec {
    uint32_t check;         /* handle to put into observations */
    const char *id;         /* "bn-0412-4g-vnpt/icmp", for logs */
    const char *address;    /* IPv4, IPv6 or host name, as in the inventory */
    const char *argument;   /* what follows the first colon: "443" of tcp:443; "" if nothing */
    const char *credential; /* name of an entry of credentials; "" if none */
    const char *rows;       /* devices: the `interfaces` column, patterns separated by spaces */
    const struct phu_served *served; /* devices: borrowed as the strings are */
    size_t served_count;
    struct phu_trace *trace; /* whom to tell what is found inside (trace.h), or NULL */
    const void *options;     /* a struct of check_options, filled and checked */
    int64_t interval_ns, timeout_ns;
};

struct phu_collector_env {
    struct phu_sched *sched;
    struct phu_sink *sink;
    struct phu_resolver *resolver;
    struct phu_stats *stats;
    const char *agent;     /* agent.id */
    const char *state_dir; /* may be written to; "" when there is none (phusong probe) */
    /* The entry of `credentials` of that name (credential.h), or NULL. Good during the call that
     * asks; a collector keeps what it needs. NULL when there are no credentials at all. */
    const struct phu_credential *(*credential)(void *arg, const char *name);
    void *credential_arg;
    void *files; /* of check_options_files, as for take_options_files; NULL: open reads them */
};

/* What the rows of a measurement are. */
struct phu_row_kind {
    const char *measurement; /* "optics" */
    const char *tags;        /* one of these names a row, separated by commas: "onu,interface" */
    const char *meaning;     /* "an ONU of an OLT, or the transceiver of a port" */
};

struct phu_collector {
    const char *name;                             /* "icmp": the part of a check before the colon */
    const char *summary;                          /* one line */
    const struct phu_option_table *options;       /* section collectors.NAME; NULL if none */
    const struct phu_option_table *check_options; /* keys of a check of this kind; NULL if none */
    /* Defaults of a check's interval and timeout, as written in the file; NULL: 10s and 2s. */
    const char *interval, *timeout;
    const struct phu_metric *metrics;
    size_t metric_count;
    const struct phu_row_kind *row_kinds; /* of the measurements that have rows; NULL if none */
    size_t row_kind_count;
    /* After a failure its checks are polled sooner at first, then ever less often, at least every
     * five minutes, and at once when another check of the same address answers again. */
    bool backs_off;
    int rtt_metric; /* the metric, in whole us, that `coverage` takes as round trip; -1 if none */

    /* Privileged descriptors are opened here, before rights are dropped. Without a permission open
     * still succeeds, logs the exact remedy once, and every poll answers PHU_RESULT_NOPERM.
     * `options` stays valid until close. */
    int (*open)(const struct phu_collector_env *env, const void *options, void **self);
    void (*close)(void *self); /* every check has been detached */

    /* -EINVAL for an argument or address that can never work (the inventory's check runs
     * `check_argument` first, so this is rare). */
    int (*attach)(void *self, const struct phu_check_spec *spec, void **check);
    void (*detach)(void *self, void *check); /* a probe in flight is dropped without a verdict */
    void (*poll)(void *self, void *check);

    /* Reads what the options point at (files, folders): adds every mistake in it to `diags`, and is
     * -EINVAL when there was one; otherwise *files is what was read. For check-config, and before a
     * start or reload; may run on a pool thread. NULL when the options point at nothing, as are the
     * next three then. */
    int (*check_options_files)(const void *options, struct phu_diags *diags, void **files);
    void (*free_options_files)(void *files);
    /* NULL, or why `argument`, which check_argument accepts, does not go with the files: a sentence
     * for a person, in `why`. */
    const char *(*check_argument_files)(const void *files, const char *argument, char *why,
                                        size_t size);
    /* After a reload, on the loop, before checks are attached or detached: what has been read anew.
     * Still freed by the caller, so the collector shares or copies what it keeps. */
    void (*take_options_files)(void *self, void *files);

    /* NULL, or why `argument` is not acceptable, as a sentence for a person; "" text is never
     * returned. Pure; used by check-config. May be NULL when no argument is taken. */
    const char *(*check_argument)(const char *argument);
};

extern const struct phu_collector *const phu_collectors[]; /* ends with NULL */
