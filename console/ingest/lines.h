/* Reads line protocol as InfluxDB 1.6 reads it: what that accepts is accepted, with the same
 * meaning, and what that refuses is refused for the same reason.
 *
 *     phu_lines_begin(lines, body, length, now_ns, 1);
 *     while ((result = phu_lines_next(lines, &sample)) != PHU_LINES_END)
 *         if (result == PHU_LINES_SAMPLE) ... else ... phu_lines_fault(lines) ...
 *
 * Two things are ours: a line is at most PHU_LINES_LINE_MAX long, and has at most so many tags and
 * fields as the enum says.
 */
#pragma once

#include "sample.h"

enum {
    PHU_LINES_LINE_MAX = 1 << 20,
    PHU_LINES_KEY_MAX = 65535, /* measurement and tags; with a field's name and 4 more as well */
    PHU_LINES_TAGS_MAX = 256,
    PHU_LINES_FIELDS_MAX = 4096,
};

enum phu_lines_result {
    PHU_LINES_END,
    PHU_LINES_SAMPLE,
    PHU_LINES_WRONG,   /* cannot be read */
    PHU_LINES_ILLEGAL, /* reads well, but uses a name that is not allowed */
};

struct phu_lines;

struct phu_lines *phu_lines_new(void);
void phu_lines_free(struct phu_lines *lines);

/* The text is borrowed until the next begin. Timestamps count in `unit_ns`; lines without one get
 * `now_ns`, rounded down to it. */
void phu_lines_begin(struct phu_lines *lines, const char *text, size_t length, int64_t now_ns,
                     int64_t unit_ns);
/* Comments and empty lines are passed over. The sample is good until the next call. */
enum phu_lines_result phu_lines_next(struct phu_lines *lines, struct phu_sample *sample);

/* Of the line just read: its number, from 1, counting all lines of the body; its text; and what is
 * wrong with it. */
size_t phu_lines_number(const struct phu_lines *lines);
struct phu_slice phu_lines_text(const struct phu_lines *lines);
const char *phu_lines_fault(const struct phu_lines *lines);

/* "n", "u", "ms", "s", "m", "h" of InfluxDB 1, "ns" and "us" of InfluxDB 2, "" is n: the unit; 0:
 * none of them. */
int64_t phu_lines_unit(const char *precision);
