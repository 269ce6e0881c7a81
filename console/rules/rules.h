/* Alert rules: read from YAML, fed with samples, evaluated; says which alerts stand.
 *
 * Pure: time comes as an argument, so the same engine runs live, over stored samples (`phusong
 * rules replay`), and over a written scenario (`phusong rules test`).
 */
#pragma once

#include "sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_diags;
struct phu_rules;        /* what files say */
struct phu_rules_engine; /* what was seen, and what stands */

/* Every file that `paths` (with wildcards) name; each mistake into `diags`; -EINVAL when there was
 * one. */
int phu_rules_load(char *const *paths, size_t count, struct phu_diags *diags,
                   struct phu_rules **out);
void phu_rules_free(struct phu_rules *rules);

struct phu_alert_label {
    const char *name, *value;
};

/* One alert: its labels are its identity, sorted by name, `alertname` among them. */
struct phu_alert {
    const struct phu_alert_label *labels;
    size_t label_count;
    const struct phu_alert_label *annotations;
    size_t annotation_count;
    int64_t active_ns;   /* the condition holds since then */
    int64_t fired_ns;    /* 0: pending, its `for` is not over */
    int64_t resolved_ns; /* 0: it stands */
    double value;
};

/* `changed` is told of every alert that fires, resolves, or whose annotations change while it
 * stands. Borrowed for the call. */
typedef void phu_rules_changed_cb(void *arg, const struct phu_alert *alert);

int phu_rules_engine_new(const struct phu_rules *rules, phu_rules_changed_cb *changed, void *arg,
                         struct phu_rules_engine **out);
void phu_rules_engine_free(struct phu_rules_engine *engine);
/* Is a sample of this measurement of any use to the rules? */
bool phu_rules_wants(const struct phu_rules *rules, struct phu_slice measurement);
/* Samples of one series come in the order of time; older ones are ignored. Returns whether an
 * evaluation should be made at once (an event, a change of state). */
bool phu_rules_feed(struct phu_rules_engine *engine, const struct phu_sample *sample);
void phu_rules_evaluate(struct phu_rules_engine *engine, int64_t now_ns);
/* Every alert that is pending or stands. */
void phu_rules_visit(const struct phu_rules_engine *engine, phu_rules_changed_cb *visit, void *arg);
