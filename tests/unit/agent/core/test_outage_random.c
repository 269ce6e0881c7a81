/* The root-cause engine under random trees and random outages: what always holds.
 *
 * - A subject that is down is covered by exactly one event, once what is known has settled.
 * - It is overridden if and only if it is not the root itself.
 * - The members of events add up to the endpoints that are down.
 * - When everything is up again, every event that began has ended.
 * PHU_SEED=n repeats a run. */
#include "outage_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS 4
#define ROUNDS 12

static uint64_t chance_state;

static unsigned chance(unsigned below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)(chance_state >> 33) % below;
}

static void open_random(struct world *world)
{
    static char areas[65536], sites[4096], devices[16384], endpoints[65536];
    unsigned site_count = 1 + chance(5), device_count = 1 + chance(12);
    unsigned hamlets = 5 + chance(60), endpoint_count = 5 + chance(120);
    size_t used;

    world_hamlets(areas, sizeof areas, hamlets);
    used = (size_t)snprintf(sites, sizeof sites, "id,name,area,parent\n");
    for (unsigned i = 0; i < site_count; i++)
        used += (size_t)snprintf(sites + used, sizeof sites - used, "s-%u,Trạm,c-1,\n", i);
    used = (size_t)snprintf(devices, sizeof devices, "id,address,checks,site,parent\n");
    for (unsigned i = 0; i < device_count; i++) {
        used += (size_t)snprintf(devices + used, sizeof devices - used, "d-%u,10.0.0.%u,snmp,s-%u,",
                                 i, i + 1, chance(site_count));
        if (i > 0 && chance(4) > 0)
            used += (size_t)snprintf(devices + used, sizeof devices - used, "d-%u", chance(i));
        used += (size_t)snprintf(devices + used, sizeof devices - used, "\n");
    }
    used = (size_t)snprintf(endpoints, sizeof endpoints,
                            "id,hamlet,technology,operator,address,device,index,parent\n");
    for (unsigned i = 0; i < endpoint_count; i++) {
        unsigned device = chance(device_count), kind = chance(10);

        if (kind < 6)
            used += (size_t)snprintf(endpoints + used, sizeof endpoints - used,
                                     "e-%u,h-%u,fibre,vnpt,10.1.0.%u,d-%u,0/%u:%u,\n", i,
                                     chance(hamlets), i + 1, device, chance(3), i);
        else if (kind < 9)
            used += (size_t)snprintf(endpoints + used, sizeof endpoints - used,
                                     "e-%u,h-%u,4g,vnpt,10.1.0.%u,,,d-%u\n", i, chance(hamlets),
                                     i + 1, device);
        else
            used += (size_t)snprintf(endpoints + used, sizeof endpoints - used,
                                     "e-%u,h-%u,5g,vnpt,10.1.0.%u,,,\n", i, chance(hamlets), i + 1);
    }
    world->has_references = chance(3) > 0;
    world->is_untold = true;
    world_open(world, areas, sites, devices, endpoints);
}

struct sums {
    uint32_t endpoints;
    const struct world *world;
};

static void sum_event(void *arg, struct phu_outage_event *event)
{
    struct sums *sums = arg;
    uint32_t members = 0;

    for (uint32_t node = 1; node < sums->world->topology.count; node++)
        members += sums->world->topology.nodes[node].kind == PHU_NODE_ENDPOINT &&
                   phu_outage_event_of(sums->world->outage, node) == event;
    sums->endpoints += members;
    assert_true(event->endpoints >= members);
}

/* Long enough after the last change that all is decided. */
static void check_settled(const struct world *world)
{
    struct sums sums = {.world = world};
    uint32_t down = 0;

    world_check(world);
    for (uint32_t node = 1; node < world->topology.count; node++) {
        bool is_down = world->subjects[node].state == WORLD_DOWN;

        if (is_down && !phu_outage_event_of(world->outage, node))
            fail_msg("node %u is down, and has no event", node);
        if (world->topology.nodes[node].kind == PHU_NODE_ENDPOINT)
            down += is_down;
    }
    phu_outage_visit(world->outage, sum_event, &sums);
    assert_int_equal(sums.endpoints, down);
    assert_int_equal(phu_outage_counts(world->outage)->waiting, 0);
}

static void break_something(struct world *world)
{
    uint32_t node = chance(20) ? 1 + chance(world->topology.count - 1) : PHU_NODE_UPLINK;

    if (chance(10) == 0)
        world->mute[node] = !world->mute[node] && node != PHU_NODE_UPLINK;
    else
        world->broken[node] = !world->broken[node];
}

static void heal(struct world *world)
{
    memset(world->broken, 0, world->topology.count * sizeof *world->broken);
    memset(world->mute, 0, world->topology.count * sizeof *world->mute);
}

static void live(void)
{
    struct world world = {0};

    open_random(&world);
    world_run(&world, 40);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 1 + chance(5); i > 0; i--) {
            break_something(&world);
            world_run(&world, 0.1 * (1 + chance(60)));
            world_check(&world);
        }
        if (chance(4) == 0)
            heal(&world);
        world_run(&world, chance(3) ? 45 : 2 + chance(20));
        world_check(&world);
    }
    world_run(&world, 120); /* the heartbeat at its end counts anew */
    phu_outage_heartbeat(world.outage, (struct phu_mono){world.now_ms * PHU_NS_PER_MS});
    check_settled(&world);
    heal(&world);
    world_run(&world, 90);
    check_settled(&world);
    assert_int_equal(phu_outage_counts(world.outage)->active, 0);
    assert_int_equal(phu_outage_counts(world.outage)->begun,
                     phu_outage_counts(world.outage)->ended);
    world_close(&world);
}

static void test_random(void **state)
{
    const char *given = getenv("PHU_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20261123;

    (void)state;
    for (unsigned i = 0; i < (given ? 1 : WORLDS); i++) {
        print_message("PHU_SEED=%llu\n", (unsigned long long)(seed + i));
        chance_state = (seed + i) * UINT64_C(0x9e3779b97f4a7c15);
        live();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
