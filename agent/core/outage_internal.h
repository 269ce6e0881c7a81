/* What the files of the root-cause engine share. Private to agent/core/outage*. */
#pragma once

#include "inventory.h"
#include "outage.h"

enum phu_outage_own {
    PHU_OWN_NONE, /* no check */
    PHU_OWN_UNKNOWN,
    PHU_OWN_UP,
    PHU_OWN_SUSPECT,
    PHU_OWN_DOWN,
};

/* Where a node's links lead. */
enum phu_outage_list {
    PHU_LIST_NONE,
    PHU_LIST_SUSPECTS, /* not yet asked around for */
    PHU_LIST_WAITING,  /* down, for what hangs above it */
    PHU_LIST_MEMBERS,  /* of an event */
};

struct phu_outage_links {
    uint32_t head, tail;
};

struct phu_outage_node {
    int64_t since_ns;    /* first of the lost probes; without a check: of the wave's first child */
    int64_t answered_ns; /* it itself, as far as is known */
    int64_t passed_ns;   /* something below it */
    int64_t asked_ns;    /* its check was polled, or its children asked around for */
    int64_t ended_ns;    /* the last event whose root it was, or suspicion of it */
    int64_t due_ns;      /* in a list: when it has waited long enough */
    int64_t wave_ns;     /* first failure of the children that fail together */
    uint32_t wave;       /* how many of them */
    uint32_t out_children, out_peak;
    uint32_t next, prev;
    struct phu_outage_entry *event;  /* that covers it */
    struct phu_outage_entry *rooted; /* whose root it is */
    uint8_t own, list, evidence;
    uint8_t shown; /* override: enum phu_state, or PHU_STATE_NONE */
    bool is_out : 1, is_maintenance : 1, is_flapping : 1;
    bool is_released : 1; /* its event is over; whether it is down still is being confirmed */
};

struct phu_outage_sum {
    uint32_t endpoints, hamlets, households;
};

/* An event, with what only the engine knows. */
struct phu_outage_entry {
    struct phu_outage_event shown;
    struct phu_outage_links members;
    struct phu_outage_entry *next, *prev; /* active ones, by their beginning */
    struct phu_mono begin, told;          /* told: first */
    struct phu_outage_sum peak;
    uint32_t member_count, endpoint_count; /* now */
    uint32_t maintained;                   /* of the members */
    uint32_t gasps, losses;                /* of the members' lines */
    uint32_t listed[PHU_OUTAGE_HAMLETS_LISTED];
    int64_t counted_ns;
    bool is_stale;    /* who covers it has changed since it was counted */
    bool is_settled;  /* all below it have been probed; before, those not heard of count too */
    bool is_restored; /* and nothing of it heard since */
};

struct phu_outage {
    const struct phu_topology *topology;
    const struct phu_inventory *inventory;
    struct phu_outage_conf conf;
    struct phu_outage_calls calls;
    struct phu_outage_node *nodes;
    struct phu_outage_links suspects, waiting;
    struct phu_outage_entry *first, *last; /* active */
    struct phu_outage_entry *unsettled;    /* the first of them; all after it are, too */
    uint32_t *stamps;                      /* by area: the count that saw it last */
    uint32_t stamp;
    bool *power; /* by site: mains have failed */
    int64_t clock_ns, now_ns, references_asked_ns;
    enum phu_reference reference;
    bool is_blind; /* the uplink is out, and nothing behind it answers */
    struct phu_outage_counts counts;
};

#define PHU_NEVER INT64_MIN

/* An answer proves something about the time after a lost probe was sent only when it comes well
 * after: it may have been on its way, or waited to be read. Who is asked around for is asked later.
 */
#define PHU_HEARD_AFTER_NS (300 * PHU_NS_PER_MS)

static inline bool phu_outage_is_heard(int64_t answered_ns, int64_t since_ns)
{
    return answered_ns >= since_ns + PHU_HEARD_AFTER_NS;
}

static inline const struct phu_node *phu_outage_tree(const struct phu_outage *outage, uint32_t node)
{
    return &outage->topology->nodes[node];
}

/* Lists: a node is in one at most. */
void phu_outage_link(struct phu_outage *outage, struct phu_outage_links *links, uint32_t node,
                     enum phu_outage_list list);
/* From whichever it is in; events are left by phu_outage_leave(). */
void phu_outage_unlink(struct phu_outage *outage, uint32_t node);

/* outage.c */

/* A subject that is down without an event: decided at the end of the hold. */
void phu_outage_wait(struct phu_outage *outage, uint32_t node);

/* outage_root.c */

enum phu_answer { PHU_ANSWER_NO, PHU_ANSWER_YES, PHU_ANSWER_OPEN };

/* Is it to be inferred that the node is out? Final: with what is known now; never OPEN. */
enum phu_answer phu_outage_infer(const struct phu_outage *outage, uint32_t node, bool is_final);
/* Does much of what hangs on it answer, since then? */
bool phu_outage_is_contradicted(const struct phu_outage *outage, uint32_t node, int64_t since_ns);
/* The root of what keeps `node` down. False: something above it is still to be heard of. */
bool phu_outage_find_root(struct phu_outage *outage, uint32_t node, bool is_final, uint32_t *root);
/* Did it fail while something above it was out that is back since a moment? Then it may be, too. */
bool phu_outage_is_echo(const struct phu_outage *outage, uint32_t node);
/* A node without a check, or whose check is silent, turns out or not; its parent counts it. */
void phu_outage_set_out(struct phu_outage *outage, uint32_t node, bool is_out, int64_t since_ns);
/* Asks for what is needed to tell why `node` does not answer. */
void phu_outage_ask(struct phu_outage *outage, uint32_t node);
/* Asks a sample of what hangs on it. */
void phu_outage_ask_below(struct phu_outage *outage, uint32_t node);

/* outage_event.c */

struct phu_outage_entry *phu_outage_begin(struct phu_outage *outage, uint32_t root,
                                          int64_t since_ns);
void phu_outage_end(struct phu_outage *outage, struct phu_outage_entry *entry);
void phu_outage_join(struct phu_outage *outage, struct phu_outage_entry *entry, uint32_t node);
void phu_outage_leave(struct phu_outage *outage, uint32_t node);
/* Takes the events below the root that began shortly before. */
void phu_outage_merge(struct phu_outage *outage, struct phu_outage_entry *entry);
void phu_outage_settle(struct phu_outage *outage);
/* Ends those of a former run that are over. */
void phu_outage_check_restored(struct phu_outage *outage);
void phu_outage_tell(struct phu_outage *outage, struct phu_outage_entry *entry,
                     enum phu_outage_step step);
void phu_outage_show(struct phu_outage *outage, uint32_t node, enum phu_state state);
/* Something that causes are told from has changed: tells of it where it is news. */
void phu_outage_refine(struct phu_outage *outage, struct phu_outage_entry *entry);

/* outage_cause.c */

enum phu_cause phu_outage_cause(const struct phu_outage *outage,
                                const struct phu_outage_entry *entry);
