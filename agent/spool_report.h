/* `phusong spool`: what each verb does once the folder is known. All return an exit code. */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>

struct phu_view;

/* spool_report.c: what is there, as a table or as JSON. */
int phu_spool_report_stat(const struct phu_view *view, const char *dir, bool is_json);
int phu_spool_report_ls(const struct phu_view *view, bool is_json);

/* spool_walk.c: everything in it, record by record. */
int phu_spool_walk_verify(const struct phu_view *view, bool is_json);
int phu_spool_walk_export(const struct phu_view *view, struct phu_wall from, struct phu_wall to);

/* "12.3 MiB" */
enum { PHU_SIZE_TEXT = 24 };
void phu_spool_format_size(char text[PHU_SIZE_TEXT], unsigned long long bytes);
