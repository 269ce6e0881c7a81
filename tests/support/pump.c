/* Pumps numbered lines through the spool and the feeds, and says which of them became durable: the
 * tool of the delivery tests, which kill it at random.
 *
 *     pump --config FILE --dead-letters DIR --first N --count N [--rate N] [--base MS] [--input
 * FILE]
 *          [--acked FILE] [--stats FILE] [--drain]
 *
 * Line N is "pump,host=hK n=Ni,half=H TIME" with K = N mod 16, H = N / 2 and TIME = base + N ms:
 * each value can be worked out from its timestamp, so an altered one is seen. With --input the
 * lines of a file are put instead. --acked holds the number of durable lines, --stats what /metrics
 * would say;
 * --drain ends the program when every line has been put, and every feed has delivered everything.
 */
#include "feed.h"
#include "loop.h"

#include "conf_file.h"
#include "phusong/conf.h"
#include "phusong/err.h"
#include "phusong/exporter.h"
#include "phusong/http.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"
#include "phusong/spool.h"
#include "phusong/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESTINATIONS_MAX 8
#define LINES_PER_TICK 2000
#define TICK_NS (2 * PHU_NS_PER_MS)
#define STATS_NS (100 * PHU_NS_PER_MS)

struct destination {
    char *name;
    alignas(max_align_t) char exporter[1024]; /* the exporter's options, whose struct is its own */
    struct phu_feed_conf feed;
};

struct pump_conf {
    struct phu_spool_conf spool;
    struct phu_list destinations;
};

struct shape {
    struct phu_option destination_options[3], options[2];
    struct phu_option_table destination, whole;
};

struct arguments {
    const char *config, *dead_letters, *input, *acked, *stats;
    int64_t first, count, rate, base_ms;
    bool is_draining;
};

struct pump {
    struct arguments args;
    struct shape shape;
    struct pump_conf conf;
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_resolver *resolver;
    struct phu_http_client *http;
    struct phu_spool *spool;
    struct phu_feed *feeds[DESTINATIONS_MAX];
    struct phu_signal *term;
    struct phu_timer tick, report;
    struct phu_mono began;
    FILE *input;
    int64_t put;
    bool is_input_over;
    int acked_fd;
};

static void die(const char *what)
{
    fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
    exit(4);
}

/* -- Lines ------------------------------------------------------------------------------------ */

static bool make_line(struct pump *pump, char *line, size_t size, size_t *length,
                      struct phu_wall *at)
{
    int64_t number = pump->args.first + pump->put;
    const char *last;

    if (!pump->input) {
        at->ns = (pump->args.base_ms + number) * PHU_NS_PER_MS;
        *length = (size_t)snprintf(line, size,
                                   "pump,host=h%" PRId64 " n=%" PRId64 "i,half=%.1f %" PRId64 "\n",
                                   number % 16, number, (double)number / 2, at->ns);
        return true;
    }
    if (!fgets(line, (int)size, pump->input))
        return false;
    *length = strlen(line);
    last = strrchr(line, ' ');
    at->ns = last ? strtoll(last, NULL, 10) : 0;
    return true;
}

/* False when there is none, or no room for it now. */
static bool put_line(struct pump *pump)
{
    char line[65536];
    struct phu_wall at;
    size_t length;

    if (!make_line(pump, line, sizeof line, &length, &at)) {
        pump->is_input_over = true;
        return false;
    }
    if (phu_spool_put(pump->spool, line, length, at) < 0)
        return false;
    pump->put++;
    return true;
}

static bool is_all_put(const struct pump *pump)
{
    return pump->input ? pump->is_input_over : pump->put >= pump->args.count;
}

static void note_durable(void *arg)
{
    struct pump *pump = arg;
    char text[32];
    int length;

    if (pump->acked_fd < 0)
        return;
    length = snprintf(text, sizeof text, "%20" PRIu64 "\n", phu_spool_durable_count(pump->spool));
    if (pwrite(pump->acked_fd, text, (size_t)length, 0) != length)
        die("cannot write --acked");
}

static void sum_lag(void *arg, const struct phu_stat_info *info, const char *labels, double value)
{
    (void)labels;
    if (strncmp(info->name, "phusong_exporter_lag_", 21) == 0 && strstr(info->name, "_bytes"))
        *(double *)arg += value;
}

static bool is_drained(const struct pump *pump)
{
    double lag = 0;

    if (!is_all_put(pump) || phu_spool_durable_count(pump->spool) < (uint64_t)pump->put)
        return false;
    phu_stats_visit(pump->stats, sum_lag, &lag);
    return lag == 0;
}

static void ticked(struct phu_timer *timer)
{
    struct pump *pump = phu_container_of(timer, struct pump, tick);
    int64_t elapsed = phu_mono_since(phu_sched_now(pump->sched), pump->began);
    int64_t due = INT64_MAX;

    if (pump->args.rate > 0)
        due = (int64_t)((double)elapsed / (double)PHU_NS_PER_S * (double)pump->args.rate);
    for (int i = 0; i < LINES_PER_TICK && !is_all_put(pump) && pump->put < due; i++) {
        if (!put_line(pump))
            break;
    }
    if (pump->args.is_draining && is_drained(pump))
        phu_loop_stop(pump->sched);
    phu_timer_after(pump->sched, &pump->tick, TICK_NS);
}

/* -- Statistics ------------------------------------------------------------------------------- */

static void print_stat(void *arg, const struct phu_stat_info *info, const char *labels,
                       double value)
{
    fprintf(arg, "%s{%s} %.17g\n", info->name, labels ? labels : "", value);
}

static void reported(struct phu_timer *timer)
{
    struct pump *pump = phu_container_of(timer, struct pump, report);
    char path[4096];
    FILE *out;

    snprintf(path, sizeof path, "%s.new", pump->args.stats);
    out = fopen(path, "w");
    if (!out)
        die("cannot write --stats");
    phu_stats_visit(pump->stats, print_stat, out);
    fclose(out);
    if (rename(path, pump->args.stats) < 0)
        die("cannot rename --stats");
    phu_timer_after(pump->sched, &pump->report, STATS_NS);
}

/* -- Configuration ---------------------------------------------------------------------------- */

static const struct phu_exporter *find_influx(void)
{
    for (const struct phu_exporter *const *exporter = phu_exporters; *exporter; exporter++) {
        if (strcmp((*exporter)->name, "influx") == 0)
            return *exporter;
    }
    abort();
}

/* Made at run time: the options of an exporter are known by its descriptor alone. */
static void make_table(struct shape *shape)
{
    struct phu_option destination_options[] = {
        {.name = "name",
         .type = PHU_OPTION_STRING,
         .offset = offsetof(struct destination, name),
         .meaning = "name"},
        {.name = "influx",
         .type = PHU_OPTION_TABLE,
         .offset = offsetof(struct destination, exporter),
         .table = find_influx()->options,
         .meaning = "options of the exporter"},
        {.name = "feed",
         .type = PHU_OPTION_TABLE,
         .offset = offsetof(struct destination, feed),
         .table = &phu_feed_options,
         .meaning = "options of the feed"},
    };
    struct phu_option options[] = {
        {.name = "spool",
         .type = PHU_OPTION_TABLE,
         .offset = offsetof(struct pump_conf, spool),
         .table = &phu_spool_options,
         .meaning = "options of the spool"},
        {.name = "destinations",
         .type = PHU_OPTION_LIST,
         .offset = offsetof(struct pump_conf, destinations),
         .fallback = "[]",
         .table = &shape->destination,
         .most = DESTINATIONS_MAX,
         .meaning = "destinations"},
    };

    memcpy(shape->destination_options, destination_options, sizeof destination_options);
    memcpy(shape->options, options, sizeof options);
    shape->destination = (struct phu_option_table){
        .options = shape->destination_options, .count = 3, .size = sizeof(struct destination)};
    shape->whole = (struct phu_option_table){
        .options = shape->options, .count = 2, .size = sizeof(struct pump_conf)};
}

static void load(struct pump *pump)
{
    struct phu_diags diags;

    if (find_influx()->options->size > sizeof((struct destination *)0)->exporter)
        abort();
    make_table(&pump->shape);
    phu_diags_init(&diags);
    if (phu_conf_load(&pump->shape.whole, pump->args.config, &diags, &pump->conf) < 0) {
        phu_diags_print(&diags, stderr);
        exit(3);
    }
    phu_diags_fini(&diags);
}

static int64_t number_of(const char *text)
{
    char *end;
    int64_t number = strtoll(text, &end, 10);

    if (*end || !*text) {
        fprintf(stderr, "pump: \"%s\" is not a number\n", text);
        exit(3);
    }
    return number;
}

static void parse(int argc, char **argv, struct arguments *args)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"dead-letters", required_argument, NULL, 'd'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"base", required_argument, NULL, 'b'},
                                            {"input", required_argument, NULL, 'i'},
                                            {"acked", required_argument, NULL, 'a'},
                                            {"stats", required_argument, NULL, 's'},
                                            {"drain", no_argument, NULL, 'D'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            args->config = optarg;
            break;
        case 'd':
            args->dead_letters = optarg;
            break;
        case 'f':
            args->first = number_of(optarg);
            break;
        case 'n':
            args->count = number_of(optarg);
            break;
        case 'r':
            args->rate = number_of(optarg);
            break;
        case 'b':
            args->base_ms = number_of(optarg);
            break;
        case 'i':
            args->input = optarg;
            break;
        case 'a':
            args->acked = optarg;
            break;
        case 's':
            args->stats = optarg;
            break;
        case 'D':
            args->is_draining = true;
            break;
        default:
            exit(3);
        }
    }
    if (!args->config || !args->dead_letters) {
        fputs("pump: --config and --dead-letters are needed\n", stderr);
        exit(3);
    }
}

/* -- Life ------------------------------------------------------------------------------------- */

static void terminated(void *arg, int number)
{
    (void)number;
    phu_loop_stop(((struct pump *)arg)->sched);
}

static void check(int error, const char *what)
{
    if (error < 0) {
        errno = -error;
        die(what);
    }
}

static void open_feeds(struct pump *pump)
{
    struct destination *destinations = pump->conf.destinations.items;

    for (size_t i = 0; i < pump->conf.destinations.count; i++) {
        struct phu_feed_env env = {.sched = pump->sched,
                                   .http = pump->http,
                                   .stats = pump->stats,
                                   .spool = pump->spool,
                                   .agent = "pump",
                                   .name = destinations[i].name,
                                   .dead_letter_dir = pump->args.dead_letters};

        check(phu_feed_open(&env, &destinations[i].feed, find_influx(), destinations[i].exporter,
                            &pump->feeds[i]),
              "cannot open a feed");
    }
}

static void open_all(struct pump *pump)
{
    const struct arguments *args = &pump->args;

    pump->acked_fd = -1;
    if (args->acked && (pump->acked_fd = open(args->acked, O_WRONLY | O_CREAT, 0644)) < 0)
        die("cannot open --acked");
    if (args->input && !(pump->input = fopen(args->input, "r")))
        die("cannot open --input");
    check(phu_loop_new(&pump->sched), "cannot make a loop");
    pump->stats = phu_stats_new();
    check(phu_resolver_new(pump->sched, &pump->resolver), "cannot make a resolver");
    check(phu_http_client_new(pump->sched, pump->resolver, &pump->http), "cannot make a client");
    check(phu_spool_open(pump->sched, &pump->conf.spool, pump->stats, &pump->spool),
          "cannot open the spool");
    phu_spool_on_durable(pump->spool, note_durable, pump);
    check(phu_loop_signal_open(pump->sched, SIGTERM, terminated, pump, &pump->term),
          "cannot watch a signal");
    open_feeds(pump);
    phu_timer_init(&pump->tick, ticked);
    phu_timer_init(&pump->report, reported);
    pump->began = phu_sched_now(pump->sched);
    phu_timer_after(pump->sched, &pump->tick, 0);
    if (args->stats)
        phu_timer_after(pump->sched, &pump->report, 0);
}

static void close_all(struct pump *pump)
{
    phu_timer_cancel(pump->sched, &pump->tick);
    if (pump->args.stats) {
        reported(&pump->report);
        phu_timer_cancel(pump->sched, &pump->report);
    }
    for (size_t i = 0; i < pump->conf.destinations.count; i++)
        phu_feed_close(pump->feeds[i]);
    phu_loop_signal_close(pump->term);
    phu_spool_close(pump->spool);
    phu_http_client_free(pump->http);
    phu_resolver_free(pump->resolver);
    phu_stats_free(pump->stats);
    phu_loop_free(pump->sched);
    if (pump->input)
        fclose(pump->input);
}

int main(int argc, char **argv)
{
    struct pump pump = {0};

    parse(argc, argv, &pump.args);
    load(&pump);
    open_all(&pump);
    phu_loop_run(pump.sched);
    close_all(&pump);
    phu_conf_free(&pump.shape.whole, &pump.conf);
    return 0;
}
