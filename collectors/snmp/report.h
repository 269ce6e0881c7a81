/* How a poll ends: from what was read to observations in the sink.
 *
 * Each interface that is wanted gets an observation of its own with its deltas since the last poll,
 * whatever the verdict, as far as it was read, unless the device restarted meanwhile. Then the
 * device gets one with the verdict. The log tells only of verdicts that differ from the last.
 */
#pragma once

#include "phusong/observation.h"

#include <stdbool.h>

struct phu_snmp_device;
struct phu_snmp_work;

/* The one end of every poll, with work or without: reports, gives the place back and lets the next
 * device begin. OK becomes PARTIAL when something was missing. `why` is for the log; may be NULL.
 */
void phu_snmp_finish(struct phu_snmp_device *device, enum phu_result result, const char *why);

/* The device's clocks have been read: has it restarted? Then nothing goes on that was counted. */
void phu_snmp_judge_uptime(struct phu_snmp_device *device);
/* Compares its interfaces with those of the last poll and puts what each has carried. */
void phu_snmp_put_interfaces(struct phu_snmp_device *device, bool is_complete);

/* What was missing in the answers, for the log; NULL: nothing. */
const char *phu_snmp_why_incomplete(const struct phu_snmp_work *work);
