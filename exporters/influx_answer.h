/* What an answer to a write means: pure, as the bytes come from outside. */
#pragma once

#include "phusong/exporter.h"

#include <stddef.h>

/* By HTTP status; 0 (no complete answer) is RETRY. */
enum phu_verdict phu_influx_verdict(int status);

/* The server's own words out of an answer's body: the text of "error" (v1, v3), of "message" (v2),
 * with the first details that v3 adds, or else the body as it is. Always ends with NUL, never
 * longer than `size`; control characters become spaces. Returns `text`. */
const char *phu_influx_reason(const char *body, size_t length, char *text, size_t size);
