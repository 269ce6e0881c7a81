/* The root-cause engine: from what single subjects tell (health.h) to one event per root cause.
 * Pure: time comes as an argument, what it wants done goes through three calls.
 *
 *     phu_outage_new(&topology, inventory, &conf, &calls, &outage);
 *     phu_outage_set_checked(outage, node, true);            who has a check of its own
 *     phu_outage_change(outage, node, &health);              each change of a subject
 *     if (phu_outage_due(outage, &due)) …                    a timer, for
 *     phu_outage_tick(outage, now);
 *     phu_outage_heartbeat(outage, now);                     the end of a window
 *
 * A subject that is down has exactly one event. Which one is decided by walking up the tree from
 * it: as far as what lies above is out as well, and not beyond what has answered since the
 * subject's first lost probe. The topmost that is out is the root.
 * - With a check of its own a node is out when it is down, unless much of what hangs on it answers
 *   all the same (then its own address is the trouble, and explains nothing).
 * - Without one, or where its check has no verdict in time, it is inferred: `share` of its children
 *   whose verdict is known since the first of them failed, at least `least` of them, are out.
 * - The uplink is out when its references are (phu_outage_reference()); what hangs on it is then
 *   not down but unknown.
 * What is not known yet is asked for: half a second after a suspicion the checks above and a sample
 * of the siblings are polled at once. A subject that is down waits for them for `hold` at most.
 *
 * While a root is out, what hangs on it and is down is overridden as unreachable; when it is back,
 * the overrides are taken away, and who is still down is told anew by its state machine
 * (is_released), and decided anew. Events that began within `merge` before a root above them are
 * taken into the root's; older ones are another cause, and go on.
 *
 * Work per change: the depth of the tree, times a sample of at most 64 children; per event told:
 * the subtree of its root. 104 bytes per node, beside the topology's.
 */
#pragma once

#include "health.h"
#include "topology.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_inventory;
struct phu_outage;
struct phu_option_table;

enum phu_cause {
    PHU_CAUSE_UNKNOWN,
    PHU_CAUSE_POWER,
    PHU_CAUSE_FIBRE_CUT,
    PHU_CAUSE_BACKHAUL,
    PHU_CAUSE_SINGLE_LINE,
    PHU_CAUSE_RADIO,
    PHU_CAUSE_NODE,
};
#define PHU_CAUSE_COUNT 7

const char *phu_cause_name(enum phu_cause cause); /* "fibre_cut" */
/* -EINVAL: no such cause. */
int phu_cause_find(const char *name);

struct phu_outage_conf {
    int64_t hold_ns;   /* how long a subject that is down waits for what hangs above it */
    int64_t spread_ns; /* children that fail within it fail together */
    int64_t merge_ns;  /* so much later a root still takes events below it as its own */
    double share;      /* of children known, that must be out for a parent to be inferred */
    int64_t least;     /* and so many at least */
};

/* For the configuration's section `outages`. */
extern const struct phu_option_table phu_outage_options;

/* What an event is told with. */
#define PHU_OUTAGE_HAMLETS_LISTED 20

struct phu_outage_event {
    uint32_t root;                 /* node */
    int64_t id_ns;                 /* UTC: part of the event's name, never changes */
    int64_t begin_ns, end_ns;      /* UTC; end 0 while active */
    enum phu_cause cause, refined; /* the second: what evidence says since; as cause if the same */
    bool is_active, is_inferred, is_flapping, is_maintenance;
    bool is_local;  /* of the uplink: this node itself could not measure */
    bool is_merged; /* ended because a root above it explains it */
    uint32_t endpoints, hamlets, households;
    const uint32_t *listed; /* areas: the first hamlets */
    uint32_t listed_count;
    void *user; /* the caller's, kept from BEGIN to END */
};

enum phu_outage_step { PHU_OUTAGE_BEGIN, PHU_OUTAGE_UPDATE, PHU_OUTAGE_END };

/* None may call back into the engine. */
struct phu_outage_calls {
    /* PHU_STATE_UNREACHABLE, PHU_STATE_UNKNOWN, or PHU_STATE_NONE to take it away. */
    void (*override)(void *arg, uint32_t node, enum phu_state state);
    /* Have the check of this node answer soon; references too (phu_outage_reference()). */
    void (*poll)(void *arg, uint32_t node);
    void (*poll_references)(void *arg);
    void (*tell)(void *arg, struct phu_outage_event *event, enum phu_outage_step step);
    void *arg;
};

/* All but `calls` and `conf`, which are copied, is borrowed for its life. */
void phu_outage_new(const struct phu_topology *topology, const struct phu_inventory *inventory,
                    const struct phu_outage_conf *conf, const struct phu_outage_calls *calls,
                    struct phu_outage **out);
void phu_outage_free(struct phu_outage *outage);

/* UTC - monotonic, for the times of events. */
void phu_outage_set_clock(struct phu_outage *outage, int64_t offset_ns);
/* Has it a check whose health is told? Without one it can only be inferred. */
void phu_outage_set_checked(struct phu_outage *outage, uint32_t node, bool is_checked);
void phu_outage_set_maintenance(struct phu_outage *outage, uint32_t node, bool is_in);

/* `health->subject` is not looked at. */
void phu_outage_change(struct phu_outage *outage, uint32_t node, const struct phu_health *health);

/* The references of the uplink, by what they add up to. */
enum phu_reference {
    PHU_REFERENCE_NONE,     /* there are none, or nothing is known yet */
    PHU_REFERENCE_ANSWERS,  /* one of them answered at `at` */
    PHU_REFERENCE_SUSPECT,  /* none answers, not all are confirmed */
    PHU_REFERENCE_OUT,      /* none answers, but what is ours does: the gateway */
    PHU_REFERENCE_OUT_HERE, /* not even the gateway does */
    PHU_REFERENCE_LOCAL,    /* this node cannot send at all */
};
void phu_outage_reference(struct phu_outage *outage, enum phu_reference reference,
                          struct phu_mono since, struct phu_mono at);

/* What a device said of the line of an endpoint. */
enum phu_line_evidence {
    PHU_LINE_NOTHING, /* online, or gone without a reason */
    PHU_LINE_GASP,    /* gone with a dying gasp: without power */
    PHU_LINE_LOS,     /* gone with loss of signal */
};
void phu_outage_line_evidence(struct phu_outage *outage, uint32_t node,
                              enum phu_line_evidence evidence, struct phu_mono at);
/* A device at the site says that mains have failed, or are back. */
void phu_outage_power(struct phu_outage *outage, uint32_t site, bool has_failed,
                      struct phu_mono at);

/* When tick is to be called; false: nothing waits. */
bool phu_outage_due(const struct phu_outage *outage, struct phu_mono *due);
void phu_outage_tick(struct phu_outage *outage, struct phu_mono now);
/* Tells every active event again. */
void phu_outage_heartbeat(struct phu_outage *outage, struct phu_mono now);

struct phu_outage_counts {
    int64_t active, begun, ended, merged, inferred, waiting;
};
const struct phu_outage_counts *phu_outage_counts(const struct phu_outage *outage);

/* Is it out: down, inferred, or below something that is? For nodes without a check. */
enum phu_state phu_outage_state(const struct phu_outage *outage, uint32_t node);
/* The event that covers a subject that is down, NULL: none (yet). For tests and reports. */
const struct phu_outage_event *phu_outage_event_of(const struct phu_outage *outage, uint32_t node);
/* Visits active events, oldest first. */
void phu_outage_visit(const struct phu_outage *outage,
                      void (*visit)(void *arg, struct phu_outage_event *event), void *arg);

/* An event of a former run, or of the engine before a reload, that was active when it ended: it
 * goes on, or ends when its root answers. `root` is of this topology. */
void phu_outage_restore(struct phu_outage *outage, const struct phu_outage_event *event,
                        struct phu_mono now);
/* Before a reload's engine takes over: what subjects were, silently. `event_root` is the node of
 * the root (in this topology) of the event that covered it, or NONE. Events have been restored. */
struct phu_outage_subject {
    enum phu_state own; /* UP, DOWN or UNKNOWN */
    struct phu_mono since;
    uint32_t event_root;
    bool is_overridden, is_flapping;
    enum phu_line_evidence evidence;
};
void phu_outage_export(const struct phu_outage *outage, uint32_t node,
                       struct phu_outage_subject *subject);
void phu_outage_import(struct phu_outage *outage, uint32_t node,
                       const struct phu_outage_subject *subject, struct phu_mono now);
