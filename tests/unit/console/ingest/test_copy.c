#include "ingest/copy.h"
#include "ingest/inflate.h"
#include "ingest/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static bool is_text(struct phu_slice slice, const char *text)
{
    return slice.length == strlen(text) && memcmp(slice.at, text, slice.length) == 0;
}

static void copies_outlive_their_body(void **state)
{
    struct phu_lines *lines = phu_lines_new();
    struct phu_copies copies = {0};
    struct phu_sample sample;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        char *body = strdup("m,b=2,a=1 x=1i,y=\"text\",z=t 7");

        phu_lines_begin(lines, body, strlen(body), 0, 1);
        assert_int_equal(phu_lines_next(lines, &sample), PHU_LINES_SAMPLE);
        assert_int_equal(phu_copies_add(&copies, &sample), 0);
        memset(body, '?', strlen(body));
        free(body);
    }
    phu_lines_free(lines);
    assert_int_equal(copies.count, 2000);
    for (size_t i = 0; i < copies.count; i++) {
        const struct phu_sample *copy = &copies.samples[i];

        assert_true(is_text(copy->measurement, "m") && is_text(copy->key, "m,a=1,b=2"));
        assert_true(is_text(copy->tags[1].name, "b") && is_text(copy->tags[1].value, "2"));
        assert_int_equal(copy->fields[0].i, 1);
        assert_true(is_text(copy->fields[1].text, "text") && copy->fields[2].b);
        assert_int_equal(copy->time_ns, 7);
    }
    phu_copies_fini(&copies);
}

/* gzip members of `size` bytes of 'x' each. */
static size_t pack(char *to, size_t room, size_t size, int members)
{
    size_t used = 0;
    char *text = malloc(size + 1);

    memset(text, 'x', size + 1);
    for (int i = 0; i < members; i++) {
        z_stream stream = {0};

        assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
        stream.next_in = (unsigned char *)text;
        stream.avail_in = (uInt)size;
        stream.next_out = (unsigned char *)to + used;
        stream.avail_out = (uInt)(room - used);
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        used += stream.total_out;
        deflateEnd(&stream);
    }
    free(text);
    return used;
}

static void unpacks_to_a_bound(void **state)
{
    struct phu_inflate inflate = {0};
    char packed[100000], why[160];
    size_t length = pack(packed, sizeof packed, 5000000, 1);

    (void)state;
    assert_int_equal(phu_inflate_body(&inflate, packed, length, 5000000, why, sizeof why), 0);
    assert_int_equal(inflate.length, 5000000);
    assert_int_equal(phu_inflate_body(&inflate, packed, length, 4999999, why, sizeof why),
                     -EMSGSIZE);
    assert_non_null(strstr(why, "4999999"));
    phu_inflate_fini(&inflate);
    assert_int_equal(phu_inflate_body(&inflate, packed, length, 1000, why, sizeof why), -EMSGSIZE);
    assert_in_range(inflate.size, 1, 1001);
    phu_inflate_fini(&inflate);
    length = pack(packed, sizeof packed, 300, 3);
    assert_int_equal(phu_inflate_body(&inflate, packed, length, 900, why, sizeof why), 0);
    assert_int_equal(inflate.length, 900);
    for (size_t cut = 0; cut < length; cut++) {
        /* Cut between two members it is a whole body of fewer. */
        int result = phu_inflate_body(&inflate, packed, cut, 900, why, sizeof why);

        assert_true(result == -EBADMSG || (result == 0 && cut % (length / 3) == 0 && cut > 0));
    }
    packed[0] = 'x';
    assert_int_equal(phu_inflate_body(&inflate, packed, length, 900, why, sizeof why), -EBADMSG);
    assert_non_null(strstr(why, "not gzip"));
    phu_inflate_fini(&inflate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_outlive_their_body),
        cmocka_unit_test(unpacks_to_a_bound),
    };

    return cmocka_run_group_tests_name("console_copy", tests, NULL, NULL);
}
