#include "district.h"

#include "checks.h"
#include "monitor.h"
#include "parse_line.h"
#include "phusong/stats.h"

#undef NDEBUG /* the tests of release builds check too */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* -- The store ------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *key, int64_t timestamp)
{
    uint64_t hash = UINT64_C(1469598103934665603) ^ (uint64_t)timestamp;

    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    return hash ? hash : 1;
}

static bool insert_hash(uint64_t *seen, size_t size, uint64_t hash)
{
    size_t place = hash & (size - 1);

    while (seen[place]) {
        if (seen[place] == hash)
            return false;
        place = (place + 1) & (size - 1);
    }
    seen[place] = hash;
    return true;
}

static void grow_seen(struct district *district)
{
    size_t size = district->seen_size * 2;
    uint64_t *seen = calloc(size, sizeof *seen);

    assert(seen);
    for (size_t i = 0; i < district->seen_size; i++) {
        if (district->seen[i])
            insert_hash(seen, size, district->seen[i]);
    }
    free(district->seen);
    district->seen = seen;
    district->seen_size = size;
}

static void refuse_second(struct district *district, const struct parsed_line *line)
{
    if (district->seen_count * 2 > district->seen_size)
        grow_seen(district);
    district->seen_count++;
    if (!insert_hash(district->seen, district->seen_size, hash_of(line->key, line->timestamp)))
        fail_msg("%s has two points at %lld", line->key, (long long)line->timestamp);
}

static int64_t sum_buckets(const struct parsed_line *line)
{
    int64_t sum = 0;

    for (size_t i = 0; i < line->field_count; i++) {
        if (strncmp(line->fields[i].name, "rtt_b", 5) == 0)
            sum += line->fields[i].i;
    }
    return sum;
}

static void store_coverage(struct district *district, struct stored_sums *sums,
                           const struct parsed_line *line)
{
    int64_t up = parsed_int(line, "up_ms"), degraded = parsed_int(line, "degraded_ms");
    int64_t down = parsed_int(line, "down_ms"), unknown = parsed_int(line, "unknown_ms");
    int64_t span = parsed_int(line, "span_ms");

    if (up + degraded + down + unknown + parsed_int(line, "unreachable_ms") != span)
        fail_msg("states do not add up to span_ms at %lld", (long long)line->timestamp);
    assert_true(parsed_int(line, "good_ms") <= up + degraded);
    assert_int_equal(sum_buckets(line), parsed_int(line, "rtt_count"));
    sums->sent += parsed_int(line, "sent");
    sums->lost += parsed_int(line, "lost");
    sums->confirm_sent += parsed_int(line, "confirm_sent");
    sums->confirm_lost += parsed_int(line, "confirm_lost");
    sums->rtt_sum_us += parsed_int(line, "rtt_sum_us");
    sums->rtt_count += parsed_int(line, "rtt_count");
    sums->bucket_count += sum_buckets(line);
    sums->jitter_sum_us += parsed_int(line, "jitter_sum_us");
    sums->jitter_count += parsed_int(line, "jitter_count");
    sums->up_ms += up;
    sums->degraded_ms += degraded;
    sums->down_ms += down;
    sums->unknown_ms += unknown;
    sums->good_ms += parsed_int(line, "good_ms");
    sums->span_ms += span;
    sums->windows++;
    sums->partial_windows += span != district->window_ns / PHU_NS_PER_MS;
}

static void count_burst(struct district *district)
{
    int64_t now = phu_sched_now(district->sched).ns / PHU_NS_PER_MS;

    if (now != district->this_ms)
        district->lines_in_this_ms = 0;
    district->this_ms = now;
    district->lines++;
    if (++district->lines_in_this_ms > district->most_lines_in_a_ms)
        district->most_lines_in_a_ms = district->lines_in_this_ms;
}

static void store(void *arg, const char *text, size_t length, struct phu_wall at)
{
    static struct parsed_line line;
    struct district *district = arg;
    const char *wrong;
    size_t number;

    if (district->is_deaf)
        return;
    /* A month of them is a long read, and they are all alike. */
    if (district->agent_points > 1000 && strncmp(text, "agent,", 6) == 0)
        return;
    wrong = parse_line(text, length, &line);
    if (wrong)
        fail_msg("%s: %.*s", wrong, (int)length, text);
    assert_int_equal(line.timestamp, at.ns);
    count_burst(district);
    if (strcmp(line.measurement, "state") != 0) /* a change may fall upon a repetition */
        refuse_second(district, &line);
    if (at.ns > district->newest_ns)
        district->newest_ns = at.ns;
    assert_string_equal(parsed_tag(&line, "agent"), "sim 1");
    number =
        strtoul(parsed_tag(&line, "endpoint") + (*parsed_tag(&line, "endpoint") != 0), NULL, 10);
    if (strcmp(line.measurement, "agent") == 0) {
        district->agent_points++;
    } else if (strcmp(line.measurement, "coverage") == 0) {
        assert_true(number < district->count);
        store_coverage(district, &district->houses[number].sums, &line);
    } else if (strcmp(line.measurement, "state") == 0) {
        assert_true(number < district->count);
        assert_string_equal(parsed_tag(&line, "check"), "");
        assert_int_equal(line.field_count, 3);
        district->houses[number].sums.states++;
        district->houses[number].sums.state = parsed_int(&line, "code");
    } else {
        assert_string_equal(line.measurement, "sim");
        assert_string_equal(parsed_tag(&line, "check"), "sim");
        district->houses[number].sums.late += parsed_int(&line, "late");
        district->houses[number].sums.ttl_count += parsed_int(&line, "ttl_count");
    }
    parsed_line_free(&line);
}

/* -- The district ---------------------------------------------------------------------------- */

void district_init(struct district *district, const char *wall, size_t houses)
{
    *district = (struct district){.sched = phu_sim_new(phu_sim_wall(wall)),
                                  .count = houses,
                                  .interval_ns = 10 * SECOND,
                                  .timeout_ns = 2 * SECOND,
                                  .window_ns = MINUTE,
                                  .pace = &phu_pace_default,
                                  .seen_size = 1024};
    phu_chance_init(&district->chance, phu_sim_seed());
    district->houses = calloc(houses, sizeof *district->houses);
    district->links.links = calloc(houses, sizeof *district->links.links);
    district->links.truths = calloc(houses, sizeof *district->links.truths);
    district->links.count = houses;
    district->seen = calloc(district->seen_size, sizeof *district->seen);
    assert(district->houses && district->links.links && district->links.truths && district->seen);
    for (size_t i = 0; i < houses; i++) {
        district->houses[i].link = &district->links.links[i];
        phu_sim_link_init(district->houses[i].link, phu_chance_next(&district->chance));
    }
}

void district_fini(struct district *district)
{
    phu_sim_free(district->sched);
    free(district->houses);
    free(district->links.links);
    free(district->links.truths);
    free(district->seen);
}

static void verdict_came(void *arg, const struct phu_monitor_verdict *verdict)
{
    struct district *district = arg;

    phu_checks_verdict(district->checks, verdict->check, verdict->result);
}

void district_add(struct district *district, size_t number)
{
    struct house *house = &district->houses[number];
    char id[32], check_id[40], address[32];
    struct phu_monitor_check check = {
        .subject = {.id = id, .hamlet = "bn-1", .commune = "09193", .technology = "4g"},
        .check = "sim",
        .collector = &phu_collector_sim,
        .quality = district->quality,
        .interval_ns = district->interval_ns,
        .is_primary = true,
    };
    struct phu_check_spec spec = {.id = check_id,
                                  .address = address,
                                  .argument = "",
                                  .credential = "",
                                  .rows = "",
                                  .interval_ns = district->interval_ns,
                                  .timeout_ns = district->timeout_ns};

    snprintf(id, sizeof id, "e%zu", number);
    snprintf(check_id, sizeof check_id, "%s/sim", id);
    snprintf(address, sizeof address, "%zu", number);
    assert_int_equal(phu_monitor_add(district->monitor, &check, &house->handle), 0);
    house->added_ms = phu_sched_now(district->sched).ns / PHU_NS_PER_MS;
    spec.check = house->handle;
    assert_int_equal(
        phu_checks_add(district->checks, &phu_collector_sim, district->collector, &spec), 0);
}

void district_remove(struct district *district, size_t number)
{
    struct house *house = &district->houses[number];

    phu_checks_remove(district->checks, house->handle);
    phu_monitor_remove(district->monitor, house->handle);
    house->handle = 0;
    house->attached_ms += phu_sched_now(district->sched).ns / PHU_NS_PER_MS - house->added_ms;
}

void district_start(struct district *district)
{
    struct phu_monitor_conf conf = {.agent = "sim 1",
                                    .window_ns = district->window_ns,
                                    .stats = district->stats = phu_stats_new(),
                                    .emit = store,
                                    .emit_arg = district,
                                    .pace = district->pace};
    struct phu_collector_env env = {.sched = district->sched};

    assert_int_equal(phu_monitor_new(district->sched, &conf, &district->monitor), 0);
    phu_monitor_set_newest(district->monitor, (struct phu_wall){district->newest_ns});
    district->checks = phu_checks_new(district->sched, district->stats, "sim 1");
    phu_monitor_on_verdict(district->monitor, verdict_came, district);
    if (district->pace)
        phu_doubts_connect(&district->doubts, district->monitor, district->checks, district->pace);
    phu_monitor_on_health(district->monitor, district->on_health, district->on_health_arg);
    env.sink = phu_monitor_sink(district->monitor);
    assert_int_equal(phu_collector_sim.open(&env, &district->links, &district->collector), 0);
    for (size_t i = 0; i < district->count; i++)
        district_add(district, i);
}

void district_stop(struct district *district)
{
    for (size_t i = 0; i < district->count; i++) {
        if (district->houses[i].handle)
            district_remove(district, i);
    }
    phu_checks_free(district->checks);
    phu_collector_sim.close(district->collector);
    phu_monitor_free(district->monitor);
    phu_stats_free(district->stats);
    district->monitor = NULL;
}

void district_run(struct district *district, int64_t ns)
{
    phu_sim_run(district->sched, ns);
}

void district_check(const struct district *district)
{
    for (size_t i = 0; i < district->count; i++) {
        const struct stored_sums *sums = &district->houses[i].sums;
        const struct phu_sim_truth *truth = &district->links.truths[i];

        assert_int_equal(sums->sent, truth->sent);
        assert_int_equal(sums->lost, truth->lost);
        assert_int_equal(sums->late, truth->late);
        assert_int_equal(sums->confirm_sent, truth->confirm_sent);
        assert_int_equal(sums->confirm_lost, truth->confirm_lost);
        assert_int_equal(sums->rtt_count, truth->rtt_count);
        assert_int_equal(sums->rtt_sum_us, truth->rtt_sum_us);
        assert_int_equal(sums->bucket_count, truth->rtt_count);
        assert_int_equal(sums->ttl_count, truth->rtt_count);
        assert_int_equal(sums->span_ms, district->houses[i].attached_ms);
    }
}
