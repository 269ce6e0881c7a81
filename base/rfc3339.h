/* Times as people write them on the command line: RFC 3339, in UTC or with an offset. */
#pragma once

#include "phusong/time.h"

#include <stddef.h>

enum { PHU_RFC3339_SIZE = 32 };

/* "2026-11-23T08:00:00Z", "2026-11-23T15:00:00.5+07:00", "2026-11-23 08:00Z" or "2026-11-23"
 * (midnight UTC). -EINVAL for anything else. */
int phu_rfc3339_parse(const char *text, struct phu_wall *at);
/* In UTC, whole seconds, rounded down; "-" for 0. */
void phu_rfc3339_format(char text[PHU_RFC3339_SIZE], struct phu_wall at);
