/* Certificate and key from their files. */
#include "private.h"

#include "replace_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PEM_MAX = 1024 * 1024 };

static int read_pem(const char *what, const char *path, bool is_secret, char **pem, char *why,
                    size_t why_size)
{
    struct stat info;
    size_t length;
    int error = phu_file_read(path, PEM_MAX, pem, &length, &info);

    if (!error && !*pem)
        error = -ENOENT;
    if (!error)
        (*pem)[length] = '\0'; /* there is room */
    if (!error && is_secret && (info.st_mode & (S_IROTH | S_IWOTH))) {
        snprintf(why, why_size, "%s %s is open to everybody; run chmod o-rwx on it", what, path);
        error = -EPERM;
    } else if (error) {
        snprintf(why, why_size, "cannot read %s %s: %s", what, path, strerror(-error));
    } else if (!strstr(*pem, "-----BEGIN ")) {
        snprintf(why, why_size, "%s %s is not PEM: it has no line -----BEGIN …", what, path);
        error = -EINVAL;
    }
    if (error) {
        free(*pem);
        *pem = NULL;
    }
    return error;
}

int phu_tls_read(const char *certificate, const char *key, char **certificate_pem, char **key_pem,
                 char *why, size_t why_size)
{
    int error;

    *certificate_pem = *key_pem = NULL;
    if (!*certificate && !*key)
        return 0;
    error = read_pem("the certificate", certificate, false, certificate_pem, why, why_size);
    if (error)
        return error;
    error = read_pem("the private key", key, true, key_pem, why, why_size);
    if (error) {
        free(*certificate_pem);
        *certificate_pem = NULL;
    }
    return error;
}
