#include "ingest/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1700000000123456789)

/* What was read, as text: "measurement|tag=value|field=value…|time", or the fault. */
static char *told;

static void put(FILE *out, struct phu_slice text)
{
    fwrite(text.at, 1, text.length, out);
}

static void put_field(FILE *out, const struct phu_field *field)
{
    put(out, field->name);
    switch (field->type) {
    case PHU_FIELD_FLOAT:
        fprintf(out, "=%.17gf", field->f);
        break;
    case PHU_FIELD_INT:
        fprintf(out, "=%" PRId64 "i", field->i);
        break;
    case PHU_FIELD_BOOL:
        fprintf(out, "=%s", field->b ? "true" : "false");
        break;
    case PHU_FIELD_STRING:
        fputs("=\"", out);
        put(out, field->text);
        fputc('"', out);
        break;
    }
}

static void put_sample(FILE *out, const struct phu_sample *sample)
{
    put(out, sample->measurement);
    for (size_t i = 0; i < sample->tag_count; i++) {
        fputc('|', out);
        put(out, sample->tags[i].name);
        fputc('=', out);
        put(out, sample->tags[i].value);
    }
    for (size_t i = 0; i < sample->field_count; i++) {
        fputc('|', out);
        put_field(out, &sample->fields[i]);
    }
    fprintf(out, "|%" PRId64, sample->time_ns);
}

static const char *read_unit(const char *text, size_t size, int64_t unit)
{
    struct phu_lines *lines = phu_lines_new();
    char *copy = malloc(size ? size : 1); /* exactly so long: a byte too far is noticed */
    enum phu_lines_result result;
    struct phu_sample sample;
    size_t length;
    FILE *out;

    memcpy(copy, text, size);
    free(told);
    out = open_memstream(&told, &length);
    phu_lines_begin(lines, copy, size, NOW, unit);
    while ((result = phu_lines_next(lines, &sample)) != PHU_LINES_END) {
        fprintf(out, "%zu:", phu_lines_number(lines));
        if (result == PHU_LINES_SAMPLE)
            put_sample(out, &sample);
        else
            fprintf(out, "!%s", phu_lines_fault(lines));
        fputc('\n', out);
    }
    fclose(out);
    free(copy);
    phu_lines_free(lines);
    return told;
}

static const char *read_text(const char *text)
{
    return read_unit(text, strlen(text), 1);
}

static int forget(void **state)
{
    (void)state;
    free(told);
    told = NULL;
    return 0;
}

static void reads_lines(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"cpu value=1 5", "1:cpu|value=1f|5\n"},
        {"cpu,b=2,a=1 x=1i,y=t,z=\"q\" -7", "1:cpu|a=1|b=2|x=1i|y=true|z=\"q\"|-7\n"},
        {"cpu value=1", "1:cpu|value=1f|1700000000123456789\n"},
        {"a b=1 1\n\n# no\n  \nc d=2 2\n", "1:a|b=1f|1\n5:c|d=2f|2\n"},
        {" \ta b=1 1", "1:a|b=1f|1\n"},
        {"a  b=1  1 ", "1:a|b=1f|1\n"},
        {"a b=-1.5,c=.5,d=1.,e=1e3,f=-2E-2 1", "1:a|b=-1.5f|c=0.5f|d=1f|e=1000f|f=-0.02f|1\n"},
        {"a b=0.1,c=123456789012345.6,d=1234567890123456789.5 1",
         "1:a|b=0.10000000000000001f|c=123456789012345.59f|d=1.2345678901234568e+18f|1\n"},
        {"a b=9223372036854775807i,c=-9223372036854775808i 1",
         "1:a|b=9223372036854775807i|c=-9223372036854775808i|1\n"},
        {"a b=00000000000000000000012i 1", "1:a|b=12i|1\n"},
        {"a b=T,c=TRUE,d=False,e=f 1", "1:a|b=true|c=true|d=false|e=false|1\n"},
        {"a b=\"\" 1", "1:a|b=\"\"|1\n"},
        {"a b=\"x,y= z\" 1", "1:a|b=\"x,y= z\"|1\n"},
        {"a b=\"q\\\"\\\\\\n\" 1", "1:a|b=\"q\"\\\\n\"|1\n"},
        {"a b=\"one\ntwo\" 1\nc d=1 2", "1:a|b=\"one\ntwo\"|1\n3:c|d=1f|2\n"},
        {"a\\ b\\,c,t\\ a\\,g\\=x=v\\ a\\,l\\=u f\\ i\\,e\\=l=1 1",
         "1:a b,c|t a,g=x=v a,l=u|f i,e=l=1f|1\n"},
        {"a\\b,c\\d=e\\f g\\h=1 1", "1:a\\b|c\\d=e\\f|g\\h=1f|1\n"},
        {"a b=1,b=2,b=3 1", "1:a|b=3f|1\n"},
        {"a b=1,time=5,c=2 1", "1:a|b=1f|c=2f|1\n"},
        {"a,t=\"x b=1 1", "1:a|t=\"x|b=1f|1\n"},
        {"a \"b\"=1 1", "1:a|\"b\"=1f|1\n"},
        {"", ""},
        {"\n\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(read_text(cases[i].text), cases[i].told);
}

static void refuses_lines(void **state)
{
    static const char *const cases[][2] = {
        {"cpu", "missing fields"},
        {",a=b c=1", "missing measurement"},
        {"cpu,", "missing tag key"},
        {"cpu, a=1", "missing tag key"},
        {"cpu,=b a=1", "missing tag key"},
        {"cpu,a a=1", "missing tag value"},
        {"cpu,a= a=1", "missing tag value"},
        {"cpu,a=,b=c a=1", "missing tag value"},
        {"cpu,a=b=c a=1", "invalid tag format"},
        {"cpu,a=b", "missing fields"},
        {"cpu,a=b ", "invalid field format"},
        {"cpu,a=1,a=2 b=1", "duplicate tags"},
        {"cpu,b=1,a=1,b=2 b=1", "duplicate tags"},
        {"cpu a", "invalid field format"},
        {"cpu a,b=1", "invalid field format"},
        {"cpu a=1,", "invalid field format"},
        {"cpu a=1,b", "invalid field format"},
        {"cpu a=1,b c=2", "invalid field format"},
        {"cpu a=", "missing field value"},
        {"cpu a= 1", "missing field value"},
        {"cpu a=,b=1", "missing field value"},
        {"cpu =1", "missing field key"},
        {"cpu a=1,=2", "missing field key"},
        {"cpu a=x", "invalid boolean"},
        {"cpu a=+1", "invalid boolean"},
        {"cpu a=truE", "invalid boolean"},
        {"cpu a=1x", "invalid number"},
        {"cpu a=1.1.1", "invalid number"},
        {"cpu a=-", "invalid number"},
        {"cpu a=.", "invalid number"},
        {"cpu a=-.", "invalid number"},
        {"cpu a=-i", "invalid number"},
        {"cpu a=1.5i", "invalid number"},
        {"cpu a=1e3i", "invalid number"},
        {"cpu a=1i1", "invalid number"},
        {"cpu a=1ii", "invalid number"},
        {"cpu a=1u", "invalid number"},
        {"cpu a=NaN", "invalid number"},
        {"cpu a=nan", "invalid number"},
        {"cpu a=-Inf", "invalid number"},
        {"cpu a=0x10", "invalid number"},
        {"cpu a=1-2", "invalid number"},
        {"cpu a=1\r", "invalid number"},
        {"cpu a=1e400", "invalid float"},
        {"cpu a=1e", "invalid float"},
        {"cpu a=1e5e5", "invalid float"},
        {"cpu a=\"x", "unbalanced quotes"},
        {"cpu a=\"x\"=1", "invalid field format"},
        {"cpu a=1 1x", "bad timestamp"},
        {"cpu a=1 -", "bad timestamp: \"-\" is no number"},
        {"cpu a=1 1.5", "bad timestamp"},
        {"cpu a=1 1 x", "point is invalid"},
        {"cpu a=1 9223372036854775808", "bad timestamp: 9223372036854775808 is out of range"},
        {"cpu a=9223372036854775808i",
         "unable to parse integer 9223372036854775808: value out of range"},
        {"cpu a=-9223372036854775809i",
         "unable to parse integer -9223372036854775809: value out of range"},
        {"cpu,time=1 a=1", "invalid tag key: input tag \"time\" on measurement \"cpu\" is invalid"},
        {"cpu time=1",
         "invalid field name: input field \"time\" on measurement \"cpu\" is invalid"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];

        snprintf(expected, sizeof expected, "1:!%s\n", cases[i][1]);
        assert_string_equal(read_text(cases[i][0]), expected);
    }
}

static void counts_lines(void **state)
{
    (void)state;
    assert_string_equal(read_text("a b=1 1\nbad\n#\na b=\"x\n\ny\" 1\nbad"),
                        "1:a|b=1f|1\n2:!missing fields\n4:a|b=\"x\n\ny\"|1\n7:!missing fields\n");
}

static void counts_in_units(void **state)
{
    (void)state;
    assert_string_equal(read_unit("a b=1 5\na b=1", 13, 1000000000),
                        "1:a|b=1f|5000000000\n2:a|b=1f|1700000000000000000\n");
    assert_string_equal(read_unit("a b=1 9223372037", 16, 1000000000),
                        "1:!time outside range -9223372036854775806 - 9223372036854775806\n");
    assert_int_equal(phu_lines_unit("ms"), 1000000);
    assert_int_equal(phu_lines_unit(""), 1);
    assert_int_equal(phu_lines_unit("fortnight"), 0);
}

static struct phu_slice key_of(struct phu_lines *lines, const char *text)
{
    struct phu_sample sample;

    phu_lines_begin(lines, text, strlen(text), NOW, 1);
    assert_int_equal(phu_lines_next(lines, &sample), PHU_LINES_SAMPLE);
    return sample.key;
}

static void names_series_in_one_way(void **state)
{
    static const char *const same[] = {
        "m\\ x,a=1,b=\\,2 v=1",
        "m\\ x,b=\\,2,a=1 v=1",
    };
    struct phu_lines *lines = phu_lines_new();
    struct phu_slice key;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        key = key_of(lines, same[i]);
        assert_int_equal(key.length, strlen("m\\ x,a=1,b=\\,2"));
        assert_memory_equal(key.at, "m\\ x,a=1,b=\\,2", key.length);
    }
    key = key_of(lines, "m,z=1,y=2 v=1");
    assert_memory_equal(key.at, "m,y=2,z=1", key.length);
    phu_lines_free(lines);
}

static void bounds_lines(void **state)
{
    size_t size = PHU_LINES_LINE_MAX + 100;
    char *text = malloc(size + 20);

    (void)state;
    memset(text, 'x', size);
    memcpy(text + size, "\na b=1 1\n", 9);
    assert_string_equal(read_unit(text, size + 9, 1),
                        "1:!the line has 1048676 bytes; at most 1048576 are taken\n"
                        "2:a|b=1f|1\n");
    memset(text, 'x', 70000);
    memcpy(text + 70000, " b=1 1", 6);
    assert_string_equal(read_unit(text, 70006, 1), "1:!max key length exceeded: 70000 > 65535\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reads_lines, forget),
        cmocka_unit_test_teardown(refuses_lines, forget),
        cmocka_unit_test_teardown(counts_lines, forget),
        cmocka_unit_test_teardown(counts_in_units, forget),
        cmocka_unit_test(names_series_in_one_way),
        cmocka_unit_test_teardown(bounds_lines, forget),
    };

    return cmocka_run_group_tests_name("console_lines", tests, NULL, NULL);
}
