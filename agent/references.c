#include "references.h"

#include "checks.h"
#include "config.h"
#include "monitor.h"
#include "phusong/collector.h"
#include "phusong/log.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "references"
#define RTF_UP 0x1
#define RTF_GATEWAY 0x2

/* -- The way out ------------------------------------------------------------------------------ */

/* One line: interface, then numbers: destination, gateway, flags (hexadecimal), references, uses,
 * metric (decimal), mask (hexadecimal). */
enum { ROUTE_DESTINATION, ROUTE_GATEWAY, ROUTE_FLAGS, ROUTE_METRIC = 5, ROUTE_MASK, ROUTE_NUMBERS };

static bool read_route(const char *line, unsigned long numbers[ROUTE_NUMBERS])
{
    const char *at = line + strcspn(line, " \t\n");

    for (int i = 0; i < ROUTE_NUMBERS; i++) {
        char *end;

        at += strspn(at, " \t");
        numbers[i] = strtoul(at, &end, i > ROUTE_FLAGS && i < ROUTE_MASK ? 10 : 16);
        if (end == at)
            return false;
        at = end;
    }
    return true;
}

bool phu_references_gateway(const char *table, char *address, size_t size)
{
    unsigned long best = ULONG_MAX, route[ROUTE_NUMBERS];
    bool has = false;

    for (const char *line = strchr(table, '\n'); line; line = strchr(line + 1, '\n')) {
        struct in_addr in;

        if (!read_route(line + 1, route) || route[ROUTE_DESTINATION] || route[ROUTE_MASK] ||
            !(route[ROUTE_FLAGS] & RTF_UP) || !(route[ROUTE_FLAGS] & RTF_GATEWAY) ||
            (has && route[ROUTE_METRIC] >= best))
            continue;
        in.s_addr = (in_addr_t)route[ROUTE_GATEWAY]; /* shown as it lies in memory */
        has = inet_ntop(AF_INET, &in, address, (socklen_t)size) != NULL;
        best = route[ROUTE_METRIC];
    }
    return has;
}

static bool find_gateway(char *address, size_t size)
{
    char table[16384];
    FILE *file = fopen("/proc/net/route", "re");
    size_t length;

    if (!file)
        return false;
    length = fread(table, 1, sizeof table - 1, file);
    fclose(file);
    table[length] = '\0';
    return phu_references_gateway(table, address, size);
}

/* -- Checks ----------------------------------------------------------------------------------- */

static void add(struct phu_references *references, const struct phu_config *config,
                const char *name, const char *address, bool is_gateway)
{
    int kind = phu_config_find_check(config, "icmp");
    struct phu_reference_check *item = &references->items[references->count];
    struct phu_monitor_check monitored = {.check = "icmp", .is_primary = true};
    struct phu_check_spec spec = {.argument = "", .credential = "", .rows = ""};
    char id[PHU_REFERENCE_TEXT + 16];
    int error;

    if (kind < 0 || references->count == PHU_REFERENCES_MAX)
        return;
    *item = (struct phu_reference_check){.is_gateway = is_gateway};
    snprintf(item->name, sizeof item->name, "%s", name);
    snprintf(item->address, sizeof item->address, "%s", address);
    snprintf(id, sizeof id, "reference:%s/icmp", name);
    monitored.subject = (struct phu_subject){.kind = PHU_SUBJECT_REFERENCE, .id = item->name};
    monitored.collector = config->checks[kind].collector;
    monitored.interval_ns = config->references.interval_ns;
    spec.id = id;
    spec.address = item->address;
    spec.options = config->checks[kind].options;
    spec.interval_ns = config->references.interval_ns;
    spec.timeout_ns = config->references.timeout_ns;
    error = phu_monitor_add(references->monitor, &monitored, &item->handle);
    if (!error) {
        spec.check = item->handle;
        error = phu_checks_add(references->checks, monitored.collector,
                               references->collectors[config->checks[kind].collector_index], &spec);
        if (error)
            phu_monitor_remove(references->monitor, item->handle);
    }
    if (error)
        phu_log_error(MODULE, "a reference cannot be pinged", "reference=%s address=%s err=\"%s\"",
                      name, address, strerror(-error));
    else
        references->count++;
}

void phu_references_close(struct phu_references *references)
{
    while (references->count > 0) {
        uint32_t handle = references->items[--references->count].handle;

        phu_checks_remove(references->checks, handle);
        phu_monitor_remove(references->monitor, handle);
    }
}

/* They are few: a reload begins them anew. */
void phu_references_apply(struct phu_references *references, const struct phu_config *config)
{
    const struct phu_config_references *conf = &config->references;
    char gateway[PHU_REFERENCE_TEXT] = "";

    phu_references_close(references);
    if (strcmp(conf->gateway, "auto") == 0) {
        if (!find_gateway(gateway, sizeof gateway))
            phu_log_info(MODULE, "no default route; the gateway is no reference", "anchors=%zu",
                         conf->anchors.count);
    } else if (strcmp(conf->gateway, "none") != 0) {
        snprintf(gateway, sizeof gateway, "%s", conf->gateway);
    }
    if (gateway[0])
        add(references, config, "gateway", gateway, true);
    for (size_t i = 0; i < conf->anchors.count; i++)
        add(references, config, conf->anchors.items[i], conf->anchors.items[i], false);
}

void phu_references_poll(struct phu_references *references)
{
    for (size_t i = 0; i < references->count; i++)
        phu_checks_poll_now(references->checks, references->items[i].handle);
}

/* -- What they add up to ---------------------------------------------------------------------- */

static void take(struct phu_reference_check *item, const struct phu_health *health)
{
    switch (health->change) {
    case PHU_HEALTH_SUSPECT:
        if (item->state != PHU_REF_DOWN) {
            item->state = PHU_REF_SUSPECT;
            item->since = health->since;
        }
        break;
    case PHU_HEALTH_DOWN:
        if (!item->has_answered && item->state != PHU_REF_DOWN)
            phu_log_warn(MODULE, "has never answered, and says nothing until it does",
                         "reference=%s address=%s", item->name, item->address);
        item->state = PHU_REF_DOWN;
        item->since = health->since;
        break;
    case PHU_HEALTH_CLEARED:
        if (item->state == PHU_REF_DOWN)
            break;
        item->state = PHU_REF_ANSWERS;
        item->has_answered = true;
        item->answered = health->at;
        break;
    case PHU_HEALTH_RECOVERED:
    case PHU_HEALTH_DEGRADED:
    case PHU_HEALTH_UP:
        item->state = PHU_REF_ANSWERS;
        item->has_answered = true;
        item->answered = health->at;
        break;
    case PHU_HEALTH_UNKNOWN:
        if (item->state == PHU_REF_NEW)
            break;
        item->state = PHU_REF_LOCAL;
        item->since = health->at;
        break;
    case PHU_HEALTH_FLAPPING:
        break;
    }
}

/* Those beyond the gateway speak for the uplink; where there are none, the gateway does. */
static bool is_speaking(const struct phu_references *references,
                        const struct phu_reference_check *item)
{
    bool has_anchors = false;

    if (!item->has_answered)
        return false;
    for (size_t i = 0; i < references->count; i++)
        has_anchors |= !references->items[i].is_gateway && references->items[i].has_answered;
    return has_anchors != item->is_gateway;
}

static bool does_gateway_answer(const struct phu_references *references)
{
    for (size_t i = 0; i < references->count; i++) {
        if (references->items[i].is_gateway && references->items[i].has_answered)
            return references->items[i].state == PHU_REF_ANSWERS;
    }
    return true; /* nothing is known of it */
}

static enum phu_reference add_up(const struct phu_references *references, struct phu_mono *since,
                                 struct phu_mono *at)
{
    size_t known = 0, answering = 0, out = 0, local = 0;

    at->ns = INT64_MIN;
    since->ns = INT64_MAX;
    for (size_t i = 0; i < references->count; i++) {
        const struct phu_reference_check *item = &references->items[i];

        if (!is_speaking(references, item))
            continue;
        known++;
        if (item->state == PHU_REF_ANSWERS) {
            answering++;
            if (item->answered.ns > at->ns)
                *at = item->answered;
            continue;
        }
        out += item->state != PHU_REF_SUSPECT;
        local += item->state == PHU_REF_LOCAL;
        if (item->since.ns < since->ns)
            *since = item->since;
    }
    if (known == 0)
        return PHU_REFERENCE_NONE;
    if (answering > 0)
        return PHU_REFERENCE_ANSWERS;
    if (out < known)
        return PHU_REFERENCE_SUSPECT;
    if (local == known)
        return PHU_REFERENCE_LOCAL;
    return does_gateway_answer(references) ? PHU_REFERENCE_OUT : PHU_REFERENCE_OUT_HERE;
}

bool phu_references_change(struct phu_references *references, const struct phu_health *health,
                           enum phu_reference *sum, struct phu_mono *since, struct phu_mono *at)
{
    for (size_t i = 0; i < references->count; i++) {
        struct phu_reference_check *item = &references->items[i];

        if (item->handle != health->subject)
            continue;
        take(item, health);
        *sum = add_up(references, since, at);
        if (*sum != PHU_REFERENCE_ANSWERS)
            *at = health->at;
        if (since->ns == INT64_MAX)
            *since = *at;
        return true;
    }
    return false;
}
