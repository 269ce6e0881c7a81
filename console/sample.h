/* A sample: one line of line protocol, read. What the ingest gives to the store and to the rules.
 *
 * Everything points into memory of the reader (console/ingest/lines.h) and is good until it reads
 * on; who keeps something copies it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not NUL-terminated; escapes are undone. */
struct phu_slice {
    const char *at;
    size_t length;
};

enum phu_field_type {
    PHU_FIELD_FLOAT,
    PHU_FIELD_INT,
    PHU_FIELD_BOOL,
    PHU_FIELD_STRING,
};

struct phu_field {
    struct phu_slice name;
    enum phu_field_type type;
    union {
        double f;
        int64_t i;
        bool b;
        struct phu_slice text;
    };
};

struct phu_tag {
    struct phu_slice name, value;
};

struct phu_sample {
    struct phu_slice measurement;
    const struct phu_tag *tags; /* sorted by name, none twice */
    size_t tag_count;
    const struct phu_field *fields; /* as on the line; of a name given twice the last one only */
    size_t field_count;
    /* "measurement,tag=value,…" with sorted tags and escapes as the protocol has them: names the
     * series. */
    struct phu_slice key;
    int64_t time_ns; /* UTC since 1970 */
};
