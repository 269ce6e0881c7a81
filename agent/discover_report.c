#include "discover.h"
#include "mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_SHOWN 10 /* of a device; --json has all of them */
#define WIDTH_MAX 32

static bool answers(const struct phu_discovered *item)
{
    return item->has_ping || item->snmp == PHU_SNMP_ANSWERED || item->snmp == PHU_SNMP_REFUSED;
}

static bool is_worth_telling(const struct phu_discovered *item)
{
    return answers(item) || (item->is_known && item->is_done);
}

/* What it calls itself is not what the inventory calls it. */
static bool has_other_id(const struct phu_discovered *item)
{
    return item->snmp == PHU_SNMP_ANSWERED && item->is_known && strcmp(item->id, item->own_id) != 0;
}

static const char *credential_of(const struct phu_discovered *item)
{
    return item->owner->credentials[item->credential];
}

/* -- For people ---------------------------------------------------------------------------------
 */

static const char *snmp_text(const struct phu_discovered *item)
{
    switch (item->snmp) {
    case PHU_SNMP_NOT_ASKED:
        return "-";
    case PHU_SNMP_SILENT:
        return "silent";
    case PHU_SNMP_REFUSED:
        return "refused";
    case PHU_SNMP_ANSWERED:
        return credential_of(item);
    }
    return "";
}

static void format_ping(const struct phu_discovered *item, char *text, size_t size)
{
    if (item->has_ping && item->rtt_us >= 0)
        snprintf(text, size, "%.2f ms", (double)item->rtt_us / 1000);
    else
        snprintf(text, size, "%s", item->has_ping ? "yes" : item->pings ? "no" : "-");
}

/* "128 onu, 1 modem", or what it measures as a whole. */
static void format_rows(const struct phu_discovered *item, char *text, size_t size)
{
    static const char *const tags[] = {"onu", "modem", "link", "radio"};
    const struct phu_discovered_facts *facts = item->facts;
    size_t used = 0;

    text[0] = '\0';
    for (size_t tag = 0; facts && tag < sizeof tags / sizeof *tags; tag++) {
        size_t count = 0;

        for (size_t i = 0; i < facts->rows.count; i++)
            count += strcmp(facts->rows.items[i].tag, tags[tag]) == 0;
        if (count && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%zu %s", used ? ", " : "", count,
                                     tags[tag]);
    }
    if (!used && facts && facts->tells & PHU_TELLS_SIGNAL)
        snprintf(text, size, "its signal");
    else if (!used && facts && facts->tells & PHU_TELLS_RADIO)
        snprintf(text, size, "its radio");
}

static void format_status(const struct phu_discovered *item, char *text, size_t size)
{
    if (item->is_known && has_other_id(item))
        snprintf(text, size, "known as %s, calls itself %s", item->id, item->own_id);
    else if (item->is_known)
        snprintf(text, size, "known as %s", item->id);
    else if (item->snmp == PHU_SNMP_ANSWERED && item->is_id_taken)
        snprintf(text, size, "new; there is another %s", item->own_id);
    else
        snprintf(text, size, "%s", item->snmp == PHU_SNMP_ANSWERED ? "new" : "");
}

struct widths {
    int address, snmp, id, profile, rows;
};

static void widen(int *width, const char *text)
{
    int length = (int)strlen(text);

    if (length > *width)
        *width = length < WIDTH_MAX ? length : WIDTH_MAX;
}

static struct widths measure(const struct phu_discovery *discovery)
{
    struct widths widths = {7, 4, 2, 7, 4};
    char rows[128];

    for (size_t i = 0; i < discovery->count; i++) {
        const struct phu_discovered *item = &discovery->items[i];

        if (!is_worth_telling(item))
            continue;
        format_rows(item, rows, sizeof rows);
        widen(&widths.address, item->address);
        widen(&widths.snmp, snmp_text(item));
        widen(&widths.id, item->id);
        widen(&widths.profile, item->facts ? item->facts->profile : "");
        widen(&widths.rows, rows);
    }
    return widths;
}

static void print_item(const struct phu_discovered *item, const struct widths *widths, FILE *out)
{
    char ping[32], rows[128], status[256];

    format_ping(item, ping, sizeof ping);
    format_rows(item, rows, sizeof rows);
    format_status(item, status, sizeof status);
    fprintf(out, "%-*s  %-9s  %-*s  %-*s  %-*s  ", widths->address, item->address, ping,
            widths->snmp, snmp_text(item), widths->id, item->id, widths->profile,
            item->facts ? item->facts->profile : "");
    if (item->facts)
        fprintf(out, "%10zu", item->facts->interface_count);
    else
        fprintf(out, "%10s", "");
    fprintf(out, "  %-*s  %s\n", widths->rows, rows, status);
}

static void print_rows(const struct phu_discovered *item, FILE *out)
{
    const struct phu_found_rows *rows = &item->facts->rows;

    fprintf(out, "\n%s: rows that could serve an endpoint, as `index` in endpoints.csv\n",
            item->id);
    for (size_t i = 0; i < rows->count && i < ROWS_SHOWN; i++)
        fprintf(out, "  %s%s%s%s\n", rows->items[i].name, rows->items[i].text[0] ? "  (" : "",
                rows->items[i].text, rows->items[i].text[0] ? ")" : "");
    if (rows->count > ROWS_SHOWN)
        fprintf(out, "  and %zu more; --json has them all\n", rows->count - ROWS_SHOWN);
}

void phu_discovery_print(const struct phu_discovery *discovery, FILE *out)
{
    struct widths widths = measure(discovery);
    bool has_any = false;

    for (size_t i = 0; i < discovery->count; i++) {
        if (!is_worth_telling(&discovery->items[i]))
            continue;
        if (!has_any)
            fprintf(out, "%-*s  %-9s  %-*s  %-*s  %-*s  INTERFACES  %-*s  INVENTORY\n",
                    widths.address, "ADDRESS", "PING", widths.snmp, "SNMP", widths.id, "ID",
                    widths.profile, "PROFILE", widths.rows, "ROWS");
        has_any = true;
        print_item(&discovery->items[i], &widths, out);
    }
    for (size_t i = 0; i < discovery->count; i++) {
        if (discovery->items[i].facts && discovery->items[i].facts->rows.count)
            print_rows(&discovery->items[i], out);
    }
    for (size_t i = 0; i < discovery->count; i++) {
        const struct phu_discovered_facts *facts = discovery->items[i].facts;

        for (size_t note = 0; facts && note < facts->note_count; note++)
            fprintf(out, "\n%s: remark: %s\n", discovery->items[i].id, facts->notes[note]);
    }
}

/* -- The summary --------------------------------------------------------------------------------
 */

struct tally {
    const char *profile;
    size_t count;
};

struct sums {
    size_t done, refused, new, known, other_ids;
    struct tally *profiles;
    size_t profile_count;
};

static void count_profile(struct sums *sums, const char *profile)
{
    for (size_t i = 0; i < sums->profile_count; i++) {
        if (strcmp(sums->profiles[i].profile, profile) == 0) {
            sums->profiles[i].count++;
            return;
        }
    }
    sums->profiles = phu_mem_grow(sums->profiles, sums->profile_count, sizeof *sums->profiles);
    sums->profiles[sums->profile_count++] = (struct tally){profile, 1};
}

static int compare_profiles(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->profile, ((const struct tally *)b)->profile);
}

static struct sums sum_up(const struct phu_discovery *discovery)
{
    struct sums sums = {.done = discovery->done};

    for (size_t i = 0; i < discovery->count; i++) {
        const struct phu_discovered *item = &discovery->items[i];

        sums.refused += item->snmp == PHU_SNMP_REFUSED;
        sums.new += phu_discovered_is_new(item);
        sums.known += item->snmp == PHU_SNMP_ANSWERED && item->is_known;
        sums.other_ids += has_other_id(item);
        if (item->snmp == PHU_SNMP_ANSWERED)
            count_profile(&sums, item->facts->profile[0] ? item->facts->profile : "none");
    }
    if (sums.profile_count)
        qsort(sums.profiles, sums.profile_count, sizeof *sums.profiles, compare_profiles);
    return sums;
}

void phu_discovery_print_summary(const struct phu_discovery *discovery, FILE *out)
{
    struct sums sums = sum_up(discovery);

    fprintf(out, "asked %zu of %zu addresses", sums.done, discovery->count);
    if (discovery->skips_ping || discovery->is_ping_refused)
        fputs(", without ping", out);
    else
        fprintf(out, "; %zu answer ping", discovery->pinged);
    fprintf(out, "; %zu answer SNMP", discovery->answered);
    if (sums.refused)
        fprintf(out, ", %zu refuse every credential", sums.refused);
    for (size_t i = 0; i < sums.profile_count; i++)
        fprintf(out, "%s%zu %s", i ? ", " : " (", sums.profiles[i].count, sums.profiles[i].profile);
    fprintf(out, "%s; %zu new, %zu known already", sums.profile_count ? ")" : "", sums.new,
            sums.known);
    if (sums.other_ids)
        fprintf(out, ", %zu of them under another id", sums.other_ids);
    fputc('\n', out);
    free(sums.profiles);
}

/* -- For programs -------------------------------------------------------------------------------
 */

static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_string("?"); /* not UTF-8 */
}

static json_t *json_list(char *const *texts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_text(texts[i]));
    return list;
}

static json_t *json_rows(const struct phu_found_rows *rows)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rows->count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "tag",
                                              json_text(rows->items[i].tag), "row",
                                              json_text(rows->items[i].name), "index",
                                              json_text(rows->items[i].index), "text",
                                              json_text(rows->items[i].text)));
    return list;
}

static void add_facts(json_t *object, const struct phu_discovered_facts *facts)
{
    static const char *const words[] = {"signal", "optics", "radio"};
    json_t *tells = json_array();

    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (facts->tells & 1u << i)
            json_array_append_new(tells, json_string(words[i]));
    }
    json_object_set_new(object, "sys_name", json_text(facts->sys_name));
    json_object_set_new(object, "sys_descr", json_text(facts->sys_descr));
    json_object_set_new(object, "sys_object_id", json_text(facts->sys_object_id));
    json_object_set_new(object, "profile", json_text(facts->profile));
    json_object_set_new(object, "why", json_text(facts->why));
    json_object_set_new(object, "tells", tells);
    json_object_set_new(object, "interfaces", json_list(facts->interfaces, facts->interface_count));
    json_object_set_new(object, "rows", json_rows(&facts->rows));
    json_object_set_new(object, "notes", json_list(facts->notes, facts->note_count));
}

static json_t *json_item(const struct phu_discovered *item)
{
    static const char *const words[] = {"not asked", "silent", "refused", "answered"};
    json_t *object = json_pack("{s:s, s:b, s:s, s:b}", "address", item->address, "ping",
                               item->has_ping, "snmp", words[item->snmp], "known", item->is_known);

    if (item->rtt_us >= 0)
        json_object_set_new(object, "rtt_us", json_integer(item->rtt_us));
    if (item->id[0])
        json_object_set_new(object, "id", json_text(item->id));
    if (item->snmp != PHU_SNMP_ANSWERED)
        return object;
    json_object_set_new(object, "own_id", json_text(item->own_id));
    json_object_set_new(object, "credential", json_text(credential_of(item)));
    add_facts(object, item->facts);
    return object;
}

static json_t *json_summary(const struct phu_discovery *discovery)
{
    struct sums sums = sum_up(discovery);
    json_t *profiles = json_object();
    json_t *summary;

    for (size_t i = 0; i < sums.profile_count; i++)
        json_object_set_new(profiles, sums.profiles[i].profile,
                            json_integer((json_int_t)sums.profiles[i].count));
    summary = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "addresses",
                        (json_int_t)discovery->count, "asked", (json_int_t)sums.done, "ping",
                        (json_int_t)discovery->pinged, "snmp", (json_int_t)discovery->answered,
                        "refused", (json_int_t)sums.refused, "new", (json_int_t)sums.new, "known",
                        (json_int_t)sums.known, "other_ids", (json_int_t)sums.other_ids, "profiles",
                        profiles);
    free(sums.profiles);
    return summary;
}

int phu_discovery_print_json(const struct phu_discovery *discovery, FILE *out)
{
    json_t *devices = json_array(), *all;
    int result;

    for (size_t i = 0; i < discovery->count; i++) {
        if (is_worth_telling(&discovery->items[i]))
            json_array_append_new(devices, json_item(&discovery->items[i]));
    }
    all = json_pack("{s:o, s:b, s:o}", "devices", devices, "interrupted", discovery->is_interrupted,
                    "summary", json_summary(discovery));
    result = json_dumpf(all, out, JSON_INDENT(1)) || fputc('\n', out) == EOF;
    json_decref(all);
    return result ? -EIO : 0;
}
