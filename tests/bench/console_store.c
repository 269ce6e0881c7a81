/* The console's store alone: what a window costs from the reader's samples to the packed and rolled
 * up blob, how many bytes each resolution takes, and how long a month's summary by hamlet takes.
 *
 * Windows are those of endpoints probed every ten seconds: six round trips a minute around a mean
 * of their own, now and then one lost. CPU time is this process's, without making the windows.
 */
#include "query.h"
#include "store/store.h"

#include <sqlite3.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIDNIGHT (INT64_C(1773075600) * SECOND) /* 2026-03-10 in Vietnam */
#define PROBES 6

struct endpoint {
    char key[192];
    char texts[6][32];
    struct phu_tag tags[6];
    double mean_us;
};

struct made {
    struct phu_field fields[32];
    char names[PROBES][16];
    struct phu_sample sample;
};

struct bench {
    char folder[64], path[96];
    struct phu_store *store;
    struct endpoint *endpoints;
    size_t count;
    struct made *batch;
    size_t batch_size;
    uint64_t seed;
    double spread; /* of round trips around their mean */
    double cpu_s, worst_slice_s, worst_slice_cpu_s, worst_commit_s;
    int64_t points;
};

static double cpu_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double wall_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "console_store: %s\n", what);
    exit(1);
}

static double random_share(struct bench *bench)
{
    bench->seed = bench->seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(bench->seed >> 11) / 9007199254740992.0;
}

/* -- Windows --------------------------------------------------------------------------------------
 */

static struct phu_slice slice(const char *text)
{
    return (struct phu_slice){.at = text, .length = strlen(text)};
}

static void make_endpoints(struct bench *bench, size_t count)
{
    static const char *const names[] = {"agent",  "commune",  "endpoint",
                                        "hamlet", "operator", "technology"};
    static const char *const operators[] = {"vnpt", "viettel", "mobifone"};

    bench->count = count;
    bench->endpoints = calloc(count, sizeof *bench->endpoints);
    if (!bench->endpoints)
        die("no memory");
    for (size_t i = 0; i < count; i++) {
        struct endpoint *endpoint = &bench->endpoints[i];
        int used = snprintf(endpoint->key, sizeof endpoint->key, "coverage");

        snprintf(endpoint->texts[0], 32, "bn-%02zu", i / 400);
        snprintf(endpoint->texts[1], 32, "0%04zu", i / 40);
        snprintf(endpoint->texts[2], 32, "bn-%05zu-4g-%s", i / 2, operators[i % 3]);
        snprintf(endpoint->texts[3], 32, "bn-%05zu", i / 2);
        snprintf(endpoint->texts[4], 32, "%s", operators[i % 3]);
        snprintf(endpoint->texts[5], 32, "%s", i % 2 ? "4g" : "fibre");
        for (size_t j = 0; j < 6; j++) {
            endpoint->tags[j] =
                (struct phu_tag){.name = slice(names[j]), .value = slice(endpoint->texts[j])};
            used += snprintf(endpoint->key + used, sizeof endpoint->key - (size_t)used, ",%s=%s",
                             names[j], endpoint->texts[j]);
        }
        endpoint->mean_us = 4000 + 36000 * random_share(bench);
    }
}

static void add(struct phu_sample *sample, struct made *made, const char *name, int64_t value)
{
    made->fields[sample->field_count++] =
        (struct phu_field){.name = slice(name), .type = PHU_FIELD_INT, .i = value};
}

static void add_bucket(struct made *made, struct phu_sample *sample, int index, size_t place)
{
    for (size_t i = 0; i < place; i++)
        if (atoi(made->names[i] + 5) == index) {
            for (size_t j = 0; j < sample->field_count; j++)
                if (made->fields[j].name.at == made->names[i])
                    made->fields[j].i++;
            return;
        }
    snprintf(made->names[place], sizeof made->names[place], "rtt_b%d", index);
    add(sample, made, made->names[place], 1);
}

/* `minutes` long: coarser windows fill a store sooner. */
static void make_window(struct bench *bench, const struct endpoint *endpoint, int64_t time_ns,
                        int64_t minutes, struct made *made)
{
    struct phu_sample *sample = &made->sample;
    int64_t sum = 0, least = INT64_MAX, most = 0, lost = 0, jitter = 0, last = 0;
    int indices[PROBES], count = 0;

    for (int i = 0; i < PROBES; i++) {
        double spread = random_share(bench) + random_share(bench) + random_share(bench) - 1.5;
        int64_t rtt = (int64_t)(endpoint->mean_us * (1 + bench->spread * spread));

        if (random_share(bench) < 0.002) {
            lost++;
            continue;
        }
        sum += rtt;
        least = rtt < least ? rtt : least;
        most = rtt > most ? rtt : most;
        jitter += last ? llabs(rtt - last) : 0;
        last = rtt;
        indices[count++] = (int)ceil(log((double)rtt) / log(1.05 / 0.95));
    }
    *sample = (struct phu_sample){.measurement = slice("coverage"),
                                  .tags = endpoint->tags,
                                  .tag_count = 6,
                                  .fields = made->fields,
                                  .key = slice(endpoint->key),
                                  .time_ns = time_ns};
    memset(made->names, 0, sizeof made->names);
    add(sample, made, "sent", PROBES * minutes);
    add(sample, made, "lost", lost * minutes);
    add(sample, made, "rtt_sum_us", sum * minutes);
    add(sample, made, "rtt_count", count * minutes);
    add(sample, made, "rtt_min_us", least);
    add(sample, made, "rtt_max_us", most);
    for (int i = 0; i < count; i++)
        add_bucket(made, sample, indices[i], (size_t)i);
    add(sample, made, "jitter_sum_us", jitter * minutes);
    add(sample, made, "jitter_count", (count - 1) * minutes);
    add(sample, made, "up_ms", 60000 * minutes);
    add(sample, made, "good_ms", 60000 * minutes);
    add(sample, made, "span_ms", 60000 * minutes);
}

/* -- Writing --------------------------------------------------------------------------------------
 */

static void open_store(struct bench *bench)
{
    struct phu_store_conf conf = {.path = bench->path,
                                  .keep_minute_ns = 7 * DAY,
                                  .keep_five_minutes_ns = 90 * DAY,
                                  .keep_hour_ns = 400 * DAY,
                                  .zone_offset_ns = 7 * HOUR,
                                  .max_journal_bytes = 48 << 20,
                                  .max_series = 1000000};
    char why[512];
    const char *where = getenv("PHU_BENCH_FOLDER");

    snprintf(bench->folder, sizeof bench->folder, "%s/phusong-bench-XXXXXX",
             where ? where : "/var/tmp");
    if (!mkdtemp(bench->folder))
        die("no folder");
    snprintf(bench->path, sizeof bench->path, "%s/store.db", bench->folder);
    if (phu_store_open(&conf, &bench->store, why, sizeof why))
        die(why);
}

static void close_store(struct bench *bench)
{
    static const char *const names[] = {"store.db", "store.db.lock", "store.db-wal",
                                        "store.db-shm"};
    char path[160];

    phu_store_close(bench->store);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", bench->folder, names[i]);
        unlink(path);
    }
    rmdir(bench->folder);
    free(bench->endpoints);
    free(bench->batch);
    *bench = (struct bench){.seed = 1, .spread = 0.15};
}

static void tend(struct bench *bench, int64_t now_ns)
{
    double cpu = cpu_now();
    bool is_more = true;

    while (is_more) {
        double start = wall_now(), start_cpu = cpu_now();

        is_more = phu_store_tend(bench->store, now_ns, 50 * 1000 * 1000);
        bench->worst_slice_s = fmax(bench->worst_slice_s, wall_now() - start);
        bench->worst_slice_cpu_s = fmax(bench->worst_slice_cpu_s, cpu_now() - start_cpu);
    }
    bench->cpu_s += cpu_now() - cpu;
}

static void flush(struct bench *bench, int64_t now_ns)
{
    double cpu = cpu_now(), start;
    size_t field;

    if (phu_store_begin(bench->store))
        die("begin");
    for (size_t i = 0; i < bench->batch_size; i++)
        if (phu_store_put(bench->store, &bench->batch[i].sample, now_ns, &field))
            die("put");
    start = wall_now();
    if (phu_store_commit(bench->store))
        die("commit");
    bench->worst_commit_s = fmax(bench->worst_commit_s, wall_now() - start);
    bench->cpu_s += cpu_now() - cpu;
    bench->points += (int64_t)bench->batch_size;
    bench->batch_size = 0;
    tend(bench, now_ns);
}

static void put(struct bench *bench, size_t endpoint, int64_t time_ns, int64_t minutes,
                size_t batch)
{
    if (!bench->batch)
        bench->batch = calloc(batch, sizeof *bench->batch);
    if (!bench->batch)
        die("no memory");
    make_window(bench, &bench->endpoints[endpoint], time_ns, minutes,
                &bench->batch[bench->batch_size]);
    /* made in place: the sample points into it */
    if (++bench->batch_size == batch)
        flush(bench, time_ns + minutes * MINUTE);
}

/* -- Figures --------------------------------------------------------------------------------------
 */

static void print(const char *name, const char *unit, double value, const char *bar)
{
    printf("{\"name\": \"console_store_%s\", \"unit\": \"%s\", \"ours\": %.4g", name, unit, value);
    if (bar)
        printf(", \"bar\": \"%s\"", bar);
    printf("}\n");
    fflush(stdout);
}

static double rss_mib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static double number(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    double value = 0;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) ||
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        die(sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* 10,000 series, a million points in bodies of 5,000: from the sample to the day's sum. */
static void measure_writing(struct bench *bench)
{
    make_endpoints(bench, 10000);
    open_store(bench);
    for (int64_t at = MIDNIGHT; at < MIDNIGHT + 101 * MINUTE; at += MINUTE) {
        for (size_t i = 0; i < bench->count; i++)
            put(bench, i, at, 1, 5000);
        if (at > MIDNIGHT)
            continue;
        /* Series are seen for the first time once, not with every hundredth point. */
        print("first_sight_cpu", "us/series", bench->cpu_s * 1e6 / (double)bench->points, NULL);
        bench->cpu_s = 0;
        bench->points = 0;
    }
    print("acknowledge_cpu", "us/point", bench->cpu_s * 1e6 / (double)bench->points, NULL);
    tend(bench, MIDNIGHT + 2 * DAY);
    print("write_cpu", "us/point", bench->cpu_s * 1e6 / (double)bench->points, "<= 2.5");
    print("worst_slice", "ms", bench->worst_slice_s * 1e3, NULL);
    print("worst_slice_cpu", "ms", bench->worst_slice_cpu_s * 1e3, "<= 200");
    print("worst_commit", "ms", bench->worst_commit_s * 1e3, NULL);
    print("peak_memory", "MiB", rss_mib(), NULL);
    close_store(bench);
}

/* Some endpoints for thirteen months: bytes a window at each level, and what 4,000 would take. */
static void measure_size(struct bench *bench, size_t endpoints, int64_t days, const char *links)
{
    static const char *const levels[] = {"minute", "five_minutes", "hour", "day"};
    static const double minutes[] = {1, 5, 60, 1440}, kept_days[] = {7, 90, 400, 3650};
    double whole = 0;
    char retention[64];

    make_endpoints(bench, endpoints);
    open_store(bench);
    for (int64_t at = MIDNIGHT; at < MIDNIGHT + days * DAY; at += MINUTE)
        for (size_t i = 0; i < bench->count; i++)
            put(bench, i, at, 1, 60 * endpoints);
    tend(bench, MIDNIGHT + days * DAY + HOUR);
    for (size_t i = 0; i < 4; i++) {
        char sql[128], name[64];
        double held = kept_days[i] < (double)days ? kept_days[i] : (double)days, bytes, each;

        snprintf(sql, sizeof sql, "SELECT sum(pgsize) FROM dbstat WHERE name = '%s'", levels[i]);
        bytes = number(bench->path, sql);
        each = bytes / (held * 1440 / minutes[i] * (double)endpoints);
        snprintf(name, sizeof name, "bytes_%s_%s", levels[i], links);
        print(name, "B/window", each, NULL);
        whole += each * kept_days[i] * 1440 / minutes[i] * 4000;
    }
    snprintf(retention, sizeof retention, "retention_4000_%s", links);
    print(retention, "GB", whole / 1e9, "<= 12");
    close_store(bench);
}

static bool on_summary(void *arg, const struct phu_query_summary *summary)
{
    int64_t *sent = arg;

    *sent += summary->sent;
    return true;
}

/* 4,000 endpoints: a month of hours, then a day and a half of minutes. */
static void measure_summary(struct bench *bench)
{
    int64_t start_ns = MIDNIGHT, today_ns = MIDNIGHT + 31 * DAY, now_ns = today_ns + 17 * HOUR;
    struct phu_query *query;
    char why[256];
    int64_t sent = 0;
    double begin;

    make_endpoints(bench, 4000);
    open_store(bench);
    for (int64_t at = start_ns; at < today_ns; at += HOUR)
        for (size_t i = 0; i < bench->count; i++)
            put(bench, i, at, 60, 4000);
    for (int64_t at = today_ns; at < now_ns; at += MINUTE)
        for (size_t i = 0; i < bench->count; i++)
            put(bench, i, at, 1, 4000);
    if (phu_query_open(bench->path, &query, why, sizeof why))
        die(why);
    begin = wall_now();
    if (phu_query_summary(query, "coverage", &(struct phu_query_filter){0}, start_ns, now_ns,
                          PHU_QUERY_BY_HAMLET | PHU_QUERY_BY_TECHNOLOGY | PHU_QUERY_BY_OPERATOR,
                          on_summary, &sent))
        die("summary");
    print("month_by_hamlet", "s", wall_now() - begin, "<= 3");
    if (sent != (int64_t)4000 * PROBES * ((now_ns - start_ns) / MINUTE))
        die("the month's sum is wrong");
    begin = wall_now();
    sent = 0;
    if (phu_query_summary(query, "coverage", &(struct phu_query_filter){.hamlet = "bn-00007"},
                          start_ns, now_ns, PHU_QUERY_BY_HAMLET, on_summary, &sent))
        die("summary");
    print("month_of_one_hamlet", "s", wall_now() - begin, NULL);
    phu_query_close(query);
    close_store(bench);
}

int main(int count, char **arguments)
{
    struct bench bench = {.seed = 1, .spread = 0.15};
    const char *only = count > 1 ? arguments[1] : "";

    if (!*only || strcmp(only, "write") == 0)
        measure_writing(&bench);
    if (!*only || strcmp(only, "summary") == 0)
        measure_summary(&bench);
    if (!*only || strcmp(only, "size") == 0)
        measure_size(&bench, 3, 400, "even");
    bench.spread = 0.6;
    if (!*only || strcmp(only, "size") == 0)
        measure_size(&bench, 3, 400, "uneven");
    return 0;
}
