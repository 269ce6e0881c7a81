/* What IF-MIB answers mean, and which columns are asked for, against a table of objects. */
#include "ifmib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

/* -- A device: objects in order --------------------------------------------------------------- */

struct object {
    unsigned long oid[PHU_OID_MAX];
    size_t length;
    struct phu_varbind varbind;
    char text[200];
};

struct device {
    struct object objects[2000];
    size_t count;
};

static int compare(const unsigned long *a, size_t a_length, const unsigned long *b, size_t b_length)
{
    for (size_t i = 0; i < a_length && i < b_length; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_length > b_length) - (a_length < b_length);
}

static int by_oid(const void *a, const void *b)
{
    const struct object *left = a, *right = b;

    return compare(left->oid, left->length, right->oid, right->length);
}

static struct object *put(struct device *device, const char *name, unsigned long index,
                          enum phu_varbind_kind kind, uint64_t number)
{
    struct object *object = &device->objects[device->count++];
    char copy[100];

    memset(object, 0, sizeof *object);
    snprintf(copy, sizeof copy, "%s", name);
    for (char *part = strtok(copy, "."); part; part = strtok(NULL, "."))
        object->oid[object->length++] = strtoul(part, NULL, 10);
    object->oid[object->length++] = index;
    object->varbind.kind = kind;
    object->varbind.number = number;
    return object;
}

static void put_text(struct device *device, const char *name, unsigned long index, const char *text)
{
    struct object *object = put(device, name, index, PHU_VARBIND_TEXT, 0);

    object->varbind.text_length = strlen(text);
    memcpy(object->text, text, strlen(text));
}

#define IF "1.3.6.1.2.1.2.2.1."
#define IFX "1.3.6.1.2.1.31.1.1.1."

struct make {
    unsigned rows;
    bool has_high, has_names, has_speed;
};

static void fill(struct device *device, const struct make *what)
{
    static const unsigned low[] = {10, 11, 13, 14, 16, 17, 19, 20};
    static const unsigned high[] = {6, 7, 10, 11};
    char name[64];

    device->count = 0;
    put(device, "1.3.6.1.2.1.1.3", 0, PHU_VARBIND_TICKS, 12345);
    put(device, "1.3.6.1.6.3.10.2.1.3", 0, PHU_VARBIND_INTEGER, 123);
    for (unsigned row = 1; row <= what->rows; row++) {
        snprintf(name, sizeof name, "port %u", row);
        put_text(device, IF "2", row, name);
        put(device, IF "5", row, PHU_VARBIND_GAUGE, 100000000);
        put(device, IF "7", row, PHU_VARBIND_INTEGER, 1);
        put(device, IF "8", row, PHU_VARBIND_INTEGER, row % 2 ? 1 : 2);
        for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
            snprintf(name, sizeof name, IF "%u", low[i]);
            put(device, name, row, PHU_VARBIND_COUNTER32, low[i] * 100 + row);
        }
        for (size_t i = 0; i < sizeof high / sizeof *high && what->has_high; i++) {
            snprintf(name, sizeof name, IFX "%u", high[i]);
            put(device, name, row, PHU_VARBIND_COUNTER64, (UINT64_C(1) << 40) + high[i]);
        }
        snprintf(name, sizeof name, "ge-0/0/%u", row);
        if (what->has_names)
            put_text(device, IFX "1", row, name);
        if (what->has_speed)
            put(device, IFX "15", row, PHU_VARBIND_GAUGE, 1000);
    }
    qsort(device->objects, device->count, sizeof *device->objects, by_oid);
    for (size_t i = 0; i < device->count; i++) {
        struct object *object = &device->objects[i];

        object->varbind.oid = object->oid;
        object->varbind.oid_length = object->length;
        object->varbind.text = (const uint8_t *)object->text;
    }
}

static struct phu_varbind next(const struct device *device, const unsigned long *oid, size_t length)
{
    for (size_t i = 0; i < device->count; i++) {
        const struct object *object = &device->objects[i];

        if (compare(object->oid, object->length, oid, length) > 0)
            return object->varbind;
    }
    return (struct phu_varbind){.oid = oid, .oid_length = length, .kind = PHU_VARBIND_END};
}

/* -- Polling it ------------------------------------------------------------------------------- */

struct polling {
    struct phu_ifmib ifmib;
    struct phu_ifmib_habits habits;
    unsigned questions, columns;
};

static void ask(const struct device *device, struct phu_walk *walk,
                const struct phu_walk_request *request)
{
    static unsigned long oids[PHU_WALK_COLUMNS_MAX][PHU_OID_MAX];
    static struct phu_varbind answer[PHU_WALK_COLUMNS_MAX * 100];
    size_t lengths[PHU_WALK_COLUMNS_MAX], count = 0;

    for (unsigned i = 0; i < request->name_count; i++) {
        lengths[i] = request->names[i].prefix->length;
        for (size_t k = 0; k < lengths[i]; k++)
            oids[i][k] = request->names[i].prefix->part[k];
        for (size_t k = 0; k < request->names[i].place->length; k++)
            oids[i][lengths[i]++] = request->names[i].place->part[k];
    }
    for (unsigned time = 0; time < (request->is_bulk ? request->repetitions : 1); time++) {
        for (unsigned i = time ? request->scalars : 0; i < request->name_count; i++) {
            answer[count] = next(device, oids[i], lengths[i]);
            lengths[i] = answer[count].oid_length;
            memmove(oids[i], answer[count].oid, lengths[i] * sizeof(unsigned long));
            count++;
        }
    }
    phu_walk_answer(walk, answer, count);
}

static void poll(struct polling *polling, const struct device *device, bool is_bulk,
                 const char *patterns, unsigned rows_max)
{
    struct phu_walk_limits limits = {is_bulk, 1, 10, 10, rows_max, 0, false};
    struct phu_walk_request request;
    struct phu_walk walk;

    phu_ifmib_reset(&polling->ifmib, rows_max);
    polling->ifmib.now_ns = 5 * S;
    polling->questions = 0;
    phu_walk_init(&walk, &limits, phu_ifmib_cell, &polling->ifmib);
    phu_ifmib_plan(&walk, &polling->habits);
    do {
        while (phu_walk_next(&walk, &request)) {
            assert_true(++polling->questions < 1000);
            ask(device, &walk, &request);
        }
    } while (phu_ifmib_extend(&polling->ifmib, &walk, patterns, &polling->habits));
    polling->columns = walk.column_count;
}

static struct device device;

static void a_modern_device_in_one_question(void **state)
{
    struct polling polling = {0};
    const struct phu_ifmib_row *row;

    (void)state;
    fill(&device, &(struct make){5, true, true, true});
    poll(&polling, &device, true, "*", 100);
    assert_int_equal(polling.questions, 1);
    assert_int_equal(polling.ifmib.row_count, 5);
    row = &polling.ifmib.rows[2];
    assert_int_equal(row->index, 3);
    assert_string_equal(row->name, "ge-0/0/3");
    assert_int_equal(row->bits[PHU_IF_IN_OCTETS], 64);
    assert_int_equal(row->value[PHU_IF_OUT_OCTETS], (UINT64_C(1) << 40) + 10);
    assert_int_equal(row->value[PHU_IF_IN_PACKETS], (UINT64_C(1) << 40) + 7);
    assert_int_equal(row->bits[PHU_IF_IN_ERRORS], 32);
    assert_int_equal(row->value[PHU_IF_IN_ERRORS], 1403);
    assert_int_equal(row->value[PHU_IF_OUT_ERRORS], 2003);
    assert_int_equal(row->value[PHU_IF_IN_DISCARDS], 1303);
    assert_int_equal(row->value[PHU_IF_OUT_DISCARDS], 1903);
    assert_int_equal(row->speed_bps, 1000000000);
    assert_int_equal(row->oper, PHU_IF_STATUS_UP);
    assert_int_equal(polling.ifmib.rows[1].oper, 2);
    assert_int_equal(row->at_ns, 5 * S);
    assert_false(row->has_discontinuity);
    assert_int_equal(polling.ifmib.uptime.ticks, 12345);
    assert_int_equal(polling.ifmib.uptime.engine_s, 123);
    assert_int_equal(polling.ifmib.wrong_types, 0);
    assert_int_equal(polling.habits.rows, 5);
    assert_false(polling.habits.needs_low || polling.habits.lacks_high);
    phu_ifmib_fini(&polling.ifmib);
}

static void an_old_device_is_learnt(void **state)
{
    struct polling polling = {0};
    unsigned first;

    (void)state;
    fill(&device, &(struct make){3, false, false, false});
    poll(&polling, &device, true, "*", 100);
    first = polling.questions;
    assert_string_equal(polling.ifmib.rows[0].name, "port 1");
    assert_int_equal(polling.ifmib.rows[0].bits[PHU_IF_IN_OCTETS], 32);
    assert_int_equal(polling.ifmib.rows[0].value[PHU_IF_IN_OCTETS], 1001);
    assert_int_equal(polling.ifmib.rows[0].value[PHU_IF_OUT_OCTETS], 1601);
    assert_int_equal(polling.ifmib.rows[0].value[PHU_IF_IN_PACKETS], 1101);
    assert_int_equal(polling.ifmib.rows[0].value[PHU_IF_OUT_PACKETS], 1701);
    assert_int_equal(polling.ifmib.rows[0].speed_bps, 100000000);
    assert_true(polling.habits.lacks_high && polling.habits.lacks_names);
    assert_true(polling.habits.needs_low && polling.habits.needs_speed);
    poll(&polling, &device, true, "*", 100);
    assert_int_equal(first, 2);
    assert_int_equal(polling.questions, 1);
    assert_string_equal(polling.ifmib.rows[2].name, "port 3");
    assert_true(polling.habits.lacks_high && polling.habits.lacks_names);
    phu_ifmib_fini(&polling.ifmib);
}

static void version_1_asks_for_32_bits(void **state)
{
    struct polling polling = {0};

    (void)state;
    fill(&device, &(struct make){3, true, true, true});
    poll(&polling, &device, false, "*", 100);
    assert_int_equal(polling.ifmib.row_count, 3);
    assert_int_equal(polling.ifmib.rows[0].bits[PHU_IF_IN_OCTETS], 32);
    phu_ifmib_fini(&polling.ifmib);
}

static void only_wanted_interfaces_cost_columns(void **state)
{
    struct polling polling = {0};

    (void)state;
    fill(&device, &(struct make){4, true, true, true});
    for (size_t i = 0; i < device.count; i++) {
        struct object *object = &device.objects[i];

        /* row 4 has no 64-bit octets and no speed */
        if (object->length == 12 && object->oid[11] == 4 &&
            (object->oid[10] == 6 || object->oid[10] == 15))
            object->varbind.kind = PHU_VARBIND_OTHER;
    }
    poll(&polling, &device, true, "* !ge-0/0/4", 100);
    assert_false(polling.habits.needs_low);
    assert_false(polling.habits.needs_speed);
    assert_int_equal(polling.ifmib.wrong_types, 2);
    poll(&polling, &device, true, "*", 100);
    assert_true(polling.habits.needs_low);
    assert_true(polling.habits.needs_speed);
    assert_false(polling.habits.lacks_high);
    assert_int_equal(polling.ifmib.rows[3].bits[PHU_IF_IN_OCTETS], 32);
    assert_int_equal(polling.ifmib.rows[2].bits[PHU_IF_IN_OCTETS], 64);
    phu_ifmib_fini(&polling.ifmib);
}

static void an_empty_table_is_no_fault(void **state)
{
    struct polling polling = {0};

    (void)state;
    fill(&device, &(struct make){0, true, true, true});
    poll(&polling, &device, true, "*", 100);
    assert_int_equal(polling.ifmib.row_count, 0);
    assert_true(polling.ifmib.uptime.has_ticks);
    assert_false(polling.habits.lacks_high);
    phu_ifmib_fini(&polling.ifmib);
}

static void rows_are_bounded(void **state)
{
    struct polling polling = {0};

    (void)state;
    fill(&device, &(struct make){60, true, true, true});
    poll(&polling, &device, true, "*", 25);
    assert_int_equal(polling.ifmib.row_count, 25);
    phu_ifmib_fini(&polling.ifmib);
}

static void counters_of_the_wrong_width_are_taken_as_sent(void **state)
{
    struct polling polling = {0};

    (void)state;
    fill(&device, &(struct make){1, true, true, true});
    for (size_t i = 0; i < device.count; i++) {
        if (device.objects[i].varbind.kind == PHU_VARBIND_COUNTER64)
            device.objects[i].varbind.kind = PHU_VARBIND_COUNTER32;
    }
    poll(&polling, &device, true, "*", 25);
    assert_int_equal(polling.ifmib.rows[0].bits[PHU_IF_IN_OCTETS], 32);
    assert_true(polling.habits.lacks_high);
    phu_ifmib_fini(&polling.ifmib);
}

static void uptime_going_back_during_a_poll_is_seen(void **state)
{
    struct phu_walk_limits limits = {true, 1, 1, 1, 10, 0, false};
    struct phu_walk_request request;
    struct phu_ifmib ifmib = {0};
    struct phu_ifmib_habits habits = {0};
    struct phu_walk walk;

    (void)state;
    fill(&device, &(struct make){5, true, true, true});
    phu_ifmib_reset(&ifmib, 10);
    phu_walk_init(&walk, &limits, phu_ifmib_cell, &ifmib);
    phu_ifmib_plan(&walk, &habits);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(phu_walk_next(&walk, &request));
        assert_int_equal(request.names[0].prefix->part[7], 3); /* sysUpTime, each time */
        if (i == 2)
            device.objects[0].varbind.number = 5;
        ask(&device, &walk, &request);
        assert_int_equal(ifmib.has_restarted, i == 2);
    }
    phu_ifmib_fini(&ifmib);
}

/* Times as plain integers, and bit/s where Mbit/s belong. */
static void what_some_devices_send_is_understood(void **state)
{
    struct polling polling = {0};

    (void)state;
    fill(&device, &(struct make){1, true, true, false});
    put(&device, IFX "15", 1, PHU_VARBIND_GAUGE, 1000000000);
    put(&device, IFX "19", 1, PHU_VARBIND_INTEGER, 4711);
    for (size_t i = 0; i < device.count; i++) {
        struct object *object = &device.objects[i];

        if (object->varbind.kind == PHU_VARBIND_TICKS)
            object->varbind.kind = PHU_VARBIND_INTEGER;
    }
    qsort(device.objects, device.count, sizeof *device.objects, by_oid);
    for (size_t i = 0; i < device.count; i++) {
        device.objects[i].varbind.oid = device.objects[i].oid;
        device.objects[i].varbind.oid_length = device.objects[i].length;
        device.objects[i].varbind.text = (const uint8_t *)device.objects[i].text;
    }
    poll(&polling, &device, true, "*", 100);
    assert_true(polling.ifmib.uptime.has_ticks);
    assert_true(polling.ifmib.rows[0].has_discontinuity);
    assert_int_equal(polling.ifmib.rows[0].discontinuity, 4711);
    assert_int_equal(polling.ifmib.rows[0].speed_bps, 1000000000);
    assert_int_equal(polling.ifmib.wrong_types, 0);
    phu_ifmib_fini(&polling.ifmib);
}

static void names_are_made_fit_to_print(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *name;
    } cases[] = {
        {"eth0", 4, "eth0"},
        {"  eth0 \0\0", 9, "eth0"},
        {"", 0, ""},
        {"   ", 3, ""},
        {"a\x1b[2Jb", 6, "a?[2Jb"},
        {"a\nb", 3, "a?b"},
        {"C\xe1\xba\xa7u Gi\xe1\xba\xa5y", 12, "C\xe1\xba\xa7u Gi\xe1\xba\xa5y"},
        {"\xc3", 1, "?"},
        {"\xc0\x80z", 3, "??z"},         /* an overlong zero */
        {"\xed\xa0\x80", 3, "???"},      /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "????"}, /* beyond Unicode */
        {"\xc2\x9bm", 3, "??m"},         /* a C1 control character */
    };
    char name[PHU_IFNAME_SIZE], longer[200];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        phu_ifname_clean((const uint8_t *)cases[i].text, cases[i].length, name);
        assert_string_equal(name, cases[i].name);
    }
    memset(longer, 'x', sizeof longer);
    memcpy(longer + 62, "\xe1\xba\xa7", 3); /* would be cut in two */
    phu_ifname_clean((const uint8_t *)longer, sizeof longer, name);
    assert_int_equal(strlen(name), 62);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_modern_device_in_one_question),
        cmocka_unit_test(an_old_device_is_learnt),
        cmocka_unit_test(version_1_asks_for_32_bits),
        cmocka_unit_test(only_wanted_interfaces_cost_columns),
        cmocka_unit_test(an_empty_table_is_no_fault),
        cmocka_unit_test(rows_are_bounded),
        cmocka_unit_test(counters_of_the_wrong_width_are_taken_as_sent),
        cmocka_unit_test(uptime_going_back_during_a_poll_is_seen),
        cmocka_unit_test(what_some_devices_send_is_understood),
        cmocka_unit_test(names_are_made_fit_to_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
