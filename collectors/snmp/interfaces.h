/* The interfaces of one device from poll to poll: who is who, and how much each has carried since
 * it was last read. Pure, but for the rows it asks its caller for.
 *
 * An interface is its name. ifIndex only helps to find it: an interface that kept its name and
 * changed its index goes on counting when ifCounterDiscontinuityTime proves it the same, and starts
 * anew otherwise. Names that a device gives twice get their index appended.
 */
#pragma once

#include "ifmib.h"

#include <stddef.h>
#include <stdint.h>

/* Packed between two polls: about 45 bytes for an interface with its name. All zero: none. */
struct phu_interfaces {
    uint8_t *packed;
    uint32_t count, active_count; /* of all that are remembered; of those seen in the last poll */
    bool has_twins;
    bool must_start_anew; /* no counter goes on */
};

struct phu_interface_report {
    uint32_t row; /* as the caller's `row` gave it */
    const struct phu_ifmib_row *reading;
    unsigned known; /* bit i: growth[i] is a delta */
    int64_t growth[PHU_IF_COUNTERS];
    int64_t covered_ns; /* the span of the octets' deltas */
    bool was_reset, is_ambiguous;
};

struct phu_interfaces_terms {
    const char *patterns;
    enum phu_uptime_verdict uptime;
    bool is_complete; /* the walk reached its end in good order: an interface without a name has
                         none */
    /* A handle for a new interface, or negative when there is no room. */
    int (*row)(void *arg, const char *name, uint32_t *row);
    void (*report)(void *arg, const struct phu_interface_report *report);
    void *arg;
};

/* Compares what was just read with what was read before; reports every interface that is wanted.
 * Returns how many interfaces found no room. */
unsigned phu_interfaces_apply(struct phu_interfaces *interfaces, struct phu_ifmib *ifmib,
                              const struct phu_interfaces_terms *terms);

/* The device has restarted: no counter goes on. */
void phu_interfaces_reset(struct phu_interfaces *interfaces);
void phu_interfaces_fini(struct phu_interfaces *interfaces);
