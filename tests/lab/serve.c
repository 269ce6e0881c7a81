/* One process, one epoll, no threads. A connection holds a small state: how far the end of a
 * request head has been seen. Requests have no body here; whatever is no HTTP (a TLS greeting) is
 * closed. Answers are short enough to be taken by the socket at once; a peer that does not take
 * them is closed too. */
#include "serve.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 16384, EVENTS = 256, IDLE_S = 30 };

struct connection {
    int fd;
    size_t head;     /* bytes of the present request's head so far */
    unsigned ending; /* how many bytes of "\r\n\r\n" were last */
    bool is_head;    /* a HEAD request: no body */
    bool closes;     /* asked for by HTTP/1.0 or by the client */
    char line[64];   /* the beginning of the request line */
    int64_t last_ns;
    struct connection *newer; /* by last use */
    struct connection *older;
};

struct server {
    int epoll_fd;
    size_t count;
    struct connection *oldest;
    struct connection *newest;
};

int lab_ports_parse(const char *text, struct lab_serve_config *config, struct lab_error *err)
{
    char copy[LAB_PORTS_MAX * 6 + 1];
    char *rest = copy;
    char *word;
    uint64_t port;

    if (strlen(text) >= sizeof(copy))
        return lab_fail(err, "at most %d ports", LAB_PORTS_MAX);
    memcpy(copy, text, strlen(text) + 1);
    config->count = 0;
    while ((word = strtok_r(rest, ",", &rest))) {
        if (lab_parse_number(word, 65535, &port, err) < 0 || port == 0)
            return lab_fail(err, "\"%.40s\" is no port: write 1 to 65535, with commas between",
                            word);
        if (config->count == LAB_PORTS_MAX)
            return lab_fail(err, "at most %d ports", LAB_PORTS_MAX);
        config->ports[config->count++] = (uint16_t)port;
    }
    return config->count ? 0 : lab_fail(err, "no port given: write them as 80,443");
}

static int bind_port(int fd, int family, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    int zero = 0;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (family == AF_INET)
        return bind(fd, (struct sockaddr *)&v4, sizeof(v4));
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
        return -1;
    return bind(fd, (struct sockaddr *)&v6, sizeof(v6));
}

static int listen_on(int family, uint16_t port, bool loopback_only)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return -errno;
    if ((!loopback_only || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0) &&
        bind_port(fd, family, port) == 0 && listen(fd, 4096) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

int lab_serve_open(const struct lab_serve_config *config, int fds[LAB_PORTS_MAX],
                   struct lab_error *err)
{
    for (size_t i = 0; i < config->count; i++) {
        fds[i] = listen_on(AF_INET6, config->ports[i], config->loopback_only);
        if (fds[i] == -EAFNOSUPPORT || fds[i] == -EADDRNOTAVAIL)
            fds[i] = listen_on(AF_INET, config->ports[i], config->loopback_only);
        if (fds[i] < 0) {
            lab_fail(err, "cannot serve port %u: %s", config->ports[i], strerror(-fds[i]));
            while (i-- > 0)
                close(fds[i]);
            return -EADDRINUSE;
        }
    }
    return 0;
}

static void unlink_connection(struct server *server, struct connection *connection)
{
    if (connection->older)
        connection->older->newer = connection->newer;
    else
        server->oldest = connection->newer;
    if (connection->newer)
        connection->newer->older = connection->older;
    else
        server->newest = connection->older;
}

static void link_newest(struct server *server, struct connection *connection)
{
    connection->last_ns = lab_now();
    connection->newer = NULL;
    connection->older = server->newest;
    if (server->newest)
        server->newest->newer = connection;
    else
        server->oldest = connection;
    server->newest = connection;
}

static void end_connection(struct server *server, struct connection *connection)
{
    unlink_connection(server, connection);
    close(connection->fd);
    free(connection);
    server->count--;
}

static void end_idle(struct server *server)
{
    int64_t now_ns = lab_now();

    while (server->oldest && now_ns - server->oldest->last_ns > IDLE_S * INT64_C(1000000000))
        end_connection(server, server->oldest);
}

static void accept_all(struct server *server, int listen_fd)
{
    for (;;) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
        struct connection *connection;
        int one = 1;
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        connection = server->count < CONNECTIONS_MAX ? calloc(1, sizeof(*connection)) : NULL;
        event.data.ptr = connection;
        if (!connection || epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
            free(connection);
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        connection->fd = fd;
        server->count++;
        link_newest(server, connection);
    }
}

static void local_name(int fd, char out[INET6_ADDRSTRLEN])
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof(name);

    snprintf(out, INET6_ADDRSTRLEN, "?");
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return;
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&name)->sin_addr, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&name)->sin6_addr, out, INET6_ADDRSTRLEN);
}

/* False when the connection is to be closed. */
static bool answer(struct connection *connection)
{
    char name[INET6_ADDRSTRLEN];
    char body[160];
    char text[512];
    int length;
    int size;

    local_name(connection->fd, name);
    length = snprintf(body, sizeof(body), "phusong-lab\n%s\n",
                      strncmp(name, "::ffff:", 7) == 0 ? name + 7 : name);
    size = snprintf(text, sizeof(text),
                    "HTTP/1.1 200 OK\r\nServer: phusong-lab\r\nContent-Type: text/plain\r\n"
                    "Content-Length: %d\r\nConnection: %s\r\n\r\n%s",
                    length, connection->closes ? "close" : "keep-alive",
                    connection->is_head ? "" : body);
    return send(connection->fd, text, (size_t)size, MSG_NOSIGNAL) == size && !connection->closes;
}

static bool is_http(const struct connection *connection)
{
    static const char *const methods[] = {"GET ", "HEAD ", "POST ", "OPTIONS "};

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (strncmp(connection->line, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

static bool end_of_head(struct connection *connection)
{
    connection->is_head = strncmp(connection->line, "HEAD ", 5) == 0;
    connection->closes |= strstr(connection->line, "HTTP/1.0") != NULL;
    if (!is_http(connection) || !answer(connection))
        return false;
    connection->head = 0;
    connection->ending = 0;
    memset(connection->line, 0, sizeof(connection->line));
    return true;
}

static bool take_byte(struct connection *connection, char byte)
{
    static const char ending[4] = "\r\n\r\n";

    if (connection->head < sizeof(connection->line) - 1)
        connection->line[connection->head] = byte;
    if (++connection->head > LAB_REQUEST_MAX)
        return false;
    if (connection->head == 8 && !is_http(connection))
        return false;
    if (byte == ending[connection->ending])
        connection->ending++;
    else
        connection->ending = byte == '\r' ? 1 : 0;
    return connection->ending < sizeof(ending) || end_of_head(connection);
}

static bool read_some(struct connection *connection)
{
    char bytes[4096];
    ssize_t got = recv(connection->fd, bytes, sizeof(bytes), 0);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    for (ssize_t i = 0; i < got; i++)
        if (!take_byte(connection, bytes[i]))
            return false;
    return true;
}

static void serve_connection(struct server *server, struct connection *connection)
{
    if (!read_some(connection)) {
        end_connection(server, connection);
        return;
    }
    unlink_connection(server, connection);
    link_newest(server, connection);
}

/* In the epoll set a listener stands as a pointer into `fds`, a connection as its own pointer. */
static const int *as_listener(const int *fds, size_t count, const void *data)
{
    uintptr_t at = (uintptr_t)data;
    uintptr_t first = (uintptr_t)fds;

    return at >= first && at < first + count * sizeof(*fds) ? (const int *)data : NULL;
}

int lab_serve_run(const int *fds, size_t count)
{
    struct epoll_event events[EVENTS];
    struct server server = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};

    if (server.epoll_fd < 0)
        return -errno;
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)&fds[i]};

        if (epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, fds[i], &event) < 0)
            return -errno;
    }
    for (;;) {
        int ready = epoll_wait(server.epoll_fd, events, EVENTS, 1000);

        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            const int *listener = as_listener(fds, count, connection);

            if (listener)
                accept_all(&server, *listener);
            else if (connection)
                serve_connection(&server, connection);
        }
        end_idle(&server);
    }
}
