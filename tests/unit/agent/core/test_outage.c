/* The root-cause engine, scenario by scenario: what is told, of whom, and how often. */
#include "outage_world.h"

#include "phusong/point.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sites[] = "id,name,area,parent\n"
                            "s-agg,Trung tâm,c-1,\n"
                            "s-1,Trạm Một,c-1,s-agg\n"
                            "s-2,Trạm Hai,c-1,s-agg\n";
static const char devices[] = "id,address,checks,site,parent\n"
                              "agg-1,10.0.0.1,snmp,s-agg,\n"
                              "olt-1,10.0.1.1,snmp,s-1,agg-1\n"
                              "bts-1,10.0.1.2,snmp,s-1,agg-1\n"
                              "ups-1,10.0.1.3,snmp,s-1,\n"
                              "olt-2,10.0.2.1,snmp,s-2,agg-1\n"
                              "bts-2,10.0.2.2,snmp,s-2,agg-1\n";

/* Of olt-1, `pons` PONs with `onus` each; on olt-2 one PON of 4; ten 4G each of bts-1 and bts-2. */
static void open_world(struct world *world, unsigned pons, unsigned onus)
{
    char *areas = malloc(WORLD_TEXT), *endpoints = malloc(WORLD_TEXT);
    size_t used;
    unsigned count = pons * onus;

    assert_true(areas && endpoints);
    world_hamlets(areas, WORLD_TEXT, count + 30);
    used = (size_t)snprintf(endpoints, WORLD_TEXT,
                            "id,hamlet,technology,operator,address,device,index,parent\n");
    for (unsigned i = 0; i < count; i++)
        used += (size_t)snprintf(endpoints + used, WORLD_TEXT - used,
                                 "e-%u,h-%u,fibre,vnpt,10.1.%u.%u,olt-1,0/1/%u:%u,\n", i, i,
                                 i / 250, i % 250 + 1, i / onus, i % onus);
    for (unsigned i = 0; i < 4; i++)
        used += (size_t)snprintf(endpoints + used, WORLD_TEXT - used,
                                 "f-%u,h-%u,fibre,vnpt,10.2.0.%u,olt-2,0/1/0:%u,\n", i, count + i,
                                 i + 1, i);
    for (unsigned i = 0; i < 20; i++)
        used += (size_t)snprintf(endpoints + used, WORLD_TEXT - used,
                                 "m-%u,h-%u,4g,viettel,10.3.0.%u,,,bts-%u\n", i, count + 4 + i % 10,
                                 i + 1, i / 10 + 1);
    world_open(world, areas, sites, devices, endpoints);
    free(areas);
    free(endpoints);
    world_run(world, 60);
    assert_int_equal(world->told_count, 0);
}

static void expect(const struct world *world, size_t begun, size_t ended)
{
    size_t has_begun = world_count(world, PHU_OUTAGE_BEGIN);
    size_t has_ended = world_count(world, PHU_OUTAGE_END);

    if (has_begun != begun || has_ended != ended) {
        for (size_t i = 0; i < world->told_count; i++)
            print_message("%8.2f step=%d root=%s cause=%s endpoints=%u hamlets=%u merged=%d\n",
                          (double)(world->told[i].at_ms - 3600000) / 1000, world->told[i].step,
                          world->told[i].root, phu_cause_name(world->told[i].cause),
                          world->told[i].endpoints, world->told[i].hamlets,
                          world->told[i].is_merged);
    }
    assert_int_equal(has_begun, begun);
    assert_int_equal(has_ended, ended);
    world_check(world);
}

static const struct world_told *begun(const struct world *world, const char *root)
{
    const struct world_told *told = world_last(world, PHU_OUTAGE_BEGIN, root);

    assert_non_null(told);
    return told;
}

static unsigned households_of(unsigned first, unsigned count)
{
    unsigned sum = 0;

    for (unsigned i = first; i < first + count; i++)
        sum += 10 + i;
    return sum;
}

/* -- Scenarios -------------------------------------------------------------------------------- */

static void test_line_alone(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 4, 8);
    world_break(&world, "e-9", true);
    world_run(&world, 20);
    expect(&world, 1, 0);
    told = begun(&world, "e-9");
    assert_int_equal(told->kind, PHU_NODE_ENDPOINT);
    assert_int_equal(told->cause, PHU_CAUSE_SINGLE_LINE);
    assert_int_equal(told->endpoints, 1);
    assert_int_equal(told->hamlets, 1);
    assert_int_equal(told->households, 19);
    assert_false(told->is_inferred);
    /* Its PON's other lines have answered since: there is nothing to wait for. */
    assert_true(told->at_ms - told->begin_ns / PHU_NS_PER_MS <= 2600);
    world_break(&world, "e-9", false);
    world_run(&world, 20);
    expect(&world, 1, 1);
    world_close(&world);
}

/* 300 hamlets on one OLT: one event, which names it and them all from the first. */
static void test_cut_of_300(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 10, 30);
    world_break(&world, "olt-1", true);
    world_run(&world, 60);
    expect(&world, 1, 0);
    told = begun(&world, "olt-1");
    assert_int_equal(told->kind, PHU_NODE_DEVICE);
    assert_int_equal(told->hamlets, 300);
    assert_int_equal(told->endpoints, 300);
    assert_int_equal(told->households, households_of(0, 300));
    world_break(&world, "olt-1", false);
    world_run(&world, 60);
    expect(&world, 1, 1);
    told = world_last(&world, PHU_OUTAGE_END, "olt-1");
    assert_int_equal(told->hamlets, 300);
    assert_int_equal(told->households, households_of(0, 300));
    world_close(&world);
}

/* The OLT answers, one of its PONs does not: inferred, and fibre by what the ONUs' signal says. */
static void test_pon_inferred(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 4, 16);
    world_break(&world, "olt-1/0/1/2", true);
    for (unsigned i = 32; i < 48; i++) {
        char id[16];

        snprintf(id, sizeof id, "e-%u", i);
        phu_outage_line_evidence(world.outage, world_node(&world, id), PHU_LINE_LOS,
                                 (struct phu_mono){world.now_ms * PHU_NS_PER_MS});
    }
    world_run(&world, 40);
    expect(&world, 1, 0);
    told = begun(&world, "olt-1/0/1/2");
    assert_int_equal(told->kind, PHU_NODE_PON);
    assert_true(told->is_inferred);
    assert_int_equal(told->cause, PHU_CAUSE_FIBRE_CUT);
    assert_int_equal(told->hamlets, 16);
    assert_true(told->at_ms - told->begin_ns / PHU_NS_PER_MS <= 6000);
    world_break(&world, "olt-1/0/1/2", false);
    world_run(&world, 40);
    expect(&world, 1, 1);
    world_close(&world);
}

static void test_pon_with_survivors(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;
    char id[16];

    (void)state;
    open_world(&world, 4, 20);
    for (unsigned i = 0; i < 18; i++) { /* of 20 */
        snprintf(id, sizeof id, "e-%u", i);
        world_break(&world, id, true);
    }
    world_run(&world, 60);
    expect(&world, 1, 0);
    told = world_last(&world, PHU_OUTAGE_UPDATE, "olt-1/0/1/0");
    assert_non_null(told);
    assert_int_equal(told->endpoints, 18);
    world_close(&world);
}

/* Half of a PON is no PON: each line by itself. */
static void test_half_of_a_pon(void **state)
{
    struct world world = {.has_references = true};
    char id[16];

    (void)state;
    open_world(&world, 2, 10);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "e-%u", i);
        world_break(&world, id, true);
    }
    world_run(&world, 60);
    expect(&world, 5, 0);
    world_close(&world);
}

static void test_nested_cuts(void **state)
{
    struct world world = {.has_references = true};

    (void)state;
    open_world(&world, 4, 10);
    world_break(&world, "olt-1/0/1/1", true);
    world_run(&world, 120);
    expect(&world, 1, 0);
    world_break(&world, "olt-1", true);
    world_run(&world, 120);
    expect(&world, 2, 0);
    /* The others: those of the PON have their own event, which goes on. */
    assert_int_equal(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1")->endpoints, 30);
    world_break(&world, "olt-1", false);
    world_run(&world, 60);
    expect(&world, 2, 1);
    assert_non_null(world_last(&world, PHU_OUTAGE_END, "olt-1"));
    world_break(&world, "olt-1/0/1/1", false);
    world_run(&world, 60);
    expect(&world, 2, 2);
    world_close(&world);
}

/* The OLT comes back, one PON and one line elsewhere do not: told within a cycle. */
static void test_children_stay_down(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told, *end;

    (void)state;
    open_world(&world, 4, 10);
    world_break(&world, "olt-1", true);
    world_run(&world, 60);
    expect(&world, 1, 0);
    world_break(&world, "olt-1/0/1/1", true);
    world_break(&world, "e-35", true);
    world_break(&world, "olt-1", false);
    world_run(&world, 60);
    expect(&world, 3, 1);
    end = world_last(&world, PHU_OUTAGE_END, "olt-1");
    told = begun(&world, "olt-1/0/1/1");
    assert_int_equal(told->hamlets, 10);
    assert_true(told->at_ms - end->at_ms <= 6000);
    told = begun(&world, "e-35");
    assert_true(told->at_ms - end->at_ms <= 6000);
    world_break(&world, "olt-1/0/1/1", false);
    world_break(&world, "e-35", false);
    world_run(&world, 60);
    expect(&world, 3, 3);
    world_close(&world);
}

static void test_uplink_lost(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 4, 10);
    world_break(&world, "e-3", true); /* an older trouble */
    world_run(&world, 90);
    world_break(&world, "", true);
    world_run(&world, 60);
    expect(&world, 2, 0);
    told = begun(&world, "");
    assert_int_equal(told->kind, PHU_NODE_AGENT);
    assert_int_equal(told->cause, PHU_CAUSE_BACKHAUL);
    assert_false(told->is_inferred);
    for (uint32_t node = 1; node < world.topology.count; node++) {
        if (world.subjects[node].state == WORLD_DOWN)
            assert_int_equal(world.subjects[node].override, PHU_STATE_UNKNOWN);
    }
    world_break(&world, "", false);
    world_run(&world, 60);
    expect(&world, 2, 1);
    assert_int_equal(world.subjects[world_node(&world, "e-3")].override, PHU_STATE_NONE);
    world_break(&world, "e-3", false);
    world_run(&world, 60);
    expect(&world, 2, 2);
    world_close(&world);
}

/* Uplink and OLT back before all that failed with them has been confirmed: no event of its own. */
static void test_short_outages(void **state)
{
    static const char *const roots[] = {"", "olt-1", "s-1", "olt-1/0/1/1"};

    (void)state;
    for (unsigned tenth = 5; tenth < 60; tenth += 5) {
        struct world world = {.has_references = true};
        unsigned alone = 0;

        open_world(&world, 3, 10);
        for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
            world_break(&world, roots[i], true);
            world_run(&world, tenth / 10.0);
            world_break(&world, roots[i], false);
            world_run(&world, 60);
        }
        assert_int_equal(phu_outage_counts(world.outage)->active, 0);
        for (size_t i = 0; i < world.told_count; i++)
            alone += world.told[i].step == PHU_OUTAGE_END && !world.told[i].is_merged &&
                     world.told[i].kind == PHU_NODE_ENDPOINT;
        assert_true(alone <= 2); /* of a PON that was back before three of it were known */
        world_close(&world);
    }
}

/* Without references the uplink can only be inferred. */
static void test_uplink_inferred(void **state)
{
    struct world world = {0};
    const struct world_told *told;

    (void)state;
    open_world(&world, 4, 10);
    world_break(&world, "", true);
    world_run(&world, 60);
    told = world_last(&world, PHU_OUTAGE_BEGIN, "s-agg");
    assert_null(told);
    world_break(&world, "", false);
    world_run(&world, 60);
    assert_int_equal(world_count(&world, PHU_OUTAGE_BEGIN), world_count(&world, PHU_OUTAGE_END));
    world_close(&world);
}

/* OLT, BTS and UPS of one site at once, and the UPS said before that mains are gone. */
static void test_power_of_a_site(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 3, 8);
    phu_outage_power(world.outage, phu_inventory_find_site(world.inventory, "s-1"), true,
                     (struct phu_mono){world.now_ms * PHU_NS_PER_MS});
    world_run(&world, 30);
    world_break(&world, "s-1", true);
    world_run(&world, 60);
    told = begun(&world, "s-1");
    assert_int_equal(told->kind, PHU_NODE_SITE);
    assert_int_equal(told->cause, PHU_CAUSE_POWER);
    assert_true(told->is_inferred);
    assert_int_equal(told->endpoints, 24 + 10);
    expect(&world, 1, 0);
    world_break(&world, "s-1", false);
    world_run(&world, 60);
    expect(&world, 1, 1);
    world_close(&world);
}

static void test_gasps(void **state)
{
    struct world world = {.has_references = true};
    char id[16];

    (void)state;
    open_world(&world, 4, 8);
    world_break(&world, "olt-1/0/1/1", true);
    world_run(&world, 30);
    expect(&world, 1, 0);
    assert_int_equal(begun(&world, "olt-1/0/1/1")->cause, PHU_CAUSE_UNKNOWN);
    for (unsigned i = 8; i < 16; i++) {
        snprintf(id, sizeof id, "e-%u", i);
        phu_outage_line_evidence(world.outage, world_node(&world, id), PHU_LINE_GASP,
                                 (struct phu_mono){world.now_ms * PHU_NS_PER_MS});
    }
    /* What was told as cause stays; what came later is said beside it, once. */
    assert_int_equal(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1/0/1/1")->cause,
                     PHU_CAUSE_UNKNOWN);
    assert_int_equal(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1/0/1/1")->refined,
                     PHU_CAUSE_POWER);
    world_close(&world);
}

static void test_radio(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 2, 4);
    world_break(&world, "bts-2/4g", true);
    world_run(&world, 40);
    expect(&world, 1, 0);
    told = begun(&world, "bts-2/4g");
    assert_int_equal(told->cause, PHU_CAUSE_RADIO);
    assert_int_equal(told->hamlets, 10);
    world_close(&world);
}

static void test_backhaul(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 3, 10);
    world_break(&world, "agg-1", true);
    world_run(&world, 60);
    told = begun(&world, "agg-1");
    assert_int_equal(told->cause, PHU_CAUSE_BACKHAUL);
    assert_int_equal(told->endpoints, 30 + 4 + 20);
    world_break(&world, "agg-1", false);
    world_run(&world, 60);
    assert_int_equal(phu_outage_counts(world.outage)->active, 0);
    /* Whatever began before it was known was taken in: all else that began was ended as merged. */
    for (size_t i = 0; i < world.told_count; i++) {
        if (world.told[i].step == PHU_OUTAGE_END && strcmp(world.told[i].root, "agg-1") != 0)
            assert_true(world.told[i].is_merged);
    }
    world_close(&world);
}

/* Its address does not answer, what hangs on it does: it explains nothing. */
static void test_mute_parent(void **state)
{
    struct world world = {.has_references = true};
    const struct world_told *told;

    (void)state;
    open_world(&world, 4, 10);
    world_mute(&world, "olt-1", true);
    world_run(&world, 60);
    expect(&world, 1, 0);
    told = world_last(&world, PHU_OUTAGE_UPDATE, "olt-1");
    assert_true(!told || told->endpoints == 0);
    assert_int_equal(begun(&world, "olt-1")->endpoints, 0);
    world_break(&world, "e-5", true);
    world_run(&world, 60);
    expect(&world, 2, 0);
    begun(&world, "e-5");
    world_close(&world);
}

static void test_flapping(void **state)
{
    struct world world = {.has_references = true};
    struct phu_health health = {.change = PHU_HEALTH_FLAPPING, .is_flapping = true};

    (void)state;
    open_world(&world, 2, 10);
    world_break(&world, "olt-1", true);
    world_run(&world, 60);
    health.at.ns = world.now_ms * PHU_NS_PER_MS;
    phu_outage_change(world.outage, world_node(&world, "olt-1"), &health);
    assert_true(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1")->is_flapping);
    expect(&world, 1, 0);
    world_close(&world);
}

static void test_maintenance(void **state)
{
    struct world world = {.has_references = true};
    char id[16];

    (void)state;
    open_world(&world, 2, 10);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "e-%u", i);
        phu_outage_set_maintenance(world.outage, world_node(&world, id), true);
    }
    world_break(&world, "olt-1/0/1/0", true);
    world_break(&world, "e-15", true);
    world_run(&world, 60);
    expect(&world, 2, 0);
    assert_true(world_last(&world, PHU_OUTAGE_BEGIN, "olt-1/0/1/0")->is_maintenance);
    assert_false(begun(&world, "e-15")->is_maintenance);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "e-%u", i);
        phu_outage_set_maintenance(world.outage, world_node(&world, id), false);
    }
    world_run(&world, 60);
    assert_false(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1/0/1/0")->is_maintenance);
    world_close(&world);
}

/* -- A restart -------------------------------------------------------------------------------- */

struct kept {
    struct phu_outage_event events[8];
    char roots[8][PHU_NODE_ID_SIZE];
    size_t count;
    struct world *world;
};

static void keep(void *arg, struct phu_outage_event *event)
{
    struct kept *kept = arg;

    phu_topology_id(&kept->world->topology, kept->world->inventory, event->root,
                    kept->roots[kept->count]);
    kept->events[kept->count++] = *event;
}

static void restart(struct world *world, struct kept *kept)
{
    struct world next = {.has_references = true,
                         .now_ms = world->now_ms,
                         .told = world->told,
                         .told_count = world->told_count};

    kept->world = world;
    phu_outage_visit(world->outage, keep, kept);
    world->told = NULL;
    world_close(world);
    *world = next;
}

static void open_again(struct world *world, struct kept *kept, unsigned pons, unsigned onus)
{
    struct world_told *told = world->told;
    char *areas = malloc(WORLD_TEXT), *endpoints = malloc(WORLD_TEXT);
    size_t used;

    assert_true(areas && endpoints && told);
    world_hamlets(areas, WORLD_TEXT, pons * onus);
    used = (size_t)snprintf(endpoints, WORLD_TEXT,
                            "id,hamlet,technology,operator,address,device,index\n");
    for (unsigned i = 0; i < pons * onus; i++)
        used += (size_t)snprintf(endpoints + used, WORLD_TEXT - used,
                                 "e-%u,h-%u,fibre,vnpt,10.1.0.%u,olt-1,0/1/%u:%u\n", i, i, i + 1,
                                 i / onus, i % onus);
    world_open(world, areas, sites, devices, endpoints);
    free(areas);
    free(endpoints);
    for (size_t i = 0; i < kept->count; i++) {
        kept->events[i].root = world_node(world, kept->roots[i]);
        phu_outage_restore(world->outage, &kept->events[i],
                           (struct phu_mono){world->now_ms * PHU_NS_PER_MS});
    }
}

/* Three events when the agent goes away: one goes on, one ends meanwhile, one is inferred and goes
 * on. None begins again, and none is lost. */
static void test_restart(void **state)
{
    struct world world = {.has_references = true};
    struct kept kept = {0};
    size_t before;

    (void)state;
    open_world(&world, 4, 8);
    world_break(&world, "e-2", true);
    world_break(&world, "e-30", true);
    world_break(&world, "olt-1/0/1/1", true);
    world_run(&world, 60);
    expect(&world, 3, 0);
    before = world.told_count;
    restart(&world, &kept);
    assert_int_equal(kept.count, 3);
    open_again(&world, &kept, 4, 8);
    world_break(&world, "e-2", true);
    world_break(&world, "olt-1/0/1/1", true);
    world_run(&world, 180);
    assert_int_equal(world_count(&world, PHU_OUTAGE_BEGIN), 3);
    assert_int_equal(world_count(&world, PHU_OUTAGE_END), 1);
    assert_non_null(world_last(&world, PHU_OUTAGE_END, "e-30"));
    assert_true(world.told_count > before);
    assert_int_equal(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1/0/1/1")->id_ns,
                     begun(&world, "olt-1/0/1/1")->id_ns);
    assert_int_equal(world_last(&world, PHU_OUTAGE_UPDATE, "olt-1/0/1/1")->endpoints, 8);
    world_break(&world, "e-2", false);
    world_break(&world, "olt-1/0/1/1", false);
    world_run(&world, 120);
    assert_int_equal(world_count(&world, PHU_OUTAGE_END), 3);
    world_close(&world);
}

/* An inferred one that was over before the agent came back. */
static void test_restart_over(void **state)
{
    struct world world = {.has_references = true};
    struct kept kept = {0};

    (void)state;
    open_world(&world, 4, 8);
    world_break(&world, "olt-1/0/1/1", true);
    world_run(&world, 60);
    expect(&world, 1, 0);
    restart(&world, &kept);
    open_again(&world, &kept, 4, 8);
    world_run(&world, 180);
    assert_int_equal(world_count(&world, PHU_OUTAGE_BEGIN), 1);
    assert_int_equal(world_count(&world, PHU_OUTAGE_END), 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_alone),
        cmocka_unit_test(test_cut_of_300),
        cmocka_unit_test(test_pon_inferred),
        cmocka_unit_test(test_pon_with_survivors),
        cmocka_unit_test(test_half_of_a_pon),
        cmocka_unit_test(test_nested_cuts),
        cmocka_unit_test(test_children_stay_down),
        cmocka_unit_test(test_uplink_lost),
        cmocka_unit_test(test_short_outages),
        cmocka_unit_test(test_uplink_inferred),
        cmocka_unit_test(test_power_of_a_site),
        cmocka_unit_test(test_gasps),
        cmocka_unit_test(test_radio),
        cmocka_unit_test(test_backhaul),
        cmocka_unit_test(test_mute_parent),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_maintenance),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
