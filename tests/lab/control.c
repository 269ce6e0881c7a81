/* Owns the listening socket, its connections, and an epoll set of both, so that the lab's loop
 * watches a single descriptor. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 32, EVENTS = 16 };

struct client {
    int fd;
    char *in;
    size_t in_length;
    char *out; /* set once the request has been handled */
    size_t out_length;
    size_t out_sent;
    struct client *next;
};

struct lab_control {
    int listen_fd;
    int epoll_fd;
    char *path;
    lab_control_handler *handler;
    void *context;
    struct client *clients;
    size_t client_count;
};

static int make_address(const char *path, struct sockaddr_un *name)
{
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name->sun_path))
        return -ENAMETOOLONG;
    memcpy(name->sun_path, path, strlen(path) + 1);
    return 0;
}

static int watch(int epoll_fd, int fd, int operation, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    return epoll_ctl(epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static int listen_at(const char *path)
{
    struct sockaddr_un name;
    int error = make_address(path, &name);
    int fd;

    if (error < 0)
        return error;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    unlink(path);
    if (bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && chmod(path, 0600) == 0 &&
        listen(fd, CLIENTS_MAX) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

int lab_control_open(const char *path, lab_control_handler *handler, void *context,
                     struct lab_control **control)
{
    struct lab_control *made = calloc(1, sizeof(*made));
    int error = -ENOMEM;

    if (!made)
        return error;
    *made = (struct lab_control){
        .listen_fd = -1, .epoll_fd = -1, .handler = handler, .context = context};
    made->path = strdup(path);
    if (!made->path)
        goto fail;
    made->listen_fd = error = listen_at(path);
    if (error < 0)
        goto fail;
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    error = made->epoll_fd < 0
                ? -errno
                : watch(made->epoll_fd, made->listen_fd, EPOLL_CTL_ADD, EPOLLIN, made);
    if (error < 0)
        goto fail;
    *control = made;
    return 0;

fail:
    lab_control_close(made);
    return error;
}

int lab_control_fd(const struct lab_control *control)
{
    return control->epoll_fd;
}

static void end_client(struct lab_control *control, struct client *client)
{
    struct client **link = &control->clients;

    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    control->client_count--;
    close(client->fd);
    free(client->in);
    free(client->out);
    free(client);
}

void lab_control_close(struct lab_control *control)
{
    if (!control)
        return;
    if (control->listen_fd >= 0) {
        unlink(control->path);
        close(control->listen_fd);
    }
    while (control->clients)
        end_client(control, control->clients);
    if (control->epoll_fd >= 0)
        close(control->epoll_fd);
    free(control->path);
    free(control);
}

static void accept_client(struct lab_control *control)
{
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *client;

    if (fd < 0)
        return;
    client = control->client_count < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
    if (!client || watch(control->epoll_fd, fd, EPOLL_CTL_ADD, EPOLLIN, client) < 0) {
        free(client);
        close(fd);
        return;
    }
    client->fd = fd;
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
}

/* The status byte goes first and alone carries the descriptor. */
static int send_status(int fd, bool is_refused, int passed_fd)
{
    char status = is_refused ? '1' : '0';
    struct iovec bytes = {.iov_base = &status, .iov_len = 1};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } space = {.room = {0}};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

    if (passed_fd >= 0) {
        struct cmsghdr *header;

        message.msg_control = space.room;
        message.msg_controllen = sizeof(space.room);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed_fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

static int split_request(struct client *client, char **words)
{
    int count = 0;
    char *at = client->in;
    char *end = client->in + client->in_length;

    if (client->in_length == 0 || end[-1] != '\0')
        return -EINVAL;
    while (at < end) {
        if (count == LAB_CONTROL_WORDS)
            return -EINVAL;
        words[count++] = at;
        at += strlen(at) + 1;
    }
    words[count] = NULL;
    return count;
}

static int handle_request(struct lab_control *control, struct client *client)
{
    char *words[LAB_CONTROL_WORDS + 1];
    int count = split_request(client, words);
    struct lab_reply reply = {.fd = -1};

    reply.out = open_memstream(&client->out, &client->out_length);
    if (!reply.out)
        return -ENOMEM;
    if (count > 0)
        control->handler(control->context, words, count, &reply);
    else
        reply.is_refused = true;
    fclose(reply.out);
    return send_status(client->fd, reply.is_refused, reply.fd);
}

/* Returns 1 when the request is complete, 0 when more is to come. */
static int read_request(struct client *client)
{
    char bytes[65536];
    char *grown;
    ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (got == 0)
        return 1;
    if (client->in_length + (size_t)got > LAB_CONTROL_BYTES)
        return -EMSGSIZE;
    grown = realloc(client->in, client->in_length + (size_t)got);
    if (!grown)
        return -ENOMEM;
    memcpy(grown + client->in_length, bytes, (size_t)got);
    client->in = grown;
    client->in_length += (size_t)got;
    return 0;
}

/* Returns 1 when all is sent. */
static int send_answer(struct client *client)
{
    while (client->out_sent < client->out_length) {
        ssize_t sent = send(client->fd, client->out + client->out_sent,
                            client->out_length - client->out_sent, MSG_NOSIGNAL);

        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        client->out_sent += (size_t)sent;
    }
    return 1;
}

static bool is_stop(const struct client *client)
{
    return client->in_length >= sizeof("stop") && memcmp(client->in, "stop", sizeof("stop")) == 0;
}

static void serve_client(struct lab_control *control, struct client *client)
{
    int state = client->out ? 1 : read_request(client);

    if (state == 1 && !client->out) {
        state = handle_request(control, client);
        if (state == 0)
            state =
                watch(control->epoll_fd, client->fd, EPOLL_CTL_MOD, EPOLLOUT, client) < 0 ? -1 : 1;
    }
    if (state == 1)
        state = send_answer(client);
    if (state == 1 && is_stop(client)) { /* its connection tells when all is over */
        epoll_ctl(control->epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
        return;
    }
    if (state != 0)
        end_client(control, client);
}

void lab_control_serve(struct lab_control *control)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(control->epoll_fd, events, EVENTS, 0);

    for (int i = 0; i < ready; i++) {
        if (events[i].data.ptr == control)
            accept_client(control);
        else
            serve_client(control, events[i].data.ptr);
    }
}

static int send_words(int fd, char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        const char *at = words[i];
        size_t left = strlen(words[i]) + 1;

        while (left > 0) {
            ssize_t sent = send(fd, at, left, MSG_NOSIGNAL);

            if (sent < 0)
                return -errno;
            at += sent;
            left -= (size_t)sent;
        }
    }
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

static int receive_status(int fd, int *passed_fd)
{
    char status;
    struct iovec bytes = {.iov_base = &status, .iov_len = 1};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } space;
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = space.room,
                             .msg_controllen = sizeof(space.room)};
    struct cmsghdr *header;
    int received = -1;

    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1)
        return -EPIPE;
    header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&received, CMSG_DATA(header), sizeof(int));
    if (passed_fd)
        *passed_fd = received;
    else if (received >= 0)
        close(received);
    return status == '0' ? 0 : 1;
}

static int talk(int fd, char *const *words, int count, FILE *out, int *passed_fd)
{
    char bytes[65536];
    ssize_t got;
    int status = send_words(fd, words, count);

    if (status < 0)
        return status;
    status = receive_status(fd, passed_fd);
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        fwrite(bytes, 1, (size_t)got, out);
    return status;
}

int lab_control_ask(const char *path, char *const *words, int count, FILE *out, int *fd)
{
    struct sockaddr_un name;
    int result = make_address(path, &name);
    int socket_fd;

    if (fd)
        *fd = -1;
    if (result < 0)
        return result;
    socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return -errno;
    if (connect(socket_fd, (struct sockaddr *)&name, sizeof(name)) < 0)
        result = -errno;
    else
        result = talk(socket_fd, words, count, out, fd);
    close(socket_fd);
    return result;
}
