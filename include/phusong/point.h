/* A point: one line of InfluxDB line protocol, written straight into a buffer.
 *
 *     struct phu_line line;
 *     phu_line_begin(&line, buffer, sizeof buffer, "coverage");
 *     phu_line_tag(&line, "hamlet", "bn-0412");
 *     phu_line_int(&line, "sent", 6);
 *     ssize_t length = phu_line_end(&line, start);
 *
 * https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ : tags before fields, a
 * type once given to a field never changes, integers end in "i", floats always carry a point or an
 * exponent, no NaN and no infinities (such a field is left out), timestamps in ns.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct phu_line {
    char *start, *cursor, *limit; /* private */
    unsigned field_count;
    bool is_overflown;
};

void phu_line_begin(struct phu_line *line, char *buffer, size_t size, const char *measurement);
/* Starts from "measurement,tag=value,…" already escaped (see phu_line_key). */
void phu_line_begin_key(struct phu_line *line, char *buffer, size_t size, const char *key,
                        size_t key_length);
/* A tag with an empty value is left out, as the protocol has no such thing. */
void phu_line_tag(struct phu_line *line, const char *name, const char *value);
/* Tags that are escaped already: ",hamlet=bn-0412,operator=vnpt". */
void phu_line_ready(struct phu_line *line, const char *tags, size_t length);
void phu_line_int(struct phu_line *line, const char *name, int64_t value);
/* The same for a name that is a literal of letters, digits and underscores: there is nothing to
 * escape and its length is known. Half of the cost of a point is its names. */
#define phu_line_int_literal(line, name, value)                                                    \
    phu_line_int_plain((line), "" name "", sizeof(name) - 1, (value))
void phu_line_int_plain(struct phu_line *line, const char *name, size_t length, int64_t value);
void phu_line_float(struct phu_line *line, const char *name, double value);
void phu_line_bool(struct phu_line *line, const char *name, bool value);
void phu_line_string(struct phu_line *line, const char *name, const char *value);
/* "NAME<index>=VALUEi", for histogram buckets; the name is of letters, digits and underscores. */
void phu_line_bucket(struct phu_line *line, const char *name, int index, int64_t value);
/* The length including the final newline; -ENOBUFS when the buffer was too small, -ENODATA when
 * there was no field. */
ssize_t phu_line_end(struct phu_line *line, struct phu_wall at);
/* Ends after the tags, for a key to be used many times: its length, or -ENOBUFS. No newline. */
ssize_t phu_line_key(struct phu_line *line);

/* Longest line that the agent writes; the spool refuses longer ones. */
#define PHU_LINE_MAX 65536
