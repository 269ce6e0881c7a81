/* The check runner: when each check is polled.
 *
 * A check's phase within its interval is hashed from its id and the agent's, and counted from the
 * epoch in UTC: load is spread evenly, and the phase is the same after a restart. Phases lie on a
 * grid of 10 ms, so that the checks of one grid point cost one wake-up. From its first slot on a
 * check runs by the monotonic clock: a step of the wall clock moves nothing.
 *
 * A slot is never replayed. It is missed, and counted, when the runner comes to it late by more
 * than a second or half an interval (the process was stopped, the machine slept), or when the
 * previous poll has not ended yet. So there is no burst after a pause: every check waits for its
 * own next slot.
 *
 * A check of a collector that backs off (SNMP) leaves its slots when it fails: it is polled again
 * after 5, 10, 20 … 300 seconds, and at once when another check of the same address turns from
 * failing to answering: a ping brings its device back. Once it answers it has its slots again.
 * Those that it left out are not missed.
 *
 * What is undecided is confirmed between the slots (confirm.h): a probe that is lost, or takes
 * longer than its answers use to, and an endpoint that answers again. A check of a collector that
 * backs off is polled itself instead, a confirm_interval after its last verdict.
 */
#pragma once

#include "confirm.h"
#include "phusong/collector.h"
#include "phusong/observation.h"
#include "phusong/sched.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_checks;
struct phu_stats;

#define PHU_CHECKS_GRID_NS (10 * PHU_NS_PER_MS)

struct phu_checks *phu_checks_new(struct phu_sched *sched, struct phu_stats *stats,
                                  const char *agent);
/* All checks have been removed. */
void phu_checks_free(struct phu_checks *checks);

/* No check is polled before this moment: the boot jitter, which keeps a province from waking in
 * step after a power cut. Applies to checks added afterwards. */
void phu_checks_hold_until(struct phu_checks *checks, struct phu_mono when);

/* Attaches a check to its collector and plans it. The spec's strings are copied; its options are
 * borrowed until removal. Returns what attach returned. spec->check must be free. */
int phu_checks_add(struct phu_checks *checks, const struct phu_collector *collector, void *self,
                   const struct phu_check_spec *spec);
void phu_checks_remove(struct phu_checks *checks, uint32_t check);

/* From now on doubts are confirmed; without this call, nothing is. Both are copied. */
void phu_checks_confirm(struct phu_checks *checks, const struct phu_pace *pace,
                        const struct phu_confirm_judge *judge);
/* The check is in doubt after its verdict, or for another reason: `sent` is when the probe left
 * that raised it. */
void phu_checks_unsettled(struct phu_checks *checks, uint32_t check, bool does_answer,
                          struct phu_mono sent);
/* An observation of a handle that is none of a check: true when it is one of a confirmation. */
bool phu_checks_put(struct phu_checks *checks, const struct phu_observation *observation);

/* Asks at once, out of its slots, and until it is clear whether it answers: a parent whose child is
 * suspected. Costs no loss: what is sent are confirmations, but for a collector that backs off. The
 * monitor tells SUSPECT and DOWN, or CLEARED. A check that is being confirmed already, or does not
 * exist, is left alone. */
void phu_checks_poll_now(struct phu_checks *checks, uint32_t check);

/* The verdict of the poll in flight has come. */
void phu_checks_verdict(struct phu_checks *checks, uint32_t check, enum phu_result result);

/* Instead of planning by interval, polls every check added so far once, at most `per_second` a
 * second, and calls done when all verdicts are in. */
void phu_checks_run_once(struct phu_checks *checks, unsigned per_second, void (*done)(void *arg),
                         void *arg);

/* Plans nothing more, and calls done when the polls in flight have their verdicts: what was sent is
 * then accounted for. Every collector ends a poll within its timeout. */
void phu_checks_drain(struct phu_checks *checks, void (*done)(void *arg), void *arg);

/* A pure function of its arguments. */
int64_t phu_checks_phase_ns(const char *agent, const char *id, int64_t interval_ns);

struct phu_checks_counts {
    int64_t polls, missed_late, missed_busy;
};
void phu_checks_counts(const struct phu_checks *checks, struct phu_checks_counts *counts);
