/* The tables of this part (agent, log, checks, exporters' common keys) and how they are put
 * together with those of the collectors, exporters, credentials, quality profiles and the spool.
 */
#include "config_shape.h"

#include "core/quality.h"
#include "mem.h"

#include "phusong/collector.h"
#include "phusong/exporter.h"
#include "phusong/resolve.h"
#include "phusong/text.h"
#include "phusong/time.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- agent ------------------------------------------------------------------------------------ */

#define OPTION(struct_type, field, option_name)                                                    \
    .name = (option_name), .offset = offsetof(struct struct_type, field)

static const struct phu_option agent_options[] = {
    {OPTION(phu_config_agent, id, "id"), .type = PHU_OPTION_STRING, .example = "node-1",
     .meaning = "name of this agent, the tag agent of all its points: letters, digits and . _ : -"},
    {OPTION(phu_config_agent, inventory, "inventory"), .type = PHU_OPTION_PATH,
     .fallback = "inventory",
     .meaning = "folder with areas.csv, sites.csv, devices.csv and endpoints.csv"},
    {OPTION(phu_config_agent, state_dir, "state_dir"), .type = PHU_OPTION_PATH,
     .fallback = "/var/lib/phusong",
     .meaning = "folder for what has to survive a restart; the agent must be able to write there"},
    {OPTION(phu_config_agent, window_ns, "window"), .type = PHU_OPTION_DURATION, .fallback = "60s",
     .min = "1s", .max = "1h",
     .meaning = "length of the windows that observations are summed up in; must divide an hour"},
    {OPTION(phu_config_agent, boot_jitter_ns, "boot_jitter"), .type = PHU_OPTION_DURATION,
     .fallback = "10s", .min = "0s", .max = "10m",
     .meaning = "start measuring after a random delay of up to this, so that the agents of a "
                "province do not wake in step after a power cut"},
    {OPTION(phu_config_agent, user, "user"), .type = PHU_OPTION_STRING, .fallback = "",
     .meaning = "user to become once sockets are open; empty: stay who started the agent"},
    {OPTION(phu_config_agent, dns_servers, "dns_servers"), .type = PHU_OPTION_STRINGS,
     .fallback = "", .most = 8,
     .meaning = "name servers to ask, such as 10.0.0.1 or [fd00::1]:5353; none: those of "
                "/etc/resolv.conf"},
};

static void validate_agent(const void *conf, void *context)
{
    const struct phu_config_agent *agent = conf;

    if (!phu_text_is_id(agent->id))
        phu_conf_mistake(context, "id",
                         "\"id\" must be 1 to 64 letters, digits or . _ : - without accents");
    if (3600 * PHU_NS_PER_S % agent->window_ns)
        phu_conf_mistake(context, "window",
                         "\"window\" must divide an hour, such as 10s, 30s, 60s, 5m or 15m");
    if (!agent->inventory[0])
        phu_conf_mistake(context, "inventory", "\"inventory\" must name a folder");
    for (size_t i = 0; i < agent->dns_servers.count; i++) {
        if (!phu_resolver_is_server(agent->dns_servers.items[i]))
            phu_conf_mistake(context, "dns_servers",
                             "\"%s\" is not an address: write 10.0.0.1, 10.0.0.1:5353, fd00::1 or "
                             "[fd00::1]:5353",
                             agent->dns_servers.items[i]);
    }
}

static const struct phu_option_table agent_table = {
    .options = agent_options,
    .count = sizeof agent_options / sizeof *agent_options,
    .size = sizeof(struct phu_config_agent),
    .validate = validate_agent,
};

/* -- log -------------------------------------------------------------------------------------- */

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const journals[] = {"auto", "yes", "no", NULL};

static const struct phu_option module_options[] = {
    {OPTION(phu_config_log_module, module, "module"), .type = PHU_OPTION_STRING, .example = "icmp",
     .meaning = "name of the module, as in module= of the log"},
    {OPTION(phu_config_log_module, level, "level"), .type = PHU_OPTION_CHOICE, .choices = levels,
     .fallback = "debug", .meaning = "least important level that it writes"},
};

static const struct phu_option_table module_table =
    PHU_OPTION_TABLE(module_options, struct phu_config_log_module);

static const struct phu_option log_options[] = {
    {OPTION(phu_config_log, level, "level"), .type = PHU_OPTION_CHOICE, .choices = levels,
     .fallback = "info", .meaning = "least important level that is written to stderr"},
    {OPTION(phu_config_log, journal, "journal"), .type = PHU_OPTION_CHOICE, .choices = journals,
     .fallback = "auto",
     .meaning = "put the journal's priority before each line instead of the time; auto: when "
                "stderr goes to the journal"},
    {OPTION(phu_config_log, modules, "modules"), .type = PHU_OPTION_LIST, .table = &module_table,
     .fallback = "[]", .most = 32, .unique = "module",
     .meaning = "levels of single modules, over the general one"},
};

static const struct phu_option_table log_table =
    PHU_OPTION_TABLE(log_options, struct phu_config_log);

/* -- checks ----------------------------------------------------------------------------------- */

static const struct phu_option check_options[] = {
    {OPTION(phu_config_check_common, name, "name"), .type = PHU_OPTION_STRING, .example = "web",
     .meaning = "what the column checks of the inventory calls it; a collector's own name sets "
                "the defaults of all its checks"},
    {OPTION(phu_config_check_common, argument, "argument"), .type = PHU_OPTION_STRING,
     .fallback = "",
     .meaning = "what the inventory may also write behind a colon, such as the port of tcp:443"},
    {OPTION(phu_config_check_common, interval_ns, "interval"), .type = PHU_OPTION_DURATION,
     .fallback = "10s", .min = "100ms", .max = "1d",
     .meaning = "time from one check to the next; the inventory may say otherwise"},
    {OPTION(phu_config_check_common, timeout_ns, "timeout"), .type = PHU_OPTION_DURATION,
     .fallback = "2s", .min = "10ms", .max = "10m",
     .meaning = "how long to wait for an answer; at most the interval"},
};

static void validate_check(const void *conf, void *context)
{
    const struct phu_config_check_common *check = conf;

    if (!phu_text_is_id(check->name) || strchr(check->name, ':'))
        phu_conf_mistake(context, "name",
                         "\"name\" must be 1 to 64 letters, digits or . _ - without accents");
    if (check->timeout_ns > check->interval_ns)
        phu_conf_mistake(context, "timeout",
                         "\"timeout\" of %gs is longer than \"interval\" of %gs; lower it, or "
                         "check less often",
                         (double)check->timeout_ns / 1e9, (double)check->interval_ns / 1e9);
}

static const struct phu_option_table check_table = {
    .options = check_options,
    .count = sizeof check_options / sizeof *check_options,
    .size = sizeof(struct phu_config_check_common),
    .validate = validate_check,
};

/* -- references ------------------------------------------------------------------------------- */

static const struct phu_option references_options[] = {
    {OPTION(phu_config_references, gateway, "gateway"), .type = PHU_OPTION_STRING,
     .fallback = "auto",
     .meaning = "this node's way out: auto (the default route's), none, or an address"},
    {OPTION(phu_config_references, anchors, "anchors"), .type = PHU_OPTION_STRINGS, .fallback = "",
     .most = 8,
     .meaning = "addresses beyond it that always answer, such as two routers of the province; the "
                "uplink is out when none does. Without any, the gateway alone speaks for it"},
    {OPTION(phu_config_references, interval_ns, "interval"), .type = PHU_OPTION_DURATION,
     .fallback = "5s", .min = "100ms", .max = "10m", .meaning = "time from one ping to the next"},
    {OPTION(phu_config_references, timeout_ns, "timeout"), .type = PHU_OPTION_DURATION,
     .fallback = "1s", .min = "10ms", .max = "1m",
     .meaning = "how long to wait for an answer; at most the interval"},
};

static void validate_references(const void *conf, void *context)
{
    const struct phu_config_references *references = conf;
    const char *gateway = references->gateway;

    if (strcmp(gateway, "auto") != 0 && strcmp(gateway, "none") != 0 &&
        !phu_resolver_is_server(gateway))
        phu_conf_mistake(context, "gateway",
                         "\"%.80s\" is not auto, none or an address such as "
                         "10.0.0.1 or fd00::1",
                         gateway);
    for (size_t i = 0; i < references->anchors.count; i++) {
        if (!references->anchors.items[i][0])
            phu_conf_mistake(context, "anchors", "an empty anchor; remove it");
    }
    if (references->timeout_ns > references->interval_ns)
        phu_conf_mistake(
            context, "timeout", "\"timeout\" of %gs is longer than \"interval\" of %gs; lower it",
            (double)references->timeout_ns / 1e9, (double)references->interval_ns / 1e9);
}

static const struct phu_option_table references_table = {
    .options = references_options,
    .count = sizeof references_options / sizeof *references_options,
    .size = sizeof(struct phu_config_references),
    .validate = validate_references,
};

/* -- exporters -------------------------------------------------------------------------------- */

static const struct phu_option exporter_options[] = {
    {OPTION(phu_config_exporter_common, name, "name"), .type = PHU_OPTION_STRING,
     .example = "central",
     .meaning = "name of this destination in the spool, in logs and statistics; keep it, the "
                "spool remembers by it what has been delivered"},
};

static void validate_exporter(const void *conf, void *context)
{
    const struct phu_config_exporter_common *exporter = conf;

    if (!phu_text_is_id(exporter->name) || exporter->name[0] == '.')
        phu_conf_mistake(context, "name",
                         "\"name\" must be 1 to 64 letters, digits or . _ : - without accents, "
                         "and not start with a dot");
}

static const struct phu_option_table exporter_table = {
    .options = exporter_options,
    .count = sizeof exporter_options / sizeof *exporter_options,
    .size = sizeof(struct phu_config_exporter_common),
    .validate = validate_exporter,
};

/* -- Entries ---------------------------------------------------------------------------------- */

static size_t collector_index(const struct phu_config_shape *shape, const char *name)
{
    size_t i = 0;

    while (i < shape->collector_count && strcmp(shape->parts.collectors[i]->name, name) != 0)
        i++;
    return i;
}

/* What only the collector can say. */
static void validate_check_entry(const struct phu_variant *variant, const void *arg, void *context)
{
    const struct phu_config_shape *shape = arg;
    const struct phu_collector *collector = shape->parts.collectors[variant->kind];
    const struct phu_config_check_common *check = variant->common;
    size_t named = collector_index(shape, check->name);
    const char *why = NULL;

    if (named < shape->collector_count && named != variant->kind)
        phu_conf_mistake(context, "name",
                         "\"%s\" is the name of another collector than \"%s\"; choose another",
                         check->name, collector->name);
    if (check->argument[0] && collector->check_argument)
        why = collector->check_argument(check->argument);
    else if (check->argument[0])
        why = "this collector takes none";
    if (why)
        phu_conf_mistake(context, "argument", "argument \"%.80s\": %s", check->argument, why);
}

static void validate_quality(const void *conf, void *context)
{
    static const char *const known[] = {"", "fibre", "3g", "4g", "5g", "device"};
    const struct phu_quality *quality = conf;

    if (phu_quality_options.validate)
        phu_quality_options.validate(conf, context);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i], quality->technology) == 0)
            return;
    }
    phu_conf_mistake(context, "technology",
                     "unknown technology \"%.40s\"; it is one of fibre, 3g, 4g, 5g, device",
                     quality->technology);
}

/* -- Rules between sections ------------------------------------------------------------------- */

static void validate_technologies(const struct phu_list *list, void *context)
{
    const struct phu_quality *items = list->items;

    for (size_t i = 0; i < list->count; i++) {
        char place[64];
        size_t other = 0;

        while (strcmp(items[other].technology, items[i].technology) != 0)
            other++;
        if (other == i || !items[i].technology[0])
            continue;
        snprintf(place, sizeof place, "quality[%zu].technology", i);
        phu_conf_mistake(
            context, place,
            "profile \"%.64s\" is already the one for %s; leave the technology of this "
            "one empty and name it in the inventory",
            items[other].name, items[i].technology);
    }
}

static void validate_root(const void *conf, void *context)
{
    const struct phu_config_root *root = conf;

    validate_technologies(&root->quality, context);
}

/* -- Putting together ------------------------------------------------------------------------- */

enum { ALIGN = 16, FALLBACKS = 5, FIXED_SECTIONS = 9 };

static size_t align(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

__attribute__((format(printf, 2, 3))) static void append(char **text, const char *format, ...)
{
    va_list args;
    char *more, *joined;

    va_start(args, format);
    if (vasprintf(&more, format, args) < 0)
        abort();
    va_end(args);
    if (asprintf(&joined, "%s%s", *text ? *text : "", more) < 0)
        abort();
    free(more);
    free(*text);
    *text = joined;
}

static void compose_checks(struct phu_config_shape *shape)
{
    shape->check_kinds = phu_mem_alloc(shape->collector_count, sizeof *shape->check_kinds);
    shape->check_fallbacks =
        phu_mem_alloc(shape->collector_count * FALLBACKS, sizeof *shape->check_fallbacks);
    append(&shape->default_checks, "[");
    for (size_t i = 0; i < shape->collector_count; i++) {
        const struct phu_collector *collector = shape->parts.collectors[i];
        const char **fallbacks = &shape->check_fallbacks[i * FALLBACKS];

        fallbacks[0] = "interval";
        fallbacks[1] = collector->interval ? collector->interval : "10s";
        fallbacks[2] = "timeout";
        fallbacks[3] = collector->timeout ? collector->timeout : "2s";
        shape->check_kinds[i] = (struct phu_variant_kind){
            .name = collector->name,
            .summary = collector->summary,
            .tables = {collector->check_options},
            .fallbacks = fallbacks,
        };
        append(&shape->default_checks, "%s{name: %s}", i ? ", " : "", collector->name);
    }
    append(&shape->default_checks, "]");
    shape->checks = (struct phu_variants){
        .selector = "collector",
        .meaning = "which collector does it",
        .alias = "name",
        .common = &check_table,
        .kinds = shape->check_kinds,
        .count = shape->collector_count,
        .validate = validate_check_entry,
        .arg = shape,
    };
}

static void compose_exporters(struct phu_config_shape *shape)
{
    size_t shown = 0, sending = 0;

    shape->exporter_kinds = phu_mem_alloc(shape->exporter_count, sizeof *shape->exporter_kinds);
    append(&shape->default_exporters, "[");
    for (size_t i = 0; i < shape->exporter_count; i++) {
        const struct phu_exporter *exporter = shape->parts.exporters[i];

        shape->exporter_kinds[i] = (struct phu_variant_kind){
            .name = exporter->name,
            .summary = exporter->summary,
            .tables = {exporter->options, exporter->send ? shape->parts.feed : NULL},
        };
        if (strcmp(exporter->name, "file") == 0)
            continue;
        append(&shape->default_exporters, "%s{type: %s, name: %s}", shown++ ? ", " : "",
               exporter->name, exporter->send && !sending++ ? "central" : exporter->name);
    }
    append(&shape->default_exporters, "]");
    shape->exporters = (struct phu_variants){
        .selector = "type",
        .meaning = "what kind of destination this is",
        .common = &exporter_table,
        .kinds = shape->exporter_kinds,
        .count = shape->exporter_count,
    };
}

static void compose_collectors(struct phu_config_shape *shape, size_t start)
{
    size_t size = 0, count = 0;

    shape->collector_options = phu_mem_alloc(shape->collector_count, sizeof(struct phu_option));
    shape->collector_offsets = phu_mem_alloc(shape->collector_count, sizeof(size_t));
    for (size_t i = 0; i < shape->collector_count; i++) {
        const struct phu_collector *collector = shape->parts.collectors[i];

        if (!collector->options)
            continue;
        shape->collector_options[count++] = (struct phu_option){
            .name = collector->name,
            .type = PHU_OPTION_TABLE,
            .offset = size,
            .table = collector->options,
            .meaning = collector->summary,
        };
        shape->collector_offsets[i] = start + size;
        size += align(collector->options->size);
    }
    shape->collectors = (struct phu_option_table){
        .options = shape->collector_options, .count = count, .size = size};
}

static void compose_root(struct phu_config_shape *shape)
{
    const struct phu_option sections[] = {
        {OPTION(phu_config_root, agent, "agent"), .type = PHU_OPTION_TABLE, .table = &agent_table,
         .meaning = "this agent"},
        {OPTION(phu_config_root, log, "log"), .type = PHU_OPTION_TABLE, .table = &log_table,
         .meaning = "what is logged"},
        {OPTION(phu_config_root, checks, "checks"), .type = PHU_OPTION_VARIANTS,
         .variants = &shape->checks, .fallback = shape->default_checks, .unique = "name",
         .meaning = "ways of checking, named in the inventory; every collector has one of its own "
                    "name, an entry here changes its defaults or adds another way"},
        {OPTION(phu_config_root, quality, "quality"), .type = PHU_OPTION_LIST,
         .table = &shape->quality, .fallback = "[]", .unique = "name",
         .meaning = "what counts as good, as degraded and as down, by technology"},
        {OPTION(phu_config_root, states, "states"), .type = PHU_OPTION_TABLE,
         .table = &phu_pace_options,
         .meaning = "how what is lost or back is confirmed, and what is flapping"},
        {OPTION(phu_config_root, references, "references"), .type = PHU_OPTION_TABLE,
         .table = &references_table,
         .meaning = "what is pinged to tell an outage of our own uplink from one of what we "
                    "measure; while none of them answers, what is lost is unknown, not down"},
        {OPTION(phu_config_root, outages, "outages"), .type = PHU_OPTION_TABLE,
         .table = &phu_outage_options, .meaning = "how what is down is traced to one root cause"},
        {OPTION(phu_config_root, credentials, "credentials"), .type = PHU_OPTION_LIST,
         .table = &phu_credential_options, .fallback = "[]", .unique = "name",
         .meaning = "what devices want to know before they answer SNMP; named in devices.csv"},
        {OPTION(phu_config_root, exporters, "exporters"), .type = PHU_OPTION_VARIANTS,
         .variants = &shape->exporters, .example = shape->default_exporters, .unique = "name",
         .most = 16, .meaning = "where the points go, each destination at its own pace"},
    };
    struct phu_option *options;
    size_t count = 0, size = align(sizeof(struct phu_config_root));

    static_assert(sizeof sections / sizeof *sections == FIXED_SECTIONS, "see compose_root");
    options = shape->root_options = phu_mem_alloc(FIXED_SECTIONS + 2, sizeof *options);
    for (; count < FIXED_SECTIONS - 1; count++)
        options[count] = sections[count];
    shape->collectors_offset = size;
    compose_collectors(shape, size);
    if (shape->collectors.count)
        options[count++] = (struct phu_option){.name = "collectors",
                                               .type = PHU_OPTION_TABLE,
                                               .offset = size,
                                               .table = &shape->collectors,
                                               .meaning = "options of the collectors themselves"};
    size += align(shape->collectors.size);
    if (shape->parts.spool) {
        shape->spool_offset = size;
        options[count++] = (struct phu_option){
            .name = "spool",
            .type = PHU_OPTION_TABLE,
            .offset = size,
            .table = shape->parts.spool,
            .meaning = "where points wait on disk until every destination has them"};
        size += align(shape->parts.spool->size);
    }
    options[count++] = sections[FIXED_SECTIONS - 1];
    shape->root = (struct phu_option_table){
        .options = options, .count = count, .size = size, .validate = validate_root};
}

struct phu_config_shape *phu_config_shape_new(const struct phu_config_parts *parts)
{
    struct phu_config_shape *shape = phu_mem_alloc(1, sizeof *shape);

    shape->parts = *parts;
    while (parts->collectors[shape->collector_count])
        shape->collector_count++;
    while (parts->exporters[shape->exporter_count])
        shape->exporter_count++;
    shape->quality = phu_quality_options;
    shape->quality.validate = validate_quality;
    compose_checks(shape);
    compose_exporters(shape);
    compose_root(shape);
    return shape;
}

void phu_config_shape_free(struct phu_config_shape *shape)
{
    free(shape->root_options);
    free(shape->collector_options);
    free(shape->collector_offsets);
    free(shape->check_kinds);
    free(shape->exporter_kinds);
    free(shape->check_fallbacks);
    free(shape->default_checks);
    free(shape->default_exporters);
    free(shape->memory);
    free(shape);
}
