/* libcurl's multi interface on the loop.
 *
 * libcurl says which sockets it wants watched for what, and when it wants to be called next; we
 * call it when either happens, and hand on which transfers are over. It wants its timer moved from
 * inside its own functions, where it must not be called: so the timer always fires later.
 */
#include "multi.h"

#include "phusong/sched.h"

#include <stdbool.h>
#include <stdlib.h>

#define IDLE_CONNECTIONS 16

struct phu_multi {
    struct phu_sched *sched;
    struct phu_multi_events events;
    CURLM *curl;
    struct phu_timer timer; /* libcurl's */
    struct multi_socket *sockets;
};

struct multi_socket {
    struct multi_socket *next, **link;
    struct phu_multi *multi;
    struct phu_watch *watch;
    curl_socket_t fd;
    unsigned events;
};

static void collect(struct phu_multi *multi)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi->curl, &left))) {
        char *owner = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        multi->events.ended(owner, code);
    }
}

static void act(struct phu_multi *multi, curl_socket_t fd, int events)
{
    struct phu_mono began = phu_sched_now(multi->sched);
    int running;

    curl_multi_socket_action(multi->curl, fd, events, &running);
    multi->events.worked(multi->events.arg, phu_mono_since(phu_sched_now(multi->sched), began));
    collect(multi);
}

static void timer_rang(struct phu_timer *timer)
{
    act(phu_container_of(timer, struct phu_multi, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* Never acts from inside: libcurl does not allow it. */
static int timer_wanted(CURLM *curl, long timeout_ms, void *arg)
{
    struct phu_multi *multi = arg;

    (void)curl;
    if (timeout_ms < 0)
        phu_timer_cancel(multi->sched, &multi->timer);
    else
        phu_timer_after(multi->sched, &multi->timer, timeout_ms * PHU_NS_PER_MS);
    return 0;
}

static void socket_ready(void *arg, unsigned events)
{
    struct multi_socket *sock = arg;
    struct phu_multi *multi = sock->multi;
    curl_socket_t fd = sock->fd;
    bool is_gone = events & PHU_WATCH_GONE;

    act(multi, fd,
        (events & PHU_WATCH_READ ? CURL_CSELECT_IN : 0) |
            (events & PHU_WATCH_WRITE ? CURL_CSELECT_OUT : 0) |
            (is_gone ? CURL_CSELECT_IN | CURL_CSELECT_OUT | CURL_CSELECT_ERR : 0));
    if (!is_gone)
        return;
    for (sock = multi->sockets; sock; sock = sock->next) { /* does libcurl still want it? */
        if (sock->fd == fd)
            phu_watch_set(sock->watch, sock->events);
    }
}

static void forget_socket(struct multi_socket *sock)
{
    phu_watch_close(sock->watch);
    *sock->link = sock->next;
    if (sock->next)
        sock->next->link = sock->link;
    free(sock);
}

static int add_socket(struct phu_multi *multi, curl_socket_t fd, unsigned events)
{
    struct multi_socket *sock = calloc(1, sizeof *sock);

    if (!sock)
        return -1;
    *sock = (struct multi_socket){.multi = multi, .fd = fd, .events = events};
    if (phu_watch_open(multi->sched, fd, events, socket_ready, sock, &sock->watch)) {
        free(sock);
        return -1;
    }
    sock->next = multi->sockets;
    sock->link = &multi->sockets;
    if (sock->next)
        sock->next->link = &sock->next;
    multi->sockets = sock;
    curl_multi_assign(multi->curl, fd, sock);
    return 0;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct phu_multi *multi = arg;
    struct multi_socket *sock = socket_arg;
    unsigned events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (sock)
            forget_socket(sock);
        curl_multi_assign(multi->curl, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= PHU_WATCH_READ;
    if (what & CURL_POLL_OUT)
        events |= PHU_WATCH_WRITE;
    if (!sock)
        return add_socket(multi, fd, events);
    sock->events = events;
    return phu_watch_set(sock->watch, events) ? -1 : 0;
}

struct phu_multi *phu_multi_new(struct phu_sched *sched, const struct phu_multi_events *events)
{
    struct phu_multi *multi = calloc(1, sizeof *multi);

    if (!multi)
        return NULL;
    multi->sched = sched;
    multi->events = *events;
    phu_timer_init(&multi->timer, timer_rang);
    multi->curl = curl_multi_init();
    if (!multi->curl) {
        free(multi);
        return NULL;
    }
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    return multi;
}

void phu_multi_free(struct phu_multi *multi)
{
    struct multi_socket *next;

    if (!multi)
        return;
    curl_multi_cleanup(multi->curl);
    for (struct multi_socket *sock = multi->sockets; sock; sock = next) {
        next = sock->next;
        forget_socket(sock);
    }
    phu_timer_cancel(multi->sched, &multi->timer);
    free(multi);
}

CURLMcode phu_multi_add(struct phu_multi *multi, CURL *easy)
{
    return curl_multi_add_handle(multi->curl, easy);
}

void phu_multi_remove(struct phu_multi *multi, CURL *easy)
{
    curl_multi_remove_handle(multi->curl, easy);
}
