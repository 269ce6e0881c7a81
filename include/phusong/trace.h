/* What a collector tells of its inside to somebody who watches one check: `phusong probe`,
 * `phusong discover`. The agent does not listen, and then nothing of this is worked out. Whoever
 * watches wants to see everything: the first poll of a check with a trace reads what is otherwise
 * read seldom as well.
 */
#pragma once

#include <stddef.h>

enum phu_trace_kind {
    PHU_TRACE_FACT, /* of the whole device: name "sys_object_id", value "1.3.6.1.4.1.2011.2.80" */
    /* A row was found: table, name (its tag: "onu"), row, index; value is the endpoint that it
     * serves, or that a pattern names for it, known or not; "" for nobody. `raw` is the text that a
     * person would know it by, description or serial, if there is one. */
    PHU_TRACE_ROW,
    PHU_TRACE_VALUE, /* a cell: everything is set; value "" and why when it means nothing */
    PHU_TRACE_NOTE,  /* a remark for a person, in `why` */
};

/* Strings are borrowed for the call, never NULL; "" where it does not apply. */
struct phu_trace_item {
    enum phu_trace_kind kind;
    const char *name;         /* VALUE: the metric, "optics.onu_rx_dbm"; "" for a help column */
    const char *table, *row;  /* of the profile: "onu_optics"; the row's name "0/1/0:5" */
    const char *column;       /* as the profile calls it: "rx" */
    const char *index, *oid;  /* "4194312192.5"; the whole object identifier */
    const char *raw;          /* as the device said it: "-1414", "0.03 mW (-14.61 dBm)", hex */
    const char *value, *unit; /* "-14.14", "dBm" */
    const char *why;          /* "2147483647 means no value", "outside -50..10" */
};

struct phu_trace {
    void (*put)(struct phu_trace *trace, const struct phu_trace_item *item);
};

static inline void phu_trace_put(struct phu_trace *trace, const struct phu_trace_item *item)
{
    trace->put(trace, item);
}
