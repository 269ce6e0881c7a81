/* A listener on a free port of loopback that answers each connection, in a thread of its own, with
 * what a function of the test writes. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct server {
    int fd, port;
    pthread_t thread;
    /* Writes the answer to one request; true to wait for another one on the same connection. */
    bool (*answer)(struct server *server, int fd, const char *request, size_t length);
    int other_port; /* for answers that point to another server */
    unsigned connections, requests;
    size_t body_length; /* of the last request */
    char last[2048];    /* head of the last request */
};

void server_start(struct server *server,
                  bool (*answer)(struct server *, int fd, const char *request, size_t length));
void server_start_at(struct server *server, const char *address,
                     bool (*answer)(struct server *, int fd, const char *request, size_t length));
void server_stop(struct server *server);
void server_write(int fd, const char *text);
