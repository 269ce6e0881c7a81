/* A device out of nothing, for tests of scale: system, ifTable, ifXTable and snmpEngine with
 * counters that move. */
#pragma once

#include "recording.h"

/* "interfaces=4" and "rate=125000" (octets a second of the first interface; the n-th has n times as
 * much), separated by commas. The recording is named "synthetic". */
int lab_synthetic_make(const char *text, struct lab_recording **recording, struct lab_error *err);
