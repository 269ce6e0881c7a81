/* Each verb is one row of the table at the end. */
#include "client.h"

#include "clock.h"
#include "control.h"
#include "load.h"
#include "netns.h"
#include "report.h"
#include "scenario.h"
#include "state.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOT_RUNNING = 3, USAGE = 2, TEXT_MAX = LAB_CONTROL_BYTES - 64 };

static int usage(const struct lab_verb *verb)
{
    fprintf(stderr, "phusong-lab: usage: phusong-lab %s %s\n", verb->name, verb->arguments);
    return USAGE;
}

/* Asks the lab; says why when that fails. */
static int ask(const char *state, char *const *words, int count, FILE *out, int *fd)
{
    char path[128];
    int result = lab_control_ask(lab_state_path(state, "control", path), words, count, out, fd);

    if (result >= 0)
        return result;
    if (result == -ENOENT || result == -ECONNREFUSED)
        fprintf(stderr,
                "phusong-lab: no lab is running with %s: start one with phusong-lab run, or "
                "name its directory with --state\n",
                state);
    else
        fprintf(stderr, "phusong-lab: %s: %s\n", path, strerror(-result));
    return NOT_RUNNING;
}

/* For verbs whose answer is text: to stdout when done, to stderr when refused. */
static int pass_on(const char *state, char *const *words, int count)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int result;

    if (!out)
        return 1;
    result = ask(state, words, count, out, NULL);
    fclose(out);
    if (length)
        fprintf(result ? stderr : stdout, "%s%s", result ? "phusong-lab: " : "", text);
    free(text);
    return result;
}

static int run_plain(const struct lab_verb *verb, const char *state, char **words, int count)
{
    (void)verb;
    return pass_on(state, words, count);
}

static int get_fd(const char *state, const char *name, int *fd)
{
    char verb[] = "fd";
    char copy[16];
    char *words[] = {verb, copy};

    snprintf(copy, sizeof(copy), "%s", name);
    return ask(state, words, 2, stderr, fd);
}

static bool has_flag(char **words, int count, const char *flag)
{
    for (int i = 1; i < count; i++)
        if (strcmp(words[i], flag) == 0)
            return true;
    return false;
}

/* The value after `--name`; `other` when there is none. */
static const char *get_option(char **words, int count, const char *name, const char *other)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(words[i], name) == 0)
            return words[i + 1];
    return other;
}

static int run_stats(const struct lab_verb *verb, const char *state, char **words, int count)
{
    bool is_json = has_flag(words, count, "--json");
    const struct lab_board *board;
    int fd;
    int result;

    if (count > (is_json ? 2 : 1))
        return usage(verb);
    result = get_fd(state, "board", &fd);
    if (result)
        return result;
    if (fd < 0 || lab_board_map(fd, &board) < 0) {
        fprintf(stderr, "phusong-lab: the running lab is of another version\n");
        return 1;
    }
    lab_report_stats(board, is_json, stdout);
    lab_board_unmap(board);
    close(fd);
    return 0;
}

static int open_truth(const char *state, const char *file, int *fd)
{
    if (!file)
        return get_fd(state, "truth", fd);
    *fd = open(file, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0)
        return 0;
    fprintf(stderr, "phusong-lab: %s: %s\n", file, strerror(errno));
    return 1;
}

static int run_truth(const struct lab_verb *verb, const char *state, char **words, int count)
{
    bool is_json = has_flag(words, count, "--json");
    bool is_csv = has_flag(words, count, "--csv");
    bool is_summary = has_flag(words, count, "--summary");
    const char *file = get_option(words, count, "--file", NULL);
    struct lab_truth_header header;
    struct lab_record *records;
    size_t record_count;
    int fd;
    int result;

    if (count != 1 + is_json + is_csv + is_summary + (file ? 2 : 0) || (is_json && is_csv))
        return usage(verb);
    result = open_truth(state, file, &fd);
    if (result)
        return result;
    result = lab_truth_load(fd, &header, &records, &record_count);
    close(fd);
    if (result < 0) {
        fprintf(stderr, "phusong-lab: this is no log of truth of this version\n");
        return 1;
    }
    if (is_csv || (is_json && !is_summary))
        lab_report_records(records, record_count, is_json, stdout);
    else
        result = lab_report_summary(records, record_count, is_json, stdout);
    free(records);
    return result < 0;
}

static int run_log(const struct lab_verb *verb, const char *state, char **words, int count)
{
    char bytes[4096];
    off_t offset = 0;
    ssize_t got;
    int fd;
    int result;

    (void)words;
    if (count != 1)
        return usage(verb);
    result = get_fd(state, "log", &fd);
    if (result)
        return result;
    while ((got = pread(fd, bytes, sizeof(bytes), offset)) > 0) {
        fwrite(bytes, 1, (size_t)got, stdout);
        offset += got;
    }
    close(fd);
    return 0;
}

static char *read_text(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = file ? malloc(TEXT_MAX + 1) : NULL;
    size_t length = text ? fread(text, 1, TEXT_MAX, file) : 0;

    if (!text || ferror(file) || !feof(file)) {
        fprintf(stderr, "phusong-lab: %s: %s\n", path,
                file && text && !ferror(file) ? "too large" : strerror(errno));
        free(text);
        text = NULL;
    } else
        text[length] = '\0';
    if (file && file != stdin)
        fclose(file);
    return text;
}

static int run_apply(const struct lab_verb *verb, const char *state, char **words, int count)
{
    char *pair[2];
    int result;

    if (count != 2)
        return usage(verb);
    pair[0] = words[0];
    pair[1] = read_text(words[1]);
    if (!pair[1])
        return 1;
    result = pass_on(state, pair, 2);
    free(pair[1]);
    return result;
}

/* What is under way, from the board: packets that wait and echoes without a fate. */
static bool is_settled(const struct lab_board *board)
{
    return board->totals.queued_packets == 0 && board->totals.open_echoes == 0;
}

static int run_settle(const struct lab_verb *verb, const char *state, char **words, int count)
{
    const char *text = get_option(words, count, "--timeout", "10s");
    struct timespec pause = {.tv_nsec = 5000000};
    const struct lab_board *board;
    struct lab_error err;
    int64_t timeout_ns;
    int64_t until_ns;
    int fd;
    int result;

    if (count != 1 && count != 3)
        return usage(verb);
    if (lab_parse_duration(text, &timeout_ns, &err) < 0) {
        fprintf(stderr, "phusong-lab: --timeout: %s\n", err.text);
        return USAGE;
    }
    result = get_fd(state, "board", &fd);
    if (result)
        return result;
    if (fd < 0 || lab_board_map(fd, &board) < 0)
        return 1;
    for (until_ns = lab_now() + timeout_ns; !is_settled(board) && lab_now() < until_ns;)
        nanosleep(&pause, NULL);
    result = is_settled(board) ? 0 : 1;
    if (result)
        fprintf(stderr, "phusong-lab: still under way after %s\n", text);
    lab_board_unmap(board);
    close(fd);
    return result;
}

static int run_wait(const struct lab_verb *verb, const char *state, char **words, int count)
{
    const char *text = get_option(words, count, "--timeout", "10s");
    char show[] = "show";
    char *question[] = {show};
    struct timespec pause = {.tv_nsec = 10000000};
    struct lab_error err;
    char path[128];
    int64_t timeout_ns;
    int64_t until_ns;
    FILE *sink;
    int result;

    if (count != 1 && count != 3)
        return usage(verb);
    if (lab_parse_duration(text, &timeout_ns, &err) < 0) {
        fprintf(stderr, "phusong-lab: --timeout: %s\n", err.text);
        return USAGE;
    }
    sink = fopen("/dev/null", "we");
    lab_state_path(state, "control", path);
    until_ns = lab_now() + timeout_ns;
    while ((result = lab_control_ask(path, question, 1, sink, NULL)) < 0 && lab_now() < until_ns)
        nanosleep(&pause, NULL);
    fclose(sink);
    if (result < 0)
        fprintf(stderr, "phusong-lab: no lab answers at %s after %s\n", path, text);
    return result < 0 ? NOT_RUNNING : 0;
}

/* exec [--side district|agent] [--] COMMAND... */
static int run_exec(const struct lab_verb *verb, const char *state, char **words, int count)
{
    const char *side = "district";
    int first = 1;
    int fd;
    int result;

    if (count > 2 && strcmp(words[1], "--side") == 0) {
        side = words[2];
        first = 3;
    }
    if (first < count && strcmp(words[first], "--") == 0)
        first++;
    if (first >= count || (strcmp(side, "district") != 0 && strcmp(side, "agent") != 0))
        return usage(verb);
    result = get_fd(state, side, &fd);
    if (result)
        return result;
    /* No descriptor: that side is where the caller is. */
    if (fd >= 0 && setns(fd, CLONE_NEWNET) < 0) {
        fprintf(stderr, "phusong-lab: cannot enter the %s's namespace: %s\n", side,
                strerror(errno));
        return 1;
    }
    if (fd >= 0)
        close(fd);
    execvp(words[first], words + first);
    fprintf(stderr, "phusong-lab: %s: %s\n", words[first], strerror(errno));
    return errno == ENOENT ? 127 : 126;
}

static int parse_load(char **words, int count, struct lab_load *load, struct lab_error *err)
{
    uint64_t most;

    *load = (struct lab_load){.patience_ns = 1000000000,
                              .is_realtime = has_flag(words, count, "--realtime")};
    if (lab_prefix_parse(words[1], &load->prefix, err) < 0 ||
        lab_parse_number(get_option(words, count, "--rate", "1000"), 1000000, &load->rate, err) <
            0 ||
        lab_parse_duration(get_option(words, count, "--for", "5s"), &load->length_ns, err) < 0)
        return -EINVAL;
    if (!lab_prefix_is_v4(&load->prefix) || load->rate == 0)
        return lab_fail(err, "load takes an IPv4 prefix and a rate of 1 or more");
    most = UINT64_C(1) << (128 - load->prefix.length);
    return lab_parse_number(get_option(words, count, "--hosts", "256"), most, &load->hosts, err) <
                       0 ||
                   load->hosts == 0
               ? lab_fail(err, "--hosts: from 1 to the %llu addresses of the prefix",
                          (unsigned long long)most)
               : 0;
}

static int run_load(const struct lab_verb *verb, const char *state, char **words, int count)
{
    bool is_json = has_flag(words, count, "--json");
    struct lab_load_result result;
    struct lab_load load;
    struct lab_error err;

    (void)state;
    if (count < 2)
        return usage(verb);
    if (parse_load(words, count, &load, &err) < 0) {
        fprintf(stderr, "phusong-lab: %s\n", err.text);
        return USAGE;
    }
    if (lab_load_run(&load, &result, &err) < 0) {
        fprintf(stderr, "phusong-lab: %s\n", err.text);
        return 1;
    }
    printf(is_json
               ? "{\"sent\": %llu, \"refused\": %llu, \"answered\": %llu, \"rtt_p50_us\": %llu, "
                 "\"rtt_p95_us\": %llu, \"rtt_p99_us\": %llu}\n"
               : "sent %llu, refused by the kernel %llu, answered %llu, rtt p50 %llu us, p95 %llu "
                 "us, p99 %llu us\n",
           (unsigned long long)result.sent, (unsigned long long)result.refused,
           (unsigned long long)result.answered, (unsigned long long)result.rtt_us[0],
           (unsigned long long)result.rtt_us[1], (unsigned long long)result.rtt_us[2]);
    return 0;
}

static int run_stop(const struct lab_verb *verb, const char *state, char **words, int count)
{
    return count == 1 ? pass_on(state, words, count) : usage(verb);
}

static int run_sweep(const struct lab_verb *verb, const char *state, char **words, int count)
{
    size_t ended;

    (void)words;
    if (count != 1)
        return usage(verb);
    ended = lab_sweep();
    printf("ended %zu processes of labs that are gone\n", ended);
    if (!lab_state_sweep(state))
        printf("%s belongs to a lab that is running, and stays\n", state);
    return 0;
}

static int run_doctor(const struct lab_verb *verb, const char *state, char **words, int count)
{
    (void)state;
    (void)words;
    return count == 1 ? lab_doctor(stdout) : usage(verb);
}

const struct lab_verb lab_client_verbs[] = {
    {"down", "PREFIX [--dir to|from|both]", "drop everything of the prefix",
     "An address is down while any prefix over it is.\n", run_plain},
    {"up", "PREFIX [--dir to|from|both]", "end `down` for the prefix", NULL, run_plain},
    {"delay", "PREFIX TIME [OPTION]...", "delay each packet",
     "  --jitter TIME        uniform: delay +- TIME; normal: TIME is the standard deviation\n"
     "  --distribution D     uniform (default) or normal, cut at 0 and at 4 deviations\n"
     "  --keep-order         packets of an address never overtake each other\n",
     run_plain},
    {"loss", "PREFIX SHARE [--burst N] [--dir D]", "lose a share of the packets, as in 2%",
     "  --burst N            in runs of N packets on average (Gilbert's model)\n", run_plain},
    {"rate", "PREFIX BYTES [--limit BYTES]", "pass so many bytes a second, as in 1MB or 8Mbit",
     "  --limit BYTES        that may wait (64kB); more are dropped\n"
     "All addresses of the prefix share the rate, each direction has its own.\n",
     run_plain},
    {"duplicate", "PREFIX SHARE [--dir D]", "send a share of the packets twice", NULL, run_plain},
    {"corrupt", "PREFIX SHARE [--fix-checksum]", "flip a bit in a share of the packets",
     "  --fix-checksum       mend the checksum, so that the damage reaches the application\n",
     run_plain},
    {"clear", "PREFIX|all [ATTRIBUTE]...", "unset what was set for exactly that prefix",
     "ATTRIBUTE: down, delay, loss, rate, duplicate, corrupt; all of them when none is named.\n",
     run_plain},
    {"apply", "FILE|-", "apply scenario lines; their times count from now", NULL, run_apply},
    {"show", "[--json]", "mode, prefixes, rules, what is under way", NULL, run_plain},
    {"stats", "[--json]", "counters of every address", NULL, run_stats},
    {"truth", "[--summary] [--json|--csv] [--file FILE]", "the fate of every echo",
     "Without --json or --csv, or with --summary: counts and percentiles for each address.\n"
     "  --file FILE          of a lab that was run with --keep\n",
     run_truth},
    {"log", "", "what was changed, and when", NULL, run_log},
    {"settle", "[--timeout TIME]", "wait until nothing is under way", NULL, run_settle},
    {"wait", "[--timeout TIME]", "wait until a lab answers", NULL, run_wait},
    {"exec", "[--side district|agent] -- COMMAND...", "run a command inside the lab",
     "The lab ends the command when it stops.\n", run_exec},
    {"load", "PREFIX [--rate N] [--for TIME] [--hosts N] [--realtime] [--json]",
     "send echo requests at a steady pace, and say what came back",
     "Needs a raw socket. With --agent-netns: phusong-lab exec --side agent -- phusong-lab load "
     "...\n",
     run_load},
    {"stop", "", "stop the lab; returns when all is cleaned up", NULL, run_stop},
    {"sweep", "", "clean up after labs that were killed", NULL, run_sweep},
    {"doctor", "", "what is possible on this machine, and why not", NULL, run_doctor},
    {NULL, NULL, NULL, NULL, NULL},
};
