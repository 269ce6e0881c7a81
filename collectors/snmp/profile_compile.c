/* From the keys of a file to a profile: everything is looked up, worked out and checked here, so
 * that nothing can go wrong while a device is read but what the device answers.
 */
#include "profile_compile.h"

#include "phusong/time.h"

#include <stdio.h>
#include <string.h>

#define EVERY_MIN (PHU_NS_PER_S)
#define EVERY_MAX (7 * 24 * 3600 * PHU_NS_PER_S)

/* -- Roll-ups --------------------------------------------------------------------------------- */

static void check_counted(struct phu_compile *compile, const char *option,
                          const struct phu_profile_column_conf *column, const char *family)
{
    if (!strchr(family, '.') || phu_snmp_metric_word(family, "total") < 0) {
        phu_compile_wrong(compile, option,
                          "\"%.80s\" cannot count words; write a family such as pon.onus", family);
        return;
    }
    for (size_t i = 0; i < column->words.count; i++) {
        const char *word = column->words.items[i].value;

        if (word[0] && phu_snmp_metric_word(family, word) < 0)
            phu_compile_unknown_word(compile, option, family, word);
    }
}

static void take_sum(struct phu_compile *compile, const struct phu_profile_sum_conf *conf,
                     size_t at, struct phu_profile_sum *sum)
{
    const struct phu_profile_column_conf *columns = compile->table_conf->columns.items;
    char place[64], to[64];
    int column;

    sum->metric = -1;
    snprintf(place, sizeof place, "rollup.sums[%zu].column", at);
    snprintf(to, sizeof to, "rollup.sums[%zu].to", at);
    column = phu_compile_find_column(compile, place, conf->column);
    if (column < 0)
        return;
    sum->column = (unsigned)column;
    if (!columns[column].metric[0] && !columns[column].metric_by.column[0]) {
        phu_compile_wrong(compile, place,
                          "column \"%s\" has no \"metric\"; only what is measured adds up",
                          conf->column);
        return;
    }
    if (columns[column].words.count) {
        sum->family = phu_profile_take_text(compile->memory, conf->to);
        check_counted(compile, to, &columns[column], conf->to);
        return;
    }
    sum->metric = phu_snmp_metric_find(conf->to);
    if (sum->metric < 0 && phu_snmp_metric_is_family(conf->to))
        phu_compile_wrong(
            compile, to,
            "\"%s\" is a family of states, and column \"%s\" has no words; name a metric such as "
            "pon.onu_rx_dbm",
            conf->to, conf->column);
    else if (sum->metric < 0)
        phu_compile_unknown_metric(compile, to, conf->to);
    else if (phu_snmp_metrics[sum->metric].kind != PHU_METRIC_SPREAD)
        phu_compile_wrong(compile, to, "\"%s\" is no number with a range, which is what adds up",
                          conf->to);
}

/* The rows take their tag of the measurement that is added up in. */
static void check_rollup_tag(struct phu_compile *compile,
                             const struct phu_profile_rollup_conf *conf)
{
    const struct phu_profile_sum_conf *sums = conf->sums.items;

    for (size_t i = 0; i < PHU_SNMP_ROW_KINDS; i++) {
        const char *measurement = phu_snmp_row_kinds[i].measurement;
        size_t length = strlen(measurement), used = 0;

        for (size_t j = 0; j < conf->sums.count; j++)
            used += strncmp(sums[j].to, measurement, length) == 0 && sums[j].to[length] == '.';
        if (used)
            phu_compile_tag(compile, "rollup.tag", measurement, conf->tag);
    }
}

static void compile_rollup(struct phu_compile *compile, const struct phu_profile_rollup_conf *conf,
                           struct phu_profile_rollup *rollup)
{
    const struct phu_profile_sum_conf *items = conf->sums.items;
    struct phu_profile_sum *sums;

    if (!conf->tag[0] && !conf->row[0] && !conf->sums.count)
        return;
    if (!conf->tag[0] || !conf->row[0] || !conf->sums.count) {
        phu_compile_wrong(compile, "rollup", "\"rollup\" lacks \"%s\"; it needs tag, row and sums",
                          !conf->tag[0]  ? "tag"
                          : conf->row[0] ? "sums"
                                         : "row");
        return;
    }
    if (compile->table->is_scalar)
        phu_compile_wrong(compile, "rollup", "scalars are one row; there is nothing to add up");
    phu_compile_template(compile, "rollup.row", conf->row);
    sums = phu_profile_take(compile->memory, conf->sums.count, sizeof *sums);
    for (size_t i = 0; i < conf->sums.count; i++)
        take_sum(compile, &items[i], i, &sums[i]);
    check_rollup_tag(compile, conf);
    rollup->tag = phu_profile_take_text(compile->memory, conf->tag);
    rollup->name = phu_profile_take_text(compile->memory, conf->row);
    rollup->sums = sums;
    rollup->sum_count = conf->sums.count;
}

/* -- Tables ----------------------------------------------------------------------------------- */

static void take_every(struct phu_compile *compile, const char *every,
                       struct phu_profile_table *table)
{
    if (strcmp(every, "fast") == 0)
        table->lane = PHU_LANE_FAST;
    else if (strcmp(every, "slow") == 0)
        table->lane = PHU_LANE_SLOW;
    else if (strcmp(every, "static") == 0)
        table->lane = PHU_LANE_STATIC;
    else if (phu_conf_parse_duration(every, &table->every_ns) != 0)
        phu_compile_wrong(compile, "every",
                          "\"every\" is \"%.40s\", it must be fast, slow, static, or a "
                          "duration such as 5m",
                          every);
    else if (table->every_ns < EVERY_MIN || table->every_ns > EVERY_MAX)
        phu_compile_wrong(compile, "every", "\"every\" is %s, outside its range of 1s to 7d",
                          every);
}

static void take_identity(struct phu_compile *compile, const struct phu_profile_table_conf *conf,
                          struct phu_profile_table *table)
{
    bool is_device = strcmp(table->measurement, "device") == 0;

    if (conf->tag[0] && !is_device)
        phu_compile_tag(compile, "tag", table->measurement, conf->tag);
    if (conf->tag[0] && is_device)
        phu_compile_wrong(compile, "tag",
                          "measurement device is the device itself, which has no rows; leave "
                          "out the tag");
    if (!conf->tag[0] && !is_device && !table->is_scalar)
        phu_compile_wrong(compile, "",
                          "table \"%.40s\" lacks \"tag\", what its rows are called, such as onu; "
                          "or \"scalars: true\"",
                          conf->name);
    if (conf->row[0] && !conf->tag[0])
        phu_compile_wrong(compile, "row",
                          "without \"tag\" there are no rows to name; leave out \"row\"");
    if (conf->tag[0] && table->is_scalar && !conf->row[0])
        phu_compile_wrong(compile, "tag",
                          "scalars with a tag need \"row\", the name of their one row");
    phu_compile_template(compile, "row", conf->row);
    table->tag = conf->tag[0] ? phu_profile_take_text(compile->memory, conf->tag) : NULL;
    table->row = "";
    if (conf->tag[0])
        table->row = conf->row[0] ? phu_profile_take_text(compile->memory, conf->row) : "{1..}";
}

static void take_polls(struct phu_profile_table *table)
{
    char name[64];

    snprintf(name, sizeof name, "%s.polls", table->measurement);
    table->polls_metric = phu_snmp_metric_find(name);
}

static void compile_table(struct phu_compile *compile, const struct phu_profile_table_conf *conf,
                          struct phu_profile_table *table)
{
    const struct phu_profile_column_conf *items = conf->columns.items;
    char place[PHU_COMPILE_PLACE];

    compile->table = table;
    compile->table_conf = conf;
    *table = (struct phu_profile_table){
        .name = phu_profile_take_text(compile->memory, conf->name),
        .measurement = phu_profile_measurements[conf->measurement],
        .is_scalar = conf->is_scalar,
        .is_exact = conf->is_exact,
        .emit = (enum phu_profile_emit)conf->emit,
        .column_count = (unsigned)conf->columns.count,
        .columns = phu_profile_take(compile->memory, conf->columns.count, sizeof *table->columns),
    };
    if (!phu_compile_consists_of(conf->name, PHU_COMPILE_SMALL PHU_COMPILE_DIGITS "_-", 40))
        phu_compile_wrong(compile, "name", "table \"%.40s\" must be small letters, digits, _ and -",
                          conf->name);
    if (!conf->columns.count)
        phu_compile_wrong(compile, "columns", "table \"%.40s\" has no columns", conf->name);
    take_every(compile, conf->every, table);
    take_identity(compile, conf, table);
    take_polls(table);
    compile_rollup(compile, &conf->rollup, &table->rollup);
    snprintf(place, sizeof place, "%s", compile->place);
    for (size_t i = 0; i < conf->columns.count; i++) {
        snprintf(compile->place, sizeof compile->place, "%.60scolumns[%zu].", place, i);
        phu_compile_column(compile, &items[i], &table->columns[i]);
    }
    snprintf(compile->place, sizeof compile->place, "%s", place);
}

/* -- The whole -------------------------------------------------------------------------------- */

static void compile_match(struct phu_compile *compile, const struct phu_profile_match_conf *conf,
                          struct phu_profile_match *match)
{
    if (!conf->sys_object_id[0] && !conf->sys_descr[0] && !conf->has[0])
        phu_compile_wrong(compile, "",
                          "this entry fits every device; give it sys_object_id, sys_descr or has");
    if (conf->sys_object_id[0])
        phu_compile_oid(compile, "sys_object_id", conf->sys_object_id, &match->sys_object_id);
    if (conf->has[0])
        phu_compile_oid(compile, "has", conf->has, &match->has);
    if (conf->sys_descr[0])
        match->sys_descr = phu_profile_take_text(compile->memory, conf->sys_descr);
    match->expression = phu_compile_expression(compile, "sys_descr", conf->sys_descr);
}

static void compile_matches(struct phu_compile *compile, const struct phu_profile_conf *conf,
                            struct phu_profile_entry *entry)
{
    const struct phu_profile_match_conf *items = conf->match.items;
    struct phu_profile_match *matches =
        phu_profile_take(compile->memory, conf->match.count, sizeof *matches);

    for (size_t i = 0; i < conf->match.count; i++) {
        snprintf(compile->place, sizeof compile->place, "match[%zu].", i);
        compile_match(compile, &items[i], &matches[i]);
    }
    compile->place[0] = '\0';
    if (conf->match.count && strcmp(conf->name, PHU_PROFILE_GENERIC) == 0)
        phu_compile_wrong(compile, "match",
                          "the profile \"generic\" fits what no other fits; leave out "
                          "\"match\"");
    entry->matches = matches;
    entry->match_count = conf->match.count;
}

static void compile_care(struct phu_compile *compile, const struct phu_profile_care_conf *conf,
                         struct phu_profile_care *care)
{
    care->pdus_per_second = conf->pdus_per_second;
    care->max_repetitions = (unsigned)conf->max_repetitions;
    care->cpu_scale = conf->cpu.scale;
    care->cpu_offset = conf->cpu.offset;
    care->cpu_limit = conf->cpu.limit;
    if (conf->cpu.oid[0])
        phu_compile_oid(compile, "care.cpu.oid", conf->cpu.oid, &care->cpu);
    else if (conf->cpu.limit != 0)
        phu_compile_wrong(compile, "care.cpu",
                          "\"limit\" needs \"oid\", where the device tells how busy it is");
}

size_t phu_profile_compile(const struct phu_profile_conf *conf,
                           const struct phu_conf_source *source, struct phu_diags *diags,
                           struct phu_profile_memory *memory, struct phu_profile_entry *entry)
{
    struct phu_compile compile = {.source = source, .diags = diags, .memory = memory};
    const struct phu_profile_table_conf *items = conf->tables.items;
    struct phu_profile_table *tables = phu_profile_take(memory, conf->tables.count, sizeof *tables);

    entry->profile.name = phu_profile_take_text(memory, conf->name);
    entry->profile.summary = phu_profile_take_text(memory, conf->summary);
    entry->profile.has_interfaces = conf->has_interfaces;
    entry->profile.tables = tables;
    entry->profile.table_count = conf->tables.count;
    if (!phu_compile_consists_of(
            conf->name, PHU_COMPILE_SMALL "ABCDEFGHIJKLMNOPQRSTUVWXYZ" PHU_COMPILE_DIGITS "-", 64))
        phu_compile_wrong(&compile, "name",
                          "profile \"%.80s\" must be letters, digits and hyphens, at most 64",
                          conf->name);
    compile_matches(&compile, conf, entry);
    compile_care(&compile, &conf->care, &entry->profile.care);
    for (size_t i = 0; i < conf->tables.count; i++) {
        snprintf(compile.place, sizeof compile.place, "tables[%zu].", i);
        compile_table(&compile, &items[i], &tables[i]);
    }
    return compile.mistakes;
}
