#include "entry.h"

#include "mem.h"
#include "phusong/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *object_of(const struct phu_alert_label *labels, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < count; i++) {
        json_t *value = json_string(labels[i].value);

        /* What is not UTF-8 came from outside; the label is kept, its value is not. */
        json_object_set_new(object, labels[i].name, value ? value : json_string("?"));
    }
    if (!object)
        abort();
    return object;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static int by_name(const void *a, const void *b)
{
    const struct phu_alert_label *left = a, *right = b;

    return strcmp(left->name, right->name);
}

/* Sorted by name; freed by the caller. The texts are the object's. */
static struct phu_alert_label *labels_of(const json_t *labels, size_t *count)
{
    struct phu_alert_label *list = phu_mem_alloc(json_object_size(labels) + 1, sizeof *list);
    json_t *object = (json_t *)labels; /* jansson's iterators are not const */
    const char *name;
    json_t *value;

    *count = 0;
    json_object_foreach(object, name, value)
    {
        const char *text = json_string_value(value);

        list[(*count)++] = (struct phu_alert_label){.name = name, .value = text ? text : ""};
    }
    qsort(list, *count, sizeof *list, by_name);
    return list;
}

uint64_t phu_entry_fingerprint(const json_t *labels)
{
    size_t count;
    struct phu_alert_label *list = labels_of(labels, &count);
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < count; i++)
        hash = hash_text(hash_text(hash, list[i].name), list[i].value);
    free(list);
    return hash;
}

struct phu_entry *phu_entry_new(const struct phu_alert *alert, size_t alertmanagers)
{
    struct phu_entry *entry = phu_mem_alloc(1, sizeof *entry);

    entry->told = phu_mem_alloc(alertmanagers + 1, sizeof *entry->told);
    entry->labels = object_of(alert->labels, alert->label_count);
    entry->annotations = object_of(alert->annotations, alert->annotation_count);
    entry->fingerprint = phu_entry_fingerprint(entry->labels);
    entry->active_ns = alert->active_ns;
    entry->fired_ns = alert->fired_ns;
    entry->resolved_ns = alert->resolved_ns;
    entry->value = alert->value;
    entry->generation = 1;
    return entry;
}

void phu_entry_free(struct phu_entry *entry)
{
    json_decref(entry->labels);
    json_decref(entry->annotations);
    free(entry->told);
    free(entry);
}

bool phu_entry_update(struct phu_entry *entry, const struct phu_alert *alert)
{
    json_t *annotations = object_of(alert->annotations, alert->annotation_count);
    bool has_changed = entry->resolved_ns != alert->resolved_ns;

    entry->resolved_ns = alert->resolved_ns;
    entry->value = alert->value;
    if (json_equal(annotations, entry->annotations)) {
        json_decref(annotations);
    } else {
        json_decref(entry->annotations);
        entry->annotations = annotations;
        has_changed = true;
    }
    if (has_changed)
        entry->generation++;
    return has_changed;
}

const char *phu_entry_label(const struct phu_entry *entry, const char *name)
{
    const char *value = json_string_value(json_object_get(entry->labels, name));

    return value ? value : "";
}

void phu_entry_time(char text[PHU_ENTRY_TIME], int64_t ns)
{
    time_t seconds = (time_t)(ns / PHU_NS_PER_S);
    struct tm tm;
    size_t length;

    gmtime_r(&seconds, &tm);
    length = strftime(text, PHU_ENTRY_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + length, PHU_ENTRY_TIME - length, ".%03dZ",
             (int)(ns % PHU_NS_PER_S / PHU_NS_PER_MS));
}

static void set_time(json_t *object, const char *name, int64_t ns)
{
    char text[PHU_ENTRY_TIME];

    phu_entry_time(text, ns);
    json_object_set_new(object, name, json_string(text));
}

json_t *phu_entry_for_alertmanager(const struct phu_entry *entry, int64_t ends_ns,
                                   const char *generator)
{
    json_t *alert = json_object();

    if (!alert)
        abort();
    json_object_set(alert, "labels", entry->labels);
    json_object_set(alert, "annotations", entry->annotations);
    set_time(alert, "startsAt", entry->fired_ns);
    set_time(alert, "endsAt", entry->resolved_ns ? entry->resolved_ns : ends_ns);
    if (*generator)
        json_object_set_new(alert, "generatorURL", json_string(generator));
    return alert;
}

json_t *phu_entry_json(const struct phu_entry *entry)
{
    json_t *alert = json_object();
    char fingerprint[20];

    if (!alert)
        abort();
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)entry->fingerprint);
    json_object_set(alert, "labels", entry->labels);
    json_object_set(alert, "annotations", entry->annotations);
    json_object_set_new(alert, "state", json_string(entry->resolved_ns ? "resolved" : "firing"));
    set_time(alert, "activeAt", entry->active_ns);
    set_time(alert, "firedAt", entry->fired_ns);
    if (entry->resolved_ns)
        set_time(alert, "resolvedAt", entry->resolved_ns);
    json_object_set_new(alert, "value",
                        isfinite(entry->value) ? json_real(entry->value) : json_null());
    json_object_set_new(alert, "fingerprint", json_string(fingerprint));
    json_object_set_new(alert, "silencedBy", json_string(entry->silenced_by));
    return alert;
}
