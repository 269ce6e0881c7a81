/* Alerts as a table or as JSON. */
#pragma once

#include "entry.h"

#include <stdbool.h>
#include <stdio.h>

#define PHU_ALERTS_REPORT_LABELS 8

struct phu_alerts_report {
    bool is_json;
    struct phu_alert_label labels[PHU_ALERTS_REPORT_LABELS]; /* all must be there and equal */
    size_t label_count;
    json_t *list; /* made by the first one */
};

/* With a struct phu_alerts_report as `report`. */
void phu_alerts_report_add(void *report, const struct phu_entry *entry);
void phu_alerts_report_print(struct phu_alerts_report *report, FILE *out);
void phu_alerts_report_drop(struct phu_alerts_report *report);
