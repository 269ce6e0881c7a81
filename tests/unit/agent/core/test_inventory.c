#include "inventory.h"

#include "inventory_index.h"
#include "inventory_load.h"
#include "maintenance.h"
#include "topology.h"

#include "phusong/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2025-12-01 */
static const struct phu_wall now = {INT64_C(1764547200) * PHU_NS_PER_S};
static const struct phu_wall spring = {INT64_C(1740787200) * PHU_NS_PER_S}; /* 2025-03-01 */

static const char *const checks[] = {"icmp", "tcp", "web", "snmp", NULL};
static const char *const profiles[] = {"fibre", "3g", "4g", "5g", "device", "strict", NULL};
static const char *const credentials[] = {"lab", NULL};

static const char *check_argument(void *arg, size_t kind, const char *argument)
{
    (void)arg;
    return kind == 1 && !argument[0] ? "needs a port" : NULL;
}

static const struct phu_inventory_vocabulary vocabulary = {
    .checks = checks,
    .check_argument = check_argument,
    .profiles = profiles,
    .profile_of = {0, 1, 2, 3},
    .profile_of_devices = 4,
    .credentials = credentials,
};

static const char areas_csv[] = "code,level,name,parent_code,id,valid_from,valid_to\n"
                                "27,province,Tỉnh Bắc Ninh,,,,2025-06-30\n"
                                "24,province,Tỉnh Bắc Giang,,,,2025-06-30\n"
                                "24,province,Tỉnh Bắc Ninh,,,2025-07-01,\n"
                                "256,district,Thành phố Bắc Ninh,27,,,2025-06-30\n"
                                "09187,commune,Phường Suối Hoa,256,,,2025-06-30\n"
                                "09187,commune,Phường Kinh Bắc,24,,2025-07-01,\n"
                                "09169,commune,Phường Vũ Ninh,24,,2025-07-01,\n"
                                "h-1,hamlet,Khu 1,09187,bn-1,,2025-06-30\n"
                                "h-1,hamlet,Khu 1,09169,bn-1,2025-07-01,\n"
                                "h-2,hamlet,Ba\xcc\x86\xcc\x81"
                                "c,09187,bn-2,,\n";
static const char sites_csv[] = "id,name,area,parent\ns-2,Hai,bn-2,s-1\ns-1,Một,09187,\n";
static const char devices_csv[] = "id,site,address,credential,parent,interval\n"
                                  "olt-1,s-2,10.0.0.2,lab,agg-1,30s\n"
                                  "agg-1,s-1,10.0.0.1,lab,,\n";
static const char endpoints_csv[] =
    "id,hamlet,technology,operator,address,checks,device,parent,profile\n"
    "e-1,bn-1,fibre,VNPT,10.1.0.1,icmp tcp:443 web,olt-1,olt-1,\n"
    "e-2,bn-2,4g,Viettel,10.1.0.2,,,,strict\n"
    "e-3,bn-2,4g,VNPT,10.1.0.2,icmp,,,\n";

struct texts {
    const char *areas, *sites, *devices, *endpoints, *maintenance;
};

static const struct texts sample = {areas_csv, sites_csv, devices_csv, endpoints_csv, NULL};

static struct phu_inventory *load_at(const struct texts *texts, struct phu_wall when, char **said)
{
    const char *const given[PHU_FILE_COUNT] = {texts->areas, texts->sites, texts->devices,
                                               texts->endpoints, texts->maintenance};
    struct phu_inventory_source sources[PHU_FILE_COUNT] = {{.path = "areas"},
                                                           {.path = "sites"},
                                                           {.path = "devices"},
                                                           {.path = "endpoints"},
                                                           {.path = "maintenance"}};
    struct phu_inventory *inventory;
    struct phu_diags diags;
    size_t length;
    FILE *out = open_memstream(said, &length);

    phu_diags_init(&diags);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++) {
        sources[i].text = given[i] ? strdup(given[i]) : NULL;
        sources[i].length = given[i] ? strlen(given[i]) : 0;
    }
    phu_inventory_load_texts(sources, &vocabulary, when, &diags, &inventory);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++)
        free(sources[i].text);
    phu_diags_print(&diags, out);
    phu_diags_fini(&diags);
    fclose(out);
    return inventory;
}

static struct phu_inventory *load(const struct texts *texts)
{
    char *said;
    struct phu_inventory *inventory = load_at(texts, now, &said);

    if (!inventory)
        fail_msg("%s", said);
    free(said);
    return inventory;
}

static const char *text(const struct phu_inventory *inventory, uint32_t offset)
{
    return phu_inventory_text(inventory, offset);
}

static void reads_everything(void **state)
{
    struct phu_inventory *inventory = load(&sample);
    const struct phu_endpoint *endpoint = &inventory->endpoints[0];
    const struct phu_device *olt = &inventory->devices[0];
    const struct phu_inventory_check *check;

    (void)state;
    assert_int_equal(inventory->area_count, 10);
    assert_int_equal(inventory->hamlet_count, 2);
    assert_int_equal(inventory->site_count, 2);
    assert_int_equal(inventory->device_count, 2);
    assert_int_equal(inventory->endpoint_count, 3);
    assert_int_equal(inventory->check_count, 7);
    assert_int_equal(inventory->sites[0].parent, 1);
    assert_string_equal(text(inventory, olt->id), "olt-1");
    assert_int_equal(olt->parent, 1);
    assert_int_equal(olt->site, 0);
    assert_int_equal(olt->profile, 4);
    assert_string_equal(text(inventory, olt->credential), "lab");
    assert_string_equal(text(inventory, olt->interfaces), "*");
    assert_string_equal(text(inventory, endpoint->operator_name), "VNPT");
    assert_int_equal(endpoint->device, 0);
    assert_int_equal(endpoint->check_count, 3);
    assert_int_equal(endpoint->profile, 0);
    check = &inventory->checks[endpoint->checks + 1];
    assert_string_equal(text(inventory, check->id), "e-1/tcp:443");
    assert_string_equal(text(inventory, check->argument), "443");
    assert_int_equal(check->kind, 1);
    assert_int_equal(check->owner, 0);
    assert_false(check->is_device);
    check = &inventory->checks[olt->checks];
    assert_string_equal(text(inventory, check->id), "olt-1/snmp");
    assert_int_equal(check->interval_ms, 30000);
    assert_true(check->is_device);
    assert_int_equal(inventory->endpoints[1].profile, 5);
    assert_string_equal(text(inventory, inventory->checks[inventory->endpoints[1].checks].id),
                        "e-2/icmp");
    assert_int_equal(inventory->endpoints[2].technology, PHU_TECHNOLOGY_4G);
    phu_inventory_free(inventory);
}

static void composes_names(void **state)
{
    struct phu_inventory *inventory = load(&sample);
    uint32_t hamlet = phu_inventory_find_hamlet(inventory, "bn-2");

    (void)state;
    assert_string_equal(text(inventory, inventory->areas[hamlet].name), "Bắc");
    phu_inventory_free(inventory);
}

static void keeps_equal_texts_once(void **state)
{
    struct phu_inventory *inventory = load(&sample);

    (void)state;
    assert_int_equal(inventory->endpoints[0].operator_name, inventory->endpoints[2].operator_name);
    assert_int_equal(inventory->endpoints[1].address, inventory->endpoints[2].address);
    phu_inventory_free(inventory);
}

static const char *commune_of(const struct phu_inventory *inventory, const char *hamlet)
{
    uint32_t area = phu_inventory_area_at(inventory, phu_inventory_find_hamlet(inventory, hamlet),
                                          PHU_LEVEL_COMMUNE);

    return text(inventory, inventory->areas[area].name);
}

/* The same file read before and after the communes were merged. */
static void follows_codes_through_time(void **state)
{
    const struct texts early = {
        "code,level,name,parent_code,id,valid_from,valid_to\n"
        "27,province,Tỉnh Bắc Ninh,,,,2025-06-30\n"
        "24,province,Tỉnh Bắc Ninh,,,2025-07-01,\n"
        "09187,commune,Phường Suối Hoa,27,,,2025-06-30\n"
        "09187,commune,Phường Kinh Bắc,24,,2025-07-01,\n"
        "h-1,hamlet,Khu 1,09187,bn-1,,\n",
        NULL, NULL, "id,hamlet,technology,operator,address\ne-1,bn-1,3g,VNPT,10.1.0.1\n", NULL};
    struct phu_inventory *inventory;
    char *said;

    (void)state;
    inventory = load_at(&early, spring, &said);
    assert_non_null(inventory);
    assert_string_equal(commune_of(inventory, "bn-1"), "Phường Suối Hoa");
    assert_string_equal(text(inventory, inventory->areas[inventory->endpoints[0].commune].name),
                        "Phường Suối Hoa");
    phu_inventory_free(inventory);
    free(said);
    inventory = load(&early);
    assert_string_equal(commune_of(inventory, "bn-1"), "Phường Kinh Bắc");
    assert_int_equal(phu_inventory_find_area(inventory, "24", 19000), PHU_INVENTORY_NONE);
    assert_int_equal(phu_inventory_find_area(inventory, "27", 19000), 0);
    phu_inventory_free(inventory);
    inventory = load(&sample);
    assert_string_equal(commune_of(inventory, "bn-1"), "Phường Vũ Ninh");
    assert_string_equal(commune_of(inventory, "bn-2"), "Phường Kinh Bắc");
    phu_inventory_free(inventory);
}

static void finds_by_id(void **state)
{
    struct phu_inventory *inventory = load(&sample);

    (void)state;
    assert_int_equal(phu_inventory_find_endpoint(inventory, "e-2"), 1);
    assert_int_equal(phu_inventory_find_endpoint(inventory, "e"), PHU_INVENTORY_NONE);
    assert_int_equal(phu_inventory_find_device(inventory, "agg-1"), 1);
    assert_int_equal(phu_inventory_find_site(inventory, "s-1"), 1);
    assert_int_equal(phu_inventory_find_hamlet(inventory, "bn-9"), PHU_INVENTORY_NONE);
    for (uint32_t i = 0; i < inventory->check_count; i++)
        assert_int_equal(
            phu_inventory_find_check(inventory, text(inventory, inventory->checks[i].id)), i);
    assert_int_equal(phu_inventory_find_check(inventory, "e-1/http"), PHU_INVENTORY_NONE);
    assert_int_equal(phu_inventory_find_check(inventory, "e-1"), PHU_INVENTORY_NONE);
    phu_inventory_free(inventory);
}

static void names_every_mistake(void **state)
{
    const struct texts broken = {"code,level,name,parent_code,id\nx,hamlet,X,y,h\n", NULL, NULL,
                                 "id,hamlet,technology,operator,address,checks\n"
                                 "e-1,h,fibre,VNPT,10.1.0.1,tcp\ne-1,g,2g,,10.1.0.,imcp\n",
                                 NULL};
    struct phu_inventory *inventory;
    char *said;

    (void)state;
    inventory = load_at(&broken, now, &said);
    assert_null(inventory);
    assert_string_equal(
        said,
        "areas:2:12: parent_code: unknown code \"y\"; add the area to this file\n"
        "endpoints:2:27: checks: check \"tcp\": needs a port\n"
        "endpoints:3:1: id: endpoint \"e-1\" is there twice; each needs an id of its own\n"
        "endpoints:3:5: hamlet: unknown hamlet \"g\"; add it to areas.csv or correct it\n"
        "endpoints:3:7: technology: unknown technology \"2g\"; it is one of fibre, 3g, 4g, 5g\n"
        "endpoints:3:10: operator: is empty; a value is required\n"
        "endpoints:3:11: address: \"10.1.0.\" is no address: an IPv4 address is four numbers up to "
        "255, such as 10.27.3.1\n"
        "endpoints:3:19: checks: unknown check \"imcp\"; did you mean \"icmp\"?\n");
    free(said);
}

/* -- Comparing -------------------------------------------------------------------------------- */

static char *replace(const char *in, const char *from, const char *to)
{
    const char *at = strstr(in, from);
    char *out;

    assert_non_null(at);
    if (asprintf(&out, "%.*s%s%s", (int)(at - in), in, to, at + strlen(from)) < 0)
        abort();
    return out;
}

enum file { AREAS, SITES, DEVICES, ENDPOINTS };

/* The fate of check `id` of the sample once `from` in a file has become `to`. */
static enum phu_fate fate_after(enum file file, const char *from, const char *to, const char *id,
                                const struct phu_inventory_same *same)
{
    struct texts texts = sample;
    const char **slot = file == AREAS     ? &texts.areas
                        : file == SITES   ? &texts.sites
                        : file == DEVICES ? &texts.devices
                                          : &texts.endpoints;
    char *changed = replace(*slot, from, to);
    struct phu_inventory *before = load(&sample), *after;
    struct phu_inventory_diff diff;
    enum phu_fate fate;

    *slot = changed;
    after = load(&texts);
    assert_int_equal(phu_inventory_diff(before, after, same, &diff), 0);
    fate = (enum phu_fate)diff.fate[phu_inventory_find_check(after, id)];
    phu_inventory_diff_fini(&diff);
    phu_inventory_free(before);
    phu_inventory_free(after);
    free(changed);
    return fate;
}

static void tells_changes_from_corrections(void **state)
{
    static const struct {
        enum file file;
        const char *from, *to, *id;
        enum phu_fate fate;
    } cases[] = {
        /* what is measured */
        {ENDPOINTS, "10.1.0.1", "10.1.0.9", "e-1/icmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "10.1.0.1", "10.1.0.9", "e-2/icmp", PHU_FATE_UNCHANGED},
        {DEVICES, "10.0.0.2", "10.0.0.3", "olt-1/snmp", PHU_FATE_CHANGED},
        {DEVICES, "10.0.0.2", "10.0.0.3", "e-1/icmp", PHU_FATE_UNCHANGED},
        {DEVICES, "30s", "20s", "olt-1/snmp", PHU_FATE_CHANGED},
        {DEVICES, "2,lab", "2,", "olt-1/snmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "strict", "", "e-2/icmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "icmp tcp:443", "tcp:443 icmp", "e-1/icmp", PHU_FATE_CHANGED}, /* primary */
        {ENDPOINTS, "icmp tcp:443", "icmp tcp:80 tcp:443", "e-1/tcp:80", PHU_FATE_ADDED},
        {ENDPOINTS, "icmp tcp:443", "icmp tcp:80 tcp:443", "e-1/web", PHU_FATE_UNCHANGED},
        /* tags */
        {ENDPOINTS, "e-2,bn-2", "e-2,bn-1", "e-2/icmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "VNPT", "VinaPhone", "e-1/icmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "bn-2,4g,Viettel", "bn-2,5g,Viettel", "e-2/icmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "olt-1,olt-1", "agg-1,olt-1", "e-1/icmp", PHU_FATE_CHANGED},
        {AREAS, "Khu 1,09169", "Khu 1,09187", "e-1/icmp", PHU_FATE_CHANGED},
        {AREAS, "Khu 1,09169", "Khu 1,09187", "e-2/icmp", PHU_FATE_UNCHANGED},
        {SITES, "bn-2", "bn-1", "olt-1/snmp", PHU_FATE_CHANGED},
        /* neither */
        {ENDPOINTS, "olt-1,olt-1", "olt-1,agg-1", "e-1/icmp", PHU_FATE_UNCHANGED},
        {AREAS, "Phường Vũ Ninh", "Phường Khác", "e-1/icmp", PHU_FATE_UNCHANGED},
        {AREAS, "h-1,hamlet,Khu 1,09169", "h-9,hamlet,Khu 1,09169", "e-1/icmp", PHU_FATE_UNCHANGED},
        {SITES, "Hai", "Ba", "olt-1/snmp", PHU_FATE_UNCHANGED},
        {ENDPOINTS, "e-1,bn-1", "e-0,bn-1,fibre,VNPT,10.1.0.8,,,,\ne-1,bn-1", "e-3/icmp",
         PHU_FATE_UNCHANGED},
        /* what a device serves */
        {ENDPOINTS, "VNPT", "VinaPhone", "olt-1/snmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "VNPT", "VinaPhone", "agg-1/snmp", PHU_FATE_UNCHANGED},
        {ENDPOINTS, "10.1.0.1", "10.1.0.9", "olt-1/snmp", PHU_FATE_UNCHANGED},
        {ENDPOINTS, "e-1,bn-1", "e-1,bn-2", "olt-1/snmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "e-1,bn-1", "e-9,bn-1", "olt-1/snmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "olt-1,olt-1", ",olt-1", "olt-1/snmp", PHU_FATE_CHANGED},
        {ENDPOINTS, "olt-1,olt-1", "agg-1,olt-1", "agg-1/snmp", PHU_FATE_CHANGED},
        {AREAS, "Khu 1,09169", "Khu 1,09187", "olt-1/snmp", PHU_FATE_CHANGED},
        /* a second endpoint of which it is not clear what serves it takes the first one's rows */
        {ENDPOINTS, "icmp,,,", "icmp,olt-1,,", "olt-1/snmp", PHU_FATE_CHANGED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (fate_after(cases[i].file, cases[i].from, cases[i].to, cases[i].id, NULL) !=
            cases[i].fate)
            fail_msg("%s -> %s: %s", cases[i].from, cases[i].to, cases[i].id);
    }
}

static bool has_none(void *arg, uint16_t kind)
{
    (void)arg;
    (void)kind;
    return false;
}

static const char serving[] = "id,hamlet,technology,operator,address,device,ifname,index\n"
                              "a,bn-1,fibre,VNPT,10.1.0.1,olt-1,,0/1:5\n"
                              "b,bn-1,fibre,VNPT,10.1.0.2,agg-1,,0/1:5\n"
                              "c,bn-1,fibre,VNPT,10.1.0.3,olt-1,0/1:5,\n"
                              "d,bn-1,fibre,VNPT,10.1.0.4,olt-1,ge1,serial=HWTC1\n"
                              "e,bn-1,fibre,VNPT,10.1.0.5,olt-1,,\n"
                              "f,bn-1,fibre,VNPT,10.1.0.6,,,\n"
                              "g,bn-1,fibre,VNPT,10.1.0.7,agg-1,,\n"
                              "h,bn-1,fibre,VNPT,10.1.0.8,agg-1,,\n";

static const char *served_by(const struct phu_inventory *inventory, const char *id)
{
    static char list[64];
    const struct phu_device *device = &inventory->devices[phu_inventory_find_device(inventory, id)];

    list[0] = '\0';
    for (uint32_t i = 0; i < device->served_count; i++)
        strcat(list,
               text(inventory, inventory->endpoints[inventory->served[device->served + i]].id));
    return list;
}

static void knows_what_a_device_serves(void **state)
{
    struct texts texts = sample;
    struct phu_inventory *inventory;

    (void)state;
    texts.endpoints = serving;
    inventory = load(&texts);
    assert_string_equal(served_by(inventory, "olt-1"), "acde"); /* e takes what is left */
    assert_string_equal(served_by(inventory, "agg-1"), "b");    /* g and h cannot both do that */
    assert_string_equal(text(inventory, inventory->endpoints[3].index), "serial=HWTC1");
    assert_string_equal(text(inventory, inventory->endpoints[3].ifname), "ge1");
    phu_inventory_free(inventory);
}

static enum phu_fate fate_of(const char *id, const char *from, const char *to, bool has_rows)
{
    const struct phu_inventory_same same = {.has_rows = has_rows ? NULL : has_none};
    struct texts before = sample, after = sample;
    struct phu_inventory *old, *new;
    struct phu_inventory_diff diff;
    enum phu_fate fate;
    char *changed = replace(serving, from, to);

    before.endpoints = serving;
    after.endpoints = changed;
    old = load(&before);
    new = load(&after);
    phu_inventory_diff(old, new, &same, &diff);
    fate = (enum phu_fate)diff.fate[phu_inventory_find_check(new, id)];
    phu_inventory_diff_fini(&diff);
    phu_inventory_free(old);
    phu_inventory_free(new);
    free(changed);
    return fate;
}

static void a_claim_concerns_the_device_alone(void **state)
{
    (void)state;
    assert_int_equal(fate_of("olt-1/snmp", "olt-1,,0/1:5", "olt-1,,0/1:6", true), PHU_FATE_CHANGED);
    assert_int_equal(fate_of("a/icmp", "olt-1,,0/1:5", "olt-1,,0/1:6", true), PHU_FATE_UNCHANGED);
    assert_int_equal(fate_of("agg-1/snmp", "olt-1,,0/1:5", "olt-1,,0/1:6", true),
                     PHU_FATE_UNCHANGED);
    assert_int_equal(fate_of("olt-1/snmp", "ge1", "ge2", true), PHU_FATE_CHANGED);
    assert_int_equal(fate_of("olt-1/snmp", "ge1", "ge2", false), PHU_FATE_UNCHANGED);
    assert_int_equal(fate_of("d/icmp", "ge1", "ge2", true), PHU_FATE_UNCHANGED);
    /* the order of rows means nothing */
    assert_int_equal(fate_of("olt-1/snmp",
                             "id,hamlet,technology,operator,address,device,ifname,index",
                             "id,hamlet,technology,operator,address,device,ifname,index\n"
                             "z,bn-1,fibre,VNPT,10.1.0.9,,,",
                             true),
                     PHU_FATE_UNCHANGED);
    /* g is alone with agg-1 and takes what is left there, in place of b */
    assert_int_equal(fate_of("agg-1/snmp", "b,bn-1,fibre,VNPT,10.1.0.2,agg-1,,0/1:5\n",
                             "b,bn-1,fibre,VNPT,10.1.0.2,,,\n", true),
                     PHU_FATE_CHANGED);
    assert_int_equal(fate_of("agg-1/snmp", "10.1.0.8,agg-1", "10.1.0.8,olt-1", true),
                     PHU_FATE_CHANGED);
    assert_int_equal(fate_of("olt-1/snmp", "10.1.0.8,agg-1", "10.1.0.8,olt-1", true),
                     PHU_FATE_CHANGED);
}

static bool never_same(void *arg, uint16_t before, uint16_t after)
{
    (void)before;
    (void)after;
    return arg == NULL;
}

static bool never_same_credential(void *arg, const char *name)
{
    (void)name;
    return arg == NULL;
}

static void asks_about_what_lies_outside(void **state)
{
    int other;
    const struct phu_inventory_same kind = {.kind = never_same, .arg = &other};
    const struct phu_inventory_same profile = {.profile = never_same, .arg = &other};
    const struct phu_inventory_same credential = {.credential = never_same_credential,
                                                  .arg = &other};

    (void)state;
    assert_int_equal(fate_after(SITES, "Hai", "Ba", "e-1/icmp", &kind), PHU_FATE_CHANGED);
    assert_int_equal(fate_after(SITES, "Hai", "Ba", "e-1/icmp", &profile), PHU_FATE_CHANGED);
    assert_int_equal(fate_after(SITES, "Hai", "Ba", "e-1/icmp", &credential), PHU_FATE_UNCHANGED);
    assert_int_equal(fate_after(SITES, "Hai", "Ba", "olt-1/snmp", &credential), PHU_FATE_CHANGED);
}

static void links_checks_both_ways(void **state)
{
    struct texts texts = sample;
    struct phu_inventory *before = load(&sample), *after;
    struct phu_inventory_diff diff;

    (void)state;
    texts.endpoints = "id,hamlet,technology,operator,address\n"
                      "e-9,bn-2,4g,VNPT,10.1.0.3\ne-3,bn-2,4g,VNPT,10.1.0.2\n";
    after = load(&texts);
    phu_inventory_diff(before, after, NULL, &diff);
    assert_int_equal(diff.unchanged, 2);
    assert_int_equal(diff.changed, 1); /* olt-1, which serves e-1 no longer */
    assert_int_equal(diff.added, 1);
    assert_int_equal(diff.removed, 4);
    for (uint32_t i = 0; i < after->check_count; i++) {
        if (diff.before[i] != PHU_INVENTORY_NONE)
            assert_int_equal(diff.after[diff.before[i]], i);
        else
            assert_int_equal(diff.fate[i], PHU_FATE_ADDED);
    }
    phu_inventory_diff_fini(&diff);
    phu_inventory_free(before);
    phu_inventory_free(after);
}

/* -- Size ------------------------------------------------------------------------------------- */

static char *many_areas(unsigned hamlets)
{
    char *areas;
    size_t length;
    FILE *out = open_memstream(&areas, &length);

    fputs("code,level,name,parent_code,id\n24,province,Bắc Ninh,,\n09187,commune,Kinh Bắc,24,\n",
          out);
    for (unsigned i = 0; i < hamlets; i++)
        fprintf(out, "09187-%05u,hamlet,Thôn số %u,09187,bn-%05u\n", i, i, i);
    fclose(out);
    return areas;
}

static char *many_endpoints(unsigned hamlets)
{
    static const char *const kinds[] = {"fibre,VNPT", "3g,Viettel", "4g,Viettel", "4g,MobiFone"};
    char *endpoints;
    size_t length;
    FILE *out = open_memstream(&endpoints, &length);

    fputs("id,hamlet,technology,operator,address,checks\n", out);
    for (unsigned i = 0; i < hamlets * 4; i++)
        fprintf(out, "bn-%05u-%.2s-%u,bn-%05u,%s,10.%u.%u.%u,icmp\n", i / 4, kinds[i % 4], i % 4,
                i / 4, kinds[i % 4], i >> 16, i >> 8 & 255, i & 255);
    fclose(out);
    return endpoints;
}

static size_t index_bytes(const struct phu_record_index *index)
{
    return index->slot_count * sizeof *index->slots;
}

static size_t inventory_bytes(const struct phu_inventory *inventory)
{
    const struct phu_inventory_index *index = inventory->index;

    return inventory->area_count * sizeof *inventory->areas +
           inventory->site_count * sizeof *inventory->sites +
           inventory->device_count * sizeof *inventory->devices +
           inventory->endpoint_count * sizeof *inventory->endpoints +
           inventory->check_count * sizeof *inventory->checks + inventory->string_bytes +
           inventory->endpoint_count * sizeof *inventory->served + /* at most */
           index_bytes(&index->areas) + index_bytes(&index->hamlets) + index_bytes(&index->sites) +
           index_bytes(&index->devices) + index_bytes(&index->endpoints);
}

/* The figure that docs/inventory.md gives. */
static void takes_few_bytes_per_endpoint(void **state)
{
    enum { HAMLETS = 5000 };
    char *areas = many_areas(HAMLETS), *endpoints = many_endpoints(HAMLETS);
    struct texts texts = {.areas = areas, .endpoints = endpoints};
    struct phu_inventory *inventory = load(&texts);
    size_t bytes = inventory_bytes(inventory) / inventory->endpoint_count;

    (void)state;
    print_message("%zu bytes per endpoint, areas included\n", bytes);
    assert_int_equal(inventory->endpoint_count, HAMLETS * 4);
    assert_true(bytes <= 250);
    phu_inventory_free(inventory);
    free(areas);
    free(endpoints);
}

#define DAY_NS (INT64_C(86400) * PHU_NS_PER_S)

static bool is_marked(const struct phu_inventory *inventory, const char *id, int64_t at_ns)
{
    struct phu_topology topology;
    bool *marks, result;

    phu_topology_init(&topology, inventory);
    marks = calloc(topology.count, sizeof *marks);
    assert_non_null(marks);
    phu_maintenance_mark(inventory, &topology, (struct phu_wall){at_ns}, marks);
    result = marks[topology.endpoints[phu_inventory_find_endpoint(inventory, id)]];
    free(marks);
    phu_topology_fini(&topology);
    return result;
}

static void reads_maintenance(void **state)
{
    struct texts texts = sample;
    struct phu_inventory *inventory;
    struct phu_wall next;

    (void)state;
    texts.maintenance = "scope,id,from,to,comment\n"
                        "area,09169,2025-12-01T07:00:00+07:00,2025-12-02T07:00:00+07:00,Dời cột\n"
                        "hamlet,bn-2,2025-12-03T00:00:00Z,2025-12-04T00:00:00Z,\n"
                        "device,olt-1,2025-12-05T00:00:00Z,2025-12-06T00:00:00Z,\n"
                        "site,s-1,2025-12-07T00:00:00Z,2025-12-08T00:00:00Z,\n"
                        "endpoint,e-2,2025-12-09T00:00:00Z,2025-12-10T00:00:00Z,\n";
    inventory = load(&texts);
    assert_int_equal(inventory->maintenance_count, 5);
    assert_string_equal(phu_inventory_text(inventory, inventory->maintenance[0].comment),
                        "Dời cột");
    assert_true(is_marked(inventory, "e-1", now.ns));
    assert_false(is_marked(inventory, "e-1", now.ns - 1));
    assert_false(is_marked(inventory, "e-1", now.ns + DAY_NS));
    assert_false(is_marked(inventory, "e-2", now.ns));
    assert_true(is_marked(inventory, "e-2", now.ns + 2 * DAY_NS));
    assert_true(is_marked(inventory, "e-1", now.ns + 4 * DAY_NS)); /* hangs on the OLT */
    assert_true(is_marked(inventory, "e-1", now.ns + 6 * DAY_NS)); /* whose site hangs on s-1 */
    assert_false(is_marked(inventory, "e-2", now.ns + 6 * DAY_NS));
    assert_true(is_marked(inventory, "e-2", now.ns + 8 * DAY_NS));
    assert_false(is_marked(inventory, "e-3", now.ns + 8 * DAY_NS));
    assert_true(phu_maintenance_next(inventory, now, &next));
    assert_int_equal(next.ns, now.ns + DAY_NS);
    assert_false(phu_maintenance_next(inventory, (struct phu_wall){now.ns + 9 * DAY_NS}, &next));
    phu_inventory_free(inventory);
}

static void says_what_is_wrong_with_maintenance(void **state)
{
    struct texts texts = sample;
    char *said;

    (void)state;
    texts.maintenance = "scope,id,from,to\n"
                        "vilage,bn-1,2025-12-01T00:00:00Z,2025-12-02T00:00:00Z\n"
                        "hamlet,bn-9,2025-12-01T00:00:00Z,2025-12-02T00:00:00Z\n"
                        "endpoint,e-9,2025-12-01T00:00:00Z,2025-12-02T00:00:00Z\n"
                        "site,s-9,2025-12-01T00:00:00Z,2025-12-02T00:00:00Z\n"
                        "device,olt-1,2025-12-03T00:00:00Z,2025-12-02T00:00:00Z\n"
                        "device,olt-1,2025-12-01,tomorrow\n";
    assert_null(load_at(&texts, now, &said));
    assert_non_null(strstr(said, "maintenance:2:1: "));
    assert_non_null(strstr(said, "maintenance:3:8: id: unknown hamlet \"bn-9\""));
    assert_non_null(strstr(said, "maintenance:4:10: id: unknown endpoint \"e-9\""));
    assert_non_null(strstr(said, "maintenance:5:6: id: unknown site \"s-9\""));
    assert_non_null(strstr(said, "maintenance:6:35: to: ends before it begins"));
    assert_non_null(strstr(said, "maintenance:7:14: from: \"2025-12-01\" is no time"));
    assert_non_null(strstr(said, "maintenance:7:25: to: \"tomorrow\" is no time"));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(composes_names),
        cmocka_unit_test(keeps_equal_texts_once),
        cmocka_unit_test(follows_codes_through_time),
        cmocka_unit_test(finds_by_id),
        cmocka_unit_test(names_every_mistake),
        cmocka_unit_test(tells_changes_from_corrections),
        cmocka_unit_test(knows_what_a_device_serves),
        cmocka_unit_test(a_claim_concerns_the_device_alone),
        cmocka_unit_test(asks_about_what_lies_outside),
        cmocka_unit_test(links_checks_both_ways),
        cmocka_unit_test(reads_maintenance),
        cmocka_unit_test(says_what_is_wrong_with_maintenance),
        cmocka_unit_test(takes_few_bytes_per_endpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
