#include "phusong/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64], file[128];
    char secret[32], why[512];
};

static int set_up(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);

    assert_non_null(folder);
    strcpy(folder->path, "/tmp/phusong-secret-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/community", folder->path);
    unsetenv("CREDENTIALS_DIRECTORY");
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;

    unlink(folder->file);
    rmdir(folder->path);
    free(folder);
    return 0;
}

static void write_secret(const struct folder *folder, const void *bytes, size_t length, mode_t mode)
{
    FILE *file = fopen(folder->file, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    assert_int_equal(chmod(folder->file, mode), 0);
}

static int read_secret(struct folder *folder, const char *reference)
{
    memset(folder->secret, 'x', sizeof folder->secret);
    folder->why[0] = '\0';
    return phu_secret_read(reference, folder->secret, sizeof folder->secret, folder->why,
                           sizeof folder->why);
}

static void reads_one_line(void **state)
{
    struct folder *folder = *state;

    write_secret(folder, "public\n", 7, 0600);
    assert_int_equal(read_secret(folder, folder->file), 0);
    assert_string_equal(folder->secret, "public");
    write_secret(folder, "public", 6, 0400);
    assert_int_equal(read_secret(folder, folder->file), 0);
    assert_string_equal(folder->secret, "public");
    write_secret(folder, "two words\r\n", 11, 0600);
    assert_int_equal(read_secret(folder, folder->file), 0);
    assert_string_equal(folder->secret, "two words");
}

static void refuses_what_others_may_use(void **state)
{
    static const mode_t modes[] = {0604, 0640, 0602, 0620, 0610, 0601};
    struct folder *folder = *state;

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        write_secret(folder, "public\n", 7, modes[i]);
        assert_int_equal(read_secret(folder, folder->file), -EPERM);
        assert_non_null(strstr(folder->why, "chmod 600 "));
        assert_null(strstr(folder->secret, "public"));
    }
}

static void refuses_what_is_no_secret(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(read_secret(folder, folder->file), -ENOENT);
    assert_int_equal(read_secret(folder, folder->path), -EINVAL);
    write_secret(folder, "", 0, 0600);
    assert_int_equal(read_secret(folder, folder->file), -ENODATA);
    write_secret(folder, "\n", 1, 0600);
    assert_int_equal(read_secret(folder, folder->file), -ENODATA);
    write_secret(folder, "a\nb\n", 4, 0600);
    assert_int_equal(read_secret(folder, folder->file), -EINVAL);
    write_secret(folder, "a\0b", 3, 0600);
    assert_int_equal(read_secret(folder, folder->file), -EINVAL);
    write_secret(folder, "0123456789012345678901234567890", 31, 0600);
    assert_int_equal(read_secret(folder, folder->file), 0);
    write_secret(folder, "01234567890123456789012345678901", 32, 0600);
    assert_int_equal(read_secret(folder, folder->file), -EFBIG);
    assert_null(strstr(folder->secret, "0123"));
}

static void finds_systemd_credentials(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(read_secret(folder, "credential:community"), -ENOENT);
    assert_non_null(strstr(folder->why, "LoadCredential=community:"));
    setenv("CREDENTIALS_DIRECTORY", folder->path, 1);
    assert_int_equal(read_secret(folder, "credential:community"), -ENOENT);
    write_secret(folder, "public\n", 7, 0440); /* as systemd leaves them */
    assert_int_equal(read_secret(folder, "credential:community"), 0);
    assert_string_equal(folder->secret, "public");
    assert_int_equal(read_secret(folder, "credential:"), -EINVAL);
    assert_int_equal(read_secret(folder, "credential:../community"), -EINVAL);
    assert_int_equal(read_secret(folder, "credential:.."), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_others_may_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_systemd_credentials, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
