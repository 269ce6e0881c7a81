/* What the session layer alone costs: one poll of 50 objects per session, sockets, net-snmp and
 * version 3 included, nothing of tables or windows.
 *
 *   snmp_wire SESSIONS WINDOW ROUNDS PORT [USER AUTH PRIVACY [PASSPHRASE]]
 *
 * Session i asks 127.64.0.1 plus i, at most WINDOW at a time, ROUNDS times each; every poll opens a
 * session, asks one GETBULK of 5 columns and 10 rows, and closes. With a user it is version 3, and
 * the engines are discovered first; AUTH and PRIVACY are numbers of enum phu_snmp_auth and
 * _privacy. Prints one line of JSON: CPU of this process, wall time, the longest time that a timer
 * of the loop was late, and memory.
 */
#include "loop.h"
#include "secret.h"
#include "session.h"
#include "socket.h"
#include "usm.h"

#include "phusong/credential.h"
#include "phusong/log.h"
#include "phusong/sched.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OBJECTS 50
#define BATCH 64                 /* polls begun in one go */
#define FIRST_ADDRESS 0x7f400001 /* 127.64.0.1 */

struct bench;

struct target {
    struct bench *bench;
    struct sockaddr_in address;
    struct phu_session *session;
    struct phu_usm_user *user;
    bool is_discovering;
};

struct bench {
    struct phu_sched *sched;
    struct phu_session_shell *shell;
    struct phu_usm *usm;
    struct phu_udp_counts counts;
    struct phu_secrets secrets;
    struct phu_secret *secret;
    struct phu_walk_request request;
    struct target *targets;
    size_t count, window, next, in_flight;
    int64_t answered, silent, wrong;
    struct phu_timer pulse, more;
    struct phu_mono last_pulse;
    int64_t last_wait_ns, worst_gap_ns;
    int wait_fd;
};

static const struct phu_oid columns[] = {
    {11, {1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6}},  {11, {1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 7}},
    {11, {1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 8}},  {11, {1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 9}},
    {11, {1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10}},
};

static int64_t cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * PHU_NS_PER_S +
           ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * PHU_NS_PER_US;
}

static long rss_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* -- One poll -------------------------------------------------------------------------------- */

static void hang_up(struct target *target)
{
    phu_session_close(target->session);
    target->session = NULL;
    target->bench->in_flight--;
    phu_timer_after(target->bench->sched, &target->bench->more, 0);
}

static void note_engine(struct target *target)
{
    struct bench *bench = target->bench;
    const struct phu_usm_engine *engine = phu_session_engine(target->session);
    struct phu_usm_owner owner = {"target", (const struct sockaddr *)&target->address};

    if (engine->length == 0 ||
        phu_usm_take(bench->usm, engine, bench->secret, &owner, &target->user) < 0)
        bench->wrong++;
    else
        bench->answered++;
}

static void told(void *arg, const struct phu_session_news *news)
{
    struct target *target = arg;
    struct bench *bench = target->bench;

    if (target->is_discovering && news->event == PHU_SESSION_REPORT)
        note_engine(target);
    else if (news->event == PHU_SESSION_ANSWER && news->count == OBJECTS)
        bench->answered++;
    else if (news->event == PHU_SESSION_TIMEOUT)
        bench->silent++;
    else
        bench->wrong++;
    hang_up(target);
}

static void poll_target(struct bench *bench, struct target *target)
{
    struct phu_session_config config = {.address = (const struct sockaddr *)&target->address,
                                        .address_length = sizeof target->address,
                                        .secret = bench->secret,
                                        .user = target->user,
                                        .timeout_ns = 2 * PHU_NS_PER_S,
                                        .retries = 2,
                                        .told = told,
                                        .arg = target};

    target->is_discovering = bench->secret->version == PHU_SNMP_V3 && !target->user;
    if (phu_session_open(bench->shell, &config, &target->session) < 0)
        abort();
    bench->in_flight++;
    if (target->is_discovering)
        phu_session_discover(target->session);
    else
        phu_session_ask(target->session, &bench->request);
}

static void poll_more(struct phu_timer *timer)
{
    struct bench *bench = phu_container_of(timer, struct bench, more);

    for (int i = 0; i < BATCH && bench->next < bench->count && bench->in_flight < bench->window;
         i++)
        poll_target(bench, &bench->targets[bench->next++]);
    if (bench->next < bench->count && bench->in_flight < bench->window)
        phu_timer_after(bench->sched, timer, PHU_NS_PER_MS);
    if (bench->in_flight == 0)
        phu_loop_stop(bench->sched);
}

/* How long this process has been ready to run and did not: others had the processor. */
static int64_t waited_ns(const struct bench *bench)
{
    char text[128];
    ssize_t length = bench->wait_fd < 0 ? 0 : pread(bench->wait_fd, text, sizeof text - 1, 0);
    char *second;

    if (length <= 0)
        return 0;
    text[length] = '\0';
    second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) : 0;
}

static void pulse(struct phu_timer *timer)
{
    struct bench *bench = phu_container_of(timer, struct bench, pulse);
    struct phu_mono now = phu_sched_now(bench->sched);
    int64_t wait = waited_ns(bench);
    int64_t gap = phu_mono_since(now, bench->last_pulse) - (wait - bench->last_wait_ns);

    if (gap > bench->worst_gap_ns)
        bench->worst_gap_ns = gap;
    bench->last_pulse = now;
    bench->last_wait_ns = wait;
    phu_timer_after(bench->sched, timer, PHU_NS_PER_MS);
}

/* -- A round over all ------------------------------------------------------------------------ */

struct round {
    int64_t cpu_ns, wall_ns;
};

static struct round run_round(struct bench *bench)
{
    struct phu_mono began = phu_sched_now(bench->sched);
    int64_t cpu = cpu_ns();

    bench->next = 0;
    bench->last_pulse = began;
    bench->last_wait_ns = waited_ns(bench);
    phu_timer_after(bench->sched, &bench->pulse, PHU_NS_PER_MS);
    phu_timer_after(bench->sched, &bench->more, 0);
    phu_loop_run(bench->sched);
    phu_timer_cancel(bench->sched, &bench->pulse);
    return (struct round){cpu_ns() - cpu, phu_mono_since(phu_sched_now(bench->sched), began)};
}

static int by_cpu(const void *a, const void *b)
{
    int64_t left = ((const struct round *)a)->cpu_ns, right = ((const struct round *)b)->cpu_ns;

    return (left > right) - (left < right);
}

static void measure(struct bench *bench, size_t rounds)
{
    struct round discovery = {0, 0}, *all = calloc(rounds, sizeof *all);
    int64_t discovered = 0;

    if (!all)
        abort();
    if (bench->secret->version == PHU_SNMP_V3) {
        discovery = run_round(bench);
        discovered = bench->answered;
        bench->answered = 0;
    }
    for (size_t i = 0; i < rounds; i++)
        all[i] = run_round(bench);
    qsort(all, rounds, sizeof *all, by_cpu);
    printf("{\"sessions\":%zu,\"window\":%zu,\"rounds\":%zu,\"answered\":%" PRId64
           ",\"silent\":%" PRId64 ",\"wrong\":%" PRId64 ",\"discovered\":%" PRId64
           ",\"cpu_us\":%.2f,\"cpu_us_least\":%.2f,\"wall_s\":%.3f,\"discovery_cpu_us\":%.2f"
           ",\"discovery_s\":%.3f,\"gap_ms\":%.1f,\"overflows\":%" PRId64 ",\"rss_kib\":%ld}\n",
           bench->count, bench->window, rounds, bench->answered, bench->silent, bench->wrong,
           discovered, (double)all[rounds / 2].cpu_ns / 1000 / (double)bench->count,
           (double)all[0].cpu_ns / 1000 / (double)bench->count,
           (double)all[rounds / 2].wall_ns / 1e9,
           (double)discovery.cpu_ns / 1000 / (double)bench->count, (double)discovery.wall_ns / 1e9,
           (double)bench->worst_gap_ns / 1e6, bench->counts.overflows, rss_kib());
    free(all);
}

/* -- Preparing ------------------------------------------------------------------------------- */

static void take_secret(struct bench *bench, int argc, char **argv)
{
    char path[] = "/tmp/snmp_wire.XXXXXX", why[256];
    const char *text = argc > 8 ? argv[8] : argc > 5 ? "passphrase" : "public";
    struct phu_credential credential = {.name = "bench",
                                        .version = PHU_SNMP_V2C,
                                        .community = path,
                                        .auth_secret = path,
                                        .privacy_secret = path,
                                        .context = ""};
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (!file || fprintf(file, "%s\n", text) < 0 || fclose(file))
        abort();
    if (argc > 7) {
        credential.version = PHU_SNMP_V3;
        credential.user = argv[5];
        credential.auth = atoi(argv[6]);
        credential.privacy = atoi(argv[7]);
    }
    if (phu_secrets_take(&bench->secrets, &credential, &bench->secret, why, sizeof why) < 0) {
        fprintf(stderr, "snmp_wire: %s\n", why);
        exit(2);
    }
    remove(path);
}

static const struct phu_index before_all = {.length = 0};

static void set_up(struct bench *bench, int argc, char **argv)
{
    bench->count = strtoul(argv[1], NULL, 10);
    bench->window = strtoul(argv[2], NULL, 10);
    bench->targets = calloc(bench->count, sizeof *bench->targets);
    bench->request = (struct phu_walk_request){.is_bulk = true, .repetitions = 10, .name_count = 5};
    for (unsigned i = 0; i < 5; i++)
        bench->request.names[i] = (struct phu_walk_name){&columns[i], &before_all};
    take_secret(bench, argc, argv);
    for (size_t i = 0; i < bench->count; i++)
        bench->targets[i] = (struct target){
            .bench = bench,
            .address = {.sin_family = AF_INET,
                        .sin_port = htons((uint16_t)atoi(argv[4])),
                        .sin_addr = {htonl((uint32_t)(FIRST_ADDRESS + i))}},
        };
    phu_timer_init(&bench->pulse, pulse);
    phu_timer_init(&bench->more, poll_more);
    if (phu_loop_new(&bench->sched) < 0 || phu_usm_new(&bench->usm) < 0 ||
        phu_session_shell_new(bench->sched, 16 << 20, &bench->counts, &bench->shell) <

            0)
        abort();
}

int main(int argc, char **argv)
{
    struct bench bench = {.count = 0};

    if (argc < 5) {
        fprintf(stderr, "usage: snmp_wire SESSIONS WINDOW ROUNDS PORT "
                        "[USER AUTH PRIVACY [PASSPHRASE]]\n");
        return 3;
    }
    phu_log_set_level(PHU_LOG_ERROR);
    bench.wait_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    set_up(&bench, argc, argv);
    measure(&bench, strtoul(argv[3], NULL, 10));
    for (size_t i = 0; i < bench.count; i++)
        phu_usm_drop(bench.usm, bench.targets[i].user);
    phu_session_shell_free(bench.shell);
    phu_secrets_drop(&bench.secrets, bench.secret);
    phu_usm_free(bench.usm);
    phu_loop_free(bench.sched);
    free(bench.targets);
    return 0;
}
