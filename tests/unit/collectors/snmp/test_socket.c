/* The shared sockets on loopback: who hears what, what is told of errors, and what happens when the
 * kernel takes no more or has dropped something. Time is virtual.
 */
#include "socket.h"

#include "phusong/log.h"
#include "phusong/sched.h"
#include "sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICES 40

struct phu_watch {
    phu_watch_cb *ready;
    void *arg;
    unsigned events;
};

struct talker {
    struct phu_udp_peer peer;
    char wants[16]; /* what a datagram begins with that is for this one */
    unsigned heard, failed;
    char last[32];
    int error;
    bool is_final;
};

struct bed {
    struct phu_sched *sched;
    struct phu_udp *udp;
    struct phu_udp_counts counts;
    struct phu_watch watch;
    int64_t work_ns; /* that hearing a datagram takes */
    int fds[DEVICES];
    struct sockaddr_in addresses[DEVICES];
    struct talker talkers[DEVICES];
    /* What sendmmsg is to answer: an errno so many times, for datagrams to `poison` only if set. */
    int send_error, send_errors, sends;
    in_addr_t poison;
};

static struct bed *bed; /* what the wrapped functions need to find */

int __wrap_phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready,
                          void *arg, struct phu_watch **out);
int __wrap_phu_watch_set(struct phu_watch *watch, unsigned events);
void __wrap_phu_watch_close(struct phu_watch *watch);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

int __wrap_phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready,
                          void *arg, struct phu_watch **out)
{
    (void)sched;
    (void)fd;
    bed->watch = (struct phu_watch){ready, arg, events};
    *out = &bed->watch;
    return 0;
}

int __wrap_phu_watch_set(struct phu_watch *watch, unsigned events)
{
    watch->events = events;
    return 0;
}

void __wrap_phu_watch_close(struct phu_watch *watch)
{
    (void)watch;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    const struct sockaddr_in *to = messages[0].msg_hdr.msg_name;

    bed->sends++;
    if (bed->send_errors > 0 && (!bed->poison || to->sin_addr.s_addr == bed->poison)) {
        bed->send_errors--;
        errno = bed->send_error;
        return -1;
    }
    if (bed->poison) /* it must come first to be refused */
        count = 1;
    return __real_sendmmsg(fd, messages, count, flags);
}

static bool is_for(const struct phu_udp_peer *peer, const uint8_t *bytes, size_t length)
{
    const struct talker *talker = phu_container_of(peer, struct talker, peer);
    size_t wanted = strlen(talker->wants);

    return length >= wanted && !memcmp(bytes, talker->wants, wanted);
}

static void heard(struct phu_udp_peer *peer, const struct phu_udp_datagram *datagram)
{
    struct talker *talker = phu_container_of(peer, struct talker, peer);

    talker->heard++;
    snprintf(talker->last, sizeof talker->last, "%.*s", (int)datagram->length,
             (const char *)datagram->bytes);
    assert_true(datagram->at_ns >= peer->sent_ns);
    assert_true(datagram->at_ns <= phu_sched_now(bed->sched).ns);
    if (bed->work_ns)
        phu_sim_stall(bed->sched, bed->work_ns);
}

static void failed(struct phu_udp_peer *peer, int error, bool is_final)
{
    struct talker *talker = phu_container_of(peer, struct talker, peer);

    talker->failed++;
    talker->error = error;
    talker->is_final = is_final;
}

static const struct phu_udp_owner owner = {is_for, heard, failed};

/* -- The bed --------------------------------------------------------------------------------- */

static void open_device(size_t index)
{
    struct sockaddr_in *address = &bed->addresses[index];
    socklen_t size = sizeof *address;

    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr = {htonl(0x7f050001 + (uint32_t)index)}};
    bed->fds[index] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(bed->fds[index] >= 0);
    assert_int_equal(bind(bed->fds[index], (struct sockaddr *)address, size), 0);
    assert_int_equal(getsockname(bed->fds[index], (struct sockaddr *)address, &size), 0);
}

static int set_up(void **state)
{
    bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    phu_log_set_level(PHU_LOG_ERROR);
    bed->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    for (size_t i = 0; i < DEVICES; i++)
        open_device(i);
    assert_int_equal(phu_udp_open(bed->sched, AF_INET, 1 << 16, &owner, &bed->counts, &bed->udp),
                     0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < DEVICES; i++) {
        phu_udp_leave(&bed->talkers[i].peer);
        close(bed->fds[i]);
    }
    phu_udp_close(bed->udp);
    phu_sim_free(bed->sched);
    free(bed);
    return 0;
}

static struct talker *join(size_t talker, size_t device)
{
    assert_int_equal(phu_udp_join(bed->udp, &bed->talkers[talker].peer,
                                  (struct sockaddr *)&bed->addresses[device]),
                     0);
    return &bed->talkers[talker];
}

static void put(struct talker *talker, const char *text)
{
    assert_int_equal(phu_udp_put(&talker->peer, text, strlen(text)), 0);
}

static void settle(void)
{
    phu_sim_run(bed->sched, 0);
}

static void ready(unsigned events)
{
    bed->watch.ready(bed->watch.arg, events);
    settle();
}

/* What came to the device, or NULL; `from` is then who asked. */
static const char *take(size_t device, struct sockaddr_in *from)
{
    static char text[64];
    socklen_t size = sizeof *from;
    ssize_t length = recvfrom(bed->fds[device], text, sizeof text - 1, 0, (struct sockaddr *)from,
                              from ? &size : NULL);

    if (length < 0)
        return NULL;
    text[length] = '\0';
    return text;
}

static void answer(size_t device, const struct sockaddr_in *to, const char *text)
{
    assert_int_equal(
        sendto(bed->fds[device], text, strlen(text), 0, (const struct sockaddr *)to, sizeof *to),
        strlen(text));
}

/* -- Talking --------------------------------------------------------------------------------- */

static void answers_find_who_asked(void **state)
{
    struct sockaddr_in from[DEVICES];

    (void)state;
    for (size_t i = 0; i < DEVICES; i++)
        put(join(i, i), "question");
    settle();
    assert_int_equal(bed->counts.sent, DEVICES);
    for (size_t i = 0; i < DEVICES; i++)
        assert_string_equal(take(i, &from[i]), "question");
    for (size_t i = 0; i < DEVICES; i++) {
        char text[16];

        assert_int_equal(from[i].sin_port, from[0].sin_port);
        snprintf(text, sizeof text, "answer %zu", i);
        answer(i, &from[i], text);
    }
    ready(PHU_WATCH_READ);
    for (size_t i = 0; i < DEVICES; i++) {
        char text[16];

        snprintf(text, sizeof text, "answer %zu", i);
        assert_int_equal(bed->talkers[i].heard, 1);
        assert_string_equal(bed->talkers[i].last, text);
    }
}

static void what_is_put_together_leaves_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHU_UDP_BATCH - 1; i++)
        put(join(i, i), "x");
    assert_int_equal(bed->sends, 0);
    settle();
    assert_int_equal(bed->sends, 1);
}

static void a_full_batch_does_not_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHU_UDP_BATCH; i++)
        put(join(i, i), "x");
    assert_int_equal(bed->sends, 1);
    assert_int_equal(bed->counts.sent, PHU_UDP_BATCH);
}

static void strangers_are_counted_and_dropped(void **state)
{
    struct sockaddr_in from;
    struct talker *talker = join(0, 0);

    (void)state;
    put(talker, "question");
    settle();
    take(0, &from);
    answer(1, &from, "I know it");
    ready(PHU_WATCH_READ);
    assert_int_equal(bed->counts.strangers, 1);
    assert_int_equal(talker->heard, 0);
    phu_udp_leave(&talker->peer);
    answer(0, &from, "too late");
    ready(PHU_WATCH_READ);
    assert_int_equal(bed->counts.strangers, 2);
}

static void several_at_one_address_are_told_apart(void **state)
{
    struct talker *a = join(0, 0), *b = join(1, 0), *c = join(2, 0);
    struct sockaddr_in from;

    (void)state;
    strcpy(a->wants, "a");
    strcpy(b->wants, "b");
    strcpy(c->wants, "c");
    put(a, "?");
    settle();
    take(0, &from);
    answer(0, &from, "b1");
    answer(0, &from, "a1");
    answer(0, &from, "unknown");
    ready(PHU_WATCH_READ);
    assert_string_equal(a->last, "a1");
    assert_string_equal(b->last, "b1");
    assert_string_equal(c->last, "unknown"); /* who joined last has to judge */
    phu_udp_leave(&b->peer);
    answer(0, &from, "a2");
    answer(0, &from, "b2");
    ready(PHU_WATCH_READ);
    assert_string_equal(a->last, "a2");
    assert_string_equal(c->last, "b2");
    assert_int_equal(b->heard, 1);
}

static void a_later_datagram_replaces_one_that_waits(void **state)
{
    struct talker *talker = join(0, 0), *gone = join(1, 1);

    (void)state;
    put(talker, "first");
    put(gone, "never sent");
    put(talker, "second, and longer");
    phu_udp_leave(&gone->peer);
    settle();
    assert_string_equal(take(0, NULL), "second, and longer");
    assert_null(take(0, NULL));
    assert_null(take(1, NULL));
    assert_int_equal(bed->counts.sent, 1);
}

/* Neighbours in the table come and go; whoever is left is still found. */
static void the_table_survives_coming_and_going(void **state)
{
    enum { CROWD = 3000 };
    struct talker *crowd = calloc(CROWD, sizeof *crowd);
    struct sockaddr_in from;
    struct phu_chance chance;

    (void)state;
    phu_chance_init(&chance, phu_sim_seed());
    for (size_t i = 0; i < 5 * CROWD; i++) {
        struct talker *one = &crowd[phu_chance_between(&chance, 0, CROWD - 1)];
        struct sockaddr_in address = {
            .sin_family = AF_INET,
            .sin_port = htons(161),
            .sin_addr = {htonl(0x0a000000 + (uint32_t)phu_chance_between(&chance, 0, 4000))}};

        if (one->peer.udp)
            phu_udp_leave(&one->peer);
        else
            assert_int_equal(phu_udp_join(bed->udp, &one->peer, (struct sockaddr *)&address), 0);
        if (i % CROWD == 0 && i / CROWD < DEVICES)
            put(join(i / CROWD, i / CROWD), "?");
    }
    settle();
    for (size_t i = 0; i < 5; i++) {
        assert_non_null(take(i, &from));
        answer(i, &from, "!");
    }
    ready(PHU_WATCH_READ);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bed->talkers[i].heard, 1);
    for (size_t i = 0; i < CROWD; i++)
        phu_udp_leave(&crowd[i].peer);
    assert_int_equal(bed->counts.strangers, 0);
    free(crowd);
}

/* -- Errors ---------------------------------------------------------------------------------- */

static void refusals_reach_those_concerned(void **state)
{
    struct talker *refused = join(0, 0), *also = join(1, 0), *good = join(2, 2);

    (void)state;
    close(bed->fds[0]);
    bed->fds[0] = -1;
    put(refused, "?");
    put(good, "?");
    settle();
    ready(PHU_WATCH_ERRQUEUE);
    assert_int_equal(refused->error, ECONNREFUSED);
    assert_true(refused->is_final);
    assert_int_equal(also->failed, 1);
    assert_int_equal(good->failed, 0);
    assert_string_equal(take(2, NULL), "?");
}

/* An ICMP error comes back as the result of the next call, too, which it does not concern. */
static void an_error_of_one_is_not_taken_for_that_of_the_next(void **state)
{
    struct talker *refused = join(0, 0), *good = join(1, 1);

    (void)state;
    close(bed->fds[0]);
    bed->fds[0] = -1;
    put(refused, "?");
    settle();
    put(good, "?");
    settle();
    assert_int_equal(good->failed, 0);
    assert_string_equal(take(1, NULL), "?");
}

static void what_cannot_be_sent_fails_alone(void **state)
{
    struct talker *bad = join(0, 0), *good = join(1, 1);

    (void)state;
    bed->poison = bed->addresses[0].sin_addr.s_addr;
    bed->send_error = EPERM;
    bed->send_errors = 100;
    put(bad, "?");
    put(good, "?");
    settle();
    assert_int_equal(bad->failed, 1);
    assert_int_equal(bad->error, EPERM);
    assert_int_equal(good->failed, 0);
    assert_string_equal(take(1, NULL), "?");
    assert_true(bed->sends < 20);
}

static void a_send_that_would_block_waits_until_it_can(void **state)
{
    struct talker *talkers[4];

    (void)state;
    bed->send_error = EAGAIN;
    bed->send_errors = 1;
    for (size_t i = 0; i < 4; i++)
        put(talkers[i] = join(i, i), "?");
    settle();
    phu_sim_run(bed->sched, PHU_NS_PER_S);
    assert_int_equal(bed->sends, 1); /* it does not spin */
    assert_int_equal(bed->counts.waits, 1);
    assert_true(bed->watch.events & PHU_WATCH_WRITE);
    put(join(4, 4), "?"); /* behind the others */
    settle();
    assert_int_equal(bed->sends, 1);
    ready(PHU_WATCH_WRITE);
    assert_false(bed->watch.events & PHU_WATCH_WRITE);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(take(i, NULL), "?");
    assert_int_equal(bed->talkers[0].failed, 0);
}

static void a_full_interface_is_tried_again_in_a_moment(void **state)
{
    (void)state;
    bed->send_error = ENOBUFS;
    bed->send_errors = 3;
    put(join(0, 0), "?");
    settle();
    assert_null(take(0, NULL));
    assert_int_equal(bed->sends, 1);
    phu_sim_run(bed->sched, 10 * PHU_NS_PER_MS);
    assert_string_equal(take(0, NULL), "?");
    assert_int_equal(bed->counts.waits, 3);
    assert_int_equal(bed->talkers[0].failed, 0);
}

/* -- Too much -------------------------------------------------------------------------------- */

static void an_overflow_is_noticed(void **state)
{
    struct talker *talker = join(0, 0);
    struct sockaddr_in from;
    char large[1400] = "x";

    (void)state;
    memset(large, 'x', sizeof large);
    put(talker, "?");
    settle();
    take(0, &from);
    for (int i = 0; i < 200; i++)
        sendto(bed->fds[0], large, sizeof large, 0, (struct sockaddr *)&from, sizeof from);
    assert_int_equal(phu_udp_overflows_known(bed->udp), 0);
    assert_true(phu_udp_overflows(bed->udp) > 0);
    assert_int_equal(phu_udp_overflows_known(bed->udp), bed->counts.overflows);
    ready(PHU_WATCH_READ);
    assert_int_equal(talker->heard + bed->counts.overflows, 200);
}

static void no_wake_up_reads_for_long(void **state)
{
    struct talker *talker = join(0, 0);
    struct sockaddr_in from;
    unsigned before;

    (void)state;
    put(talker, "?");
    settle();
    take(0, &from);
    for (int i = 0; i < 50; i++)
        answer(0, &from, "!");
    bed->work_ns = PHU_NS_PER_MS;
    ready(PHU_WATCH_READ);
    assert_in_range(talker->heard, 1, 5);
    /* The rest of what was read goes on by itself; what is still in the socket wakes us. */
    for (int i = 0; i < 200 && talker->heard < PHU_UDP_BATCH; i++) {
        before = talker->heard;
        phu_sim_run(bed->sched, PHU_SCHED_TICK_NS);
        assert_in_range(talker->heard - before, 0, 5);
    }
    assert_int_equal(talker->heard, PHU_UDP_BATCH);
    for (int i = 0; i < 40 && talker->heard < 50; i++)
        ready(PHU_WATCH_READ);
    assert_int_equal(talker->heard, 50);
}

static void the_other_family_is_refused(void **state)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct phu_udp_peer peer;

    (void)state;
    assert_int_equal(phu_udp_join(bed->udp, &peer, (struct sockaddr *)&v6), -EAFNOSUPPORT);
    phu_udp_leave(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_find_who_asked),
        TEST(what_is_put_together_leaves_together),
        TEST(a_full_batch_does_not_wait),
        TEST(strangers_are_counted_and_dropped),
        TEST(several_at_one_address_are_told_apart),
        TEST(a_later_datagram_replaces_one_that_waits),
        TEST(the_table_survives_coming_and_going),
        TEST(refusals_reach_those_concerned),
        TEST(an_error_of_one_is_not_taken_for_that_of_the_next),
        TEST(what_cannot_be_sent_fails_alone),
        TEST(a_send_that_would_block_waits_until_it_can),
        TEST(a_full_interface_is_tried_again_in_a_moment),
        TEST(an_overflow_is_noticed),
        TEST(no_wake_up_reads_for_long),
        TEST(the_other_family_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
