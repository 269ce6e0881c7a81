/* The monitor: takes the observations of all collectors, folds them into windows and states, and
 * emits each window as points. It is the agent's sink.
 *
 *     struct phu_monitor *monitor;
 *     phu_monitor_new(sched, &conf, &monitor);
 *     phu_monitor_add(monitor, &check, &handle);          the handle goes into phu_check_spec.check
 *     collector->open(&(struct phu_collector_env){.sink = phu_monitor_sink(monitor), …
 *     …
 *     phu_monitor_flush(monitor);                         what is not finished, with its true span
 *     phu_monitor_free(monitor);
 *
 * An observation counts in the window in which it was completed. Windows begin at multiples of
 * their length in UTC, their spans are measured by the monotonic clock; what a step of the wall
 * clock does to them is told in core/timeline.h, what a
 * check is told about itself in core/tally.h.
 */
#pragma once

#include "core/health.h"
#include "core/tally.h"
#include "phusong/sink.h"
#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_sched;
struct phu_stats;

struct phu_monitor;

struct phu_monitor_conf {
    const char *agent; /* tag agent= */
    int64_t window_ns;
    uint32_t max_rows;       /* per check; 0: 16384 */
    struct phu_stats *stats; /* outlives the monitor; pushed as measurement `agent` each window; may
                              * be NULL */
    /* One line with its newline, borrowed for the call. `at` is its timestamp. Must not call back
     * into the monitor. */
    void (*emit)(void *arg, const char *line, size_t length, struct phu_wall at);
    void *emit_arg;
    /* Tells who an endpoint is that a row serves; texts are borrowed for the call. False when there
     * is none of that id. NULL: there are no endpoints at all. */
    bool (*endpoint)(void *arg, const char *id, struct phu_subject *subject);
    /* Handle of that endpoint's primary check, 0 for none: what a row tells of signal and light
     * goes into its state. NULL: into nobody's. */
    uint32_t (*primary)(void *arg, const char *id);
    void *endpoint_arg;
    /* NULL: nobody confirms. Copied. */
    const struct phu_pace *pace;
};

int phu_monitor_new(struct phu_sched *sched, const struct phu_monitor_conf *conf,
                    struct phu_monitor **out);
/* Emits nothing; see phu_monitor_flush(). NULL is harmless. */
void phu_monitor_free(struct phu_monitor *monitor);

/* A former run has used timestamps up to this one (the spool knows, as far as it holds them): none
 * of them is used again, even when the clock has been set back since. Tell before the first window
 * ends. */
void phu_monitor_set_newest(struct phu_monitor *monitor, struct phu_wall newest);

struct phu_sink *phu_monitor_sink(struct phu_monitor *monitor);

/* Everything in `check` is copied but the collector. Handles are never 0; one may be given again
 * after its removal. The first window begins now. */
int phu_monitor_add(struct phu_monitor *monitor, const struct phu_monitor_check *check,
                    uint32_t *handle);
/* Emits the partial window. The collector has detached the check. */
void phu_monitor_remove(struct phu_monitor *monitor, uint32_t handle);
/* Have rows that serve an endpoint the tags that the endpoint has now? */
bool phu_monitor_is_current(const struct phu_monitor *monitor, uint32_t handle);
/* Another profile or interval for a check that goes on: window and state are kept. */
void phu_monitor_adjust(struct phu_monitor *monitor, uint32_t handle,
                        const struct phu_quality *quality, int64_t interval_ns);

/* Tells that a poll has ended. Called at the end of the put; may add and remove checks and poll
 * anew. State is that of the subject as it is shown, and meaningful for primary checks only. */
struct phu_monitor_verdict {
    uint32_t check;
    bool is_primary;
    bool is_unsettled; /* probes out of their turn would decide something */
    enum phu_result result;
    enum phu_state before, state;
    struct phu_mono started, completed;
};
typedef void phu_monitor_verdict_cb(void *arg, const struct phu_monitor_verdict *verdict);
void phu_monitor_on_verdict(struct phu_monitor *monitor, phu_monitor_verdict_cb *call, void *arg);

/* Observations of handles that the monitor has not given: whether they are somebody else's. */
typedef bool phu_monitor_other_cb(void *arg, const struct phu_observation *observation);
void phu_monitor_on_other(struct phu_monitor *monitor, phu_monitor_other_cb *call, void *arg);

/* A subject is to be confirmed though no probe of its was lost just now: its override is to go. */
void phu_monitor_on_unsettled(struct phu_monitor *monitor, void (*call)(void *arg, uint32_t handle),
                              void *arg);

/* -- Confirmations, for who plans them (checks.h) ------------------------------------------------
 */

/* As phu_state_patience_ns(). */
int64_t phu_monitor_patience_ns(const struct phu_monitor *monitor, uint32_t handle);
/* Both return whether confirmations are wanted. */
bool phu_monitor_late(struct phu_monitor *monitor, uint32_t handle, struct phu_mono sent);
bool phu_monitor_confirm(struct phu_monitor *monitor, uint32_t handle, enum phu_success success,
                         struct phu_mono sent);
bool phu_monitor_wants(const struct phu_monitor *monitor, uint32_t handle);
/* One probe of a confirmation. */
void phu_monitor_count_confirmation(struct phu_monitor *monitor, uint32_t handle,
                                    enum phu_success success);

/* As shown now; PHU_STATE_UNKNOWN for a check that is not primary. */
enum phu_state phu_monitor_state(struct phu_monitor *monitor, uint32_t handle);

/* -- Health (core/health.h); handles of primary checks, others do nothing -----------------------
 */

void phu_monitor_on_health(struct phu_monitor *monitor, phu_health_cb *call, void *arg);
/* PHU_STATE_UNREACHABLE, PHU_STATE_UNKNOWN, or PHU_STATE_NONE for what it is by itself. */
void phu_monitor_override(struct phu_monitor *monitor, uint32_t handle, enum phu_state state);
/* Announced work: everything goes on, its time is counted apart too, and the state's points say so.
 */
void phu_monitor_set_maintenance(struct phu_monitor *monitor, uint32_t handle, bool is_maintained);
/* How often a subject's own state has changed, of all subjects together. */
int64_t phu_monitor_changes(const struct phu_monitor *monitor);
/* False when there is nothing to keep: it is up, and has not changed lately. */
bool phu_monitor_save(struct phu_monitor *monitor, uint32_t handle, struct phu_health_saved *saved);
/* Before the first verdict. Tells nothing. */
void phu_monitor_restore(struct phu_monitor *monitor, uint32_t handle,
                         const struct phu_health_saved *saved);

/* Emits all windows up to now, at once, finished or not; the next ones begin now. For the end, and
 * for `agent --once`. */
void phu_monitor_flush(struct phu_monitor *monitor);
