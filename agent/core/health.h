/* Health: what one subject's state machine tells the root-cause engine.
 *
 * The state machine (state.h) knows one subject's probes and nothing of the others; the engine
 * knows the tree. The first says "suspected", "down", "answers again"; the second explains: a
 * parent is down, so this is `unreachable`; our own uplink is, so nothing can be said and this is
 * `unknown`.
 *
 *     phu_monitor_on_health(monitor, changed, engine);          told of every change
 *     phu_monitor_override(monitor, subject, PHU_STATE_UNREACHABLE);
 *     phu_monitor_override(monitor, subject, PHU_STATE_NONE);   what follows is told as a change
 *     phu_checks_poll_now(checks, parent);                      SUSPECT and DOWN, or CLEARED,
 * follow
 *
 * An explanation only explains what does not answer: it is shown while the subject's own state is
 * down or unknown, and an endpoint that answers is up whatever happened to its parent. It changes
 * neither the own state nor what is told of it: DOWN and RECOVERED come with and without it.
 *
 * Taken away from a subject that is down, it stays until the subject has been confirmed anew, which
 * begins at once: then either RECOVERED is told, or DOWN once more, with `is_released`. So who is
 * still down when its parent is back is known within one confirmation cycle.
 *
 * After a restart a subject may be told as DOWN or RECOVERED that was so before: the engine keeps
 * its events, and takes DOWN of a subject that has one as the same one going on.
 */
#pragma once

#include "state.h"

#include <stdbool.h>
#include <stdint.h>

enum phu_health_change {
    PHU_HEALTH_SUSPECT,   /* a probe was lost, or is late: it is being confirmed */
    PHU_HEALTH_CLEARED,   /* what was suspected or asked for (poll_now) answers */
    PHU_HEALTH_DOWN,      /* confirmed */
    PHU_HEALTH_RECOVERED, /* up or degraded (see `state`), and was down or unknown */
    PHU_HEALTH_DEGRADED,  /* was up */
    PHU_HEALTH_UP,        /* was degraded */
    PHU_HEALTH_UNKNOWN,   /* could not be measured, or not for too long */
    PHU_HEALTH_FLAPPING,  /* `is_flapping` has changed, the state has not */
};

struct phu_health {
    uint32_t subject; /* handle of its primary check in the monitor */
    enum phu_health_change change;
    enum phu_state before, state; /* its own: never PHU_STATE_UNREACHABLE */
    bool is_flapping;             /* the state is held at the worse one */
    bool is_released;             /* DOWN: confirmed anew after its override was taken away */
    struct phu_mono at;
    struct phu_mono since; /* SUSPECT, DOWN: when the first of the lost probes was sent */
};

/* May call phu_monitor_override(), phu_monitor_set_maintenance() and phu_checks_poll_now() of any
 * subject, this one included; must not add or remove checks. */
typedef void phu_health_cb(void *arg, const struct phu_health *health);

/* A subject's state for the next run: what a file keeps of it. */
struct phu_health_saved {
    int64_t since_ms; /* UTC: when its first lost probe was sent, 0 when it does not fail */
    int64_t told_ms;  /* UTC: when it was saved */
    uint8_t state;    /* enum phu_state, by its probes alone */
    uint8_t held;     /* the worst of it while flapping */
    bool is_flapping;
    uint32_t changes;  /* of the last minutes, as state.h packs them */
    int64_t change_ms; /* UTC: of the last change, 0 for none */
};

/* False when there is nothing to keep: it is up, and has not changed lately. */
bool phu_health_save(const struct phu_state_track *track, struct phu_mono now, struct phu_wall wall,
                     struct phu_health_saved *saved);
/* Right after phu_state_init(). What was saved longer ago than verdicts hold is not the state any
 * more; how often it has changed still counts. What cannot be is left alone. */
void phu_health_restore(struct phu_state_track *track, const struct phu_health_saved *saved,
                        struct phu_mono now, struct phu_wall wall);
