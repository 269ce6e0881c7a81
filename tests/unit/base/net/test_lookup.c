/* What is remembered, on the virtual clock; the name servers are functions of the test. */
#include "phusong/resolve.h"

#include "dns.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TTL_S 60
#define DAY_NS (24 * 3600 * PHU_NS_PER_S)

/* The servers answer at once with `status`, or not at all while they are silent. */
struct phu_dns {
    bool is_silent;
    int status;
    unsigned asked;
    uint32_t address;
    struct phu_dns_query *open;
};

struct bed {
    struct phu_sched *sched;
    struct phu_resolver *resolver;
    struct phu_dns dns;
    struct phu_mono began;
    int64_t took_ns;
    int status;
    size_t count;
    uint32_t address;
    unsigned done;
};

/* -- In place of dns.c ----------------------------------------------------------------------- */

int __wrap_phu_dns_new(struct phu_sched *sched, struct phu_dns **out);
void __wrap_phu_dns_free(struct phu_dns *dns);
void __wrap_phu_dns_notice_change(struct phu_dns *dns);
int __wrap_phu_dns_ask(struct phu_dns *dns, const char *name, int family,
                       struct phu_dns_query *query);

int __wrap_phu_dns_new(struct phu_sched *sched, struct phu_dns **out)
{
    (void)sched;
    *out = mock_ptr_type(struct phu_dns *);
    return 0;
}

void __wrap_phu_dns_free(struct phu_dns *dns)
{
    (void)dns;
}

void __wrap_phu_dns_notice_change(struct phu_dns *dns)
{
    (void)dns;
}

static void reply(struct phu_dns *dns, struct phu_dns_query *query)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};

    ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(dns->address);
    query->done(query, dns->status, &address, dns->status ? 0 : 1, TTL_S);
}

int __wrap_phu_dns_ask(struct phu_dns *dns, const char *name, int family,
                       struct phu_dns_query *query)
{
    (void)name;
    (void)family;
    dns->asked++;
    if (dns->is_silent)
        dns->open = query;
    else
        reply(dns, query);
    return 0;
}

static void answer_at_last(struct phu_dns *dns)
{
    struct phu_dns_query *query = dns->open;

    assert_non_null(query);
    dns->open = NULL;
    dns->is_silent = false;
    reply(dns, query);
}

/* What is logged is counted by its level. */
static unsigned logged[PHU_LOG_DEBUG + 1];

void __wrap_phu_log_write(enum phu_log_level level, const char *module, const char *message,
                          const char *facts, ...);

void __wrap_phu_log_write(enum phu_log_level level, const char *module, const char *message,
                          const char *facts, ...)
{
    (void)module;
    (void)message;
    (void)facts;
    logged[level]++;
}

/* -- The bed --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);

    assert_non_null(bed);
    bed->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    bed->dns.address = 1;
    will_return(__wrap_phu_dns_new, &bed->dns);
    assert_int_equal(phu_resolver_new(bed->sched, &bed->resolver), 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    phu_resolver_free(bed->resolver);
    phu_sim_free(bed->sched);
    free(bed);
    return 0;
}

static void keep(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct bed *bed = arg;

    bed->done++;
    bed->status = status;
    bed->count = count;
    bed->took_ns = phu_mono_since(phu_sched_now(bed->sched), bed->began);
    if (count)
        bed->address = ntohl(((const struct sockaddr_in *)addresses)->sin_addr.s_addr);
}

typedef int start_function(struct phu_resolver *, const char *, int, int64_t, phu_resolve_cb *,
                           void *, struct phu_resolve **);

/* Asks with a time limit of 10 s and lets as much time pass. */
static int ask_by(struct bed *bed, start_function *start)
{
    struct phu_resolve *request;

    bed->done = 0;
    bed->address = 0;
    bed->began = phu_sched_now(bed->sched);
    assert_int_equal(
        start(bed->resolver, "store.test", AF_INET, 10 * PHU_NS_PER_S, keep, bed, &request), 0);
    assert_int_equal(bed->done, 0);
    phu_sim_run(bed->sched, 10 * PHU_NS_PER_S);
    assert_int_equal(bed->done, 1);
    return bed->status;
}

static int ask(struct bed *bed)
{
    return ask_by(bed, phu_resolve_start);
}

static int ask_tolerantly(struct bed *bed)
{
    return ask_by(bed, phu_resolve_start_tolerant);
}

static void expect_address(const struct bed *bed, int64_t at_most_ns)
{
    assert_int_equal(bed->status, 0);
    assert_int_equal(bed->count, 1);
    assert_int_equal(bed->address, 1);
    assert_true(bed->took_ns <= at_most_ns);
}

/* Until the address is remembered no more. */
static void learn_and_forget(struct bed *bed)
{
    assert_int_equal(ask(bed), 0);
    phu_sim_run(bed->sched, TTL_S * PHU_NS_PER_S);
}

/* -- Tests ----------------------------------------------------------------------------------- */

static void an_answer_is_remembered_for_its_ttl(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(ask(bed), 0);
    bed->dns.is_silent = true;
    phu_sim_run(bed->sched, 40 * PHU_NS_PER_S);
    assert_int_equal(ask(bed), 0);
    assert_int_equal(bed->dns.asked, 1);
    assert_int_equal(ask(bed), -ETIMEDOUT);
    assert_int_equal(bed->dns.asked, 2);
}

static void a_dead_server_leaves_the_old_address_to_the_tolerant(void **state)
{
    struct bed *bed = *state;

    learn_and_forget(bed);
    bed->dns.is_silent = true;
    assert_int_equal(ask_tolerantly(bed), 0);
    expect_address(bed, 1501 * PHU_NS_PER_MS);
    assert_true(bed->took_ns >= 1500 * PHU_NS_PER_MS);
    assert_int_equal(ask_tolerantly(bed), 0);
    expect_address(bed, PHU_NS_PER_MS);
}

static void nobody_else_is_given_an_old_address(void **state)
{
    struct bed *bed = *state;

    learn_and_forget(bed);
    bed->dns.is_silent = true;
    assert_int_equal(ask(bed), -ETIMEDOUT);
    assert_int_equal(bed->count, 0);
    assert_int_equal(ask_tolerantly(bed), 0);
    assert_int_equal(ask(bed), -ETIMEDOUT);
    assert_true(bed->took_ns >= 10 * PHU_NS_PER_S);
    assert_int_equal(bed->count, 0);
}

static void servers_that_refuse_are_no_answer(void **state)
{
    static const int statuses[] = {-ETIMEDOUT, -ECONNREFUSED, -EIO};
    struct bed *bed = *state;

    learn_and_forget(bed);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        bed->dns.status = statuses[i];
        assert_int_equal(ask_tolerantly(bed), 0);
        expect_address(bed, PHU_NS_PER_MS);
        assert_int_equal(ask(bed), statuses[i]);
    }
}

static void servers_are_asked_all_the_same(void **state)
{
    struct bed *bed = *state;

    learn_and_forget(bed);
    bed->dns.status = -ECONNREFUSED;
    ask_tolerantly(bed);
    ask_tolerantly(bed);
    assert_int_equal(bed->dns.asked, 3);
    bed->dns.status = 0;
    bed->dns.address = 2;
    ask_tolerantly(bed); /* at once, from memory, while the servers are asked */
    assert_int_equal(ask_tolerantly(bed), 0);
    assert_int_equal(bed->address, 2);
}

static void find_old(void *arg, const struct phu_stat_info *info, const char *labels, double value)
{
    (void)labels;
    if (strcmp(info->name, "phusong_resolver_old_total") == 0)
        *(double *)arg = value;
}

static void the_change_is_logged_and_each_use_counted(void **state)
{
    struct bed *bed = *state;
    struct phu_stats *stats = phu_stats_new();
    double old = -1;

    memset(logged, 0, sizeof logged);
    phu_resolver_add_stats(bed->resolver, stats);
    learn_and_forget(bed);
    bed->dns.status = -ECONNREFUSED;
    for (int i = 0; i < 5; i++)
        ask_tolerantly(bed);
    assert_int_equal(logged[PHU_LOG_WARN], 1);
    assert_int_equal(logged[PHU_LOG_INFO], 0);
    bed->dns.status = 0;
    ask(bed);
    ask(bed);
    assert_int_equal(logged[PHU_LOG_WARN], 1);
    assert_int_equal(logged[PHU_LOG_INFO], 1);
    phu_stats_visit(stats, find_old, &old);
    assert_int_equal((int)old, 5);
    phu_stats_free(stats);
}

static void a_late_answer_ends_it(void **state)
{
    struct bed *bed = *state;

    learn_and_forget(bed);
    bed->dns.is_silent = true;
    ask_tolerantly(bed);
    bed->dns.address = 3;
    answer_at_last(&bed->dns);
    assert_int_equal(ask(bed), 0);
    assert_int_equal(bed->address, 3);
    phu_sim_run(bed->sched, TTL_S * PHU_NS_PER_S);
    bed->dns.is_silent = true;
    assert_int_equal(ask_tolerantly(bed), 0);
    assert_true(bed->took_ns >= 1500 * PHU_NS_PER_MS); /* as if it were the first time */
}

static void a_name_that_is_gone_has_no_old_address(void **state)
{
    struct bed *bed = *state;

    learn_and_forget(bed);
    bed->dns.status = -ENOENT;
    assert_int_equal(ask_tolerantly(bed), -ENOENT);
    phu_sim_run(bed->sched, TTL_S * PHU_NS_PER_S);
    bed->dns.is_silent = true;
    assert_int_equal(ask_tolerantly(bed), -ETIMEDOUT);
    assert_int_equal(bed->count, 0);
}

static void a_day_is_enough(void **state)
{
    struct bed *bed = *state;

    learn_and_forget(bed);
    bed->dns.is_silent = true;
    phu_sim_run(bed->sched, DAY_NS - 60 * PHU_NS_PER_S);
    assert_int_equal(ask_tolerantly(bed), 0);
    phu_sim_run(bed->sched, 60 * PHU_NS_PER_S);
    assert_int_equal(ask_tolerantly(bed), -ETIMEDOUT);
    assert_true(bed->took_ns >= 10 * PHU_NS_PER_S);
}

static void nothing_stands_in_for_a_name_never_known(void **state)
{
    struct bed *bed = *state;

    bed->dns.is_silent = true;
    assert_int_equal(ask_tolerantly(bed), -ETIMEDOUT);
    assert_true(bed->took_ns >= 10 * PHU_NS_PER_S);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_remembered_for_its_ttl),
        TEST(a_dead_server_leaves_the_old_address_to_the_tolerant),
        TEST(nobody_else_is_given_an_old_address),
        TEST(servers_that_refuse_are_no_answer),
        TEST(servers_are_asked_all_the_same),
        TEST(the_change_is_logged_and_each_use_counted),
        TEST(a_late_answer_ends_it),
        TEST(a_name_that_is_gone_has_no_old_address),
        TEST(a_day_is_enough),
        TEST(nothing_stands_in_for_a_name_never_known),
    };

    return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
