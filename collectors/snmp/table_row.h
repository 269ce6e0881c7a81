/* From a row that was read to values in the sink: its name, its readings, whom it serves, what it
 * adds to other rows.
 */
#pragma once

#include <stdint.h>

struct phu_gather_row;
struct phu_pass;
struct phu_snmp_device;

/* A whole row of the table has been read. */
void phu_table_row_take(struct phu_snmp_device *device, unsigned table,
                        const struct phu_gather_row *row);
/* The pass has seen every row: puts the counts that its rows add up to. */
void phu_table_rollup_put(struct phu_snmp_device *device, unsigned table);

/* A handle for an interface's row, whom it serves included. As phu_sink_row(). */
int phu_table_interface_row(struct phu_snmp_device *device, const char *name, uint32_t *handle);
/* Whom it serves, or "". */
const char *phu_table_interface_serves(const struct phu_snmp_device *device, const char *name);
