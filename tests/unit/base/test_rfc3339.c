#include "rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void reads_what_people_write(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T08:00:00Z", INT64_C(1795420800000000000)},
        {"2026-11-23T15:00:00+07:00", INT64_C(1795420800000000000)},
        {"2026-11-23T02:30:00.5-05:30", INT64_C(1795420800500000000)},
        {"2026-11-23 08:00Z", INT64_C(1795420800000000000)},
        {"2026-11-23t08:00:00.123456789123z", INT64_C(1795420800123456789)},
        {"2026-11-23", INT64_C(1795392000000000000)},
        {"2024-02-29", INT64_C(1709164800000000000)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct phu_wall at = {-1};

        assert_int_equal(phu_rfc3339_parse(times[i].text, &at), 0);
        assert_int_equal(at.ns, times[i].ns);
    }
}

static void refuses_everything_else(void **state)
{
    static const char *const texts[] = {
        "",
        "now",
        "2026",
        "2026-11",
        "2026-13-01",
        "2026-02-30",
        "2025-02-29",
        "23-11-2026",
        "2026-11-23T",
        "2026-11-23T08",
        "2026-11-23T08:00:00",
        "2026-11-23T24:00:00Z",
        "2026-11-23T08:60:00Z",
        "2026-11-23T08:00:61Z",
        "2026-11-23T08:00:00.Z",
        "2026-11-23T08:00:00Zx",
        "2026-11-23T08:00:00+7",
        "2026-11-23T08:00:00+07:00 more",
        "9999-01-01",
        " 2026-11-23",
        "2026-11-23T08:0",
        "+026-11-23",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct phu_wall at;

        if (phu_rfc3339_parse(texts[i], &at) == 0)
            fail_msg("took \"%s\"", texts[i]);
    }
}

static void writes_utc(void **state)
{
    char text[PHU_RFC3339_SIZE];

    (void)state;
    phu_rfc3339_format(text, (struct phu_wall){INT64_C(1795420800999999999)});
    assert_string_equal(text, "2026-11-23T08:00:00Z");
    phu_rfc3339_format(text, (struct phu_wall){-1});
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    phu_rfc3339_format(text, (struct phu_wall){0});
    assert_string_equal(text, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_people_write),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(writes_utc),
    };

    return cmocka_run_group_tests_name("rfc3339", tests, NULL, NULL);
}
