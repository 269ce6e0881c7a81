/* What is told to somebody who watches a check (trace.h). Nothing is worked out when nobody does.
 */
#pragma once

#include "profile.h"
#include "walk.h"

struct phu_ifmib_row;
struct phu_interface_report;
struct phu_snmp_device;

/* "4194312192.5" */
void phu_index_print(const struct phu_index *index, char *text, size_t size);

#define PHU_INDEX_TEXT_SIZE (PHU_INDEX_MAX * 11 + 1)

void phu_tell_fact(const struct phu_snmp_device *device, const char *name, const char *value);
void phu_tell_note(const struct phu_snmp_device *device, const char *note);

struct phu_told_row {
    const struct phu_profile_table *table;
    const char *name;
    const struct phu_index *index;
    const struct phu_cell *cells;
    const struct phu_read *reads;
    const char *endpoint; /* "" when it serves nobody */
    const char *text;     /* description or serial, or "" */
};

/* A row of a profile's table with all its cells. */
void phu_tell_row(const struct phu_snmp_device *device, const struct phu_told_row *row);
/* A number of a row that was worked out from others: a roll-up. */
void phu_tell_number(const struct phu_snmp_device *device, const char *table, const char *row,
                     int metric, double value);
/* An interface. */
void phu_tell_interface(const struct phu_snmp_device *device,
                        const struct phu_interface_report *report, const char *endpoint);
