/* Errors: functions that can fail return 0 or a negative errno. Mistakes in files that people
 * write are collected, all of them, in a phu_diags and printed together.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* One mistake in one place. `line` and `column` count from 1; 0 means "the file as a whole". */
struct phu_diag {
    char *file;
    unsigned line, column;
    char *message; /* what is wrong and what would be right, one sentence, no full stop */
};

struct phu_diags {
    struct phu_diag *items; /* in the order found */
    size_t count;
    size_t suppressed; /* mistakes beyond PHU_DIAGS_MAX, counted only */
};

#define PHU_DIAGS_MAX 1000

void phu_diags_init(struct phu_diags *diags);
void phu_diags_fini(struct phu_diags *diags);

__attribute__((format(printf, 5, 6))) void phu_diags_add(struct phu_diags *diags, const char *file,
                                                         unsigned line, unsigned column,
                                                         const char *format, ...);

/* "FILE:LINE:COLUMN: MESSAGE\n" for each, sorted by file, line, column. */
void phu_diags_print(struct phu_diags *diags, FILE *out);
