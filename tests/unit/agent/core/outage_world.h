/* A small world for the root-cause engine: an inventory, who of it is cut off, and a plain state
 * machine per subject that tells the engine what the real one would. Virtual time in steps of 50
 * ms.
 *
 *     world_open(&world, areas, sites, devices, endpoints);
 *     world_run(&world, 60);
 *     world_break(&world, "olt-1", true);
 *     world_run(&world, 30);
 *     world.told[world.told_count - 1] …
 */
#pragma once

#include "inventory.h"
#include "outage.h"
#include "topology.h"

#define WORLD_TOLD_MAX 65536
#define WORLD_TEXT (1 << 20)

struct world_told {
    enum phu_outage_step step;
    enum phu_node_kind kind;
    enum phu_cause cause, refined;
    char root[PHU_NODE_ID_SIZE];
    uint32_t endpoints, hamlets, households;
    bool is_inferred, is_maintenance, is_merged, is_flapping;
    int64_t at_ms, id_ns, begin_ns, end_ns;
};

struct world_subject {
    enum { WORLD_NEW, WORLD_UP, WORLD_SUSPECT, WORLD_DOWN } state;
    int64_t next_ms, since_ms, told_ms, confirm_ms, poll_ms, back_ms;
    bool is_told, is_releasing;
    enum phu_state override;
};

struct world {
    struct phu_inventory *inventory;
    struct phu_topology topology;
    struct phu_outage_conf conf;
    struct phu_outage *outage;
    struct world_subject *subjects; /* by node */
    bool *broken;                   /* by node: it and all below it are cut off */
    bool *mute;                     /* by node: it alone */
    bool has_references;
    enum phu_reference reference;
    int64_t reference_since_ms, reference_asked_ms;
    int64_t now_ms;
    int64_t device_interval_ms; /* 20 s unless set before devices are first polled */
    int64_t polls;
    struct world_told *told;
    size_t told_count;
    bool is_untold; /* not kept: for long runs */
};

void world_open(struct world *world, const char *areas, const char *sites, const char *devices,
                const char *endpoints);
void world_close(struct world *world);

/* The node of that id, of any kind; asserts that there is one. "" is the uplink. */
uint32_t world_node(const struct world *world, const char *id);
void world_break(struct world *world, const char *id, bool is_broken);
void world_mute(struct world *world, const char *id, bool is_mute);
void world_run(struct world *world, double seconds);
/* Does nothing on the way to it fail? */
bool world_answers(const struct world *world, uint32_t node);

/* How many of the told are of that step; merged ones left out when `step` is END. */
size_t world_count(const struct world *world, enum phu_outage_step step);
/* The only or last one of that step and root, or NULL. */
const struct world_told *world_last(const struct world *world, enum phu_outage_step step,
                                    const char *root);
/* Every invariant that holds at any time; asserts. */
void world_check(const struct world *world);

/* CSV of `count` hamlets h-0 … with 10 + i households. */
void world_hamlets(char *text, size_t size, unsigned count);
