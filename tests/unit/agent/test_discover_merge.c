#include "discover_merge.h"

#include "replace_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct phu_device_row rows[] = {
    {"olt-1", "10.27.0.1", "lab", "snmp", "*"},
    {"olt-2", "10.27.0.2", "lab", "snmp", "ge-* xe-*"},
    {"r-3", "2001:db8::3", "", "snmp", "*"},
};
#define ROWS (sizeof rows / sizeof *rows)

static enum phu_merge_fate fates[ROWS];
static struct phu_merge merge;

static int empty(void **state)
{
    (void)state;
    phu_merge_fini(&merge);
    return 0;
}

static int merge_text(const char *old)
{
    return phu_devices_merge(old, old ? strlen(old) : 0, rows, ROWS, fates, &merge);
}

/* The old text stays, and this comes behind it. */
static void expect(const char *old, const char *added)
{
    assert_int_equal(merge_text(old), 0);
    assert_memory_equal(merge.text, old, strlen(old));
    assert_string_equal(merge.text + strlen(old), added);
    assert_int_equal(merge.length, strlen(merge.text));
    phu_merge_fini(&merge);
}

static void a_new_file_has_a_header(void **state)
{
    char *text = phu_devices_format(rows, ROWS);

    (void)state;
    assert_int_equal(merge_text(NULL), 0);
    assert_string_equal(merge.text, "id,address,site,credential,checks,interfaces\n"
                                    "olt-1,10.27.0.1,,lab,snmp,*\n"
                                    "olt-2,10.27.0.2,,lab,snmp,ge-* xe-*\n"
                                    "r-3,2001:db8::3,,,snmp,*\n");
    assert_string_equal(text, merge.text);
    free(text);
    text = phu_devices_format(NULL, 0);
    assert_string_equal(text, "id,address,site,credential,checks,interfaces\n");
    free(text);
}

static void the_old_text_stays_byte_for_byte(void **state)
{
    (void)state;
    /* order of columns, odd spacing, rows without sense of order, a comment of one's own */
    expect("parent,address,id,credential\n,  10.9.9.9 ,zz,lab\n,10.9.9.8,\"aa\",lab\n",
           ",10.27.0.1,olt-1,lab\n,10.27.0.2,olt-2,lab\n,2001:db8::3,r-3,\n");
    /* semicolons, BOM, CRLF */
    expect("\xef\xbb\xbfid;address;interfaces;interval\r\nx;10.9.9.9;*;30s\r\n",
           "olt-1;10.27.0.1;*;\r\nolt-2;10.27.0.2;ge-* xe-*;\r\nr-3;2001:db8::3;*;\r\n");
    /* everything in quotes */
    expect("\"id\",\"address\",\"site\"\n\"x\",\"10.9.9.9\",\"a \"\"b\"\"\"\n",
           "\"olt-1\",\"10.27.0.1\",\"\"\n\"olt-2\",\"10.27.0.2\",\"\"\n"
           "\"r-3\",\"2001:db8::3\",\"\"\n");
    /* no line end behind the last row, empty lines before it */
    expect("id,address\n\n,\nx,10.9.9.9", "\nolt-1,10.27.0.1\nolt-2,10.27.0.2\nr-3,2001:db8::3\n");
    /* a header alone */
    expect("address,id\r\n", "10.27.0.1,olt-1\r\n10.27.0.2,olt-2\r\n2001:db8::3,r-3\r\n");
}

static void what_is_there_is_not_added(void **state)
{
    (void)state;
    assert_int_equal(merge_text("id,address\nmine,10.27.0.1\nr-3,10.9.9.9\n"), 0);
    assert_int_equal(fates[0], PHU_MERGE_KNOWN_ADDRESS);
    assert_int_equal(fates[1], PHU_MERGE_ADDED);
    assert_int_equal(fates[2], PHU_MERGE_KNOWN_ID);
    assert_string_equal(merge.text, "id,address\nmine,10.27.0.1\nr-3,10.9.9.9\nolt-2,10.27.0.2\n");
    assert_int_equal(merge.added, 1);
    phu_merge_fini(&merge);
    /* an address may be written in other ways, and in quotes; a host name is none */
    assert_int_equal(merge_text("id,address\na,\" 10.27.0.1 \"\nb,2001:DB8:0:0::3\nc,olt-2\n"), 0);
    assert_int_equal(fates[0], PHU_MERGE_KNOWN_ADDRESS);
    assert_int_equal(fates[1], PHU_MERGE_ADDED);
    assert_int_equal(fates[2], PHU_MERGE_KNOWN_ADDRESS);
    phu_merge_fini(&merge);
    assert_int_equal(merge_text("id,address\na,10.27.0.1\nb,10.27.0.2\nc,2001:db8::3\n"), 0);
    assert_int_equal(merge.added, 0);
    assert_null(merge.text);
}

static void twice_is_the_same_as_once(void **state)
{
    char *once;

    (void)state;
    assert_int_equal(merge_text("id,address,credential\n"), 0);
    once = merge.text;
    merge.text = NULL;
    assert_int_equal(merge_text(once), 0);
    assert_int_equal(merge.added, 0);
    free(once);
}

static void what_needs_quotes_gets_them(void **state)
{
    const struct phu_device_row row = {"a", "10.0.0.1", "", "snmp", "ge,1 \"x\""};
    enum phu_merge_fate fate;

    (void)state;
    assert_int_equal(phu_devices_merge("id,address,interfaces\n", 22, &row, 1, &fate, &merge), 0);
    assert_string_equal(merge.text, "id,address,interfaces\na,10.0.0.1,\"ge,1 \"\"x\"\"\"\n");
}

static void a_missing_credential_is_told(void **state)
{
    (void)state;
    assert_int_equal(merge_text("id,address,interfaces,checks\n"), 0);
    assert_true(merge.lacks_credential);
    phu_merge_fini(&merge);
    assert_int_equal(merge_text(NULL), 0);
    assert_false(merge.lacks_credential);
}

static void mistakes_are_left_to_a_person(void **state)
{
    static const char *const cases[][2] = {
        {"", "empty"},
        {"id,addres\n", "required"},
        {"id,address\nx\n", "number of fields"},
        {"id,address\nx,\"10.0.0.1\n", "line 2"},
        {"id,address\nx,10.0.0.1\xff\n", "line 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(merge_text(cases[i][0]), -EINVAL);
        assert_null(merge.text);
        if (!strstr(merge.problem, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], merge.problem);
    }
}

/* -- The file ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_file(const char *path, const char *wanted)
{
    struct stat info;
    size_t length;
    char *text;

    assert_int_equal(phu_file_read(path, 1000, &text, &length, &info), 0);
    assert_non_null(text);
    assert_int_equal(length, strlen(wanted));
    assert_memory_equal(text, wanted, length);
    free(text);
}

static void a_file_is_replaced_whole(void **state)
{
    char folder[] = "/tmp/phusong-replace-XXXXXX", path[64], link[64];
    struct stat before, after;
    char *text;
    size_t length;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/devices.csv", folder);
    snprintf(link, sizeof link, "%s/link.csv", folder);
    assert_int_equal(phu_file_read(path, 1000, &text, &length, &before), 0);
    assert_null(text);
    assert_int_equal(phu_file_replace(path, NULL, "new\n", 4), 0);
    expect_file(path, "new\n");
    assert_int_equal(phu_file_replace(path, NULL, "x", 1), -ESTALE); /* there is one now */
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("devices.csv", link), 0);
    assert_int_equal(phu_file_read(link, 1000, &text, &length, &before), 0);
    free(text);
    assert_int_equal(phu_file_replace(link, &before, "newer\n", 6), 0);
    expect_file(path, "newer\n");
    assert_int_equal(lstat(link, &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0640);
    assert_int_equal(phu_file_replace(path, &before, "x", 1), -ESTALE); /* another one by now */
    write_file(path, "by hand, meanwhile\n");
    assert_int_equal(phu_file_replace(path, &after, "x", 1), -ESTALE);
    expect_file(path, "by hand, meanwhile\n");
    assert_int_equal(phu_file_read(path, 5, &text, &length, &before), -EFBIG);
    assert_int_equal(phu_file_read(folder, 5, &text, &length, &before), -EINVAL);
    unlink(link);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* nothing is left beside it */
}

#define test(name) cmocka_unit_test_teardown(name, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_new_file_has_a_header),       test(the_old_text_stays_byte_for_byte),
        test(what_is_there_is_not_added),    test(twice_is_the_same_as_once),
        test(what_needs_quotes_gets_them),   test(a_missing_credential_is_told),
        test(mistakes_are_left_to_a_person), test(a_file_is_replaced_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
