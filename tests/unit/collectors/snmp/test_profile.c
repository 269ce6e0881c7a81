/* Profiles: what is refused and with which words, which fits, what cells mean, names of rows. */
#include "profile.h"

#include "phusong/conf.h"
#include "phusong/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- Help ------------------------------------------------------------------------------------- */

#define HEAD "name: x\nsummary: x\n"
#define TABLE HEAD "tables:\n- name: t\n  measurement: optics\n  tag: onu\n  columns:\n"
#define COLUMN TABLE "  - name: c\n    oid: 1.3.6.1.4.1.9\n    metric: optics.onu_rx_dbm\n"
#define STATE                                                                                      \
    "  - {name: s, oid: 1.3.6.1.4.1.8, metric: optics.state, words: {1: online, 2: los}}\n"

static int load(const char *text, struct phu_diags *diags, struct phu_profiles **profiles)
{
    size_t length = strlen(text);
    char *copy = malloc(length ? length : 1);
    int result;

    assert_non_null(copy);
    memcpy(copy, text, length); /* without a zero, as a file */
    result = phu_profiles_load_text("t.yaml", copy, length, diags, profiles);
    free(copy);
    return result;
}

static struct phu_profiles *must_load(const char *text)
{
    struct phu_profiles *profiles;
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = load(text, &diags, &profiles);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    assert_int_equal(result, 0);
    assert_int_equal(phu_profiles_count(profiles), 1);
    return profiles;
}

static void expect_said(struct phu_diags *diags, const char *expected)
{
    char *said;
    size_t length;
    FILE *out = open_memstream(&said, &length);

    phu_diags_print(diags, out);
    fclose(out);
    assert_string_equal(said, expected);
    free(said);
}

static void expect_mistakes(const char *text, const char *expected)
{
    struct phu_profiles *profiles = NULL;
    struct phu_diags diags;

    phu_diags_init(&diags);
    assert_int_equal(load(text, &diags, &profiles), -EINVAL);
    assert_null(profiles);
    expect_said(&diags, expected);
    phu_diags_fini(&diags);
}

static struct phu_cell number(enum phu_varbind_kind kind, int64_t value)
{
    return (struct phu_cell){.kind = kind, .number = (uint64_t)value};
}

static struct phu_cell integer(int64_t value)
{
    return number(PHU_VARBIND_INTEGER, value);
}

static struct phu_cell text(const char *value)
{
    return (struct phu_cell){
        .kind = PHU_VARBIND_TEXT, .text = (const uint8_t *)value, .text_length = strlen(value)};
}

static struct phu_cell missing(void)
{
    return (struct phu_cell){.kind = PHU_VARBIND_MISSING};
}

/* Reads a row of the only table of a profile. */
static void read_row(const struct phu_profiles *profiles, const struct phu_cell *cells,
                     struct phu_read *reads)
{
    phu_profile_row_read(&phu_profiles_at(profiles, 0)->tables[0], cells, reads);
}

/* One column with these keys, beside its name and oid. */
static struct phu_profiles *column(const char *keys)
{
    char file[1024];

    snprintf(file, sizeof file, TABLE "  - {name: c, oid: 1.3.6.1.4.1.9, %s}\n", keys);
    return must_load(file);
}

static struct phu_read read_one(const char *keys, struct phu_cell cell)
{
    struct phu_profiles *profiles = column(keys);
    struct phu_read read;

    read_row(profiles, &cell, &read);
    read.word = NULL; /* goes with the profiles */
    phu_profiles_free(profiles);
    return read;
}

static void expect_reading(const char *keys, struct phu_cell cell, double value)
{
    struct phu_read read = read_one(keys, cell);

    assert_int_equal(read.status, PHU_READ_VALUE);
    if (!(fabs(read.value - value) < 1e-9))
        fail_msg("%s: %.12g instead of %.12g", keys, read.value, value);
}

static void expect_status(const char *keys, struct phu_cell cell, enum phu_read_status status,
                          const char *why)
{
    struct phu_profiles *profiles = column(keys);
    const struct phu_profile_table *table = &phu_profiles_at(profiles, 0)->tables[0];
    struct phu_read read;
    char said[256];

    phu_profile_row_read(table, &cell, &read);
    assert_int_equal(read.status, status);
    assert_string_equal(phu_profile_why(&table->columns[0], &read, &cell, said, sizeof said), why);
    phu_profiles_free(profiles);
}

static void expect_text(const char *keys, struct phu_cell cell, const char *expected)
{
    struct phu_read read = read_one(keys, cell);

    assert_int_equal(read.status, PHU_READ_TEXT);
    assert_string_equal(read.text, expected);
}

/* -- What is refused -------------------------------------------------------------------------- */

static void says_what_is_wrong(void **state)
{
    static const char *const cases[][2] = {
        {"", "t.yaml: is empty; docs/profiles.md says what belongs here\n"},
        {"summary: x\n",
         "t.yaml:1:1: the file lacks \"name\"; add for example \"name: example-olt\"\n"},
        {HEAD "matches: []\n", "t.yaml:3:1: unknown key \"matches\"; did you mean \"match\"?\n"},
        {HEAD "include: other.yaml\n",
         "t.yaml:3:1: unknown key \"include\"; did you mean \"includes\"?\n"},
        {"name: a b\nsummary: x\n",
         "t.yaml:1:7: profile \"a b\" must be letters, digits and hyphens, at most 64\n"},
        {HEAD "match: [{}]\n",
         "t.yaml:3:9: this entry fits every device; give it sys_object_id, sys_descr or has\n"},
        {"name: generic\nsummary: x\nmatch: [{has: 1.3.6}]\n",
         "t.yaml:3:8: the profile \"generic\" fits what no other fits; leave out \"match\"\n"},
        {HEAD "match: [{sys_object_id: .1.3.6}]\n",
         "t.yaml:3:25: \".1.3.6\" is no object identifier; leave out the first point\n"},
        {HEAD "match: [{has: 1.3.x}]\n",
         "t.yaml:3:15: \"1.3.x\" is no object identifier; write numbers joined by points, such as "
         "1.3.6.1.4.1.99999.2.1\n"},
        {HEAD "match: [{has: 1.3.4294967296}]\n",
         "t.yaml:3:15: \"1.3.4294967296\" is no object identifier; a part of it is larger than "
         "4294967295\n"},
        {HEAD "match: [{has: 3.1}]\n", "t.yaml:3:15: \"3.1\" is no object identifier; it must "
                                       "begin as all do, such as 1.3.6.1\n"},
        {HEAD "match: [{has: 1.3.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1}]\n",
         "t.yaml:3:15: \"1.3.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1\" is no object "
         "identifier; it has more than 24 parts\n"},
        {HEAD "match: [{sys_descr: 'a[b'}]\n",
         "t.yaml:3:21: \"a[b\" is no POSIX extended expression: Unmatched [, [^, [:, [., or [=\n"},
        {HEAD "match: [{sys_descr: '(a)\\1'}]\n",
         "t.yaml:3:21: \"(a)\\1\" is no POSIX extended expression: back references such as \\1 are "
         "not supported\n"},
        {HEAD "match: [{sys_descr: '((a{99}){99}){99}'}]\n",
         "t.yaml:3:21: \"((a{99}){99}){99}\" is no POSIX extended expression: too many repetitions "
         "{…}\n"},
        {HEAD "care: {cpu: {limit: 80}}\n",
         "t.yaml:3:13: \"limit\" needs \"oid\", where the device tells how busy it is\n"},
        {HEAD "includes: [y]\n", "t.yaml:3:12: there is no profile \"y\" to include\n"},
        {HEAD "includes: [x]\n",
         "t.yaml:3:12: \"x\" includes \"x\" itself, directly or through others; leave it out "
         "here\n"},
        /* Tables. */
        {HEAD "tables: [{name: t, measurement: optic, columns: []}]\n",
         "t.yaml:3:33: \"measurement\" cannot be \"optic\"; did you mean \"optics\"? it is one of "
         "signal, optics, pon, radio, power, sensor, device\n"},
        {HEAD "tables: [{name: t, measurement: device, columns: []}]\n",
         "t.yaml:3:50: table \"t\" has no columns\n"},
        {HEAD
         "tables:\n- name: T\n  measurement: device\n  columns: [{name: c, oid: 1.3.6, metric: "
         "device.cpu_pct}]\n- name: T\n  measurement: device\n  columns: []\n",
         "t.yaml:7:9: name \"T\" is already taken by the entry at t.yaml:4\n"},
        {HEAD
         "tables:\n- name: t\n  measurement: optics\n  columns: [{name: c, oid: 1.3.6, metric: "
         "optics.onu_rx_dbm}]\n",
         "t.yaml:4:3: table \"t\" lacks \"tag\", what its rows are called, such as onu; or "
         "\"scalars: true\"\n"},
        {HEAD "tables:\n- name: t\n  measurement: optics\n  tag: onus\n  columns: [{name: c, oid: "
              "1.3.6, metric: optics.onu_rx_dbm}]\n",
         "t.yaml:6:8: rows of optics are not called \"onus\"; write one of onu,interface,pon\n"},
        {HEAD "tables:\n- name: t\n  measurement: device\n  tag: onu\n  columns: [{name: c, oid: "
              "1.3.6, metric: device.cpu_pct}]\n",
         "t.yaml:6:8: measurement device is the device itself, which has no rows; leave out the "
         "tag\n"},
        {HEAD
         "tables:\n- name: t\n  measurement: signal\n  scalars: true\n  tag: modem\n  columns: "
         "[{name: c, oid: 1.3.6.0, metric: signal.rsrp_dbm}]\n",
         "t.yaml:7:8: scalars with a tag need \"row\", the name of their one row\n"
         "t.yaml:8:28: write a scalar without its final .0\n"},
        {HEAD "tables:\n- name: t\n  measurement: signal\n  scalars: true\n  tag: modem\n  row: "
              "'{1}'\n  columns: [{name: c, oid: 1.3.6, metric: signal.rsrp_dbm}]\n",
         "t.yaml:8:8: scalars have no index that \"{1}\" could be made of; write a fixed text\n"},
        {HEAD "tables:\n- name: t\n  measurement: signal\n  scalars: true\n  row: a\n  columns: "
              "[{name: c, oid: 1.3.6, metric: signal.rsrp_dbm}]\n",
         "t.yaml:7:8: without \"tag\" there are no rows to name; leave out \"row\"\n"},
        {COLUMN "  row: '{1}:{2'\n",
         "t.yaml:11:8: template \"{1}:{2\" is wrong at \"{2\"; write {1}, {2>>8&0xff}, {2..}, "
         "{text:1}, {ifname:1} or {COLUMN}\n"},
        {COLUMN "  row: '{0}'\n",
         "t.yaml:11:8: template \"{0}\" is wrong at \"{0}\"; write {1}, {2>>8&0xff}, {2..}, "
         "{text:1}, {ifname:1} or {COLUMN}\n"},
        {COLUMN "  row: '{cc}'\n",
         "t.yaml:11:8: the table has no column \"cc\"; name one of its columns\n"},
        {COLUMN "  every: often\n",
         "t.yaml:11:10: \"every\" is \"often\", it must be fast, slow, static, or a duration such "
         "as 5m\n"},
        {COLUMN "  every: 8d\n", "t.yaml:11:10: \"every\" is 8d, outside its range of 1s to 7d\n"},
        /* Roll-ups. */
        {COLUMN "  rollup: {tag: pon}\n",
         "t.yaml:11:11: \"rollup\" lacks \"row\"; it needs tag, row and sums\n"},
        {COLUMN STATE "  rollup: {tag: port, row: '{1}', sums: [{column: s, to: pon.onus}]}\n",
         "t.yaml:12:17: rows of pon are not called \"port\"; write one of pon\n"},
        {COLUMN STATE "  rollup: {tag: pon, row: '{1}', sums: [{column: s, to: pon.onu}]}\n",
         "t.yaml:12:57: \"pon.onu\" cannot count words; write a family such as pon.onus\n"},
        {COLUMN "  - {name: s, oid: 1.3.6, metric: optics.cause, words: {1: rogue}}\n"
                "  rollup: {tag: pon, row: '{1}', sums: [{column: s, to: pon.onus}]}\n",
         "t.yaml:12:57: \"rogue\" is no word of \"pon.onus\"; it has total, configured, online, "
         "los, dying_gasp, offline, starting, auth_failed, disabled, unknown\n"},
        {COLUMN "  rollup: {tag: pon, row: '{1}', sums: [{column: c, to: pon.state}]}\n",
         "t.yaml:11:57: \"pon.state\" is a family of states, and column \"c\" has no words; name a "
         "metric such as pon.onu_rx_dbm\n"},
        {COLUMN "  - {name: h, oid: 1.3.6, use: help}\n"
                "  rollup: {tag: pon, row: '{1}', sums: [{column: h, to: pon.onu_rx_dbm}]}\n",
         "t.yaml:12:50: column \"h\" has no \"metric\"; only what is measured adds up\n"},
        /* Columns. */
        {TABLE "  - {name: C, oid: 1.3.6, metric: optics.onu_rx_dbm}\n",
         "t.yaml:8:12: column \"C\" must be small letters, digits and _\n"},
        {TABLE "  - {name: c, metric: optics.onu_rx_dbm}\n",
         "t.yaml:8:5: column \"c\" lacks \"oid\", or \"of\" with another column\n"},
        {COLUMN "    of: c\n", "t.yaml:11:9: \"oid\" and \"of\" exclude each other\n"},
        {COLUMN "  - {name: d, of: e, use: help}\n",
         "t.yaml:11:19: the table has no column \"e\"; name one of its columns\n"},
        {COLUMN "  - {name: dd, of: c, use: help}\n  - {name: e, of: dd, use: help}\n",
         "t.yaml:12:19: \"dd\" itself reads another column; name that one\n"},
        {COLUMN "  - {name: c, oid: 1.3.6, use: help}\n",
         "t.yaml:11:12: name \"c\" is already taken by the entry at t.yaml:8\n"},
        {TABLE "  - {name: c, oid: 1.3.6}\n",
         "t.yaml:8:5: column \"c\" feeds nothing; give it a \"metric\", or \"use: help\" if others "
         "read it\n"},
        {COLUMN "    use: help\n",
         "t.yaml:11:10: a column with a metric is more than help; leave out one of them\n"},
        {COLUMN "    use: serial\n",
         "t.yaml:10:13: a description or serial number is a text; \"optics.onu_rx_dbm\" is not\n"},
        {TABLE "  - {name: c, oid: 1.3.6, use: serial, scale: 2}\n",
         "t.yaml:8:32: a description or serial number is taken as it is; leave out words and "
         "arithmetic\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: onu_rx_dbm}\n",
         "t.yaml:8:35: unknown metric \"onu_rx_dbm\"; did you mean \"optics.onu_rx_dbm\"?\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.stat, words: {1: los}}\n",
         "t.yaml:8:35: unknown metric \"optics.stat\"; did you mean \"optics.state\"?\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: nothing.like.it}\n",
         "t.yaml:8:35: unknown metric \"nothing.like.it\"; docs/metrics.md lists them\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: radio.rx_dbm}\n",
         "t.yaml:8:35: \"radio.rx_dbm\" is not of the table's measurement \"optics\"; put the "
         "column into a table of its own measurement\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.state_los}\n",
         "t.yaml:8:35: \"optics.state_los\" counts the polls in one state; name its family and "
         "give the column words\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.polls}\n",
         "t.yaml:8:35: \"optics.polls\" is counted by the agent itself\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.state}\n",
         "t.yaml:8:35: \"optics.state\" is a family of states; give the column words\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.state, words: {1: onlin}}\n",
         "t.yaml:8:57: \"onlin\" is no word of \"optics.state\"; did you mean \"online\"?\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.state, words: {'*': los, 1: online}}\n",
         "t.yaml:8:57: '*' stands for everything else; put it last\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.state, words: {1: los, 1: los}}\n",
         "t.yaml:8:65: \"1\" is already given at line 8; remove one of them\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.state, words: [1, 2]}\n",
         "t.yaml:8:56: \"words\" must be pairs of texts, such as {a: b}\n"},
        {COLUMN "    words: {1: los}\n",
         "t.yaml:10:13: \"optics.onu_rx_dbm\" is a number, which words cannot feed; name a family "
         "of states, or leave out the words\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric: optics.up_bytes, scale: 1024}\n",
         "t.yaml:8:35: \"optics.up_bytes\" takes what a counter has grown by; leave out scale, "
         "offset, or_scale, share_of, mask, bits but 32, convert, range, si_scale and decimals\n"},
        {COLUMN "    scale: 0\n", "t.yaml:11:12: \"scale: 0\" makes every value the same\n"},
        {COLUMN "    or_scale: 0.1\n",
         "t.yaml:11:15: \"or_scale\" needs a \"range\" that tells which scale is right\n"},
        {COLUMN "    range: [10, -50]\n",
         "t.yaml:11:12: \"range\" is upside down; write [-50, 10]\n"},
        {COLUMN "    range: [10]\n",
         "t.yaml:11:12: \"range\" must be two numbers, such as [-50, 10]\n"},
        {COLUMN "    range: [low, 10]\n",
         "t.yaml:11:12: \"range\" must be two numbers, such as [-50, 10]\n"},
        {COLUMN "    bits: 12\n",
         "t.yaml:11:11: \"bits\" cannot be \"12\"; it is one of 0, 8, 16, 32\n"},
        {COLUMN "    extract: '[0-9]+'\n",
         "t.yaml:11:14: \"[0-9]+\" needs a group in parentheses: what is to be taken\n"},
        {COLUMN "    extract: '([0-9]+'\n",
         "t.yaml:11:14: \"([0-9]+\" is no POSIX extended expression: Unmatched ( or \\(\n"},
        {COLUMN "    si_scale: prefix\n",
         "t.yaml:11:15: the table has no column \"prefix\"; name one of its columns\n"},
        {COLUMN "    share_of: [c, siz]\n  - {name: size, oid: 1.3.6, use: help}\n",
         "t.yaml:11:19: the table has no column \"siz\"; did you mean \"size\"?\n"},
        {COLUMN "    when: [{column: stat}]\n  - {name: state, oid: 1.3.6, use: help}\n",
         "t.yaml:11:21: the table has no column \"stat\"; did you mean \"state\"?\n"},
        {COLUMN "    when: [{column: s, is: [onlin]}]\n" STATE,
         "t.yaml:11:29: column \"s\" never is \"onlin\"; did you mean \"online\"?\n"},
        {COLUMN "    when: [{column: s, is: [los], not: [online]}]\n" STATE,
         "t.yaml:11:40: stands beside \"is\"; leave one of them out\n"},
        {COLUMN "    metric_by: {column: s, is: {online: optics.rx_dbm}}\n" STATE,
         "t.yaml:11:16: \"metric\" and \"metric_by\" exclude each other\n"},
        {TABLE "  - {name: c, oid: 1.3.6, metric_by: {is: {1: optics.rx_dbm}}}\n",
         "t.yaml:8:5: column \"c\" feeds nothing; give it a \"metric\", or \"use: help\" if others "
         "read it\n"
         "t.yaml:8:38: \"metric_by\" lacks \"column\", the one that chooses\n"},
        {TABLE
         "  - {name: c, oid: 1.3.6, metric_by: {column: s, is: {los: optics.up_bytes}}}\n" STATE,
         "t.yaml:8:55: \"optics.up_bytes\" is no number with a range; a chosen metric must be "
         "one\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_mistakes(cases[i][0], cases[i][1]);
}

static void bounds_the_number_of_columns(void **state)
{
    char file[8192] = TABLE;
    size_t used = strlen(file);

    (void)state;
    for (int i = 0; i < 25; i++)
        used += (size_t)snprintf(file + used, sizeof file - used,
                                 "  - {name: c%d, oid: 1.3.6, use: help}\n", i);
    expect_mistakes(file, "t.yaml:8:3: \"columns\" has 25 entries, at most 24 are possible\n");
}

static void goes_on_after_a_mistake(void **state)
{
    (void)state;
    expect_mistakes(HEAD
                    "match: [{has: x}]\ntables:\n- name: t\n  measurement: optics\n  tag: onu\n"
                    "  columns:\n  - {name: c, oid: y, metric: optics.rx}\n"
                    "  - {name: d, oid: 1.3, metric: optics.rx_dbm, range: [1, 0]}\n",
                    "t.yaml:3:15: \"x\" is no object identifier; write numbers joined by points, "
                    "such as 1.3.6.1.4.1.99999.2.1\n"
                    "t.yaml:9:20: \"y\" is no object identifier; write numbers joined by points, "
                    "such as 1.3.6.1.4.1.99999.2.1\n"
                    "t.yaml:9:31: unknown metric \"optics.rx\"; did you mean \"optics.rx_dbm\"?\n"
                    "t.yaml:10:55: \"range\" is upside down; write [0, 1]\n");
}

/* -- What cells mean -------------------------------------------------------------------------- */

static void scales_numbers(void **state)
{
    const char *rx = "metric: optics.onu_rx_dbm";

    (void)state;
    expect_reading(rx, integer(-17), -17);
    expect_reading(rx, number(PHU_VARBIND_GAUGE, UINT32_MAX), 4294967295.0);
    expect_reading(rx, text("-17.25 dBm"), -17.25);
    expect_reading(rx, text(" +3.5e1"), 35);
    expect_reading("metric: optics.onu_rx_dbm, scale: 0.01", integer(-2345), -23.45);
    expect_reading("metric: optics.onu_rx_dbm, scale: 0.1, offset: -100", integer(783), -21.7);
    expect_reading("metric: optics.onu_rx_dbm, scale: 0.002, offset: -30", integer(5000), -20);
    expect_reading("metric: optics.onu_rx_dbm, bits: 16, scale: 0.1", integer(65336), -20);
    expect_reading("metric: optics.onu_rx_dbm, bits: 8", number(PHU_VARBIND_GAUGE, 200), -56);
    expect_reading("metric: optics.onu_rx_dbm, bits: 32", number(PHU_VARBIND_GAUGE, 4294967277),
                   -19);
    expect_reading("metric: optics.onu_rx_dbm, bits: 16", text("65526"), -10);
    expect_status(rx, text("n/a"), PHU_READ_UNFIT, "\"n/a\" is no number");
    expect_status(rx, text("inf"), PHU_READ_UNFIT, "\"inf\" is no number");
    expect_status(rx, text(""), PHU_READ_UNFIT, "\"\" is no number");
    expect_status(rx, missing(), PHU_READ_ABSENT, "the device has no such object");
}

static void scaled_values_are_the_nearest_to_what_is_meant(void **state)
{
    struct phu_read read = read_one("metric: optics.onu_rx_dbm, scale: 0.01", integer(-2345));
    double meant = -23.45;

    (void)state;
    assert_memory_equal(&read.value, &meant, sizeof meant);
}

static void knows_what_is_no_value(void **state)
{
    const char *keys =
        "metric: optics.onu_rx_dbm, scale: 0.01, none: [2147483647, -1, 'N/A', 'no*'], "
        "range: [-50, 10]";

    (void)state;
    expect_status(keys, integer(2147483647), PHU_READ_NONE, "2147483647 means no value");
    expect_status(keys, integer(-1), PHU_READ_NONE, "-1 means no value");
    expect_status(keys, text(" n/a "), PHU_READ_NONE, "\"n/a\" means no value");
    expect_status(keys, text("No signal"), PHU_READ_NONE, "\"No signal\" means no value");
    expect_status(keys, text("2147483647"), PHU_READ_NONE, "\"2147483647\" means no value");
    expect_status(keys, integer(-6000), PHU_READ_IMPLAUSIBLE, "-60 is outside -50 to 10");
    expect_reading(keys, integer(-5000), -50);
    expect_reading(keys, integer(1000), 10);
}

static void tries_another_scale(void **state)
{
    const char *keys = "metric: optics.onu_rx_dbm, scale: 1, or_scale: 0.1, range: [-50, 10]";

    (void)state;
    expect_reading(keys, integer(-21), -21);
    expect_reading(keys, integer(-215), -21.5);
    expect_status(keys, integer(-2150), PHU_READ_IMPLAUSIBLE, "-215 is outside -50 to 10");
}

static void converts_units(void **state)
{
    (void)state;
    expect_reading("metric: optics.onu_rx_dbm, scale: 0.0001, convert: mw_to_dbm", integer(100),
                   -20);
    expect_reading("metric: optics.onu_rx_dbm, convert: uw_to_dbm", integer(1000), 0);
    expect_status("metric: optics.onu_rx_dbm, convert: uw_to_dbm", integer(0), PHU_READ_NONE,
                  "0 means no value");
    expect_reading("metric: optics.onu_rx_dbm, convert: uw_if_positive, scale: 0.01", integer(10),
                   -20);
    expect_reading("metric: optics.onu_rx_dbm, convert: uw_if_positive, scale: 0.01",
                   integer(-1850), -18.5);
    expect_status("metric: optics.onu_rx_dbm, convert: uw_if_positive", integer(0), PHU_READ_NONE,
                  "0 means no value");
    expect_reading("metric: optics.temperature_c, convert: f_to_c", integer(212), 100);
    expect_reading("metric: optics.distance_m, convert: hms_to_s", text("26:01:05"), 93665);
    expect_status("metric: optics.distance_m, convert: hms_to_s", text("01:99:05"), PHU_READ_UNFIT,
                  "\"01:99:05\" is no hh:mm:ss");
    expect_status("metric: optics.distance_m, convert: hms_to_s", text("1:2"), PHU_READ_UNFIT,
                  "\"1:2\" is no hh:mm:ss");
}

static void extracts_from_texts(void **state)
{
    const char *keys = "metric: optics.onu_rx_dbm, extract: '\\((-?[0-9.]+) DBM', none: ['0.00']";

    (void)state;
    expect_reading(keys, text("0.03 mW (-14.61 dBm)"), -14.61);
    expect_status(keys, text("0 mW (0.00 dBm)"), PHU_READ_NONE,
                  "\"0 mW (0.00 dBm)\" means no value");
    expect_status(keys, text("none"), PHU_READ_UNFIT,
                  "\"none\" does not fit the expression, or what it finds does not");
    expect_reading("metric: optics.onu_rx_dbm, extract: '^(..)'", integer(1234), 12);
}

static void takes_si_prefixes_and_decimals(void **state)
{
    struct phu_profiles *profiles = must_load(
        TABLE "  - {name: c, oid: 1.3.6, metric: optics.voltage_v, si_scale: s, decimals: d}\n"
              "  - {name: s, oid: 1.3.7, use: help}\n  - {name: d, oid: 1.3.8, use: help}\n");
    struct phu_cell cells[] = {integer(32891), integer(8), integer(1)};
    struct phu_read reads[3];

    (void)state;
    read_row(profiles, cells, reads);
    assert_true(reads[0].status == PHU_READ_VALUE && fabs(reads[0].value - 3.2891) < 1e-12);
    assert_int_equal(reads[1].status, PHU_READ_HELP);
    cells[2] = integer(-3); /* digits that are right: no factor */
    cells[1] = integer(9);
    read_row(profiles, cells, reads);
    assert_true(reads[0].status == PHU_READ_VALUE && reads[0].value == 32891);
    cells[1] = missing();
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].status, PHU_READ_VALUE);
    cells[1] = integer(18);
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].status, PHU_READ_UNFIT);
    phu_profiles_free(profiles);
}

static void takes_shares(void **state)
{
    struct phu_profiles *profiles = must_load(
        TABLE "  - {name: used, oid: 1.3.6, metric: optics.distance_m, share_of: [used, free]}\n"
              "  - {name: free, oid: 1.3.7, use: help}\n");
    struct phu_cell cells[] = {integer(30), integer(90)};
    struct phu_read reads[2];

    (void)state;
    read_row(profiles, cells, reads);
    assert_true(reads[0].status == PHU_READ_VALUE && fabs(reads[0].value - 25) < 1e-12);
    cells[0] = cells[1] = integer(0);
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].status, PHU_READ_NONE);
    cells[1] = missing();
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].status, PHU_READ_UNFIT);
    phu_profiles_free(profiles);
}

static void counters_are_left_as_they_are(void **state)
{
    struct phu_read read = read_one("metric: optics.up_bytes", number(PHU_VARBIND_COUNTER64, -2));

    (void)state;
    assert_true(read.status == PHU_READ_COUNTER && read.bits == 64 &&
                read.number == UINT64_MAX - 1);
    assert_int_equal(read.metric, phu_snmp_metric_find("optics.up_bytes"));
    read = read_one("metric: optics.up_bytes", number(PHU_VARBIND_COUNTER32, 77));
    assert_true(read.status == PHU_READ_COUNTER && read.bits == 32 && read.number == 77);
    read = read_one("metric: optics.up_bytes", text("14893734000"));
    assert_true(read.status == PHU_READ_COUNTER && read.bits == 64 && read.number == 14893734000);
    read = read_one("metric: optics.up_bytes, bits: 32", integer(-1));
    assert_true(read.status == PHU_READ_COUNTER && read.bits == 32 && read.number == UINT32_MAX);
    read = read_one("metric: optics.up_bytes, bits: 32", number(PHU_VARBIND_COUNTER64, 1LL << 40));
    assert_true(read.status == PHU_READ_COUNTER && read.bits == 64 && read.number == 1ULL << 40);
    expect_status("metric: optics.up_bytes", integer(-1), PHU_READ_UNFIT, "-1 is no counter");
    expect_status("metric: optics.up_bytes", text("-1"), PHU_READ_UNFIT, "\"-1\" is no counter");
    expect_status("metric: optics.up_bytes", text("99999999999999999999999"), PHU_READ_UNFIT,
                  "\"99999999999999999999999\" is no counter");
}

static void gives_states_words(void **state)
{
    struct phu_profiles *profiles =
        column("metric: optics.state, words: {1: online, '-1': los, ready: online, 'down*': "
               "offline, 9: '', '*': unknown}");
    static const struct {
        int64_t number;
        const char *text, *word;
    } cases[] = {
        {1, NULL, "online"},          {-1, NULL, "los"},
        {7, NULL, "unknown"},         {0, "READY", "online"},
        {0, "Down again", "offline"}, {0, "1", "online"},
        {0, "ready.", "unknown"},
    };
    struct phu_read read;
    struct phu_cell cell;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cell = cases[i].text ? text(cases[i].text) : integer(cases[i].number);
        read_row(profiles, &cell, &read);
        assert_int_equal(read.status, PHU_READ_WORD);
        assert_string_equal(read.word, cases[i].word);
        assert_int_equal(read.metric, phu_snmp_metric_word("optics.state", cases[i].word));
    }
    cell = integer(9);
    read_row(profiles, &cell, &read);
    assert_int_equal(read.status, PHU_READ_NONE);
    phu_profiles_free(profiles);
    expect_status("metric: optics.state, words: {1: online}", integer(2), PHU_READ_UNFIT,
                  "no word for 2");
}

static void takes_some_bits(void **state)
{
    const char *keys = "metric: optics.state, mask: 12, words: {4: online, 8: los, 12: offline}";
    struct phu_profiles *profiles = column(keys);
    struct phu_cell cell = integer(0xf7);
    struct phu_read read, reads[2];

    (void)state;
    read_row(profiles, &cell, &read);
    assert_string_equal(read.word, "online");
    cell = integer(3);
    read_row(profiles, &cell, &read);
    assert_int_equal(read.status, PHU_READ_UNFIT);
    phu_profiles_free(profiles);

    /* A condition that names a raw value means those bits, too. */
    profiles =
        must_load(TABLE "  - {name: a, oid: 1.3.6, metric: optics.rx_dbm, when: [{column: m, is: "
                        "[4]}]}\n  - {name: m, oid: 1.3.7, use: help, mask: 12}\n");
    read_row(profiles, (struct phu_cell[]){integer(5), integer(0xf7)}, reads);
    assert_int_equal(reads[0].status, PHU_READ_VALUE);
    read_row(profiles, (struct phu_cell[]){integer(5), integer(0xff)}, reads);
    assert_int_equal(reads[0].status, PHU_READ_CONDITION);
    phu_profiles_free(profiles);
}

static void texts_are_cleaned(void **state)
{
    static const char serial[] = "HWTC\x01\x9f\xee\x41";
    char file[] = HEAD "tables: [{name: t, scalars: true, measurement: signal, columns: [{name: c, "
                       "oid: 1.3, metric: signal.cell}]}]\n";
    struct phu_profiles *profiles = must_load(file);
    struct phu_cell cell = text(" 12\x01x ");
    struct phu_read read;

    (void)state;
    read_row(profiles, &cell, &read);
    assert_int_equal(read.status, PHU_READ_TEXT);
    assert_string_equal(read.text, "12?x");
    cell = integer(-5);
    read_row(profiles, &cell, &read);
    assert_string_equal(read.text, "-5");
    cell = number(PHU_VARBIND_COUNTER64, -1);
    read_row(profiles, &cell, &read);
    assert_string_equal(read.text, "18446744073709551615");
    cell = text("  ");
    read_row(profiles, &cell, &read);
    assert_int_equal(read.status, PHU_READ_NONE);
    phu_profiles_free(profiles);

    expect_text("use: serial", text(serial), "HWTC019FEE41");
    expect_text("use: serial", text("HWTC019FEE41"), "HWTC019FEE41");
    expect_text("use: serial", text("\x01\x02\xff"), "0102FF");
    expect_text("use: description", text("Nhà ông Ba, tầng 2"), "Nhà ông Ba, tầng 2");
}

static void words_may_feed_a_text(void **state)
{
    struct phu_profiles *profiles =
        must_load(HEAD "tables: [{name: t, scalars: true, measurement: signal, columns: [{name: c, "
                       "oid: 1.3, metric: signal.band, words: {3: B3, '*': ''}}]}]\n");
    struct phu_cell cell = integer(3);
    struct phu_read read;

    (void)state;
    read_row(profiles, &cell, &read);
    assert_int_equal(read.status, PHU_READ_TEXT);
    assert_string_equal(read.text, "B3");
    cell = integer(4);
    read_row(profiles, &cell, &read);
    assert_int_equal(read.status, PHU_READ_NONE);
    phu_profiles_free(profiles);
}

static void conditions_hold_or_not(void **state)
{
    struct phu_profiles *profiles = must_load(
        TABLE STATE "  - {name: a, oid: 1.3.6, metric: optics.rx_dbm, when: [{column: s, is: "
                    "[online]}]}\n"
                    "  - {name: b, oid: 1.3.6, metric: optics.tx_dbm, when: [{column: s, is: [2]}, "
                    "{column: a}]}\n");
    const struct phu_profile_table *table = &phu_profiles_at(profiles, 0)->tables[0];
    struct phu_cell cells[] = {integer(1), integer(5), integer(6)};
    struct phu_read reads[3];
    char why[128];

    (void)state;
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_VALUE);
    assert_int_equal(reads[2].status, PHU_READ_CONDITION);
    assert_int_equal(reads[2].metric, -1);
    assert_string_equal(phu_profile_why(&table->columns[2], &reads[2], &cells[2], why, sizeof why),
                        "only when s is 2 and a has a value");
    cells[0] = integer(2); /* a's own condition does not matter to b */
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_CONDITION);
    assert_int_equal(reads[2].status, PHU_READ_VALUE);
    cells[1] = missing();
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_ABSENT);
    assert_int_equal(reads[2].status, PHU_READ_CONDITION);
    cells[0] = missing();
    cells[1] = integer(5);
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_CONDITION);
    phu_profiles_free(profiles);
}

static void conditions_may_exclude(void **state)
{
    struct phu_profiles *profiles =
        must_load(TABLE STATE "  - {name: a, oid: 1.3.6, metric: optics.rx_dbm, when: [{column: s, "
                              "not: [los, 7]}]}\n");
    const struct phu_profile_table *table = &phu_profiles_at(profiles, 0)->tables[0];
    struct phu_cell cells[] = {integer(1), integer(5)};
    struct phu_read reads[2];
    char why[128];

    (void)state;
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_VALUE);
    cells[0] = integer(2);
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_CONDITION);
    assert_string_equal(phu_profile_why(&table->columns[1], &reads[1], &cells[1], why, sizeof why),
                        "only when s is not los or 7");
    cells[0] = integer(7); /* no word for it */
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_CONDITION);
    cells[0] = missing();
    read_row(profiles, cells, reads);
    assert_int_equal(reads[1].status, PHU_READ_VALUE);
    phu_profiles_free(profiles);
}

static void another_column_chooses_the_metric(void **state)
{
    struct phu_profiles *profiles = must_load(
        TABLE "  - {name: v, oid: 1.3.6, metric_by: {column: k, is: {volt: optics.voltage_v, 8: "
              "optics.temperature_c, rpm: ''}}}\n"
              "  - {name: k, oid: 1.3.7, use: help, words: {4: volt, 8: celsius, 10: rpm, '*': "
              "other}}\n");
    const struct phu_profile_table *table = &phu_profiles_at(profiles, 0)->tables[0];
    struct phu_cell cells[] = {integer(5), integer(4)};
    struct phu_read reads[2];
    char why[128];

    (void)state;
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].metric, phu_snmp_metric_find("optics.voltage_v"));
    cells[1] = integer(8);
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].metric, phu_snmp_metric_find("optics.temperature_c"));
    for (int i = 10; i < 12; i++) {
        cells[1] = integer(i);
        read_row(profiles, cells, reads);
        assert_int_equal(reads[0].status, PHU_READ_CONDITION);
        assert_int_equal(reads[0].metric, -1);
    }
    assert_string_equal(phu_profile_why(&table->columns[0], &reads[0], &cells[0], why, sizeof why),
                        "k chooses no metric");
    cells[1] = missing();
    read_row(profiles, cells, reads);
    assert_int_equal(reads[0].status, PHU_READ_CONDITION);
    phu_profiles_free(profiles);
}

static void columns_read_the_cells_of_others(void **state)
{
    struct phu_profiles *profiles =
        must_load(TABLE STATE "  - {name: c, of: s, metric: optics.cause, words: {1: other, 2: "
                              "fibre}}\n");
    const struct phu_profile_table *table = &phu_profiles_at(profiles, 0)->tables[0];
    struct phu_cell cells[] = {integer(2), missing()};
    struct phu_read reads[2];

    (void)state;
    read_row(profiles, cells, reads);
    assert_string_equal(reads[0].word, "los");
    assert_string_equal(reads[1].word, "fibre");
    assert_ptr_equal(phu_profile_cell(table, cells, 1), &cells[0]);
    phu_profiles_free(profiles);
}

/* -- Names of rows ---------------------------------------------------------------------------- */

static const char *ifname(void *arg, uint32_t ifindex)
{
    (void)arg;
    return ifindex == 4194304 ? "gpon 0/1/3" : NULL;
}

static void expect_name(const char *pattern, const char *expected)
{
    static const uint32_t index[] = {4194304, 0x30201, 3, 'a', 0xc3, 0xa0, 9};
    struct phu_profiles *profiles = must_load(COLUMN STATE);
    const struct phu_cell cells[] = {text("\tKhách 1"), integer(2)};
    struct phu_row_source source = {
        .table = &phu_profiles_at(profiles, 0)->tables[0],
        .index = index,
        .index_length = sizeof index / sizeof *index,
        .cells = cells,
        .ifname = ifname,
    };
    char name[PHU_PROFILE_NAME_SIZE];
    int result = phu_profile_row_name(pattern, &source, name);

    if (expected) {
        assert_int_equal(result, 0);
        assert_string_equal(name, expected);
    } else {
        assert_int_equal(result, -EINVAL);
    }
    phu_profiles_free(profiles);
}

static void names_rows(void **state)
{
    (void)state;
    expect_name("{1}", "4194304");
    expect_name("{ifname:1}:{2&0xff}", "gpon 0/1/3:1");
    expect_name("{ifname:2}", "197121");
    expect_name("{2>>16}/{2>>8&0xff}/{2&0xff+1}", "3/2/2");
    expect_name("{4..}", "97.195.160.9");
    expect_name("{text:3}", "aà");
    expect_name("onu {7}", "onu 9");
    expect_name("{c} {s}", "?Khách 1 los");
    expect_name("{8}", NULL);
    expect_name("{text:1}", NULL);
    expect_name("{text:7}", NULL);
    expect_name("{1", NULL);
    expect_name("a}", NULL);
    expect_name("{1..}", "4194304.197121.3.97.195.160.9");
    expect_name("", "4194304.197121.3.97.195.160.9");
}

/* -- Which fits ------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test_profile.XXXXXX";

static void write_file(const char *name, const char *content)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static int make_folder(void **state)
{
    char path[256];

    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/own", folder);
    return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
    char command[256];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int load_folders(struct phu_diags *diags, struct phu_profiles **profiles)
{
    char own[256], nowhere[256];
    const char *folders[] = {folder, own, nowhere};

    snprintf(own, sizeof own, "%s/own", folder);
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", folder);
    return phu_profiles_load(folders, 3, diags, profiles);
}

static struct phu_profiles *must_load_folders(void)
{
    struct phu_profiles *profiles;
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = load_folders(&diags, &profiles);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    assert_int_equal(result, 0);
    return profiles;
}

/* {…} stands for the folder in what is expected. */
static void expect_folder_mistakes(const char *expected)
{
    struct phu_profiles *profiles = NULL;
    struct phu_diags diags;
    char *whole = calloc(1, 4096), *at = whole;

    for (; *expected; expected++) {
        if (*expected == '@')
            at += sprintf(at, "%s", folder);
        else
            *at++ = *expected;
    }
    phu_diags_init(&diags);
    assert_int_equal(load_folders(&diags, &profiles), -EINVAL);
    expect_said(&diags, whole);
    phu_diags_fini(&diags);
    free(whole);
}

static void the_best_fit_comes_first(void **state)
{
    static const char *const files[][2] = {
        {"a.yaml", "name: vendor\nsummary: x\nmatch: [{sys_object_id: 1.3.6.1.4.1.9}]\n"},
        {"b.yaml",
         "name: model\nsummary: x\nmatch: [{sys_object_id: 1.3.6.1.4.1.9.5, has: 1.3.7}]\n"},
        {"c.yaml", "name: version\nsummary: x\nmatch:\n- {sys_object_id: 1.3.6.1.4.1.9.5, "
                   "sys_descr: 'v[0-9]+', has: 1.3.8}\n"},
        {"d.yaml", "name: any\nsummary: x\nmatch: [{has: 1.3.9}]\n"},
        {"e.yaml", "name: words\nsummary: x\nmatch: [{sys_descr: 'OLT v2$'}]\n"},
        {"f.yaml", "name: part\nsummary: never fits by itself\n"},
    };
    struct phu_profile_fit fits[PHU_PROFILE_FITS_MAX];
    struct phu_identity identity = {
        .sys_object_id = {9, {1, 3, 6, 1, 4, 1, 9, 5, 1}},
        .sys_descr = "an olt V2",
    };
    struct phu_profiles *profiles;

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        write_file(files[i][0], files[i][1]);
    profiles = must_load_folders();
    assert_int_equal(phu_profiles_count(profiles), 7);
    assert_int_equal(phu_profiles_fit(profiles, &identity, fits, PHU_PROFILE_FITS_MAX), 4);
    assert_string_equal(fits[0].profile->name, "version");
    assert_string_equal(fits[0].why, "sysObjectID 1.3.6.1.4.1.9.5.1 begins with 1.3.6.1.4.1.9.5, "
                                     "sysDescr matches v[0-9]+, it has an object below 1.3.8");
    assert_int_equal(fits[0].has.part[2], 8);
    assert_string_equal(fits[1].profile->name, "model");
    assert_string_equal(fits[2].profile->name, "vendor");
    assert_int_equal(fits[2].has.length, 0);
    assert_string_equal(fits[3].profile->name, "generic");

    /* No part of the number: what looks at the description, then what asks for an object. */
    identity.sys_object_id = (struct phu_oid){8, {1, 3, 6, 1, 4, 1, 99, 5}};
    assert_int_equal(phu_profiles_fit(profiles, &identity, fits, PHU_PROFILE_FITS_MAX), 2);
    assert_string_equal(fits[0].profile->name, "words");
    identity.sys_object_id.length = 0;
    identity.sys_descr = "";
    assert_int_equal(phu_profiles_fit(profiles, &identity, fits, PHU_PROFILE_FITS_MAX), 2);
    assert_string_equal(fits[0].profile->name, "any");
    assert_string_equal(fits[1].profile->name, "generic");
    assert_string_equal(fits[1].why, "no other profile fits");
    assert_int_equal(phu_profiles_fit(profiles, &identity, fits, 1), 1);
    assert_string_equal(fits[0].profile->name, "generic");
    phu_profiles_free(profiles);
}

/* -- Folders ---------------------------------------------------------------------------------- */

#define SCALARS(name)                                                                              \
    "tables: [{name: " name ", measurement: device, scalars: true, columns: [{name: c, "           \
    "oid: 1.3, metric: device.cpu_pct}]}]\n"

static void a_folder_of_the_user_replaces_by_name(void **state)
{
    struct phu_profiles *profiles, *again;
    const struct phu_profile *profile;

    (void)state;
    write_file("a.yaml", "name: a\nsummary: shipped\nincludes: [b]\n" SCALARS("ta"));
    write_file("b.yaml",
               "name: b\nsummary: shipped\nincludes: [c]\ninterfaces: false\n" SCALARS("tb"));
    write_file("c.yaml", "name: c\nsummary: shipped\n" SCALARS("tc"));
    write_file("README", "no profile\n");
    write_file("own/mine.yaml", "name: c\nsummary: own\n" SCALARS("td"));
    profiles = must_load_folders();
    assert_int_equal(phu_profiles_count(profiles), 4);
    profile = phu_profiles_find(profiles, "a");
    assert_int_equal(profile->table_count, 3);
    assert_string_equal(profile->tables[0].name, "ta");
    assert_string_equal(profile->tables[1].name, "tb");
    assert_string_equal(profile->tables[2].name, "td");
    assert_true(profile->has_interfaces);
    profile = phu_profiles_find(profiles, "c");
    assert_string_equal(profile->summary, "own");
    assert_non_null(strstr(profile->file, "/own/mine.yaml"));
    assert_false(phu_profiles_find(profiles, "b")->has_interfaces);
    assert_null(phu_profiles_find(profiles, "d"));
    assert_non_null(phu_profiles_find(profiles, "generic")); /* always there */

    again = must_load_folders();
    assert_true(phu_profiles_are_same(profiles, again));
    phu_profiles_free(again);
    write_file("own/mine.yaml", "name: c\nsummary: owner\n" SCALARS("td"));
    again = must_load_folders();
    assert_false(phu_profiles_are_same(profiles, again));
    phu_profiles_free(again);

    assert_ptr_equal(phu_profiles_share(profiles), profiles);
    phu_profiles_free(profiles);
    assert_string_equal(phu_profiles_find(profiles, "c")->summary, "own");
    phu_profiles_free(profiles);
}

static void what_is_included_twice_comes_once(void **state)
{
    struct phu_profiles *profiles;

    (void)state;
    write_file("a.yaml", "name: a\nsummary: x\nincludes: [b, c]\n");
    write_file("b.yaml", "name: b\nsummary: x\nincludes: [d]\n");
    write_file("c.yaml", "name: c\nsummary: x\nincludes: [d]\n");
    write_file("d.yaml", "name: d\nsummary: x\n" SCALARS("t"));
    profiles = must_load_folders();
    assert_int_equal(phu_profiles_find(profiles, "a")->table_count, 1);
    phu_profiles_free(profiles);
}

static void finds_mistakes_between_files(void **state)
{
    (void)state;
    write_file("a.yaml", "name: a\nsummary: x\nincludes: [b]\n" SCALARS("t"));
    write_file("b.yaml", "name: b\nsummary: x\nincludes: [entiti, d]\n" SCALARS("t"));
    write_file("c.yaml", "name: b\nsummary: x\n");
    write_file("d.yaml", "name: d\nsummary: x\nincludes: [e]\n");
    write_file("e.yaml", "name: e\nsummary: x\nincludes: [d]\n");
    write_file("entity.yaml", "name: entity\nsummery: x\n");
    write_file("f.yml", "name: f\nsummary: x\n");
    expect_folder_mistakes(
        "@/b.yaml:3:12: there is no profile \"entiti\" to include; did you mean \"entity\"?\n"
        "@/c.yaml:1:7: \"b\" is already the name of the profile in @/b.yaml; two of one folder "
        "cannot share it\n"
        "@/e.yaml:3:12: \"d\" includes \"e\" itself, directly or through others; leave it out "
        "here\n"
        "@/entity.yaml:1:1: the file lacks \"summary\"; add for example \"summary: Example OLT 100 "
        "and 200\"\n"
        "@/entity.yaml:2:1: unknown key \"summery\"; did you mean \"summary\"?\n"
        "@/f.yml: is passed over; rename it to end in .yaml\n");
}

static void tables_of_one_profile_differ_in_name(void **state)
{
    (void)state;
    write_file("a.yaml", "name: a\nsummary: x\nincludes: [b]\n" SCALARS("t"));
    write_file("b.yaml", "name: b\nsummary: x\n" SCALARS("t"));
    expect_folder_mistakes("@/a.yaml:3:11: table \"t\" comes twice through what the profile "
                           "includes; rename one of the two\n");
}

static void says_what_cannot_be_read(void **state)
{
    char path[256];

    (void)state;
    snprintf(path, sizeof path, "%s/dir.yaml", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/own", folder);
    assert_int_equal(rmdir(path), 0);
    write_file("own", "a file\n");
    expect_folder_mistakes("@/dir.yaml: cannot be read: Is a directory\n"
                           "@/own: the folder of profiles cannot be read: Not a directory\n");
}

/* -- What comes with phusong ------------------------------------------------------------------ */

static void the_shipped_profiles_are_in_order(void **state)
{
    const char *shipped = PHU_SHIPPED_PROFILES;
    struct phu_profiles *profiles;
    struct phu_diags diags;
    int result;

    (void)state;
    phu_diags_init(&diags);
    result = phu_profiles_load(&shipped, 1, &diags, &profiles);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    assert_int_equal(result, 0);
    assert_true(phu_profiles_find(profiles, "generic")->has_interfaces);
    assert_non_null(strstr(phu_profiles_find(profiles, "generic")->file, "generic.yaml"));
    phu_profiles_free(profiles);
}

/* -- The documentation ------------------------------------------------------------------------ */

static char *read_page(void)
{
    FILE *file = fopen(PHU_TEST_DATA "/../../docs/profiles.md", "r");
    char *page = calloc(1, 100000);

    assert_non_null(file);
    assert_in_range(fread(page, 1, 99999, file), 10000, 99998);
    fclose(file);
    return page;
}

static bool is_option(const struct phu_option_table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct phu_option *option = &table->options[i];

        if ((strncmp(option->name, name, length) == 0 && !option->name[length]) ||
            (option->table && is_option(option->table, name, length)))
            return true;
    }
    return false;
}

static void expect_documented(const struct phu_option_table *table, const char *page)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct phu_option *option = &table->options[i];
        char quoted[64], written[64], first[64];

        snprintf(quoted, sizeof quoted, "`%s`", option->name);
        snprintf(written, sizeof written, "{%s: ", option->name);
        snprintf(first, sizeof first, "`%s: ", option->name);
        if (!strstr(page, quoted) && !strstr(page, written) && !strstr(page, first))
            fail_msg("docs/profiles.md says nothing of `%s`", option->name);
        if (option->table)
            expect_documented(option->table, page);
    }
}

/* Each key is described, and nothing is described that is no key: the first cell of a row that
 * begins with a word in quotes names keys. */
static void the_page_has_the_keys(void **state)
{
    char *page = read_page(), *row = page;

    (void)state;
    expect_documented(&phu_profile_options, page);
    while ((row = strstr(row, "\n| `"))) {
        char *end = strstr(row + 3, " |"), *name = strchr(row, '`');

        while (name && name < end) {
            size_t length = strcspn(name + 1, "`");

            if (!is_option(&phu_profile_options, name + 1, length))
                fail_msg("docs/profiles.md describes `%.*s`", (int)length, name + 1);
            name = strchr(name + length + 2, '`');
        }
        row = end;
    }
    free(page);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(bounds_the_number_of_columns),
        cmocka_unit_test(goes_on_after_a_mistake),
        cmocka_unit_test(scales_numbers),
        cmocka_unit_test(scaled_values_are_the_nearest_to_what_is_meant),
        cmocka_unit_test(knows_what_is_no_value),
        cmocka_unit_test(tries_another_scale),
        cmocka_unit_test(converts_units),
        cmocka_unit_test(extracts_from_texts),
        cmocka_unit_test(takes_si_prefixes_and_decimals),
        cmocka_unit_test(takes_shares),
        cmocka_unit_test(counters_are_left_as_they_are),
        cmocka_unit_test(gives_states_words),
        cmocka_unit_test(takes_some_bits),
        cmocka_unit_test(texts_are_cleaned),
        cmocka_unit_test(words_may_feed_a_text),
        cmocka_unit_test(conditions_hold_or_not),
        cmocka_unit_test(conditions_may_exclude),
        cmocka_unit_test(another_column_chooses_the_metric),
        cmocka_unit_test(columns_read_the_cells_of_others),
        cmocka_unit_test(names_rows),
        IN_FOLDER(the_best_fit_comes_first),
        IN_FOLDER(a_folder_of_the_user_replaces_by_name),
        IN_FOLDER(what_is_included_twice_comes_once),
        IN_FOLDER(finds_mistakes_between_files),
        IN_FOLDER(tables_of_one_profile_differ_in_name),
        IN_FOLDER(says_what_cannot_be_read),
        cmocka_unit_test(the_shipped_profiles_are_in_order),
        cmocka_unit_test(the_page_has_the_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
