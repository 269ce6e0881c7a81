#include "server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void server_write(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return; /* the client has had enough */
}

/* Reads one request with its body; returns its length, 0 at the end of the connection. */
static size_t read_request(struct server *server, int fd, char *buffer, size_t size)
{
    size_t used = 0, wanted = 0;

    while (!wanted || used < wanted) {
        ssize_t got = recv(fd, buffer + used, size - 1 - used, 0);
        char *end, *length;

        if (got <= 0)
            return 0;
        used += (size_t)got;
        buffer[used] = '\0';
        end = strstr(buffer, "\r\n\r\n");
        if (!end || wanted)
            continue;
        length = strstr(buffer, "Content-Length: ");
        server->body_length = length ? (size_t)atol(length + 16) : 0;
        wanted = (size_t)(end + 4 - buffer) + server->body_length;
    }
    return used;
}

static void *serve(void *arg)
{
    struct server *server = arg;
    static const size_t size = 4 << 20;
    char *buffer = malloc(size);
    int fd;

    while (buffer && (fd = accept(server->fd, NULL, NULL)) >= 0) {
        size_t length;

        server->connections++;
        while ((length = read_request(server, fd, buffer, size)) > 0) {
            server->requests++;
            snprintf(server->last, sizeof server->last, "%s", buffer);
            if (!server->answer(server, fd, buffer, length))
                break;
        }
        close(fd);
    }
    free(buffer);
    return NULL;
}

void server_start_at(struct server *server, const char *text,
                     bool (*answer)(struct server *, int fd, const char *request, size_t length))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text)};
    socklen_t length = sizeof address;

    memset(server, 0, sizeof *server);
    server->answer = answer;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, sizeof address) ||
        listen(server->fd, 16) || getsockname(server->fd, (struct sockaddr *)&address, &length) ||
        pthread_create(&server->thread, NULL, serve, server))
        abort();
    server->port = ntohs(address.sin_port);
}

void server_start(struct server *server,
                  bool (*answer)(struct server *, int fd, const char *request, size_t length))
{
    server_start_at(server, "127.0.0.1", answer);
}

void server_stop(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}
