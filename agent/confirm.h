/* Confirmations: probes out of their turn, to tell a lost packet from an outage, and an answer from
 * a recovery. Part of the check runner (checks.h), which says when to begin.
 *
 * A round is a row of steps, one each confirm_interval, for as long as somebody wants them. A step
 * is one probe, and a second one 50 ms later when the first has not been answered by then; it fails
 * when neither is answered in the time that answers of this subject take. With one packet of fifty
 * lost at random, all six probes of three steps are lost once in 16 billion rounds, and a round
 * begins with every fiftieth probe.
 *
 *     0    a probe leaves and is not answered
 *     250  it is late: step 1, probes at 250 and 300
 *    1000  step 2, probes at 1000 and 1050
 *    2000  step 3, probes at 2000 and 2050; the first probe times out
 *    2300  step 3 has failed: down
 *
 * A collector runs one probe of a check at a time, so the probes of a round have attachments of
 * their own to the same collector: two, with handles of their own (PHU_CONFIRM_HANDLE). What they
 * observe comes back through phu_confirms_put().
 *
 * All rounds together send no more than `rate` probes a second. What a round may need is set aside
 * when it begins, and given back when it ends; who finds nothing left waits in a queue.
 */
#pragma once

#include "core/pace.h"
#include "core/state.h"
#include "phusong/collector.h"
#include "phusong/observation.h"
#include "phusong/sched.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_confirms;
struct phu_stats;

/* Set in the handles of confirmations, and in no others. */
#define PHU_CONFIRM_HANDLE UINT32_C(0x80000000)

/* Who judges. All are told handles of checks. */
struct phu_confirm_judge {
    /* How long its answers may take; INT64_MAX: nothing is known. */
    int64_t (*patience_ns)(void *arg, uint32_t check);
    /* A probe is in flight for longer than that. Returns whether to confirm. */
    bool (*late)(void *arg, uint32_t check, struct phu_mono sent);
    /* Does anything still have to be confirmed? */
    bool (*wants)(void *arg, uint32_t check);
    /* A step has ended. Returns whether to go on. */
    bool (*step)(void *arg, uint32_t check, enum phu_success success, struct phu_mono sent);
    /* One probe of a step has its verdict. */
    void (*count)(void *arg, uint32_t check, enum phu_success success);
    void *arg;
};

struct phu_confirms *phu_confirms_new(struct phu_sched *sched, struct phu_stats *stats,
                                      const struct phu_pace *pace,
                                      const struct phu_confirm_judge *judge);
/* All rounds have been ended. */
void phu_confirms_free(struct phu_confirms *confirms);

/* What a round attaches and asks. */
struct phu_confirm_subject {
    uint32_t check;
    const struct phu_collector *collector;
    void *self;                        /* of the collector */
    const struct phu_check_spec *spec; /* copied, but for its texts and options */
};

/* When the first step is due, and from when on the following ones are counted. */
struct phu_confirm_plan {
    struct phu_mono base;
    bool is_patient; /* the first step comes after an interval, not now */
    bool is_asked;   /* nothing is suspected: the first step is made all the same */
};

/* Does nothing for a check that has a round. `subject` is asked for by `describe` when the round's
 * turn has come; false: the check is gone. */
typedef bool phu_confirm_describe_cb(void *arg, uint32_t check,
                                     struct phu_confirm_subject *subject);
void phu_confirms_set_describe(struct phu_confirms *confirms, phu_confirm_describe_cb *describe,
                               void *arg);
void phu_confirms_begin(struct phu_confirms *confirms, uint32_t check,
                        const struct phu_confirm_plan *plan);
/* The check goes: its probes are dropped. */
void phu_confirms_end(struct phu_confirms *confirms, uint32_t check);

/* True when the observation is one of a confirmation. */
bool phu_confirms_put(struct phu_confirms *confirms, const struct phu_observation *observation);

/* Sends nothing more; `idle` is called once the last verdict is in, if any is still to come. */
void phu_confirms_drain(struct phu_confirms *confirms, void (*idle)(void *arg), void *arg);
size_t phu_confirms_in_flight(const struct phu_confirms *confirms);
