#include "alerts_report.h"

#include <string.h>

static bool fits(const struct phu_alerts_report *report, const struct phu_entry *entry)
{
    for (size_t i = 0; i < report->label_count; i++) {
        if (strcmp(phu_entry_label(entry, report->labels[i].name), report->labels[i].value) != 0)
            return false;
    }
    return true;
}

void phu_alerts_report_add(void *arg, const struct phu_entry *entry)
{
    struct phu_alerts_report *report = arg;

    if (!fits(report, entry))
        return;
    if (!report->list)
        report->list = json_array();
    json_array_append_new(report->list, phu_entry_json(entry));
}

void phu_alerts_report_drop(struct phu_alerts_report *report)
{
    json_decref(report->list);
    report->list = NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* Labels but the alert's own name, "hamlet=bn-1 operator=vnpt", in the order of names. */
static void print_labels(json_t *labels, FILE *out)
{
    const char *name, *space = "";
    json_t *value;

    json_object_foreach(labels, name, value)
    {
        if (strcmp(name, "alertname") == 0)
            continue;
        fprintf(out, "%s%s=%s", space, name, json_string_value(value));
        space = " ";
    }
}

static void print_row(json_t *alert, FILE *out)
{
    const char *silenced = text_of(alert, "silencedBy");
    const json_t *annotations = json_object_get(alert, "annotations");

    fprintf(out, "%-20.19s  %-12s  %-20s  ", text_of(alert, "firedAt"),
            *silenced ? "maintenance" : text_of(alert, "state"),
            text_of(json_object_get(alert, "labels"), "alertname"));
    print_labels(json_object_get(alert, "labels"), out);
    if (*text_of(annotations, "summary"))
        fprintf(out, "\n%58s%s", "", text_of(annotations, "summary"));
    fputc('\n', out);
}

void phu_alerts_report_print(struct phu_alerts_report *report, FILE *out)
{
    size_t count = json_array_size(report->list);

    if (report->is_json) {
        if (!report->list)
            report->list = json_array();
        json_dumpf(report->list, out, JSON_INDENT(1));
        fputc('\n', out);
    } else if (count == 0) {
        fputs("no alerts\n", out);
    } else {
        fprintf(out, "%-20s  %-12s  %-20s  %s\n", "SINCE (UTC)", "STATE", "ALERT", "LABELS");
        for (size_t i = 0; i < count; i++)
            print_row(json_array_get(report->list, i), out);
    }
    phu_alerts_report_drop(report);
}
