#include "outage_world.h"

#include "inventory_load.h"
#include "phusong/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 50

static const char *const checks[] = {"icmp", "snmp", NULL};
static const char *const profiles[] = {"fibre", "3g", "4g", "5g", "device", NULL};
static const char *const credentials[] = {NULL};
static const struct phu_inventory_vocabulary vocabulary = {
    .checks = checks,
    .profiles = profiles,
    .profile_of = {0, 1, 2, 3},
    .profile_of_devices = 4,
    .credentials = credentials,
};

static struct phu_mono mono(int64_t ms)
{
    return (struct phu_mono){ms * PHU_NS_PER_MS};
}

/* -- What the engine asks for ----------------------------------------------------------------- */

static void override(void *arg, uint32_t node, enum phu_state state)
{
    struct world *world = arg;
    struct world_subject *subject = &world->subjects[node];

    if (state == PHU_STATE_NONE && subject->state == WORLD_DOWN &&
        subject->override != PHU_STATE_NONE) {
        subject->is_releasing = true;
        subject->confirm_ms = world->now_ms + 2500;
    }
    subject->override = state;
}

static void poll(void *arg, uint32_t node)
{
    struct world *world = arg;

    world->subjects[node].poll_ms = world->now_ms + STEP_MS;
    world->polls++;
}

static void poll_references(void *arg)
{
    struct world *world = arg;

    world->reference_asked_ms = world->now_ms + STEP_MS;
}

static void tell(void *arg, struct phu_outage_event *event, enum phu_outage_step step)
{
    struct world *world = arg;
    struct world_told *told = &world->told[world->told_count];

    if (world->is_untold)
        return;
    assert_true(world->told_count < WORLD_TOLD_MAX);
    world->told_count++;
    *told = (struct world_told){
        .step = step,
        .kind = (enum phu_node_kind)world->topology.nodes[event->root].kind,
        .cause = event->cause,
        .refined = event->refined,
        .endpoints = event->endpoints,
        .hamlets = event->hamlets,
        .households = event->households,
        .is_inferred = event->is_inferred,
        .is_maintenance = event->is_maintenance,
        .is_merged = event->is_merged,
        .is_flapping = event->is_flapping,
        .at_ms = world->now_ms,
        .id_ns = event->id_ns,
        .begin_ns = event->begin_ns,
        .end_ns = event->end_ns,
    };
    assert_true(event->is_active == (step != PHU_OUTAGE_END));
    phu_topology_id(&world->topology, world->inventory, event->root, told->root);
}

/* -- Subjects --------------------------------------------------------------------------------- */

bool world_answers(const struct world *world, uint32_t node)
{
    if (world->mute[node])
        return false;
    for (; node != PHU_NODE_NONE; node = world->topology.nodes[node].parent) {
        if (world->broken[node])
            return false;
    }
    return true;
}

static void change(struct world *world, uint32_t node, enum phu_health_change what, bool is_again)
{
    struct world_subject *subject = &world->subjects[node];
    struct phu_health health = {.change = what,
                                .is_released = is_again,
                                .at = mono(world->now_ms),
                                .since = mono(subject->since_ms)};

    phu_outage_change(world->outage, node, &health);
}

static void suspect(struct world *world, struct world_subject *subject)
{
    subject->state = WORLD_SUSPECT;
    subject->since_ms = world->now_ms;
    subject->told_ms = world->now_ms + 300;
    subject->confirm_ms = world->now_ms + 2500;
    subject->is_told = false;
}

static void recover(struct world *world, uint32_t node)
{
    struct world_subject *subject = &world->subjects[node];

    subject->state = WORLD_UP;
    subject->back_ms = 0;
    subject->is_releasing = false;
    change(world, node, PHU_HEALTH_RECOVERED, false);
}

static void step_suspect(struct world *world, uint32_t node, bool answers)
{
    struct world_subject *subject = &world->subjects[node];

    if (answers) {
        subject->state = WORLD_UP;
        if (subject->is_told)
            change(world, node, PHU_HEALTH_CLEARED, false);
        return;
    }
    if (!subject->is_told && world->now_ms >= subject->told_ms) {
        subject->is_told = true;
        change(world, node, PHU_HEALTH_SUSPECT, false);
    }
    if (world->now_ms >= subject->confirm_ms) {
        subject->state = WORLD_DOWN;
        change(world, node, PHU_HEALTH_DOWN, false);
    }
}

static void step_down(struct world *world, uint32_t node, bool answers, bool is_probed)
{
    struct world_subject *subject = &world->subjects[node];

    if (!answers)
        subject->back_ms = 0;
    else if (!subject->back_ms && (is_probed || subject->is_releasing))
        subject->back_ms = world->now_ms + 1000;
    if (subject->back_ms && world->now_ms >= subject->back_ms) {
        recover(world, node);
    } else if (subject->is_releasing && !answers && world->now_ms >= subject->confirm_ms) {
        subject->is_releasing = false;
        change(world, node, PHU_HEALTH_DOWN, true);
    }
}

static void step_subject(struct world *world, uint32_t node)
{
    struct world_subject *subject = &world->subjects[node];
    bool is_device = world->topology.nodes[node].kind == PHU_NODE_DEVICE;
    bool is_polled = subject->poll_ms && world->now_ms >= subject->poll_ms;
    bool is_probed = is_polled || world->now_ms >= subject->next_ms;
    bool answers = world_answers(world, node);

    if (is_polled)
        subject->poll_ms = 0;
    if (world->now_ms >= subject->next_ms)
        subject->next_ms += is_device ? world->device_interval_ms : 10000;
    switch (subject->state) {
    case WORLD_NEW:
        if (is_probed && answers)
            recover(world, node);
        else if (is_probed)
            suspect(world, subject);
        break;
    case WORLD_UP:
        if (is_probed && !answers)
            suspect(world, subject);
        else if (is_polled)
            change(world, node, PHU_HEALTH_CLEARED, false);
        break;
    case WORLD_SUSPECT:
        step_suspect(world, node, answers);
        break;
    case WORLD_DOWN:
        step_down(world, node, answers, is_probed);
        break;
    }
}

/* Probed each 5 s, and when asked. */
static void step_references(struct world *world)
{
    bool answers = !world->broken[PHU_NODE_UPLINK];
    bool is_asked = world->reference_asked_ms && world->now_ms >= world->reference_asked_ms;

    if (is_asked)
        world->reference_asked_ms = 0;
    if (world->reference == PHU_REFERENCE_SUSPECT && !answers &&
        world->now_ms - world->reference_since_ms >= 2500) {
        world->reference = PHU_REFERENCE_OUT;
    } else if (is_asked || world->now_ms % 5000 == 0) {
        if (!answers && world->reference == PHU_REFERENCE_ANSWERS) {
            world->reference = PHU_REFERENCE_SUSPECT;
            world->reference_since_ms = world->now_ms;
        } else if (answers) {
            world->reference = PHU_REFERENCE_ANSWERS;
        } else {
            return;
        }
    } else {
        return;
    }
    phu_outage_reference(world->outage, world->reference, mono(world->reference_since_ms),
                         mono(world->now_ms));
}

void world_run(struct world *world, double seconds)
{
    int64_t end_ms = world->now_ms + (int64_t)(seconds * 1000);
    struct phu_mono due;

    while (world->now_ms < end_ms) {
        world->now_ms += STEP_MS;
        if (world->has_references)
            step_references(world);
        for (uint32_t node = 1; node < world->topology.count; node++) {
            enum phu_node_kind kind = (enum phu_node_kind)world->topology.nodes[node].kind;

            if (kind == PHU_NODE_DEVICE || kind == PHU_NODE_ENDPOINT)
                step_subject(world, node);
        }
        while (phu_outage_due(world->outage, &due) && due.ns <= mono(world->now_ms).ns)
            phu_outage_tick(world->outage, mono(world->now_ms));
        if (world->now_ms % 60000 == 0)
            phu_outage_heartbeat(world->outage, mono(world->now_ms));
    }
}

/* -- Life ------------------------------------------------------------------------------------- */

static void load(struct world *world, const char *areas, const char *sites, const char *devices,
                 const char *endpoints)
{
    const char *texts[PHU_FILE_COUNT] = {areas, sites, devices, endpoints};
    const char *names[PHU_FILE_COUNT] = {"areas.csv", "sites.csv", "devices.csv", "endpoints.csv",
                                         "maintenance.csv"};
    struct phu_inventory_source sources[PHU_FILE_COUNT] = {0};
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++) {
        sources[i].path = names[i];
        sources[i].text = texts[i] ? strdup(texts[i]) : NULL;
        sources[i].length = texts[i] ? strlen(texts[i]) : 0;
    }
    result = phu_inventory_load_texts(sources, &vocabulary,
                                      (struct phu_wall){INT64_C(1764547200) * PHU_NS_PER_S}, &diags,
                                      &world->inventory);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++)
        free(sources[i].text);
    assert_int_equal(result, 0);
}

void world_open(struct world *world, const char *areas, const char *sites, const char *devices,
                const char *endpoints)
{
    const struct phu_outage_calls calls = {override, poll, poll_references, tell, world};

    load(world, areas, sites, devices, endpoints);
    phu_topology_init(&world->topology, world->inventory);
    if (!world->conf.hold_ns)
        world->conf = (struct phu_outage_conf){.hold_ns = 3 * PHU_NS_PER_S,
                                               .spread_ns = 15 * PHU_NS_PER_S,
                                               .merge_ns = 30 * PHU_NS_PER_S,
                                               .share = 0.8,
                                               .least = 3};
    if (!world->device_interval_ms)
        world->device_interval_ms = 20000;
    phu_outage_new(&world->topology, world->inventory, &world->conf, &calls, &world->outage);
    world->subjects = calloc(world->topology.count, sizeof *world->subjects);
    world->broken = calloc(world->topology.count, sizeof *world->broken);
    world->mute = calloc(world->topology.count, sizeof *world->mute);
    if (!world->told)
        world->told = calloc(WORLD_TOLD_MAX, sizeof *world->told);
    assert_non_null(world->told);
    if (!world->now_ms)
        world->now_ms = 3600000;
    for (uint32_t node = 1; node < world->topology.count; node++) {
        enum phu_node_kind kind = (enum phu_node_kind)world->topology.nodes[node].kind;
        bool is_device = kind == PHU_NODE_DEVICE;
        int64_t interval_ms = is_device ? world->device_interval_ms : 10000;

        world->subjects[node].override = PHU_STATE_NONE;
        if (!is_device && kind != PHU_NODE_ENDPOINT)
            continue;
        phu_outage_set_checked(world->outage, node, true);
        world->subjects[node].next_ms =
            world->now_ms +
            (int64_t)(node * 2654435761u % (uint32_t)interval_ms) / STEP_MS * STEP_MS;
    }
}

void world_close(struct world *world)
{
    phu_outage_free(world->outage);
    phu_topology_fini(&world->topology);
    phu_inventory_free(world->inventory);
    free(world->subjects);
    free(world->broken);
    free(world->mute);
    free(world->told);
}

/* -- Looking ---------------------------------------------------------------------------------- */

uint32_t world_node(const struct world *world, const char *id)
{
    for (enum phu_node_kind kind = PHU_NODE_SITE; id[0] && kind <= PHU_NODE_ENDPOINT; kind++) {
        uint32_t node = phu_topology_find(&world->topology, world->inventory, kind, id);

        if (node != PHU_NODE_NONE)
            return node;
    }
    assert_string_equal(id, "");
    return PHU_NODE_UPLINK;
}

void world_break(struct world *world, const char *id, bool is_broken)
{
    world->broken[world_node(world, id)] = is_broken;
}

void world_mute(struct world *world, const char *id, bool is_mute)
{
    world->mute[world_node(world, id)] = is_mute;
}

size_t world_count(const struct world *world, enum phu_outage_step step)
{
    size_t count = 0;

    for (size_t i = 0; i < world->told_count; i++)
        count += world->told[i].step == step;
    return count;
}

const struct world_told *world_last(const struct world *world, enum phu_outage_step step,
                                    const char *root)
{
    for (size_t i = world->told_count; i-- > 0;) {
        if (world->told[i].step == step && strcmp(world->told[i].root, root) == 0)
            return &world->told[i];
    }
    return NULL;
}

static void check_event(void *arg, struct phu_outage_event *event)
{
    const struct world *world = arg;

    (void)world;
    assert_true(event->is_active);
    assert_true(event->hamlets <= event->endpoints);
}

void world_check(const struct world *world)
{
    const struct phu_outage_counts *counts = phu_outage_counts(world->outage);

    phu_outage_visit(world->outage, check_event, (void *)world);
    assert_int_equal(counts->begun - counts->ended, counts->active);
    for (uint32_t node = 1; node < world->topology.count; node++) {
        const struct phu_outage_event *event = phu_outage_event_of(world->outage, node);
        const struct world_subject *subject = &world->subjects[node];

        if (!event) {
            assert_int_equal(subject->override, PHU_STATE_NONE);
            continue;
        }
        assert_int_equal(subject->state, WORLD_DOWN);
        assert_true(phu_topology_is_within(&world->topology, node, event->root));
        if (event->root == node)
            assert_true(subject->override == PHU_STATE_NONE ||
                        subject->override == PHU_STATE_UNKNOWN);
        else
            assert_true(subject->override == PHU_STATE_UNREACHABLE ||
                        subject->override == PHU_STATE_UNKNOWN);
    }
}

void world_hamlets(char *text, size_t size, unsigned count)
{
    size_t used = (size_t)snprintf(text, size,
                                   "code,level,name,parent_code,id,households\n"
                                   "24,province,Tỉnh Bắc Ninh,,,\n"
                                   "c-1,commune,Xã Một,24,,\n");

    for (unsigned i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "h%u,hamlet,Thôn %u,c-1,h-%u,%u\n", i, i,
                                 i, 10 + i);
    assert_true(used < size);
}
