/* phusong probe: collectors run by hand. cmd_probe.c reads the command line, probe_run.c polls,
 * probe_report.c tells.
 */
#pragma once

#include "phusong/collector.h"
#include "phusong/observation.h"
#include "phusong/sched.h"
#include "phusong/sink.h"
#include "probe_trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct phu_credential;

#define PHU_PROBE_RTTS                                                                             \
    65536 /* round trips per target that percentiles are taken from: the last                      \
           */

/* All values of one metric, of one target or row. */
struct phu_probe_sum {
    int64_t count;
    double sum, min, max, last;
    char *text; /* of a metric that is a text: the last one */
};

struct phu_probe_row {
    char *tag, *name;
    struct phu_probe_sum *sums; /* one per metric */
};

struct phu_probe;

struct phu_probe_target {
    struct phu_probe *probe;
    const char *address;
    struct phu_check_spec spec;
    void *check;
    struct phu_timer next;
    struct phu_mono due;
    int64_t polls, verdicts;
    bool is_busy, is_finished;
    int64_t results[PHU_RESULT_NONE + 1];
    enum phu_result last_failure; /* PHU_RESULT_OK: none yet */
    int64_t *rtts;                /* ring */
    size_t rtt_count, rtt_size;
    struct phu_probe_trace trace;
    struct phu_probe_row *rows; /* the first is the target itself, without name */
    size_t row_count;
};

struct phu_probe {
    struct phu_sink sink; /* first */
    const struct phu_collector *collector;
    const char *argument;
    const void *options, *check_options;
    const struct phu_credential *credential; /* NULL: none */
    const char *rows;                        /* patterns of interfaces */
    int64_t count;                           /* 0: until interrupted */
    int64_t interval_ns, timeout_ns;
    bool is_json, is_quiet, is_verbose;
    bool is_live;     /* a line per result */
    bool is_stopping; /* interrupted: what is under way is waited for */

    struct phu_sched *sched;
    void *self;
    struct phu_probe_target *targets;
    size_t target_count, done;
};

/* Runs until all targets have had their count or somebody interrupts. Returns 0 or an error that
 * has been printed. */
int phu_probe_run(struct phu_probe *probe);
void phu_probe_fini(struct phu_probe *probe);

/* Is it an answer, a failure of the target, or neither? */
bool phu_probe_is_answer(enum phu_result result);
bool phu_probe_is_failure(enum phu_result result);
int64_t phu_probe_answers(const struct phu_probe_target *target);
int64_t phu_probe_failures(const struct phu_probe_target *target);

void phu_probe_print_result(const struct phu_probe_target *target, enum phu_result result,
                            int64_t rtt_us);
void phu_probe_print_table(const struct phu_probe *probe, FILE *out);
/* What an interrupt left undone, if anything. */
void phu_probe_print_missing(const struct phu_probe *probe, FILE *out);
int phu_probe_print_json(const struct phu_probe *probe, FILE *out);
/* PHU_EXIT_OK, _FAILED, _NOT_FOUND or _SYSTEM, like fping. */
int phu_probe_exit_code(const struct phu_probe *probe);
