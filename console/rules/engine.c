#include "rules/engine.h"

#include "mem.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MIN
#define NOWHERE SIZE_MAX
#define TIME_MOST_NS (INT64_MAX / 2) /* the year 2116 */
#define AHEAD_NS (INT64_C(60) * 1000000000)

/* -- Hashes and labels ------------------------------------------------------------------------ */

uint64_t phu_engine_hash(const char *text, size_t length, uint64_t seed)
{
    uint64_t hash = seed ^ (length * UINT64_C(0x9e3779b97f4a7c15)), word;

    for (; length >= 8; text += 8, length -= 8) {
        memcpy(&word, text, 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    for (word = 0; length; length--)
        word = word << 8 | (unsigned char)text[length - 1];
    hash = (hash ^ word) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 29;
}

const char *phu_engine_label(const struct phu_alert_label *labels, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(labels[i].name, name) == 0)
            return labels[i].value;
    }
    return "";
}

void phu_engine_scratch_put(struct phu_rules_engine *engine, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        engine->scratch = phu_mem_grow(engine->scratch, engine->scratch_length, 1);
        engine->scratch[engine->scratch_length++] = text[i];
    }
}

void phu_engine_project(struct phu_rules_engine *engine, const struct phu_words *names,
                        const struct phu_alert_label *labels, size_t count)
{
    engine->scratch_length = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *value = phu_engine_label(labels, count, names->items[i]);

        phu_engine_scratch_put(engine, value, strlen(value) + 1); /* with its NUL */
    }
}

/* -- Sets of keys ----------------------------------------------------------------------------- */

static struct phu_key **find_key(struct phu_key_set *set, const char *text, size_t length,
                                 uint64_t hash)
{
    struct phu_key **link = &set->buckets[hash & (set->bucket_count - 1)];

    while (*link && ((*link)->hash != hash || (*link)->length != length ||
                     memcmp((*link)->text, text, length) != 0))
        link = &(*link)->next;
    return link;
}

static void grow_keys(struct phu_key_set *set)
{
    size_t count = set->bucket_count ? set->bucket_count * 2 : 16;
    struct phu_key **buckets = phu_mem_alloc(count, sizeof(struct phu_key *));

    for (size_t i = 0; i < set->bucket_count; i++) {
        while (set->buckets[i]) {
            struct phu_key *key = set->buckets[i];

            set->buckets[i] = key->next;
            key->next = buckets[key->hash & (count - 1)];
            buckets[key->hash & (count - 1)] = key;
        }
    }
    free(set->buckets);
    set->buckets = buckets;
    set->bucket_count = count;
}

/* Returns whether the key came to be, or went. */
static bool count_key(struct phu_key_set *set, const char *text, size_t length, bool is_up)
{
    uint64_t hash = phu_engine_hash(text, length, 1);
    struct phu_key **link, *key;

    if (set->count >= set->bucket_count)
        grow_keys(set);
    link = find_key(set, text, length, hash);
    key = *link;
    if (!is_up) {
        assert(key);
        if (--key->count)
            return false;
        *link = key->next;
        free(key);
        set->count--;
        return true;
    }
    if (key) {
        key->count++;
        return false;
    }
    key = phu_mem_alloc(1, sizeof *key + length);
    key->hash = hash;
    key->count = 1;
    key->length = length;
    memcpy(key->text, text, length);
    *link = key;
    set->count++;
    return true;
}

void phu_engine_keys_fini(struct phu_key_set *set)
{
    for (size_t i = 0; i < set->bucket_count; i++) {
        while (set->buckets[i]) {
            struct phu_key *key = set->buckets[i];

            set->buckets[i] = key->next;
            free(key);
        }
    }
    free(set->buckets);
}

void phu_engine_guard_count(struct phu_rules_engine *engine, size_t guard, bool is_up)
{
    struct phu_guard_state *state = &engine->guards[guard];

    if (count_key(&state->keys, engine->scratch, engine->scratch_length, is_up))
        engine->rule_states[state->rule].is_recheck = true;
}

bool phu_engine_guard_has(struct phu_rules_engine *engine, size_t guard)
{
    struct phu_key_set *set = &engine->guards[guard].keys;
    uint64_t hash = phu_engine_hash(engine->scratch, engine->scratch_length, 1);

    return set->count && *find_key(set, engine->scratch, engine->scratch_length, hash);
}

/* -- When to look at a series again ----------------------------------------------------------- */

static void heap_put(struct phu_rules_engine *engine, size_t index, struct phu_series *series)
{
    engine->heap[index] = series;
    series->heap_index = index;
}

static void heap_up(struct phu_rules_engine *engine, struct phu_series *series)
{
    size_t i = series->heap_index;

    for (; i > 0 && engine->heap[(i - 1) / 2]->wake_ns > series->wake_ns; i = (i - 1) / 2)
        heap_put(engine, i, engine->heap[(i - 1) / 2]);
    heap_put(engine, i, series);
}

static void heap_down(struct phu_rules_engine *engine, struct phu_series *series)
{
    size_t i = series->heap_index;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < engine->heap_count &&
            engine->heap[child + 1]->wake_ns < engine->heap[child]->wake_ns)
            child++;
        if (child >= engine->heap_count || engine->heap[child]->wake_ns >= series->wake_ns)
            break;
        heap_put(engine, i, engine->heap[child]);
        i = child;
    }
    heap_put(engine, i, series);
}

static void heap_remove(struct phu_rules_engine *engine, struct phu_series *series)
{
    size_t index = series->heap_index;
    struct phu_series *moved;

    if (index == NOWHERE)
        return;
    series->heap_index = NOWHERE;
    moved = engine->heap[--engine->heap_count];
    if (moved == series)
        return;
    heap_put(engine, index, moved);
    heap_up(engine, moved);
    heap_down(engine, moved);
}

/* Earlier than planned only: what comes too early is looked at and planned again. */
static void plan_wake(struct phu_rules_engine *engine, struct phu_series *series, int64_t at_ns)
{
    if (series->heap_index == NOWHERE) {
        series->wake_ns = at_ns;
        engine->heap = phu_mem_grow(engine->heap, engine->heap_count, sizeof(struct phu_series *));
        heap_put(engine, engine->heap_count++, series);
        heap_up(engine, series);
    } else if (at_ns < series->wake_ns) {
        series->wake_ns = at_ns;
        heap_up(engine, series);
    }
}

/* -- Cells ------------------------------------------------------------------------------------ */

static void cell_put(struct phu_rules_engine *engine, struct phu_cell *cell,
                     const struct phu_plan_field *field, int64_t at_ns, double value)
{
    struct phu_engine_point *point;

    if (field->has_history && cell->last_ns == at_ns && cell->count) {
        cell->ring[(cell->first + cell->count - 1) & (cell->room - 1)].value = value;
    } else if (field->has_history) {
        while (cell->count && cell->ring[cell->first].at_ns < at_ns - field->keep_ns) {
            cell->first = (cell->first + 1) & (cell->room - 1);
            cell->count--;
        }
        if (cell->count == PHU_ENGINE_POINTS_MAX) {
            cell->first = (cell->first + 1) & (cell->room - 1);
            cell->count--;
            engine->figures.refused++;
        }
        if (cell->count == cell->room) {
            uint32_t room = cell->room ? cell->room * 2 : 4;
            struct phu_engine_point *ring = phu_mem_alloc(room, sizeof *ring);

            for (uint32_t i = 0; i < cell->count; i++)
                ring[i] = cell->ring[(cell->first + i) & (cell->room - 1)];
            free(cell->ring);
            cell->ring = ring;
            cell->room = room;
            cell->first = 0;
        }
        point = &cell->ring[(cell->first + cell->count++) & (cell->room - 1)];
        *point = (struct phu_engine_point){at_ns, value};
    }
    cell->last_ns = at_ns;
    cell->last = value;
}

static bool is_fresh(const struct phu_cell *cell, int64_t now_ns, int64_t window_ns)
{
    return cell->last_ns != NEVER && cell->last_ns >= now_ns - window_ns;
}

/* Sum, smallest and largest of a window. The sum is compensated, as Prometheus does it. */
struct summary {
    double sum, least, most;
    size_t count;
    int64_t oldest_ns;
};

static struct summary summarize(const struct phu_cell *cell, int64_t now_ns, int64_t window_ns)
{
    struct summary s = {.least = INFINITY, .most = -INFINITY};
    double lost = 0;

    for (uint32_t i = 0; i < cell->count; i++) {
        const struct phu_engine_point *point = &cell->ring[(cell->first + i) & (cell->room - 1)];
        double next;

        if (point->at_ns < now_ns - window_ns)
            continue;
        if (!s.count++)
            s.oldest_ns = point->at_ns;
        next = s.sum + point->value;
        lost += fabs(s.sum) >= fabs(point->value) ? (s.sum - next) + point->value
                                                  : (point->value - next) + s.sum;
        s.sum = next;
        s.least = point->value < s.least ? point->value : s.least;
        s.most = point->value > s.most ? point->value : s.most;
    }
    s.sum += lost;
    return s;
}

/* -- Conditions of one series ----------------------------------------------------------------- */

static const struct phu_cell *cell_of(const struct phu_series *series, const struct phu_cond *cond,
                                      size_t slot)
{
    return &series->cells[cond->fields[slot]];
}

static bool is_maintained(const struct phu_series *series, const struct phu_cond *cond,
                          int64_t now_ns)
{
    const struct phu_cell *cell = cell_of(series, cond, 1);

    return is_fresh(cell, now_ns, cond->window_ns) && cell->last == 1;
}

static bool is_in_state(const struct phu_series *series, const struct phu_cond *cond)
{
    double code = cell_of(series, cond, 0)->last;

    return code >= 0 && code < 8 && code == floor(code) && cond->states & 1U << (unsigned)code;
}

/* The value of a series that is a unit by itself, or what it gives to a group. False: none. */
static bool metric_of(const struct phu_series *series, const struct phu_cond *cond, int64_t now_ns,
                      double *part, double *whole)
{
    const struct phu_cell *cell = cell_of(series, cond, 0);
    struct summary s = {0}, of;

    *whole = 1;
    if (cond->form == PHU_METRIC_LAST) {
        *part = cell->last;
        return is_fresh(cell, now_ns, cond->window_ns);
    }
    s = summarize(cell, now_ns, cond->window_ns);
    switch (cond->form) {
    case PHU_METRIC_LAST:
    case PHU_METRIC_SUM:
        *part = s.sum;
        break;
    case PHU_METRIC_MIN:
        *part = s.least;
        break;
    case PHU_METRIC_MAX:
        *part = s.most;
        break;
    case PHU_METRIC_INCREASE:
        *part = cell->last - s.least;
        break;
    case PHU_METRIC_MEAN:
    case PHU_METRIC_RATIO: /* what is left out is 0 */
        of = summarize(cell_of(series, cond, 1), now_ns, cond->window_ns);
        *part = s.count ? s.sum : 0;
        *whole = of.sum;
        return of.count > 0;
    }
    return s.count > 0;
}

static bool value_of(const struct phu_series *series, const struct phu_cond *cond, int64_t now_ns,
                     double *value)
{
    const struct phu_cell *cell = cell_of(series, cond, 0), *shown;
    double whole;

    switch (cond->kind) {
    case PHU_COND_STATE:
        *value = cell->last;
        return is_fresh(cell, now_ns, cond->window_ns) && is_in_state(series, cond) &&
               !is_maintained(series, cond, now_ns);
    case PHU_COND_EVENT:
        shown = cell_of(series, cond, 2);
        *value = is_fresh(shown, now_ns, cond->window_ns) ? shown->last : 0;
        return is_fresh(cell, now_ns, cond->window_ns) && cell->last == 1 &&
               !is_maintained(series, cond, now_ns);
    case PHU_COND_METRIC:
        if (!metric_of(series, cond, now_ns, value, &whole))
            return false;
        *value /= whole;
        return true;
    case PHU_COND_SHARE:
    case PHU_COND_ABSENT:
        break;
    }
    return false;
}

/* -- Units ------------------------------------------------------------------------------------ */

static void touch_unit(struct phu_rules_engine *engine, struct phu_unit *unit)
{
    if (unit->is_dirty)
        return;
    unit->is_dirty = true;
    engine->dirty_units =
        phu_mem_grow(engine->dirty_units, engine->dirty_unit_count, sizeof(struct phu_unit *));
    engine->dirty_units[engine->dirty_unit_count++] = unit;
}

static void refresh_share(struct phu_rules_engine *engine, const struct phu_series *series,
                          struct phu_member *member)
{
    struct phu_unit *unit = member->unit;
    const struct phu_cond *cond = unit->cond;
    const struct phu_cell *cell = cell_of(series, cond, 0);
    bool counts = is_fresh(cell, engine->now_ns, cond->window_ns) &&
                  !is_maintained(series, cond, engine->now_ns);
    bool has_part = counts && is_in_state(series, cond), has_whole = counts && cell->last != 4;

    if (has_part == member->has_part && has_whole == member->has_whole)
        return;
    unit->part += (int64_t)has_part - member->has_part;
    unit->whole += (int64_t)has_whole - member->has_whole;
    member->has_part = has_part;
    member->has_whole = has_whole;
    touch_unit(engine, unit);
}

static void refresh_metric(struct phu_rules_engine *engine, const struct phu_series *series,
                           struct phu_member *member)
{
    double part = 0, whole = 0;
    bool has = metric_of(series, member->unit->cond, engine->now_ns, &part, &whole);

    if (has == member->has_part && (!has || (part == member->part && whole == member->whole)))
        return;
    member->has_part = has;
    member->part = part;
    member->whole = whole;
    touch_unit(engine, member->unit);
}

static bool is_absent(const struct phu_unit *unit, int64_t now_ns)
{
    return unit->newest_ns != NEVER && unit->newest_ns < now_ns - unit->cond->window_ns &&
           unit->newest_ns >= now_ns - unit->cond->known_ns;
}

static void refresh_absent(struct phu_rules_engine *engine, const struct phu_series *series,
                           struct phu_member *member)
{
    struct phu_unit *unit = member->unit;
    int64_t last_ns = cell_of(series, unit->cond, 0)->last_ns;

    last_ns = last_ns < engine->now_ns ? last_ns : engine->now_ns; /* nobody is heard later */
    unit->newest_ns = last_ns > unit->newest_ns ? last_ns : unit->newest_ns;
    if (!unit->has_value || is_absent(unit, engine->now_ns) != unit->is_true)
        touch_unit(engine, unit);
}

/* When does time alone change what a condition makes of a series? */
static int64_t next_change(const struct phu_series *series, const struct phu_cond *cond,
                           int64_t now_ns)
{
    int64_t next = INT64_MAX, at;

    for (size_t slot = 0; slot < PHU_COND_FIELDS; slot++) {
        const struct phu_cell *cell = cell_of(series, cond, slot);

        if (cell->last_ns == NEVER)
            continue;
        at = cell->last_ns + cond->window_ns + 1;
        if (at > now_ns && at < next)
            next = at;
        if (cond->kind == PHU_COND_ABSENT) {
            at = cell->last_ns + cond->known_ns + 1;
            if (at > now_ns && at < next)
                next = at;
        }
        for (uint32_t i = 0; cond->kind == PHU_COND_METRIC && i < cell->count; i++) {
            at = cell->ring[(cell->first + i) & (cell->room - 1)].at_ns + cond->window_ns + 1;
            if (at <= now_ns)
                continue;
            next = at < next ? at : next;
            break;
        }
    }
    return next;
}

static void refresh(struct phu_rules_engine *engine, struct phu_series *series)
{
    int64_t next = series->newest_ns + series->plan->keep_ns + 1;

    if (next <= engine->now_ns && !series->is_dead) {
        series->is_dead = true;
        engine->dead = phu_mem_grow(engine->dead, engine->dead_count, sizeof(struct phu_series *));
        engine->dead[engine->dead_count++] = series;
    }
    for (uint32_t i = 0; i < series->member_count; i++) {
        struct phu_member *member = &series->members[i];
        const struct phu_cond *cond = member->unit->cond;
        int64_t at = next_change(series, cond, engine->now_ns);

        if (cond->kind == PHU_COND_SHARE)
            refresh_share(engine, series, member);
        else if (cond->kind == PHU_COND_ABSENT)
            refresh_absent(engine, series, member);
        else if (cond->is_grouped)
            refresh_metric(engine, series, member);
        else
            touch_unit(engine, member->unit);
        next = at < next ? at : next;
    }
    if (!series->is_dead)
        plan_wake(engine, series, next);
}

static void group_metric(struct phu_unit *unit)
{
    const struct phu_cond *cond = unit->cond;
    double part = 0, whole = 0, least = INFINITY, most = -INFINITY;

    unit->has_value = false;
    for (size_t i = 0; i < unit->member_count; i++) {
        const struct phu_member *member = unit->members[i];

        if (!member->has_part)
            continue;
        unit->has_value = true;
        part += member->part;
        whole += member->whole;
        least = member->part < least ? member->part : least;
        most = member->part > most ? member->part : most;
    }
    if (cond->form == PHU_METRIC_MIN)
        unit->value = least;
    else if (cond->form == PHU_METRIC_MAX)
        unit->value = most;
    else if (cond->form == PHU_METRIC_MEAN || cond->form == PHU_METRIC_RATIO)
        unit->value = part / whole;
    else
        unit->value = part;
}

static void work_out(struct phu_rules_engine *engine, struct phu_unit *unit)
{
    const struct phu_cond *cond = unit->cond;

    if (unit->series) {
        unit->has_value = value_of(unit->series, cond, engine->now_ns, &unit->value);
    } else if (cond->kind == PHU_COND_SHARE) {
        unit->has_value = unit->part > 0 && unit->whole > 0 && (double)unit->whole >= cond->least;
        unit->value = unit->whole ? (double)unit->part / (double)unit->whole : 0;
    } else if (cond->kind == PHU_COND_ABSENT) {
        unit->has_value = is_absent(unit, engine->now_ns);
        unit->value = 1;
    } else {
        group_metric(unit);
    }
}

static void settle(struct phu_rules_engine *engine, struct phu_unit *unit)
{
    const struct phu_cond *cond = unit->cond;
    bool was_true = unit->is_true;

    unit->is_dirty = false;
    work_out(engine, unit);
    unit->is_true = unit->has_value && phu_cond_holds(cond, unit->value, false);
    unit->is_candidate =
        unit->is_true || (unit->has_value && phu_cond_holds(cond, unit->value, true));
    for (size_t i = 0; unit->is_true != was_true && i < cond->guard_count; i++) {
        phu_engine_project(engine, &engine->guards[cond->guards[i]].guard->on, unit->labels,
                           unit->label_count);
        phu_engine_guard_count(engine, cond->guards[i], unit->is_true);
    }
    for (size_t i = 0; i < cond->rule_count; i++) {
        struct phu_rule_state *state = &engine->rule_states[cond->rules[i]];

        if (!unit->is_candidate && !unit->hits && !state->held)
            continue;
        state->todo = phu_mem_grow(state->todo, state->todo_count, sizeof(struct phu_unit *));
        state->todo[state->todo_count++] = unit;
    }
}

/* -- Coming and going of series --------------------------------------------------------------- */

static bool matches(const struct phu_cond *cond, const struct phu_alert_label *tags, size_t count)
{
    for (size_t i = 0; i < cond->matcher_count; i++) {
        const struct phu_matcher *matcher = &cond->matchers[i];
        const char *value = phu_engine_label(tags, count, matcher->tag);
        bool is_one = false;

        for (size_t k = 0; k < matcher->values.count && !is_one; k++)
            is_one = strcmp(matcher->values.items[k], value) == 0;
        if (is_one == matcher->is_negated)
            return false;
    }
    return true;
}

static struct phu_alert_label *copy_labels(const struct phu_alert_label *labels, size_t count)
{
    size_t bytes = count * sizeof *labels;
    struct phu_alert_label *copy;
    char *text;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(labels[i].name) + strlen(labels[i].value) + 2;
    copy = phu_mem_alloc(1, bytes + 1);
    text = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i].name = text;
        text = stpcpy(text, labels[i].name) + 1;
        copy[i].value = text;
        text = stpcpy(text, labels[i].value) + 1;
    }
    return copy;
}

/* Only those of `by` that the series has: an empty label is no label. */
static size_t choose_labels(const struct phu_series *series, const struct phu_words *by,
                            struct phu_alert_label *out)
{
    size_t count = 0;

    for (size_t i = 0; i < by->count; i++) {
        const char *value = phu_engine_label(series->tags, series->tag_count, by->items[i]);

        if (*value)
            out[count++] = (struct phu_alert_label){by->items[i], value};
    }
    return count;
}

static void grow_units(struct phu_rules_engine *engine)
{
    size_t count = engine->unit_buckets ? engine->unit_buckets * 2 : 64;
    struct phu_unit **buckets = phu_mem_alloc(count, sizeof(struct phu_unit *));

    for (size_t i = 0; i < engine->unit_buckets; i++) {
        while (engine->units[i]) {
            struct phu_unit *unit = engine->units[i];

            engine->units[i] = unit->next;
            unit->next = buckets[unit->hash & (count - 1)];
            buckets[unit->hash & (count - 1)] = unit;
        }
    }
    free(engine->units);
    engine->units = buckets;
    engine->unit_buckets = count;
}

static bool has_labels(const struct phu_unit *unit, const struct phu_alert_label *labels,
                       size_t count)
{
    if (unit->label_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(unit->labels[i].name, labels[i].name) != 0 ||
            strcmp(unit->labels[i].value, labels[i].value) != 0)
            return false;
    }
    return true;
}

static struct phu_unit *group_of(struct phu_rules_engine *engine, const struct phu_series *series,
                                 const struct phu_cond *cond)
{
    struct phu_alert_label labels[PHU_RULE_WORDS];
    size_t count = choose_labels(series, &cond->by, labels);
    struct phu_unit *unit, **bucket;
    uint64_t hash;

    phu_engine_project(engine, &cond->by, series->tags, series->tag_count);
    hash = phu_engine_hash(engine->scratch, engine->scratch_length, cond->index + 2);
    if (engine->unit_count >= engine->unit_buckets)
        grow_units(engine);
    bucket = &engine->units[hash & (engine->unit_buckets - 1)];
    for (unit = *bucket; unit; unit = unit->next) {
        if (unit->hash == hash && unit->cond == cond && has_labels(unit, labels, count))
            return unit;
    }
    unit = phu_mem_alloc(1, sizeof *unit);
    *unit = (struct phu_unit){.cond = cond,
                              .hash = hash,
                              .next = *bucket,
                              .labels = copy_labels(labels, count),
                              .label_count = (uint32_t)count,
                              .newest_ns = NEVER};
    *bucket = unit;
    engine->unit_count++;
    return unit;
}

static void join(struct phu_rules_engine *engine, struct phu_series *series,
                 const struct phu_cond *cond, struct phu_member *member)
{
    struct phu_unit *unit;

    if (cond->is_grouped) {
        unit = group_of(engine, series, cond);
        if (cond->kind == PHU_COND_METRIC) {
            unit->members =
                phu_mem_grow(unit->members, unit->member_count, sizeof(struct phu_member *));
            unit->members[unit->member_count] = member;
        }
        unit->member_count++;
    } else {
        unit = phu_mem_alloc(1, sizeof *unit);
        *unit = (struct phu_unit){.cond = cond,
                                  .series = series,
                                  .labels = series->tags,
                                  .label_count = series->tag_count};
    }
    *member = (struct phu_member){.unit = unit};
}

static void free_unit(struct phu_unit *unit)
{
    if (!unit->series)
        free((void *)unit->labels);
    free(unit->hits);
    free(unit->members);
    free(unit);
}

static void leave(struct phu_rules_engine *engine, struct phu_member *member)
{
    struct phu_unit *unit = member->unit, **link;

    if (unit->series) {
        free_unit(unit);
        return;
    }
    for (size_t i = 0; unit->members && i < unit->member_count; i++) {
        if (unit->members[i] == member) {
            unit->members[i] = unit->members[unit->member_count - 1];
            break;
        }
    }
    if (--unit->member_count)
        return;
    link = &engine->units[unit->hash & (engine->unit_buckets - 1)];
    while (*link != unit)
        link = &(*link)->next;
    *link = unit->next;
    engine->unit_count--;
    free_unit(unit);
}

static void free_series(struct phu_rules_engine *engine, struct phu_series *series)
{
    for (uint32_t i = 0; i < series->member_count; i++)
        leave(engine, &series->members[i]);
    for (size_t i = 0; i < series->plan->field_count; i++)
        free(series->cells[i].ring);
    free(series->tags);
    free(series->cells);
    free(series->members);
    free(series);
}

static void forget(struct phu_rules_engine *engine, struct phu_series *series)
{
    struct phu_series **link = &engine->series[series->hash & (engine->series_buckets - 1)];

    while (*link != series)
        link = &(*link)->next;
    *link = series->next;
    engine->series_count--;
    heap_remove(engine, series);
    free_series(engine, series);
}

static void grow_series(struct phu_rules_engine *engine)
{
    size_t count = engine->series_buckets ? engine->series_buckets * 2 : 256;
    struct phu_series **buckets = phu_mem_alloc(count, sizeof(struct phu_series *));

    for (size_t i = 0; i < engine->series_buckets; i++) {
        while (engine->series[i]) {
            struct phu_series *series = engine->series[i];

            engine->series[i] = series->next;
            series->next = buckets[series->hash & (count - 1)];
            buckets[series->hash & (count - 1)] = series;
        }
    }
    free(engine->series);
    engine->series = buckets;
    engine->series_buckets = count;
}

/* -- Feeding ---------------------------------------------------------------------------------- */

static bool is_text(const char *text, struct phu_slice slice)
{
    return strncmp(text, slice.at, slice.length) == 0 && !text[slice.length];
}

static bool is_series_of(const struct phu_series *series, const struct phu_sample *sample)
{
    if (series->sent_count != sample->tag_count)
        return false;
    for (size_t i = 0; i < sample->tag_count; i++) {
        if (!is_text(series->tags[i].value, sample->tags[i].value) ||
            !is_text(series->tags[i].name, sample->tags[i].name))
            return false;
    }
    return true;
}

/* What an event calls its root is a field, because it is no identity; alerts want it as a label. */
static struct phu_slice name_of(const struct phu_plan *plan, const struct phu_sample *sample)
{
    if (strcmp(plan->measurement, "event") != 0)
        return (struct phu_slice){0};
    for (size_t i = 0; i < sample->tag_count; i++) {
        if (is_text("name", sample->tags[i].name))
            return (struct phu_slice){0};
    }
    for (size_t i = 0; i < sample->field_count; i++) {
        if (is_text("name", sample->fields[i].name) && sample->fields[i].type == PHU_FIELD_STRING)
            return sample->fields[i].text;
    }
    return (struct phu_slice){0};
}

static struct phu_alert_label *copy_tags(const struct phu_sample *sample, struct phu_slice called)
{
    size_t bytes = (sample->tag_count + 1) * sizeof(struct phu_alert_label) + called.length;
    struct phu_alert_label *tags;
    char *text;

    for (size_t i = 0; i < sample->tag_count; i++)
        bytes += sample->tags[i].name.length + sample->tags[i].value.length + 2;
    tags = phu_mem_alloc(1, bytes + 1);
    text = (char *)(tags + sample->tag_count + 1);
    for (size_t i = 0; i < sample->tag_count; i++) {
        const struct phu_tag *tag = &sample->tags[i];

        tags[i].name = text;
        text = (char *)mempcpy(text, tag->name.at, tag->name.length) + 1;
        tags[i].value = text;
        text = (char *)mempcpy(text, tag->value.at, tag->value.length) + 1;
    }
    if (called.length) {
        tags[sample->tag_count] = (struct phu_alert_label){"name", text};
        memcpy(text, called.at, called.length);
    }
    return tags;
}

/* NULL: no condition wants it, or there is no room. */
static struct phu_series *new_series(struct phu_rules_engine *engine, const struct phu_plan *plan,
                                     const struct phu_sample *sample, uint64_t hash)
{
    struct phu_slice called = name_of(plan, sample);
    struct phu_alert_label *tags = copy_tags(sample, called);
    size_t tag_count = sample->tag_count + (called.length > 0);
    struct phu_series *series;
    uint32_t count = 0;

    for (size_t i = 0; i < plan->cond_count; i++)
        count += matches(plan->conds[i], tags, tag_count);
    if (!count || engine->series_count == PHU_ENGINE_SERIES_MAX) {
        engine->figures.refused += count > 0;
        free(tags);
        return NULL;
    }
    series = phu_mem_alloc(1, sizeof *series);
    *series = (struct phu_series){.hash = hash,
                                  .plan = plan,
                                  .tags = tags,
                                  .tag_count = (uint32_t)tag_count,
                                  .sent_count = (uint32_t)sample->tag_count,
                                  .newest_ns = NEVER,
                                  .heap_index = NOWHERE};
    series->cells = phu_mem_alloc(plan->field_count, sizeof *series->cells);
    for (size_t i = 0; i < plan->field_count; i++)
        series->cells[i].last_ns = NEVER;
    series->members = phu_mem_alloc(count, sizeof *series->members);
    for (size_t i = 0; i < plan->cond_count; i++) {
        if (matches(plan->conds[i], tags, tag_count))
            join(engine, series, plan->conds[i], &series->members[series->member_count++]);
    }
    if (engine->series_count >= engine->series_buckets)
        grow_series(engine);
    series->next = engine->series[hash & (engine->series_buckets - 1)];
    engine->series[hash & (engine->series_buckets - 1)] = series;
    engine->series_count++;
    return series;
}

static struct phu_series *series_of(struct phu_rules_engine *engine, const struct phu_plan *plan,
                                    const struct phu_sample *sample)
{
    uint64_t hash = phu_engine_hash(sample->key.at, sample->key.length, 0);
    struct phu_series *series = NULL;

    if (engine->series_buckets)
        series = engine->series[hash & (engine->series_buckets - 1)];
    while (series &&
           (series->hash != hash || series->plan != plan || !is_series_of(series, sample)))
        series = series->next;
    return series ? series : new_series(engine, plan, sample, hash);
}

static bool number_of(const struct phu_field *field, double *value)
{
    switch (field->type) {
    case PHU_FIELD_FLOAT:
        *value = field->f;
        return true;
    case PHU_FIELD_INT:
        *value = (double)field->i;
        return true;
    case PHU_FIELD_BOOL:
        *value = field->b;
        return true;
    case PHU_FIELD_STRING:
        break;
    }
    return false;
}

/* A clock that was ahead for a while must not make its series deaf until that time has come: what
 * came from the future gives way to what is older. */
static bool take_back(const struct phu_rules_engine *engine, struct phu_series *series,
                      struct phu_cell *cell)
{
    if (!engine->tick || cell->last_ns <= engine->now_ns + AHEAD_NS)
        return false;
    cell->first = cell->count = 0;
    cell->last_ns = series->newest_ns = NEVER;
    return true;
}

/* Returns whether a value became another one. */
static bool take_fields(struct phu_rules_engine *engine, struct phu_series *series,
                        const struct phu_sample *sample)
{
    const struct phu_plan *plan = series->plan;
    bool is_changed = false;
    double value;

    for (size_t i = 0; i < sample->field_count; i++) {
        for (size_t k = 0; k < plan->field_count; k++) {
            struct phu_cell *cell = &series->cells[k];

            if (!is_text(plan->fields[k].name, sample->fields[i].name) ||
                !number_of(&sample->fields[i], &value))
                continue;
            if (cell->last_ns != NEVER && sample->time_ns < cell->last_ns &&
                !take_back(engine, series, cell)) {
                engine->figures.old++;
                break;
            }
            is_changed |= cell->last_ns == NEVER || cell->last != value;
            cell_put(engine, cell, &plan->fields[k], sample->time_ns, value);
            if (sample->time_ns > series->newest_ns)
                series->newest_ns = sample->time_ns;
            break;
        }
    }
    return is_changed;
}

bool phu_rules_feed(struct phu_rules_engine *engine, const struct phu_sample *sample)
{
    const struct phu_rules *rules = engine->rules;
    struct phu_series *series;
    bool is_changed;
    size_t i = 0;

    while (i < rules->plan_count && !is_text(rules->plans[i]->measurement, sample->measurement))
        i++;
    if (i == rules->plan_count)
        return false;
    if (sample->time_ns < -TIME_MOST_NS || sample->time_ns > TIME_MOST_NS) {
        engine->figures.refused++; /* no sum of times may overflow */
        return false;
    }
    engine->figures.samples++;
    series = series_of(engine, rules->plans[i], sample);
    if (!series)
        return false;
    is_changed = take_fields(engine, series, sample);
    if (!series->is_dirty) {
        series->is_dirty = true;
        engine->dirty =
            phu_mem_grow(engine->dirty, engine->dirty_count, sizeof(struct phu_series *));
        engine->dirty[engine->dirty_count++] = series;
    }
    return is_changed && rules->plans[i]->is_urgent;
}

/* -- Evaluating ------------------------------------------------------------------------------- */

static void refresh_series(struct phu_rules_engine *engine)
{
    while (engine->heap_count && engine->heap[0]->wake_ns <= engine->now_ns) {
        struct phu_series *series = engine->heap[0];

        heap_remove(engine, series);
        if (!series->is_dirty)
            refresh(engine, series);
    }
    for (size_t i = 0; i < engine->dirty_count; i++) {
        engine->dirty[i]->is_dirty = false;
        refresh(engine, engine->dirty[i]);
    }
    engine->dirty_count = 0;
}

void phu_rules_evaluate(struct phu_rules_engine *engine, int64_t now_ns)
{
    if (now_ns < engine->now_ns)
        return;
    engine->now_ns = now_ns;
    engine->tick++;
    refresh_series(engine);
    for (size_t i = 0; i < engine->dirty_unit_count; i++)
        settle(engine, engine->dirty_units[i]);
    engine->dirty_unit_count = 0;
    for (size_t i = 0; i < engine->rules->rule_count; i++)
        phu_elements_evaluate(engine, i);
    for (size_t i = 0; i < engine->dead_count; i++)
        forget(engine, engine->dead[i]);
    engine->dead_count = 0;
    while (engine->orphans) {
        struct phu_element *orphan = engine->orphans;
        struct phu_alert alert = phu_element_alert(orphan);

        engine->orphans = orphan->next;
        alert.resolved_ns = now_ns;
        if (orphan->state == PHU_ELEMENT_FIRING)
            engine->changed(engine->arg, &alert);
        phu_element_free(orphan);
    }
}

/* -- Beginning and end ------------------------------------------------------------------------ */

int phu_rules_engine_new(const struct phu_rules *rules, phu_rules_changed_cb *changed, void *arg,
                         struct phu_rules_engine **out)
{
    struct phu_rules_engine *engine = phu_mem_alloc(1, sizeof *engine);

    engine->rules = rules;
    engine->changed = changed;
    engine->arg = arg;
    engine->now_ns = INT64_MIN / 2;
    engine->rule_states = phu_mem_alloc(rules->rule_count + 1, sizeof *engine->rule_states);
    engine->guards = phu_mem_alloc(rules->guard_count + 1, sizeof *engine->guards);
    for (size_t i = 0; i < rules->rule_count; i++) {
        const struct phu_rule *rule = rules->rules[i];

        for (size_t g = 0; g < rule->guard_count; g++)
            engine->guards[rule->guards[g].index] =
                (struct phu_guard_state){.guard = &rule->guards[g], .rule = i};
    }
    for (size_t i = 0; i < rules->rule_count; i++) {
        struct phu_rule_state *state = &engine->rule_states[i];

        for (size_t g = 0; g < rules->guard_count; g++) {
            const struct phu_guard *guard = engine->guards[g].guard;

            if (!guard || !guard->alert || strcmp(guard->alert, rules->rules[i]->alert) != 0)
                continue;
            state->alert_guards = phu_mem_grow(state->alert_guards, state->alert_guard_count,
                                               sizeof *state->alert_guards);
            state->alert_guards[state->alert_guard_count++] = g;
        }
    }
    *out = engine;
    return 0;
}

void phu_rules_engine_free(struct phu_rules_engine *engine)
{
    if (!engine)
        return;
    phu_elements_free(engine);
    for (size_t i = 0; i < engine->series_buckets; i++) {
        while (engine->series[i]) {
            struct phu_series *series = engine->series[i];

            engine->series[i] = series->next;
            free_series(engine, series);
        }
    }
    for (size_t i = 0; i < engine->rules->guard_count; i++)
        phu_engine_keys_fini(&engine->guards[i].keys);
    for (size_t i = 0; i < engine->rules->rule_count; i++) {
        free(engine->rule_states[i].todo);
        free(engine->rule_states[i].touched);
        free(engine->rule_states[i].running);
        free(engine->rule_states[i].alert_guards);
    }
    free(engine->rule_states);
    free(engine->guards);
    free(engine->series);
    free(engine->units);
    free(engine->elements);
    free(engine->heap);
    free(engine->dirty);
    free(engine->dirty_units);
    free(engine->dead);
    free(engine->scratch);
    free(engine);
}
