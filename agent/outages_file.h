/* The file of open events: what a restart must not forget. Text, one event a line. */
#pragma once

#include "core/outage.h"
#include "core/topology.h"

#include <stddef.h>

/* An event as it was told, by ids instead of numbers. */
struct phu_outage_record {
    struct phu_outage_event event; /* `root` means nothing; listed is NULL */
    enum phu_node_kind kind;
    char root[PHU_NODE_ID_SIZE];
    char *key;     /* "event,agent=…,root=…": of its lines */
    char *name;    /* human */
    char *hamlets; /* ids, separated by spaces */
};

void phu_outage_record_fini(struct phu_outage_record *record);

/* Appends the record's line to a text that has `*length` bytes in memory that is made to fit. */
void phu_outages_write_record(const struct phu_outage_record *record, char **text, size_t *length);
/* The records of a file; *count of them, in memory that is to be freed after each was finished.
 * Lines that cannot be read are left out and counted: the rest is worth keeping. */
struct phu_outage_record *phu_outages_read_records(const char *text, size_t *count,
                                                   size_t *unreadable);
#define PHU_OUTAGES_HEADING "# phusong: open events, 1\n"
