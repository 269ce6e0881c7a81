/* Secrets: read from a file of their own or from a systemd credential, never from the
 * configuration. A file that others can read or write is refused, because whoever set it up should
 * hear of it on the day he does, not after the password has travelled.
 */
#include "phusong/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct request {
    char path[PATH_MAX];
    bool is_credential; /* its folder is systemd's, and as private as systemd makes it */
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct request *request, int error,
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(request->why, request->why_size, format, args);
    va_end(args);
    return error;
}

/* "credential:NAME" to its path. */
static int find_credential(struct request *request, const char *name)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    request->is_credential = true;
    if (!name[0] || strchr(name, '/') || name[0] == '.')
        return refuse(request, -EINVAL,
                      "\"credential:%s\" is not the name of a credential; write credential:NAME as "
                      "in LoadCredential=NAME:…",
                      name);
    if (!folder || !folder[0])
        return refuse(request, -ENOENT,
                      "credential \"%s\" is not there: $CREDENTIALS_DIRECTORY is not set; start "
                      "phusong from its systemd unit with LoadCredential=%s:…, set it by hand to "
                      "the folder that holds %s, or give a path",
                      name, name, name);
    if ((size_t)snprintf(request->path, sizeof request->path, "%s/%s", folder, name) >=
        sizeof request->path)
        return refuse(request, -ENAMETOOLONG, "the name of credential \"%.40s\" is too long", name);
    return 0;
}

static int find_file(struct request *request, const char *reference)
{
    if (strncmp(reference, "credential:", 11) == 0)
        return find_credential(request, reference + 11);
    if ((size_t)snprintf(request->path, sizeof request->path, "%s", reference) >=
        sizeof request->path)
        return refuse(request, -ENAMETOOLONG, "the path of a secret is too long");
    return 0;
}

static int refuse_open(const struct request *request, int error)
{
    if (error == EACCES)
        return refuse(request, -EACCES,
                      "secret file %s cannot be read: permission denied; it must belong to the "
                      "user that phusong runs as, or be a credential of its systemd unit "
                      "(credential:NAME)",
                      request->path);
    return refuse(request, -error, "secret file %s cannot be read: %s", request->path,
                  strerror(error));
}

static int check_file(const struct request *request, int fd)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return refuse_open(request, errno);
    if (!S_ISREG(info.st_mode))
        return refuse(request, -EINVAL,
                      "secret %s is not a file; give the path of a file that "
                      "holds nothing but the secret",
                      request->path);
    if (!request->is_credential && (info.st_mode & (S_IRWXG | S_IRWXO)))
        return refuse(request, -EPERM,
                      "secret file %s may be used by others (mode %04o); run: chmod 600 %s",
                      request->path, (unsigned)(info.st_mode & 07777), request->path);
    return 0;
}

static int read_file(const struct request *request, int fd, char *secret, size_t size)
{
    size_t length = 0;
    ssize_t got;

    do {
        got = read(fd, secret + length, size - length);
        if (got > 0)
            length += (size_t)got;
    } while ((got > 0 && length < size) || (got < 0 && errno == EINTR));
    if (got < 0)
        return refuse_open(request, errno);
    if (length > 0 && length < size && secret[length - 1] == '\n')
        length--;
    if (length > 0 && length < size && secret[length - 1] == '\r')
        length--;
    if (length == size)
        return refuse(request, -EFBIG, "secret file %s is longer than %zu bytes", request->path,
                      size - 1);
    if (length == 0)
        return refuse(request, -ENODATA, "secret file %s is empty", request->path);
    if (memchr(secret, '\0', length) || memchr(secret, '\n', length))
        return refuse(request, -EINVAL,
                      "secret file %s must hold one line of text, the secret alone", request->path);
    secret[length] = '\0';
    return 0;
}

int phu_secret_read(const char *reference, char *secret, size_t size, char *why, size_t why_size)
{
    struct request request = {.why = why, .why_size = why_size};
    int result = find_file(&request, reference), fd;

    if (result < 0)
        return result;
    fd = open(request.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return refuse_open(&request, errno);
    result = check_file(&request, fd);
    if (result == 0)
        result = read_file(&request, fd, secret, size);
    close(fd);
    if (result < 0)
        explicit_bzero(secret, size);
    return result;
}
