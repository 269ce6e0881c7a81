/* References: what is pinged to know whether our own uplink works. Checks like any other (their
 * measurement is `reference`), but of no endpoint; what they add up to is told to the root-cause
 * engine.
 */
#pragma once

#include "core/outage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_checks;
struct phu_config;
struct phu_monitor;

#define PHU_REFERENCES_MAX 9
#define PHU_REFERENCE_TEXT 256

struct phu_reference_check {
    uint32_t handle;
    enum { PHU_REF_NEW, PHU_REF_ANSWERS, PHU_REF_SUSPECT, PHU_REF_DOWN, PHU_REF_LOCAL } state;
    struct phu_mono since, answered;
    bool is_gateway;
    bool has_answered; /* until then it says nothing: many gateways never answer */
    char name[PHU_REFERENCE_TEXT], address[PHU_REFERENCE_TEXT];
};

struct phu_references {
    struct phu_monitor *monitor;
    struct phu_checks *checks;
    void **collectors; /* what collector->open gave, by index of phu_collectors[] */
    struct phu_reference_check items[PHU_REFERENCES_MAX];
    size_t count;
};

/* The default route's gateway of a table as /proc/net/route shows it; false when there is none. */
bool phu_references_gateway(const char *table, char *address, size_t size);

/* Follows the configuration: at the start and after a reload. What is the same goes on. */
void phu_references_apply(struct phu_references *references, const struct phu_config *config);
void phu_references_close(struct phu_references *references);

/* False when the handle is none of a reference. Otherwise what they add up to now. */
bool phu_references_change(struct phu_references *references, const struct phu_health *health,
                           enum phu_reference *sum, struct phu_mono *since, struct phu_mono *at);
void phu_references_poll(struct phu_references *references);
