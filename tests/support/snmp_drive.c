/* Drives the collector snmp alone: a real loop, real sockets, observations printed as JSON lines.
 *
 *   snmp_drive < PLAN
 *
 * A plan is lines of a word and key=value pairs:
 *   credential name=a version=2c community=FILE
 *   credential name=b version=3 user=U auth=sha256 auth_secret=FILE privacy=aes128
 * privacy_secret=FILE device id=x address=127.0.0.1 port=1161 credential=a timeout=5000
 * pdu_timeout=500 retries=1 max_repetitions=12 rows=eth* run polls=3 interval=1000 concurrency=256
 * max_interfaces=4096
 * Devices also take in_flight, pdus_per_second, cpu_limit, slow, static, profile (its name) and
 * trace=1; `run` takes max_rows, profiles (a folder) and unknown (endpoints with this in their name
 * are not in the inventory). `serves endpoint=E ifname=N index=I` belongs to the device before it,
 * `pattern text=ERE endpoint=TEMPLATE` to all. Times are in ms. Devices start evenly over the first
 * interval, or all at its begin with together=1. The last line of the output sums up: the longest
 * gap between two turns of a 1 ms timer, the latest start of a poll, CPU time.
 */
#include "loop.h"
#include "snmp.h"

#include "phusong/credential.h"
#include "phusong/log.h"
#include "phusong/resolve.h"
#include "phusong/sink.h"
#include "phusong/stats.h"
#include "phusong/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern const struct phu_collector phu_collector_snmp;

#define MOST 20000

struct drive;

struct row {
    char *tag, *name, *endpoint;
};

struct device {
    struct drive *drive;
    struct phu_check_spec spec;
    struct phu_snmp_check_options options;
    void *check;
    struct phu_timer timer;
    struct phu_mono due;
    int polls_left;
    struct row *rows;
    size_t row_count;
    struct phu_served *served;
    struct phu_trace trace;
};

struct drive {
    struct phu_sink sink;
    struct phu_sched *sched;
    void *self;
    struct phu_credential credentials[64];
    size_t credential_count;
    struct device *devices;
    size_t device_count, running;
    struct phu_snmp_options options;
    int64_t polls, interval_ns;
    struct phu_timer pulse;
    struct phu_mono last_pulse;
    int64_t last_wait_ns;
    int wait_fd;
    int64_t worst_gap_ns, worst_start_ns;
    int64_t verdicts;
    int is_quiet, is_together;
    const char *unknown; /* endpoints with this in their name are not in the inventory */
};

static const char *field(char **words, const char *name, const char *fallback)
{
    size_t length = strlen(name);

    for (; *words; words++) {
        if (!strncmp(*words, name, length) && (*words)[length] == '=')
            return *words + length + 1;
    }
    return fallback;
}

static int choice(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        if (!strcmp(text, names[i]))
            return i;
    }
    fprintf(stderr, "snmp_drive: unknown word %s\n", text);
    exit(2);
}

static void add_credential(struct drive *drive, char **words)
{
    static const char *const versions[] = {"1", "2c", "3", NULL};
    static const char *const auths[] = {"none",   "md5",    "sha1",   "sha224",
                                        "sha256", "sha384", "sha512", NULL};
    static const char *const privacies[] = {"none",   "des",     "aes128",  "aes192",
                                            "aes256", "aes192c", "aes256c", NULL};
    struct phu_credential *to = &drive->credentials[drive->credential_count++];

    to->name = strdup(field(words, "name", ""));
    to->version = choice(field(words, "version", "2c"), versions);
    to->community = strdup(field(words, "community", ""));
    to->user = strdup(field(words, "user", ""));
    to->auth = choice(field(words, "auth", "none"), auths);
    to->auth_secret = strdup(field(words, "auth_secret", ""));
    to->privacy = choice(field(words, "privacy", "none"), privacies);
    to->privacy_secret = strdup(field(words, "privacy_secret", ""));
    to->context = strdup(field(words, "context", ""));
}

static void print_item(struct phu_trace *trace, const struct phu_trace_item *item);

static void add_device(struct drive *drive, char **words)
{
    struct device *to = &drive->devices[drive->device_count];

    to->drive = drive;
    to->options.port = atoi(field(words, "port", "161"));
    to->options.retries = atoi(field(words, "retries", "2"));
    to->options.max_repetitions = atoi(field(words, "max_repetitions", "12"));
    to->options.pdu_timeout_ns = atoi(field(words, "pdu_timeout", "1500")) * PHU_NS_PER_MS;
    to->options.in_flight = atoi(field(words, "in_flight", "1"));
    to->options.pdus_per_second = atof(field(words, "pdus_per_second", "0"));
    to->options.cpu_limit = atof(field(words, "cpu_limit", "0"));
    to->options.slow_ns = atoll(field(words, "slow", "3600000")) * PHU_NS_PER_MS;
    to->options.static_ns = atoll(field(words, "static", "21600000")) * PHU_NS_PER_MS;
    to->trace = (struct phu_trace){print_item};
    to->spec = (struct phu_check_spec){
        .check = (uint32_t)drive->device_count,
        .id = strdup(field(words, "id", "device")),
        .address = strdup(field(words, "address", "127.0.0.1")),
        .argument = strdup(field(words, "profile", "")),
        .trace = atoi(field(words, "trace", "0")) ? &to->trace : NULL,
        .credential = strdup(field(words, "credential", "")),
        .rows = strdup(field(words, "rows", "*")),
        .options = &to->options,
        .timeout_ns = atoi(field(words, "timeout", "9000")) * PHU_NS_PER_MS,
    };
    drive->device_count++;
}

/* serves device=ID endpoint=E ifname=… index=…; the device stands before it. */
static void add_served(struct drive *drive, char **words)
{
    struct device *to = &drive->devices[drive->device_count - 1];
    struct phu_served *served;

    to->served = realloc(to->served, (to->spec.served_count + 1) * sizeof *to->served);
    served = &to->served[to->spec.served_count++];
    served->endpoint = strdup(field(words, "endpoint", ""));
    served->ifname = strdup(field(words, "ifname", ""));
    served->index = strdup(field(words, "index", ""));
    to->spec.served = to->served;
}

/* pattern text=ERE endpoint=TEMPLATE */
static void add_pattern(struct drive *drive, char **words)
{
    struct phu_list *list = &drive->options.serves;
    struct phu_serves_option *option;

    list->items = realloc(list->items, (list->count + 1) * sizeof *option);
    option = (struct phu_serves_option *)list->items + list->count++;
    option->text = strdup(field(words, "text", ""));
    option->endpoint = strdup(field(words, "endpoint", ""));
}

/* What a poll reads on the way, one line for each item. */
static void print_item(struct phu_trace *trace, const struct phu_trace_item *item)
{
    static const char *const kinds[] = {"fact", "row", "value", "note"};
    const struct device *device = phu_container_of(trace, struct device, trace);

    printf("{\"device\":\"%s\",\"trace\":\"%s\",\"name\":\"%s\",\"table\":\"%s\",\"row\":\"%s\","
           "\"column\":\"%s\",\"index\":\"%s\",\"oid\":\"%s\",\"raw\":\"%s\",\"value\":\"%s\","
           "\"unit\":\"%s\",\"why\":\"",
           device->spec.id, kinds[item->kind], item->name, item->table, item->row, item->column,
           item->index, item->oid, item->raw, item->value, item->unit);
    for (const char *c = item->why; *c; c++)
        printf(*c == '"' ? "'" : "%c", *c);
    printf("\"}\n");
}

static void read_plan(struct drive *drive)
{
    char line[1024], *words[32];

    while (fgets(line, sizeof line, stdin)) {
        int count = 0;

        for (char *word = strtok(line, " \n"); word && count < 31; word = strtok(NULL, " \n"))
            words[count++] = word;
        words[count] = NULL;
        if (count == 0)
            continue;
        if (!strcmp(words[0], "credential"))
            add_credential(drive, words);
        else if (!strcmp(words[0], "device"))
            add_device(drive, words);
        else if (!strcmp(words[0], "serves"))
            add_served(drive, words);
        else if (!strcmp(words[0], "pattern"))
            add_pattern(drive, words);
        else if (!strcmp(words[0], "run")) {
            drive->polls = atoi(field(words, "polls", "1"));
            drive->interval_ns = atoi(field(words, "interval", "1000")) * PHU_NS_PER_MS;
            drive->options.concurrency = atoi(field(words, "concurrency", "256"));
            drive->options.max_interfaces = atoi(field(words, "max_interfaces", "4096"));
            drive->options.max_rows = atoi(field(words, "max_rows", "16384"));
            drive->options.profiles = strdup(field(words, "profiles", ""));
            drive->unknown = strdup(field(words, "unknown", "?"));
            drive->is_quiet = atoi(field(words, "quiet", "0"));
            drive->options.receive_buffer = atoi(field(words, "receive_buffer", "8388608"));
            drive->is_together = atoi(field(words, "together", "0"));
        }
    }
}

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    struct drive *drive = arg;

    for (size_t i = 0; i < drive->credential_count; i++) {
        if (!strcmp(drive->credentials[i].name, name))
            return &drive->credentials[i];
    }
    return NULL;
}

static void print(const struct device *device, const struct phu_observation *observation)
{
    const struct row none = {"", "", ""};
    const struct row *row = observation->row ? &device->rows[observation->row - 1] : &none;

    printf("{\"device\":\"%s\",\"result\":\"%s\",\"row\":\"%s\",\"tag\":\"%s\",\"endpoint\":\"%s\","
           "\"at_ms\":%" PRId64 ",\"took_ms\":%" PRId64 ",\"values\":{",
           device->spec.id, phu_result_name(observation->result), row->name, row->tag,
           row->endpoint, observation->completed.ns / PHU_NS_PER_MS,
           phu_mono_since(observation->completed, observation->started) / PHU_NS_PER_MS);
    for (size_t i = 0; i < observation->value_count; i++) {
        const struct phu_value *value = &observation->values[i];
        const struct phu_metric *metric = &phu_snmp_metrics[value->metric];

        printf("%s\"%s\":", i ? "," : "", metric->name);
        if (metric->type == PHU_METRIC_INT)
            printf("%" PRId64, value->i);
        else if (metric->type == PHU_METRIC_FLOAT)
            printf("%.9g", value->f);
        else
            printf("\"%s\"", value->text);
    }
    printf("}}\n");
}

static void schedule(struct device *device)
{
    struct drive *drive = device->drive;

    device->due = phu_mono_add(device->due, drive->interval_ns);
    phu_timer_at(drive->sched, &device->timer, device->due);
}

static void put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct drive *drive = (struct drive *)sink;
    struct device *device = &drive->devices[observation->check];

    if (!drive->is_quiet)
        print(device, observation);
    if (observation->row || observation->result == PHU_RESULT_NONE)
        return;
    drive->verdicts++;
    if (--device->polls_left > 0)
        schedule(device);
    else if (--drive->running == 0)
        phu_loop_stop(drive->sched);
}

static int find_row(struct phu_sink *sink, uint32_t check, const struct phu_row *wanted,
                    uint32_t *row)
{
    struct drive *drive = (struct drive *)sink;
    struct device *device = &drive->devices[check];

    if (wanted->endpoint && strstr(wanted->endpoint, drive->unknown))
        return -ENOENT;
    for (size_t i = 0; i < device->row_count; i++) {
        *row = (uint32_t)i + 1;
        if (!strcmp(device->rows[i].tag, wanted->tag) &&
            !strcmp(device->rows[i].name, wanted->name))
            return 0;
    }
    device->rows = realloc(device->rows, (device->row_count + 1) * sizeof *device->rows);
    device->rows[device->row_count++] =
        (struct row){strdup(wanted->tag), strdup(wanted->name),
                     strdup(wanted->endpoint ? wanted->endpoint : "")};
    *row = (uint32_t)device->row_count;
    return 0;
}

static void poll_now(struct phu_timer *timer)
{
    struct device *device = phu_container_of(timer, struct device, timer);
    struct drive *drive = device->drive;
    int64_t late = phu_mono_since(phu_sched_now(drive->sched), device->due);

    if (late > drive->worst_start_ns)
        drive->worst_start_ns = late;
    phu_collector_snmp.poll(drive->self, device->check);
}

/* How long this process has been ready to run and did not: other processes had the processor. */
static int64_t waited_ns(const struct drive *drive)
{
    char text[128];
    ssize_t length = drive->wait_fd < 0 ? 0 : pread(drive->wait_fd, text, sizeof text - 1, 0);
    char *second;

    if (length <= 0)
        return 0;
    text[length] = '\0';
    second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) : 0;
}

static void pulse(struct phu_timer *timer)
{
    struct drive *drive = phu_container_of(timer, struct drive, pulse);
    struct phu_mono now = phu_sched_now(drive->sched);
    int64_t wait = waited_ns(drive);
    int64_t gap = phu_mono_since(now, drive->last_pulse) - (wait - drive->last_wait_ns);

    if (gap > drive->worst_gap_ns)
        drive->worst_gap_ns = gap;
    drive->last_pulse = now;
    drive->last_wait_ns = wait;
    phu_timer_after(drive->sched, timer, PHU_NS_PER_MS);
}

static void start(struct drive *drive)
{
    struct phu_mono now = phu_sched_now(drive->sched);

    drive->running = drive->device_count;
    for (size_t i = 0; i < drive->device_count; i++) {
        struct device *device = &drive->devices[i];

        if (phu_collector_snmp.attach(drive->self, &device->spec, &device->check) < 0)
            exit(2);
        device->polls_left = (int)drive->polls;
        device->due = phu_mono_add(now, drive->is_together ? 0
                                                           : (int64_t)i * drive->interval_ns /
                                                                 (int64_t)drive->device_count);
        phu_timer_init(&device->timer, poll_now);
        phu_timer_at(drive->sched, &device->timer, device->due);
    }
    phu_timer_init(&drive->pulse, pulse);
    drive->last_pulse = now;
    drive->last_wait_ns = waited_ns(drive);
    if (!drive->is_quiet)
        phu_timer_after(drive->sched, &drive->pulse, PHU_NS_PER_MS);
}

static void free_row(struct row *row)
{
    free(row->tag);
    free(row->name);
    free(row->endpoint);
}

static void free_served(struct device *device)
{
    for (size_t i = 0; i < device->spec.served_count; i++) {
        free((char *)device->served[i].endpoint);
        free((char *)device->served[i].ifname);
        free((char *)device->served[i].index);
    }
    free(device->served);
}

static void free_options(struct phu_snmp_options *snmp_options)
{
    struct phu_serves_option *options = snmp_options->serves.items;

    for (size_t i = 0; i < snmp_options->serves.count; i++) {
        free(options[i].text);
        free(options[i].endpoint);
    }
    free(options);
    free(snmp_options->profiles);
}

static void free_plan(struct drive *drive)
{
    for (size_t i = 0; i < drive->device_count; i++) {
        struct device *device = &drive->devices[i];

        for (size_t k = 0; k < device->row_count; k++)
            free_row(&device->rows[k]);
        free(device->rows);
        free_served(device);
        free((char *)device->spec.argument);
        free((char *)device->spec.id);
        free((char *)device->spec.address);
        free((char *)device->spec.credential);
        free((char *)device->spec.rows);
    }
    free(drive->devices);
    free_options(&drive->options);
    free((char *)drive->unknown);
    for (size_t i = 0; i < drive->credential_count; i++) {
        struct phu_credential *credential = &drive->credentials[i];

        free(credential->name);
        free(credential->community);
        free(credential->user);
        free(credential->auth_secret);
        free(credential->privacy_secret);
        free(credential->context);
    }
}

static void sum_up(const struct drive *drive)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("{\"summary\":true,\"verdicts\":%" PRId64 ",\"gap_us\":%" PRId64 ",\"late_us\":%" PRId64
           ",\"cpu_us\":%ld,\"rss_kib\":%ld}\n",
           drive->verdicts, drive->worst_gap_ns / 1000, drive->worst_start_ns / 1000,
           (long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
               usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
           usage.ru_maxrss);
}

int main(void)
{
    struct drive drive = {.sink = {put, find_row},
                          .polls = 1,
                          .options = {.concurrency = 256,
                                      .max_interfaces = 4096,
                                      .max_rows = 16384,
                                      .receive_buffer = 8 << 20}};
    struct phu_collector_env env = {.sink = &drive.sink,
                                    .agent = "test",
                                    .state_dir = "",
                                    .credential = find_credential,
                                    .credential_arg = &drive};

    drive.wait_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    drive.devices = calloc(MOST, sizeof *drive.devices);
    read_plan(&drive);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (phu_loop_new(&drive.sched) < 0)
        return 2;
    env.sched = drive.sched;
    env.stats = phu_stats_new();
    phu_resolver_new(drive.sched, &env.resolver);
    if (phu_collector_snmp.open(&env, &drive.options, &drive.self) < 0)
        return 2;
    start(&drive);
    phu_loop_run(drive.sched);
    phu_timer_cancel(drive.sched, &drive.pulse);
    for (size_t i = 0; i < drive.device_count; i++)
        phu_collector_snmp.detach(drive.self, drive.devices[i].check);
    phu_collector_snmp.close(drive.self);
    phu_resolver_free(env.resolver);
    sum_up(&drive);
    phu_stats_free(env.stats);
    phu_loop_free(drive.sched);
    free_plan(&drive);
    close(drive.wait_fd);
    return 0;
}
