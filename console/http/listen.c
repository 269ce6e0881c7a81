/* A listen socket of our own: MHD's way of reusing an address would let two consoles share a port
 * without either noticing. */
#include "private.h"

#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
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
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char port[8] = "0";

    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV);
    return (uint16_t)strtoul(port, NULL, 10);
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
