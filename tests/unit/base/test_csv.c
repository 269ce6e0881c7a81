#include "phusong/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that is read, as text: fields in brackets, rows by line, mistakes by place. */
static char *read_all(const char *text, size_t length)
{
    char *buffer = malloc(length + 1), *said;
    struct phu_csv csv;
    size_t said_length;
    FILE *out = open_memstream(&said, &said_length);
    int result;

    assert_non_null(buffer);
    memcpy(buffer, text, length);
    phu_csv_open(&csv, buffer, length);
    while ((result = phu_csv_next(&csv)) != 0) {
        if (result < 0) {
            fprintf(out, "!%u:%u\n", csv.problem_line, csv.problem_column);
            continue;
        }
        for (size_t i = 0; i < csv.field_count; i++)
            fprintf(out, "[%s]", csv.fields[i].text);
        fputc('\n', out);
    }
    fclose(out);
    free(buffer);
    return said;
}

static void expect(const char *text, const char *expected)
{
    char *said = read_all(text, strlen(text));

    assert_string_equal(said, expected);
    free(said);
}

static void reads_what_spreadsheets_write(void **state)
{
    (void)state;
    expect("", "");
    expect("a,b\n1,2\n", "[a][b]\n[1][2]\n");
    expect("a,b\n1,2", "[a][b]\n[1][2]\n");
    expect("a,b\r\n1,2\r\n", "[a][b]\n[1][2]\n");
    expect("\xef\xbb\xbf"
           "a,b\n",
           "[a][b]\n");
    expect("a;b\n1,5;2\n", "[a][b]\n[1,5][2]\n");
    expect("\"a;b\",c\n", "[a;b][c]\n");
    expect("a,b\n,\n,2\n1,\n", "[a][b]\n[][]\n[][2]\n[1][]\n");
    expect("a,b\n\n\r\n1,2\n\n", "[a][b]\n[1][2]\n");
    expect("Thôn Đông,Xã\n", "[Thôn Đông][Xã]\n");
}

static void undoes_quotes(void **state)
{
    (void)state;
    expect("\"a\",\"\"\n", "[a][]\n");
    expect("\"say \"\"hello\"\"\",b\n", "[say \"hello\"][b]\n");
    expect("\"\"\"\"\n", "[\"]\n");
    expect("\"a,b\",c\n", "[a,b][c]\n");
    expect("\"two\nlines\",b\n1,2\n", "[two\nlines][b]\n[1][2]\n");
    expect("\"two\r\nlines\",b\n", "[two\r\nlines][b]\n");
    expect("\"a\",\"b\"", "[a][b]\n");
}

static void says_where_a_field_stands(void **state)
{
    char text[] = "Đường,\"một \"\"hai\"\"\nba\",bốn\r\n\n\"x\",y,z\n";
    struct phu_csv csv;

    (void)state;
    phu_csv_open(&csv, text, strlen(text));
    assert_int_equal(phu_csv_next(&csv), 1);
    assert_int_equal(csv.field_count, 3);
    assert_int_equal(csv.fields[0].column, 1);
    assert_int_equal(csv.fields[1].line, 1);
    assert_int_equal(csv.fields[1].column, 7);
    assert_int_equal(csv.fields[2].line, 2);
    assert_int_equal(csv.fields[2].column, 5);
    assert_int_equal(phu_csv_next(&csv), 1);
    assert_int_equal(csv.fields[0].line, 4);
    assert_int_equal(csv.fields[1].column, 5);
    assert_int_equal(csv.fields[2].column, 7);
    assert_int_equal(phu_csv_next(&csv), 0);
}

static void goes_on_behind_a_mistake(void **state)
{
    (void)state;
    expect("a,b\nx\"y,2\n3,4\n", "[a][b]\n!2:2\n[3][4]\n");
    expect("a,b\n\"x\"y,2\n3,4\n", "[a][b]\n!2:4\n[3][4]\n");
    expect("a,b\n1,\"x\n3,4\n", "[a][b]\n!2:3\n");
    expect("a,b\n1\r2,3\n4,5\n", "[a][b]\n!2:2\n[4][5]\n");
    expect("a,b\n\xff,\"q\nr\"\n4,5\n", "[a][b]\n!2:1\n[4][5]\n");
    expect("a,b\nđ\xff,1\n", "[a][b]\n!2:2\n");
    expect("a,b\n1,\"đ\xff\"\n", "[a][b]\n!2:5\n");
}

static void refuses_nul(void **state)
{
    char *said;

    (void)state;
    said = read_all("a,b\n1\0,2\n", 9);
    assert_string_equal(said, "[a][b]\n!2:2\n");
    free(said);
}

static void bounds_fields_and_rows(void **state)
{
    char text[PHU_CSV_FIELD_BYTES_MAX + 16], *said;

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + PHU_CSV_FIELD_BYTES_MAX, ",y\n", 4);
    said = read_all(text, strlen(text));
    assert_int_equal(said[0], '[');
    free(said);
    text[PHU_CSV_FIELD_BYTES_MAX] = 'x';
    memcpy(text + PHU_CSV_FIELD_BYTES_MAX + 1, ",y\n", 4);
    said = read_all(text, strlen(text));
    assert_string_equal(said, "!1:1\n");
    free(said);
    memset(text, ',', PHU_CSV_FIELDS_MAX);
    memcpy(text + PHU_CSV_FIELDS_MAX - 1, "\n1,2\n", 6);
    said = read_all(text, strlen(text));
    assert_null(strchr(said, '!'));
    free(said);
    memset(text, ',', PHU_CSV_FIELDS_MAX);
    memcpy(text + PHU_CSV_FIELDS_MAX, "\n1,2\n", 6);
    expect(text, "!1:65\n[1][2]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_spreadsheets_write),
        cmocka_unit_test(undoes_quotes),
        cmocka_unit_test(says_where_a_field_stands),
        cmocka_unit_test(goes_on_behind_a_mistake),
        cmocka_unit_test(refuses_nul),
        cmocka_unit_test(bounds_fields_and_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
