/* A devices.csv that rows are added to: what is there stays, and once is enough. */
#include "discover_merge.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct phu_device_row rows[] = {
    {"olt-1", "10.27.0.1", "lab", "snmp", "*"},
    {"r-2", "2001:db8::2", "", "snmp", "ge-* \"xe\";,"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum phu_merge_fate fates[2], again[2];
    struct phu_merge merge, twice;

    if (phu_devices_merge((const char *)data, size, rows, 2, fates, &merge)) {
        assert(!merge.text && merge.problem[0]);
        return 0;
    }
    assert(!merge.text == !merge.added);
    if (merge.text) {
        assert(merge.length > size);
        assert(memcmp(merge.text, data, size) == 0);
        assert(phu_devices_merge(merge.text, merge.length, rows, 2, again, &twice) == 0);
        assert(!twice.added && !twice.text);
    }
    phu_merge_fini(&merge);
    return 0;
}
