/* Alert rules: read from YAML, fed with samples, evaluated; says which alerts stand.
 *
 * Pure: time comes as an argument, so the same engine runs live, over stored samples (`phusong
 * rules replay`), and over a written scenario (`phusong rules test`).
 *
 *     phu_rules_load(paths, count, &diags, &rules);
 *     phu_rules_engine_new(rules, changed, arg, &engine);
 *     for each sample: at_once |= phu_rules_feed(engine, &sample);
 *     when at_once, and each phu_rules_interval_ns(): phu_rules_evaluate(engine, now);
 *
 * Restart: what phu_rules_engine_save() wrote goes into phu_rules_engine_restore() of the new
 * engine, before anything is fed; then, where there is a store, its samples of the last
 * phu_rules_horizon_ns() in the order of time, then what is live. Alerts that stood are not told
 * again. Without stored samples they are held until a sample of theirs decides, or until they are
 * stale.
 */
#pragma once

#include "sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct phu_diags;
struct phu_rules;        /* what files say */
struct phu_rules_engine; /* what was seen, and what stands */

/* -- Rules ------------------------------------------------------------------------------------ */

/* Every file that `paths` (with wildcards) name; each mistake into `diags`; -EINVAL when there was
 * one. */
int phu_rules_load(char *const *paths, size_t count, struct phu_diags *diags,
                   struct phu_rules **out);
/* The same from one text that calls itself `file`. */
int phu_rules_parse(const char *file, const char *text, size_t length, struct phu_diags *diags,
                    struct phu_rules **out);
/* After the engines that use them. NULL is harmless. */
void phu_rules_free(struct phu_rules *rules);

/* Is a sample of this measurement of any use to the rules? From any thread. */
bool phu_rules_wants(const struct phu_rules *rules, struct phu_slice measurement);
/* The shortest interval of all groups: how often to evaluate when nothing urgent comes. */
int64_t phu_rules_interval_ns(const struct phu_rules *rules);
/* How far back samples matter. */
int64_t phu_rules_horizon_ns(const struct phu_rules *rules);

/* The names that phu_rules_wants() knows, NULL-terminated, as phu_query_replay() takes them. The
 * list is the caller's to free. */
const char **phu_rules_measurements(const struct phu_rules *rules);

struct phu_rule_info {
    const char *group, *alert, *file;
    unsigned line;
    const char *condition; /* as PromQL */
    int64_t interval_ns, for_ns, keep_firing_for_ns;
};
size_t phu_rules_count(const struct phu_rules *rules);
struct phu_rule_info phu_rules_info(const struct phu_rules *rules, size_t index);

/* The same rules for Prometheus and vmalert. 0, or a negative errno of the stream. */
int phu_rules_export(const struct phu_rules *rules, FILE *out);

/* -- Alerts ----------------------------------------------------------------------------------- */

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
 * stands; from inside phu_rules_evaluate(). Borrowed for the call. */
typedef void phu_rules_changed_cb(void *arg, const struct phu_alert *alert);

/* -- The engine ------------------------------------------------------------------------------- */

/* `rules` are borrowed for the engine's life. */
int phu_rules_engine_new(const struct phu_rules *rules, phu_rules_changed_cb *changed, void *arg,
                         struct phu_rules_engine **out);
/* Says nothing of what stands. NULL is harmless. */
void phu_rules_engine_free(struct phu_rules_engine *engine);
/* Samples of one series come in the order of time; older ones are ignored. Returns whether an
 * evaluation should be made at once (an event, a change of state). */
bool phu_rules_feed(struct phu_rules_engine *engine, const struct phu_sample *sample);
/* `now_ns` does not go back (if it does: nothing happens). */
void phu_rules_evaluate(struct phu_rules_engine *engine, int64_t now_ns);
/* Every alert that is pending or stands. */
void phu_rules_visit(const struct phu_rules_engine *engine, phu_rules_changed_cb *visit, void *arg);

/* What is pending or stands, as JSON; freed by the caller. */
char *phu_rules_engine_save(const struct phu_rules_engine *engine);
/* Into an engine that was fed nothing yet. Alerts of rules that are no more are resolved by the
 * next evaluation. -EINVAL: not such a text, nothing was taken. */
int phu_rules_engine_restore(struct phu_rules_engine *engine, const char *text, size_t length,
                             int64_t now_ns);

struct phu_rules_figures {
    size_t series, pending, firing;
    uint64_t samples, old, refused; /* fed; of these too old; for want of room */
};
struct phu_rules_figures phu_rules_engine_figures(const struct phu_rules_engine *engine);
