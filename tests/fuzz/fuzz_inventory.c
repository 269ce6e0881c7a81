/* An inventory: the four files one after the other, separated by a byte 0x1e. */
#include "inventory_load.h"
#include "maintenance.h"
#include "topology.h"

#include "phusong/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const checks[] = {"icmp", "tcp", "web", "snmp", NULL};
static const char *const profiles[] = {"fibre", "strict", NULL};
static const char *const credentials[] = {"lab", NULL};
static const struct phu_inventory_vocabulary vocabulary = {
    .checks = checks, .profiles = profiles, .credentials = credentials};

static void split(const uint8_t *data, size_t size, struct phu_inventory_source *sources)
{
    for (size_t i = 0; i < PHU_FILE_COUNT; i++) {
        const uint8_t *end = size ? memchr(data, 0x1e, size) : NULL;
        size_t length = end && i + 1 < PHU_FILE_COUNT ? (size_t)(end - data) : size;

        if (i == PHU_FILE_MAINTENANCE && !size) {
            sources[i] = (struct phu_inventory_source){.path = "fuzz.csv"};
            return;
        }
        sources[i] = (struct phu_inventory_source){"fuzz.csv", malloc(length + 1), length};
        if (!sources[i].text)
            abort();
        if (length)
            memcpy(sources[i].text, data, length);
        data += length + (length < size);
        size -= length + (length < size);
    }
}

static void check_tree(const struct phu_inventory *inventory)
{
    struct phu_topology topology;
    bool *marks;

    phu_topology_init(&topology, inventory);
    assert(topology.nodes[PHU_NODE_UPLINK].size == topology.count);
    for (uint32_t i = 1; i < topology.count; i++) {
        assert(topology.nodes[i].parent < i);
        assert(phu_topology_is_within(&topology, i, topology.nodes[i].parent));
    }
    marks = malloc(topology.count);
    if (!marks)
        abort();
    phu_maintenance_mark(inventory, &topology,
                         (struct phu_wall){INT64_C(1795000000) * PHU_NS_PER_S}, marks);
    free(marks);
    phu_topology_fini(&topology);
}

static void check_links(const struct phu_inventory *inventory)
{
    for (uint32_t i = 0; i < inventory->check_count; i++)
        assert(phu_inventory_find_check(
                   inventory, phu_inventory_text(inventory, inventory->checks[i].id)) == i);
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        const struct phu_endpoint *endpoint = &inventory->endpoints[i];

        assert(inventory->areas[endpoint->hamlet].level == PHU_LEVEL_HAMLET);
        assert(endpoint->check_count >= 1);
    }
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        const struct phu_device *device = &inventory->devices[i];

        for (uint32_t j = 0; j < device->served_count; j++)
            assert(inventory->endpoints[inventory->served[device->served + j]].device == i);
    }
    check_tree(inventory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct phu_wall now = {INT64_C(1795000000) * PHU_NS_PER_S};
    struct phu_inventory_source sources[PHU_FILE_COUNT];
    struct phu_inventory *inventory;
    struct phu_inventory_diff diff;
    struct phu_diags diags;
    int result;

    split(data, size, sources);
    phu_diags_init(&diags);
    result = phu_inventory_load_texts(sources, &vocabulary, now, &diags, &inventory);
    assert((result == 0) == (diags.count == 0));
    if (inventory) {
        check_links(inventory);
        phu_inventory_diff(inventory, inventory, NULL, &diff);
        assert(diff.unchanged == inventory->check_count);
        phu_inventory_diff_fini(&diff);
    }
    phu_inventory_free(inventory);
    phu_diags_fini(&diags);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++)
        free(sources[i].text);
    return 0;
}
