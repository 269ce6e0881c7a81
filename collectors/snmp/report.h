/* How a poll ends: from what was read to observations in the sink.
 *
 * Each interface that is wanted gets an observation of its own with its deltas since the last poll,
 * whatever the verdict, as far as it was read, unless the device restarted meanwhile. Then the
 * device gets one with the verdict. The log tells only of verdicts that differ from the last.
 */
#pragma once

#include "phusong/observation.h"

struct phu_snmp_device;
struct phu_snmp_work;

/* The one end of every poll, with work or without: reports, gives the place back and lets the next
 * device begin. OK becomes PARTIAL when something was missing. `why` is for the log; may be NULL.
 */
void phu_snmp_finish(struct phu_snmp_device *device, enum phu_result result, const char *why);

/* What was missing in the answers, for the log; NULL: nothing. */
const char *phu_snmp_why_incomplete(const struct phu_snmp_work *work);
