/* CSV as spreadsheets write it (RFC 4180, and what they really do): UTF-8 with or without BOM,
 * comma or semicolon (whichever the first line has more of, outside quotes), quoted fields with
 * doubled quotes and line breaks in them, LF or CRLF.
 *
 *     phu_csv_open(&csv, text, length);
 *     while ((result = phu_csv_next(&csv)) != 0) {
 *         if (result < 0)
 *             ... csv.problem at csv.problem_line, csv.problem_column
 *         else
 *             ... csv.fields[0 … csv.field_count - 1]
 *     }
 *
 * Works in place on a buffer that the caller has read; allocates nothing. Lines without any
 * character are skipped. A field's text stays where it is until the buffer goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PHU_CSV_FIELDS_MAX 64
#define PHU_CSV_FIELD_BYTES_MAX 1024

struct phu_csv_field {
    char *text; /* NUL-terminated, quotes undone; neither NUL nor invalid UTF-8 inside */
    size_t length;
    unsigned line, column; /* where it starts, quote included; from 1, in characters */
};

struct phu_csv {
    struct phu_csv_field fields[PHU_CSV_FIELDS_MAX];
    size_t field_count;
    char separator;      /* ',' or ';' */
    unsigned line;       /* of the cursor */
    const char *problem; /* what is wrong and what would be right; NULL: nothing */
    unsigned problem_line, problem_column;
    char *cursor, *end; /* private */
    char *mark;         /* private: its column is known to be `column` */
    unsigned column;    /* private */
    bool is_lost;       /* private: the rest of the line makes no sense */
};

/* `text` has room for length + 1 bytes. */
void phu_csv_open(struct phu_csv *csv, char *text, size_t length);
/* 1: a row; 0: the end; -EINVAL: a row with a mistake, the first one if it has several. The next
 * call goes on behind it. */
int phu_csv_next(struct phu_csv *csv);
