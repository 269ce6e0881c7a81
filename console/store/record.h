/* Windows as they stand in the journal: one after the other as they came, each by itself, quick to
 * write and to step over. */
#pragma once

#include "bytes.h"
#include "window.h"

struct phu_record {
    uint32_t series;
    int64_t time_ns;
    const uint8_t *cells; /* packed */
    size_t size;
};

void phu_record_put(struct phu_bytes *bytes, uint32_t series, const struct phu_window *window);
/* The next one; false at the end, or where the bytes are damaged: then cut->is_broken. */
bool phu_record_next(struct phu_cut *cut, struct phu_record *record);
/* Adds its window to `windows`; texts point into the record. -EILSEQ: it is damaged. */
int phu_record_read(const struct phu_record *record, struct phu_windows *windows);
