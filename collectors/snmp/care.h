/* Care for the device: how fast it may be asked, and when its processor is too busy for more than
 * what each poll must read.
 */
#pragma once

#include "walk.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_snmp_device;
struct phu_snmp_work;

#define PHU_CARE_CPUS_MAX 32 /* processors that are looked at */

/* How long to wait before the next message; 0: it may be sent now, and is counted. */
int64_t phu_care_wait(struct phu_snmp_device *device);

/* The load of its processors: before they are read, each cell, and what follows from the busiest.
 * The cell callback takes the device. */
void phu_care_begin(struct phu_snmp_work *work);
void phu_care_cell(void *arg, unsigned column, const struct phu_index *index,
                   const struct phu_varbind *varbind);
void phu_care_judge(struct phu_snmp_device *device);

/* May tables be read that can wait: is the processor free enough, and is there time left? */
bool phu_care_allows_slow(struct phu_snmp_device *device);
/* Did this poll leave something undone because the processor was too busy? */
bool phu_care_has_stopped(const struct phu_snmp_device *device);
/* Says so in the log when that has changed. */
void phu_care_tell(struct phu_snmp_device *device);
