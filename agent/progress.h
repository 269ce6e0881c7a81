/* A bar on standard error that shows how far a long command has come. Nothing is shown where
 * standard error is no terminal.
 *
 *     412 of 1000  [################------------------------]  300 answered
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>

struct phu_progress {
    bool is_wanted, is_shown;
    struct phu_mono shown;
};

/* `total` below 2 needs no bar. */
void phu_progress_begin(struct phu_progress *progress, size_t total);
/* At most ten times a second. `note` stands behind the bar. */
void phu_progress_show(struct phu_progress *progress, size_t done, size_t total, const char *note);
/* Clears the line: before anything else is printed. */
void phu_progress_end(struct phu_progress *progress);

/* The line itself, for a terminal of `width` columns; without control characters. */
void phu_progress_format(char *buffer, size_t size, size_t width, size_t done, size_t total,
                         const char *note);
