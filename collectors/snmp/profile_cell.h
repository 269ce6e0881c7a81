/* Raw values and single cells, as the files that read rows share them. Private to profile*.c. */
#pragma once

#include "profile_set.h"

/* A text as an expression or comparison sees it: without the blanks around it. */
struct phu_subject {
    const char *text; /* not terminated */
    size_t length;
};

static inline bool phu_cell_is_text(const struct phu_cell *cell)
{
    return cell->kind == PHU_VARBIND_TEXT || cell->kind == PHU_VARBIND_OTHER;
}

static inline bool phu_cell_is_absent(const struct phu_cell *cell)
{
    return cell->kind == PHU_VARBIND_MISSING || cell->kind == PHU_VARBIND_END;
}

/* Of a cell that is a text. */
struct phu_subject phu_cell_subject(const struct phu_cell *cell);
struct phu_subject phu_subject_trim(struct phu_subject subject);
/* The cell with only those bits of its number that count for the column. */
struct phu_cell phu_cell_masked(const struct phu_profile_column *column,
                                const struct phu_cell *cell);
/* A number as the device sent it, read as so many bits. */
int64_t phu_cell_in_bits(uint64_t number, uint8_t bits);

bool phu_pattern_is_text(const struct phu_profile_pattern *pattern, struct phu_subject subject);
/* The first pattern that the cell fits; -1: none. */
int phu_pattern_find(const struct phu_profile_pattern *patterns, size_t count,
                     const struct phu_cell *cell, struct phu_subject subject, uint8_t bits);

/* A number, as scaled and judged by the column; a text, or the word that stands for it. `cells` are
 * the row's. Leaves `read` as it is when the cell is unfit. */
void phu_cell_read(const struct phu_profile_column *column, const struct phu_cell *cells,
                   const struct phu_cell *cell, struct phu_read *read);
/* The start of a text as a number, "hh:mm:ss" as seconds: false when it is none. */
bool phu_subject_number(struct phu_subject subject, double *number);
bool phu_subject_clock(struct phu_subject subject, double *seconds);
/* Serial numbers of ONUs come as a text, or as four letters and four bytes. */
void phu_subject_serial(struct phu_subject subject, char text[PHU_METRIC_TEXT_MAX + 1]);
/* What the expression's group finds in the cell; false when it finds nothing. `room` holds it. */
enum { PHU_SUBJECT_MAX = 512 };
bool phu_subject_extract(const regex_t *expression, const struct phu_cell *cell,
                         struct phu_subject *subject, char room[PHU_SUBJECT_MAX]);
