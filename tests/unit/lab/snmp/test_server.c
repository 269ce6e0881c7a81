#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char lines[] = "1.3.6.1.2.1.1.1.0|4|first\n"
                            "1.3.6.1.2.1.2.2.1.1.1|2|1\n"
                            "1.3.6.1.2.1.2.2.1.1.2|2|2\n"
                            "1.3.6.1.2.1.2.2.1.2.1|4|a\n"
                            "1.3.6.1.2.1.2.2.1.2.2|4|b\n"
                            "1.3.6.1.2.1.31.1.1.1.6.1|70|99\n"
                            "1.3.6.1.2.1.99.0|2|-1\n";

struct fixture {
    struct lab_server *server;
    struct lab_addr device;
    uint8_t bytes[LAB_HEADROOM + LAB_DATAGRAM_MAX];
    struct lab_writer out;
    struct lab_fate fate;
    /* of the last answer */
    int64_t version;
    uint8_t type;
    int64_t id;
    int64_t status;
    int64_t index;
    char text[4096]; /* "OID=TAG:hex OID=TAG:hex" */
    size_t varbinds;
};

static struct lab_recording *make(const char *name, const char *text)
{
    struct lab_recording *recording = lab_recording_new(name);

    assert_int_equal(lab_recording_take(recording, text, strlen(text), NULL, NULL), 0);
    lab_recording_sort(recording);
    return recording;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct lab_server_config config = {.seed = 1, .most_bytes = LAB_DATAGRAM_MAX};

    fixture->server = lab_server_new(&config);
    fixture->device = lab_addr_from_v4((const uint8_t[]){127, 64, 0, 1});
    lab_server_take_recording(fixture->server, make("one", lines));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    lab_server_free(fixture->server);
    free(fixture);
    return 0;
}

/* Reads the varbinds of an answer. */
static void read_varbinds(struct fixture *fixture, struct lab_bytes list)
{
    size_t used = 0;

    fixture->text[0] = '\0';
    for (fixture->varbinds = 0; list.length; fixture->varbinds++) {
        struct lab_bytes varbind;
        struct lab_bytes name;
        struct lab_bytes value;
        char oid[LAB_OID_TEXT];
        uint8_t tag;

        assert_int_equal(lab_ber_take_tag(&list, LAB_TAG_SEQUENCE, &varbind), 0);
        assert_int_equal(lab_ber_take_tag(&varbind, LAB_TAG_OID, &name), 0);
        assert_int_equal(lab_ber_take(&varbind, &tag, &value), 0);
        if (used > sizeof(fixture->text) - 200)
            continue;
        used += (size_t)snprintf(fixture->text + used, sizeof(fixture->text) - used,
                                 "%s%s=%x:", used ? " " : "",
                                 lab_oid_format(name.at, name.length, oid), tag);
        for (size_t i = 0; i < value.length; i++)
            used += (size_t)snprintf(fixture->text + used, sizeof(fixture->text) - used, "%02x",
                                     value.at[i]);
    }
}

static void read_answer(struct fixture *fixture)
{
    struct lab_bytes message = {fixture->out.bytes + fixture->out.start,
                                lab_writer_length(&fixture->out)};
    struct lab_bytes inside;
    struct lab_bytes pdu;
    struct lab_bytes list;

    assert_int_equal(lab_ber_take_tag(&message, LAB_TAG_SEQUENCE, &inside), 0);
    assert_int_equal(message.length, 0);
    assert_int_equal(lab_ber_take_integer(&inside, 0, 3, &fixture->version), 0);
    assert_int_equal(lab_ber_take_tag(&inside, LAB_TAG_OCTETS, &pdu), 0);
    assert_int_equal(lab_ber_take(&inside, &fixture->type, &pdu), 0);
    assert_int_equal(fixture->type, LAB_PDU_RESPONSE);
    assert_int_equal(lab_ber_take_integer(&pdu, INT32_MIN, INT32_MAX, &fixture->id), 0);
    assert_int_equal(lab_ber_take_integer(&pdu, 0, 18, &fixture->status), 0);
    assert_int_equal(lab_ber_take_integer(&pdu, 0, 9999, &fixture->index), 0);
    assert_int_equal(lab_ber_take_tag(&pdu, LAB_TAG_SEQUENCE, &list), 0);
    read_varbinds(fixture, list);
}

/* Asks for `names`, separated by blanks; true when there is an answer. */
static bool ask(struct fixture *fixture, int version, uint8_t type, int64_t first, int64_t second,
                const char *names, const char *community)
{
    static uint8_t bytes[70000];
    struct lab_writer request;
    char copy[1024];
    char *rest = copy;
    char *oids[64];
    int count = 0;

    snprintf(copy, sizeof(copy), "%s", names);
    while (rest && *rest)
        oids[count++] = strsep(&rest, " ");
    lab_writer_init(&request, bytes, sizeof(bytes), 60000);
    while (count-- > 0) {
        uint8_t one[LAB_OID_BYTES + 16];
        uint8_t ber[LAB_OID_BYTES];
        int length = lab_oid_parse(oids[count], strlen(oids[count]), ber);
        struct lab_writer varbind;

        assert_true(length > 0);
        lab_writer_init(&varbind, one, sizeof(one), sizeof(one));
        lab_writer_prepend(&varbind, "\x05", 2);
        lab_writer_prepend_octets(&varbind, LAB_TAG_OID, ber, (size_t)length);
        lab_writer_wrap(&varbind, LAB_TAG_SEQUENCE);
        lab_writer_prepend(&request, varbind.bytes + varbind.start, lab_writer_length(&varbind));
    }
    lab_writer_wrap(&request, LAB_TAG_SEQUENCE);
    lab_writer_prepend_integer(&request, second);
    lab_writer_prepend_integer(&request, first);
    lab_writer_prepend_integer(&request, 77);
    lab_writer_wrap(&request, type);
    lab_writer_prepend_octets(&request, LAB_TAG_OCTETS, community, strlen(community));
    lab_writer_prepend_integer(&request, version);
    lab_writer_wrap(&request, LAB_TAG_SEQUENCE);
    lab_writer_init(&fixture->out, fixture->bytes, sizeof(fixture->bytes), LAB_HEADROOM);
    lab_server_answer(fixture->server, bytes + request.start, lab_writer_length(&request),
                      &fixture->device, 5000000000, &fixture->out, &fixture->fate);
    if (fixture->fate.copies)
        read_answer(fixture);
    return fixture->fate.copies > 0;
}

static void fault(struct fixture *fixture, const char *text)
{
    struct lab_error err;
    char copy[256];
    char *rest = copy;
    char *words[8];
    int count = 0;

    snprintf(copy, sizeof(copy), "%s", text);
    while (rest)
        words[count++] = strsep(&rest, " ");
    assert_int_equal(lab_faults_tell(lab_server_faults(fixture->server), words, count, 0, &err), 0);
}

static void a_get_answers_each_name(void **state)
{
    struct fixture *fixture = *state;

    assert_true(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0,
                    "1.3.6.1.2.1.99.0 1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.1.1.1 1.3.6.1.9.9.9", "one"));
    assert_int_equal(fixture->version, LAB_V2C);
    assert_int_equal(fixture->id, 77);
    assert_int_equal(fixture->status, 0);
    assert_string_equal(fixture->text, "1.3.6.1.2.1.99.0=2:ff 1.3.6.1.2.1.1.1.0=4:6669727374 "
                                       "1.3.6.1.2.1.1.1.1=81: 1.3.6.1.9.9.9=80:");
}

static void a_get_next_walks_to_the_end(void **state)
{
    struct fixture *fixture = *state;

    assert_true(ask(fixture, LAB_V2C, LAB_PDU_NEXT, 0, 0,
                    "0.0 1.3.6.1.2.1.2.2.1.1.2 1.3.6.1.2.1.99.0 2.5", "one"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.1.1.0=4:6669727374 1.3.6.1.2.1.2.2.1.2.1=4:61 "
                                       "1.3.6.1.2.1.99.0=82: 2.5=82:");
}

static void a_get_bulk_goes_row_by_row(void **state)
{
    struct fixture *fixture = *state;

    assert_true(ask(fixture, LAB_V2C, LAB_PDU_BULK, 1, 2,
                    "1.3.6.1.2.1.1 1.3.6.1.2.1.2.2.1.1 1.3.6.1.2.1.2.2.1.2", "one"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.1.1.0=4:6669727374 1.3.6.1.2.1.2.2.1.1.1=2:01 "
                                       "1.3.6.1.2.1.2.2.1.2.1=4:61 1.3.6.1.2.1.2.2.1.1.2=2:02 "
                                       "1.3.6.1.2.1.2.2.1.2.2=4:62");
}

static void a_get_bulk_ends_with_the_first_row_beyond(void **state)
{
    struct fixture *fixture = *state;

    assert_true(
        ask(fixture, LAB_V2C, LAB_PDU_BULK, 0, 1000000, "1.3.6.1.2.1.31 1.3.6.1.2.1.99", "one"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.31.1.1.1.6.1=46:63 1.3.6.1.2.1.99.0=2:ff "
                                       "1.3.6.1.2.1.99.0=2:ff 1.3.6.1.2.1.99.0=82: "
                                       "1.3.6.1.2.1.99.0=82: 1.3.6.1.2.1.99.0=82:");
}

static void odd_numbers_in_a_get_bulk(void **state)
{
    struct fixture *fixture = *state;

    assert_true(ask(fixture, LAB_V2C, LAB_PDU_BULK, -5, -5, "1.3", "one"));
    assert_int_equal(fixture->varbinds, 0);
    assert_int_equal(fixture->status, 0);
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_BULK, INT32_MAX, INT32_MAX, "1.3 1.3", "one"));
    assert_int_equal(fixture->varbinds, 2);
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_BULK, 0, 10, "", "one"));
    assert_int_equal(fixture->varbinds, 0);
}

static void version_1_speaks_in_errors(void **state)
{
    struct fixture *fixture = *state;

    assert_true(ask(fixture, LAB_V1, LAB_PDU_GET, 0, 0, "1.3.6.1.2.1.99.0 1.3.6.1.9.0", "one"));
    assert_int_equal(fixture->status, LAB_NO_SUCH_NAME);
    assert_int_equal(fixture->index, 2);
    assert_string_equal(fixture->text, "1.3.6.1.2.1.99.0=5: 1.3.6.1.9.0=5:");
    assert_true(ask(fixture, LAB_V1, LAB_PDU_GET, 0, 0, "1.3.6.1.2.1.31.1.1.1.6.1", "one"));
    assert_int_equal(fixture->status, LAB_NO_SUCH_NAME);
    assert_true(ask(fixture, LAB_V1, LAB_PDU_NEXT, 0, 0, "1.3.6.1.2.1.31", "one"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.99.0=2:ff");
    assert_true(ask(fixture, LAB_V1, LAB_PDU_NEXT, 0, 0, "1.3.6.1.2.1.99.0", "one"));
    assert_int_equal(fixture->status, LAB_NO_SUCH_NAME);
    assert_false(ask(fixture, LAB_V1, LAB_PDU_BULK, 0, 2, "1.3", "one"));
}

static void nothing_can_be_set(void **state)
{
    struct fixture *fixture = *state;

    assert_true(ask(fixture, LAB_V2C, LAB_PDU_SET, 0, 0, "1.3.6.1.2.1.99.0", "one"));
    assert_int_equal(fixture->status, LAB_NOT_WRITABLE);
    assert_true(ask(fixture, LAB_V1, LAB_PDU_SET, 0, 0, "1.3.6.1.2.1.99.0", "one"));
    assert_int_equal(fixture->status, LAB_NO_SUCH_NAME);
}

static void the_community_chooses_the_recording(void **state)
{
    struct fixture *fixture = *state;
    const char *name = "1.3.6.1.2.1.1.1.0";

    lab_server_take_recording(fixture->server, make("two", "1.3.6.1.2.1.1.1.0|4|2"));
    lab_server_take_recording(fixture->server, make("on", "1.3.6.1.2.1.1.1.0|4|3"));
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, name, "two"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.1.1.0=4:32");
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, name, "on"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.1.1.0=4:33");
    assert_false(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, name, "o"));
    assert_false(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, name, "three"));
    assert_int_equal(lab_server_counts(fixture->server)->unknown, 2);
    assert_int_equal(lab_server_set_default(fixture->server, "on"), 0);
    assert_true(lab_server_set_default(fixture->server, "nowhere") < 0);
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, name, "three"));
    /* The new one of a name is the default, too. */
    lab_server_take_recording(fixture->server, make("on", "1.3.6.1.2.1.1.1.0|4|4"));
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, name, "three"));
    assert_string_equal(fixture->text, "1.3.6.1.2.1.1.1.0=4:34");
}

static void an_answer_never_exceeds_its_limit(void **state)
{
    struct fixture *fixture = *state;
    char text[64];
    struct lab_recording *recording = lab_recording_new("many");
    size_t last = 0;

    for (int i = 0; i < 3000; i++) {
        struct lab_error err;
        int length = snprintf(text, sizeof(text), "1.3.6.1.5.%d|4|%0*d", i, i % 40, i);

        assert_int_equal(lab_recording_take_line(recording, text, (size_t)length, &err), 0);
    }
    lab_recording_sort(recording);
    lab_server_take_recording(fixture->server, recording);
    for (unsigned most = 484; most < 20000; most += 333) {
        snprintf(text, sizeof(text), "all bytes %u", most);
        fault(fixture, text);
        assert_true(ask(fixture, LAB_V2C, LAB_PDU_BULK, 0, 5000, "1.3.6.1.5", "many"));
        assert_true(fixture->fate.length <= most);
        assert_true(fixture->fate.length + 80 > most);
        assert_true(fixture->varbinds > last);
        last = fixture->varbinds;
    }
}

static void what_does_not_fit_is_too_big(void **state)
{
    struct fixture *fixture = *state;

    lab_server_take_recording(
        fixture->server, make("fat", "1.3.6.1|4|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    fault(fixture, "all bytes 80");
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, "1.3.6.1", "fat"));
    assert_int_equal(fixture->status, LAB_TOO_BIG);
    assert_int_equal(fixture->varbinds, 0);
    assert_true(ask(fixture, LAB_V2C, LAB_PDU_BULK, 0, 3, "1.3", "fat"));
    assert_int_equal(fixture->status, LAB_TOO_BIG);
    assert_true(ask(fixture, LAB_V1, LAB_PDU_GET, 0, 0, "1.3.6.1", "fat"));
    assert_int_equal(fixture->status, LAB_TOO_BIG);
    assert_string_equal(fixture->text, "1.3.6.1=5:");
}

static void quirks(void **state)
{
    struct fixture *fixture = *state;

    fault(fixture, "all wrong-id");
    fault(fixture, "all reversed");
    fault(fixture, "all duplicate 2");
    fault(fixture, "all cut 9");
    assert_true(
        ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, "1.3.6.1.2.1.99.0 1.3.6.1.2.1.2.2.1.1.1", "one"));
    assert_int_equal(fixture->id, 78);
    assert_string_equal(fixture->text, "1.3.6.1.2.1.2.2.1.1.1=2:01 1.3.6.1.2.1.99.0=2:ff");
    assert_int_equal(fixture->fate.copies, 3);
    assert_int_equal(fixture->fate.length, 9);
    fault(fixture, "127.64.0.1 silence");
    assert_false(ask(fixture, LAB_V2C, LAB_PDU_GET, 0, 0, "1.3", "one"));
}

static void damaged_requests_are_counted(void **state)
{
    static const uint8_t get[] = {
        0x30, 0x26, 2, 1, 1,    4,    3,    'o',  'n',  'e',  0xa0, 0x1c, 2, 4, 1, 2, 3, 4, 2, 1,
        0,    2,    1, 0, 0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08, 0x2b, 6,    1, 2, 1, 1, 1, 0, 5, 0};
    struct fixture *fixture = *state;
    struct lab_writer *out = &fixture->out;

    lab_writer_init(out, fixture->bytes, sizeof(fixture->bytes), LAB_HEADROOM);
    lab_server_answer(fixture->server, get, sizeof(get), &fixture->device, 0, out, &fixture->fate);
    assert_int_equal(fixture->fate.copies, 1);
    for (size_t length = 0; length < sizeof(get); length++) {
        uint8_t *copy = malloc(length + 1); /* so that reading beyond is seen */

        memcpy(copy, get, length);
        lab_writer_init(out, fixture->bytes, sizeof(fixture->bytes), LAB_HEADROOM);
        lab_server_answer(fixture->server, copy, length, &fixture->device, 0, out, &fixture->fate);
        assert_int_equal(fixture->fate.copies, 0);
        free(copy);
    }
    assert_int_equal(lab_server_counts(fixture->server)->bad, sizeof(get));
    assert_int_equal(lab_server_counts(fixture->server)->answers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_get_answers_each_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_get_next_walks_to_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_get_bulk_goes_row_by_row, setup, teardown),
        cmocka_unit_test_setup_teardown(a_get_bulk_ends_with_the_first_row_beyond, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_numbers_in_a_get_bulk, setup, teardown),
        cmocka_unit_test_setup_teardown(version_1_speaks_in_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_can_be_set, setup, teardown),
        cmocka_unit_test_setup_teardown(the_community_chooses_the_recording, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_never_exceeds_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_too_big, setup, teardown),
        cmocka_unit_test_setup_teardown(quirks, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_requests_are_counted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
