/* Prints what the lab counted and recorded, as a table or as JSON. */
#pragma once

#include "board.h"
#include "truth.h"

#include <stdio.h>

void lab_report_stats(const struct lab_board *board, bool is_json, FILE *out);

/* One line (CSV) or one object (JSON) for each echo. */
void lab_report_records(const struct lab_record *records, size_t count, bool is_json, FILE *out);
/* One line or object for each address: counts, and percentiles of the delay applied, both ways
 * together. Sorts the records. -ENOMEM. */
int lab_report_summary(struct lab_record *records, size_t count, bool is_json, FILE *out);
/* Nearest rank: the smallest value that at least `share` of the sorted values do not exceed. */
uint64_t lab_percentile(const uint64_t *sorted, size_t count, double share);
