/* A listen socket of our own: MHD's way of reusing an address would let two consoles share a port
 * without either noticing. */
#include "private.h"

#include "listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static socklen_t length_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &length))
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int phu_listen_open(const char *text, uint16_t *port, char *why, size_t why_size)
{
    struct sockaddr_storage address;
    const char *fault = phu_listen_parse(text, &address);
    int one = 1, fd, error;

    if (fault) {
        snprintf(why, why_size, "%s", fault);
        return -EINVAL;
    }
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        goto failed;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, length_of(&address)) || listen(fd, BACKLOG))
        goto failed;
    *port = port_of(fd);
    return fd;
failed:
    error = errno;
    snprintf(why, why_size, "cannot listen on %s: %s%s", text, strerror(error),
             error == EADDRINUSE ? "; another process has that port" : "");
    if (fd >= 0)
        close(fd);
    return -error;
}
