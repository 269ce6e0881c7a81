#include "conf_file.h"

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

/* One option of each type. */
struct inner {
    int64_t depth;
};

struct person {
    char *name;
    int64_t age;
};

struct shape_common {
    char *name;
    int64_t wait_ns;
};

struct circle {
    double radius;
};

struct thing {
    bool is_on;
    int64_t count, wait_ns, bytes;
    double ratio, share;
    char *text, *file, *secret;
    int color;
    struct phu_strings words;
    struct inner inner;
    struct phu_list people, shapes;
    struct phu_map codes;
};

static const struct phu_option inner_options[] = {
    {.name = "depth",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct inner, depth),
     .fallback = "3",
     .meaning = "how deep"},
};
static const struct phu_option_table inner_table = PHU_OPTION_TABLE(inner_options, struct inner);

static void validate_person(const void *conf, void *context)
{
    const struct person *person = conf;

    if (person->age > 150)
        phu_conf_mistake(context, "age", "nobody is %d", (int)person->age);
}

static const struct phu_option person_options[] = {
    {.name = "name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct person, name),
     .meaning = "what they are called"},
    {.name = "age",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct person, age),
     .fallback = "0",
     .min = "0",
     .meaning = "in years"},
};
static const struct phu_option_table person_table = {.options = person_options,
                                                     .count = 2,
                                                     .size = sizeof(struct person),
                                                     .validate = validate_person};

static const struct phu_option common_options[] = {
    {.name = "name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct shape_common, name),
     .meaning = "what it is called"},
    {.name = "wait",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct shape_common, wait_ns),
     .fallback = "1s",
     .meaning = "how long"},
};
static const struct phu_option_table common_table =
    PHU_OPTION_TABLE(common_options, struct shape_common);
static const struct phu_option circle_options[] = {
    {.name = "radius",
     .type = PHU_OPTION_NUMBER,
     .offset = offsetof(struct circle, radius),
     .fallback = "1",
     .meaning = "half its width"},
};
static const struct phu_option_table circle_table = PHU_OPTION_TABLE(circle_options, struct circle);
static const char *const square_fallbacks[] = {"wait", "5s", NULL};
static const struct phu_variant_kind kinds[] = {
    {.name = "circle", .summary = "round", .tables = {&circle_table}},
    {.name = "square", .summary = "not round", .fallbacks = square_fallbacks},
};
static const struct phu_variants shapes = {.selector = "kind",
                                           .meaning = "which shape",
                                           .alias = "name",
                                           .common = &common_table,
                                           .kinds = kinds,
                                           .count = 2};

static const char *const colors[] = {"red", "green", "blue", NULL};

#define AT(field) .offset = offsetof(struct thing, field)
static const struct phu_option options[] = {
    {.name = "on", .type = PHU_OPTION_BOOL, AT(is_on), .fallback = "false", .meaning = "on"},
    {.name = "count",
     .type = PHU_OPTION_INT,
     AT(count),
     .fallback = "7",
     .min = "-5",
     .max = "100",
     .meaning = "how many"},
    {.name = "wait",
     .type = PHU_OPTION_DURATION,
     AT(wait_ns),
     .fallback = "10s",
     .min = "1ms",
     .max = "1h",
     .meaning = "how long"},
    {.name = "bytes", .type = PHU_OPTION_SIZE, AT(bytes), .fallback = "1KiB", .meaning = "room"},
    {.name = "ratio", .type = PHU_OPTION_NUMBER, AT(ratio), .fallback = "0.5", .meaning = "ratio"},
    {.name = "share", .type = PHU_OPTION_SHARE, AT(share), .fallback = "5%", .meaning = "share"},
    {.name = "text", .type = PHU_OPTION_STRING, AT(text), .fallback = "", .meaning = "text"},
    {.name = "file", .type = PHU_OPTION_PATH, AT(file), .fallback = "x", .meaning = "file"},
    {.name = "secret", .type = PHU_OPTION_SECRET, AT(secret), .fallback = "", .meaning = "secret"},
    {.name = "color",
     .type = PHU_OPTION_CHOICE,
     AT(color),
     .fallback = "green",
     .choices = colors,
     .meaning = "which color"},
    {.name = "words",
     .type = PHU_OPTION_STRINGS,
     AT(words),
     .fallback = "[a, b]",
     .most = 3,
     .meaning = "words"},
    {.name = "inner",
     .type = PHU_OPTION_TABLE,
     AT(inner),
     .table = &inner_table,
     .meaning = "inside"},
    {.name = "people",
     .type = PHU_OPTION_LIST,
     AT(people),
     .table = &person_table,
     .fallback = "[{name: An, age: 30}]",
     .unique = "name",
     .meaning = "people"},
    {.name = "shapes",
     .type = PHU_OPTION_VARIANTS,
     AT(shapes),
     .variants = &shapes,
     .fallback = "[]",
     .meaning = "shapes"},
    {.name = "codes",
     .type = PHU_OPTION_MAP,
     AT(codes),
     .fallback = "{0: none}",
     .most = 3,
     .meaning = "codes"},
};
static const struct phu_option_table table = PHU_OPTION_TABLE(options, struct thing);

/* From a copy without a NUL behind it: the text of a file has none either. */
static int load_text(const char *text, const char *file, struct phu_diags *diags,
                     struct thing *thing)
{
    size_t length = strlen(text);
    char *copy = malloc(length ? length : 1);
    int result;

    assert_non_null(copy);
    memcpy(copy, text, length);
    result = phu_conf_load_text(&table, file, copy, length, diags, thing);
    free(copy);
    return result;
}

static void load(const char *text, struct thing *thing)
{
    struct phu_diags diags;

    phu_diags_init(&diags);
    if (load_text(text, "etc/t.yaml", &diags, thing) < 0) {
        phu_diags_print(&diags, stderr);
        fail();
    }
    phu_diags_fini(&diags);
}

static void expect_mistakes(const char *text, const char *expected)
{
    struct phu_diags diags;
    struct thing thing;
    char *said;
    size_t length;
    FILE *out = open_memstream(&said, &length);

    phu_diags_init(&diags);
    assert_int_equal(load_text(text, "t", &diags, &thing), -EINVAL);
    phu_diags_print(&diags, out);
    fclose(out);
    assert_string_equal(said, expected);
    free(said);
    phu_diags_fini(&diags);
}

static void fills_in_defaults(void **state)
{
    struct thing thing;
    const struct person *people;

    (void)state;
    assert_int_equal(phu_conf_defaults(&table, &thing), 0);
    assert_false(thing.is_on);
    assert_int_equal(thing.count, 7);
    assert_int_equal(thing.wait_ns, INT64_C(10000000000));
    assert_int_equal(thing.bytes, 1024);
    assert_true(fabs(thing.ratio - 0.5) < 1e-12 && fabs(thing.share - 0.05) < 1e-12);
    assert_string_equal(thing.text, "");
    assert_string_equal(thing.file, "x");
    assert_int_equal(thing.color, 1);
    assert_int_equal(thing.words.count, 2);
    assert_string_equal(thing.words.items[1], "b");
    assert_int_equal(thing.inner.depth, 3);
    people = thing.people.items;
    assert_int_equal(thing.people.count, 1);
    assert_string_equal(people[0].name, "An");
    assert_int_equal(people[0].age, 30);
    assert_int_equal(thing.shapes.count, 0);
    assert_int_equal(thing.codes.count, 1);
    assert_string_equal(thing.codes.items[0].key, "0");
    assert_string_equal(thing.codes.items[0].value, "none");
    phu_conf_free(&table, &thing);
}

static void takes_pairs(void **state)
{
    struct thing thing, same, other;

    (void)state;
    load("codes: {13: dying gasp, '*': '', -1: no}\n", &thing);
    assert_int_equal(thing.codes.count, 3);
    assert_string_equal(thing.codes.items[0].key, "13");
    assert_string_equal(thing.codes.items[0].value, "dying gasp");
    assert_string_equal(thing.codes.items[1].key, "*");
    assert_string_equal(thing.codes.items[1].value, "");
    assert_string_equal(thing.codes.items[2].key, "-1");
    assert_string_equal(thing.codes.items[2].value, "no");
    load("codes:\n  13: dying gasp\n  '*': \"\"\n  -1: no\n", &same);
    assert_true(phu_conf_equal(&table, &thing, &same));
    load("codes: {13: dying gasp, '*': '', -1: yes}\n", &other);
    assert_false(phu_conf_equal(&table, &thing, &other));
    phu_conf_free(&table, &other);
    load("codes: {13: dying gasp, '*': '', 1: no}\n", &other);
    assert_false(phu_conf_equal(&table, &thing, &other));
    phu_conf_free(&table, &other);
    load("codes: {13: dying gasp}\n", &other);
    assert_false(phu_conf_equal(&table, &thing, &other));
    phu_conf_free(&table, &other);
    load("codes: {}\n", &other);
    assert_int_equal(other.codes.count, 0);
    phu_conf_free(&table, &other);
    phu_conf_free(&table, &same);
    phu_conf_free(&table, &thing);
}

static void says_what_is_no_pair(void **state)
{
    (void)state;
    expect_mistakes("codes: [1, 2]\n", "t:1:8: \"codes\" must be pairs of texts, such as {a: b}\n");
    expect_mistakes("codes: {1: [2]}\n",
                    "t:1:12: \"codes\" takes texts only; put an empty one in quotes\n");
    expect_mistakes("codes: {1: }\n",
                    "t:1:12: \"codes\" takes texts only; put an empty one in quotes\n");
    expect_mistakes("codes: {1: a, 1: b}\n",
                    "t:1:15: \"1\" is already given at line 1; remove one of them\n");
    expect_mistakes("codes: {1: a, 2: b, 3: c, 4: d}\n",
                    "t:1:8: \"codes\" has 4 entries, at most 3 are possible\n");
    expect_mistakes("codes: {1: \"a\\tb\"}\n",
                    "t:1:12: \"codes\" holds a control character or a line break\n");
}

/* What is known of a file after its struct has been filled. */
static void places_stay_known(void **state)
{
    static const char text[] = "text: hello\nwords: [a, b]\ncodes: {1: x, 2: y}\n"
                               "people:\n- {name: An}\n- {name: Bo}\n";
    static const char *const places[][2] = {
        {"text", "t:1:7: wrong\n"},          {"words[1]", "t:2:12: wrong\n"},
        {"codes[1]", "t:3:15: wrong\n"},     {"people[1].name", "t:6:10: wrong\n"},
        {"people[1].age", "t:6:3: wrong\n"}, {"nothing", "t:1:1: wrong\n"},
    };
    struct phu_conf_source *source;
    struct phu_diags diags;
    struct thing thing;

    (void)state;
    phu_diags_init(&diags);
    assert_int_equal(
        phu_conf_load_source_text(&table, "t", text, sizeof text - 1, &diags, &thing, &source), 0);
    assert_string_equal(phu_conf_source_text(source, "people[1].name"), "Bo");
    assert_null(phu_conf_source_text(source, "people"));
    phu_conf_free(&table, &thing);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *said;
        size_t length;
        FILE *out = open_memstream(&said, &length);

        phu_conf_source_mistake(source, &diags, places[i][0], "wr%s", "ong");
        phu_diags_print(&diags, out);
        fclose(out);
        assert_string_equal(said, places[i][1]);
        free(said);
        phu_diags_fini(&diags);
        phu_diags_init(&diags);
    }
    phu_conf_source_free(source);

    /* Also of one that could not be bound, or not even be read. */
    assert_int_equal(
        phu_conf_load_source_text(&table, "t", "text: x\nno: 1\n", 14, &diags, &thing, &source),
        -EINVAL);
    assert_string_equal(phu_conf_source_text(source, "text"), "x");
    phu_conf_source_free(source);
    assert_int_equal(phu_conf_load_source_text(&table, "t", "", 0, &diags, &thing, &source),
                     -EINVAL);
    assert_null(phu_conf_source_text(source, "text"));
    phu_conf_source_free(source);
    phu_diags_fini(&diags);
}

static void takes_what_is_written(void **state)
{
    struct thing thing;
    const struct person *people;

    (void)state;
    load("on: true\ncount: -5\nwait: 1.5s\nbytes: 2MB\nratio: -1e3\nshare: 12.5%\ntext: \"\"\n"
         "file: a/b\nsecret: key\ncolor: blue\nwords: []\ninner: {depth: 9}\n"
         "people:\n- name: 27\n- {name: Bình, age: 1}\n",
         &thing);
    assert_true(thing.is_on);
    assert_int_equal(thing.count, -5);
    assert_int_equal(thing.wait_ns, 1500000000);
    assert_int_equal(thing.bytes, 2000000);
    assert_true(fabs(thing.ratio + 1000) < 1e-9 && fabs(thing.share - 0.125) < 1e-12);
    assert_string_equal(thing.file, "etc/a/b");
    assert_string_equal(thing.secret, "etc/key");
    assert_int_equal(thing.color, 2);
    assert_int_equal(thing.words.count, 0);
    assert_int_equal(thing.inner.depth, 9);
    people = thing.people.items;
    assert_int_equal(thing.people.count, 2);
    assert_string_equal(people[0].name, "27");
    assert_int_equal(people[0].age, 0);
    assert_string_equal(people[1].name, "Bình");
    phu_conf_free(&table, &thing);
}

static void stops_where_the_text_stops(void **state)
{
    struct thing thing;

    (void)state;
    load("count: 1\n ", &thing);
    assert_int_equal(thing.count, 1);
    phu_conf_free(&table, &thing);
}

static void keeps_paths_that_are_not_relative(void **state)
{
    struct thing thing;

    (void)state;
    load("file: /a\nsecret: credential:key\n", &thing);
    assert_string_equal(thing.file, "/a");
    assert_string_equal(thing.secret, "credential:key");
    phu_conf_free(&table, &thing);
    load("file: '-'\n", &thing);
    assert_string_equal(thing.file, "-");
    phu_conf_free(&table, &thing);
}

static void binds_entries_by_kind(void **state)
{
    struct thing thing;
    const struct phu_variant *items;
    const struct shape_common *common;
    const struct circle *circle;

    (void)state;
    load(
        "shapes:\n- name: circle\n  wait: 3s\n  radius: 2\n- {name: big, kind: circle, radius: 9}\n"
        "- {name: small, kind: circle, wait: 1ms}\n- name: square\n",
        &thing);
    items = thing.shapes.items;
    assert_int_equal(thing.shapes.count, 4);
    common = items[1].common; /* takes from the entry of the kind's name what it leaves out */
    circle = items[1].options[0];
    assert_string_equal(common->name, "big");
    assert_int_equal(common->wait_ns, INT64_C(3000000000));
    assert_true(circle->radius > 8.9);
    circle = items[2].options[0];
    assert_true(fabs(circle->radius - 2) < 1e-9);
    common = items[3].common; /* the kind's own default */
    assert_int_equal(common->wait_ns, INT64_C(5000000000));
    assert_null(items[3].options[0]);
    phu_conf_free(&table, &thing);
}

static void reports_all_mistakes_in_one_pass(void **state)
{
    (void)state;
    expect_mistakes("cuont: 3\nwait: 10\nwords: [a, b, c, d]\ninner:\n  depht: 1\n"
                    "people:\n- age: 3\n- {name: An, age: 200}\n- {name: An}\n"
                    "shapes:\n- kind: circel\n  name: x\n",
                    "t:1:1: unknown key \"cuont\"; did you mean \"count\"?\n"
                    "t:2:7: \"wait\" has no unit; write 10s if that is what is meant\n"
                    "t:3:8: \"words\" has 4 entries, at most 3 are possible\n"
                    "t:5:3: unknown key \"depht\"; did you mean \"depth\"?\n"
                    "t:7:3: this entry lacks \"name\", what they are called\n"
                    "t:8:19: nobody is 200\n"
                    "t:9:10: name \"An\" is already taken by the entry at t:8\n"
                    "t:11:9: unknown kind \"circel\"; did you mean \"circle\"?\n");
}

static void leaves_nothing_behind_after_a_mistake(void **state)
{
    (void)state; /* LeakSanitizer is the judge */
    expect_mistakes(
        "text: kept\npeople:\n- {name: An, age: x}\nshapes:\n- {name: circle, radius: y}\n",
        "t:3:19: \"age\" is \"x\", it must be a whole number\n"
        "t:5:26: \"radius\" is \"y\", it must be a number\n");
}

static void parses_units_exactly(void **state)
{
    int64_t value;

    (void)state;
    assert_int_equal(phu_conf_parse_duration("0s", &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(phu_conf_parse_duration("0.1s", &value), 0);
    assert_int_equal(value, 100000000);
    assert_int_equal(phu_conf_parse_duration("1.000000001s", &value), 0);
    assert_int_equal(value, 1000000001);
    assert_int_equal(phu_conf_parse_duration("7d", &value), 0);
    assert_int_equal(value, INT64_C(604800000000000));
    assert_int_equal(phu_conf_parse_duration("1.0000000001s", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("1", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("s", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("-1s", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("1.s", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("1 s", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_duration("200000d", &value), -ERANGE);
    assert_int_equal(phu_conf_parse_size("1.5KiB", &value), 0);
    assert_int_equal(value, 1536);
    assert_int_equal(phu_conf_parse_size("64k", &value), -EINVAL);
    assert_int_equal(phu_conf_parse_size("99999999TiB", &value), -ERANGE);
}

static void compares_by_value(void **state)
{
    static const char *const texts[] = {
        "count: 1\n",
        "count: 2\n",
        "text: a\n",
        "words: [a]\n",
        "words: [a, c]\n",
        "inner: {depth: 4}\n",
        "people: []\n",
        "people: [{name: Bình}]\n",
        "shapes: [{name: circle}]\n",
        "shapes: [{name: circle, radius: 3}]\n",
        "shapes: [{name: square}]\n",
        "share: 6%\n",
        "color: red\n",
        "on: true\n",
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    struct thing things[COUNT], again;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        load(texts[i], &things[i]);
    for (size_t i = 0; i < COUNT; i++) {
        load(texts[i], &again);
        for (size_t j = 0; j < COUNT; j++)
            assert_int_equal(phu_conf_equal(&table, &again, &things[j]), i == j);
        phu_conf_free(&table, &again);
    }
    for (size_t i = 0; i < COUNT; i++)
        phu_conf_free(&table, &things[i]);
}

static void prints_a_default_file_that_it_reads_again(void **state)
{
    struct thing defaults, read;
    struct phu_diags diags;
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    (void)state;
    phu_conf_print_default(&table, out);
    fclose(out);
    phu_diags_init(&diags);
    if (phu_conf_load_text(&table, "t", text, length, &diags, &read) < 0) {
        phu_diags_print(&diags, stderr);
        fail();
    }
    assert_int_equal(phu_conf_defaults(&table, &defaults), 0);
    assert_true(phu_conf_equal(&table, &defaults, &read));
    phu_conf_free(&table, &defaults);
    phu_conf_free(&table, &read);
    phu_diags_fini(&diags);
    free(text);
}

static void bounds_the_number_of_values(void **state)
{
    enum { KEYS = 300 };
    char text[KEYS * 8], *at = text;
    struct phu_diags diags;
    struct thing thing;

    (void)state;
    for (int i = 0; i < KEYS; i++)
        at += sprintf(at, "k%d: 1\n", i);
    phu_diags_init(&diags);
    assert_int_equal(phu_conf_load_text(&table, "t", text, strlen(text), &diags, &thing), -EINVAL);
    assert_true(diags.count > 0);
    assert_int_equal(diags.items[0].line, 257);
    phu_diags_fini(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_defaults),
        cmocka_unit_test(takes_pairs),
        cmocka_unit_test(says_what_is_no_pair),
        cmocka_unit_test(places_stay_known),
        cmocka_unit_test(takes_what_is_written),
        cmocka_unit_test(stops_where_the_text_stops),
        cmocka_unit_test(keeps_paths_that_are_not_relative),
        cmocka_unit_test(binds_entries_by_kind),
        cmocka_unit_test(reports_all_mistakes_in_one_pass),
        cmocka_unit_test(leaves_nothing_behind_after_a_mistake),
        cmocka_unit_test(parses_units_exactly),
        cmocka_unit_test(compares_by_value),
        cmocka_unit_test(prints_a_default_file_that_it_reads_again),
        cmocka_unit_test(bounds_the_number_of_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
