/* Says what the lab can do here. Exit status 0: everything that matters, 77: loopback only. */
#include "client.h"

#include "clock.h"
#include "netns.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPS = 200, NOT_POSSIBLE = 77 };

static bool is_in_path(const char *program)
{
    static const char *const directories[] = {"/usr/sbin", "/usr/bin",       "/sbin",
                                              "/bin",      "/usr/local/bin", "/usr/local/sbin"};
    char path[128];

    for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
        snprintf(path, sizeof(path), "%s/%s", directories[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Tried in a child, so that the caller's priority stays. */
static bool can_be_realtime(void)
{
    struct sched_param priority = {.sched_priority = 1};
    int status = 1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(sched_setscheduler(0, SCHED_FIFO, &priority) == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void measure_sleep(FILE *out)
{
    struct timespec pause = {.tv_nsec = 500000};
    int64_t late_ns[SLEEPS];

    for (int i = 0; i < SLEEPS; i++) {
        int64_t due_ns = lab_now() + pause.tv_nsec;

        nanosleep(&pause, NULL);
        late_ns[i] = lab_now() - due_ns;
    }
    qsort(late_ns, SLEEPS, sizeof(*late_ns), compare);
    fprintf(out,
            "wake-ups    late by %lld us at the median, %lld us at p99 (spinning hides up to "
            "the --spin of them)\n",
            (long long)late_ns[SLEEPS / 2] / 1000, (long long)late_ns[SLEEPS * 99 / 100] / 1000);
}

int lab_doctor(FILE *out)
{
    struct lab_error why;
    bool is_possible = lab_net_possible(&why) == 0;

    if (is_possible)
        fprintf(out, "impairments yes: TUN interfaces and network namespaces work\n");
    else
        fprintf(out,
                "impairments no: %s\n            run falls back to 127.27.0.0/16, where "
                "nothing is delayed or lost\n",
                why.text);
    fprintf(out, "ipv6        %s\n",
            access("/proc/sys/net/ipv6", F_OK) == 0 ? "yes" : "no: the kernel is without it");
    fprintf(out, "real time   %s\n",
            can_be_realtime() ? "yes" : "no: delays are less exact on a busy machine");
    fprintf(out, "snmpd       %s\n", is_in_path("snmpd") ? "yes" : "no: `apt-get install snmpd`");
    measure_sleep(out);
    return is_possible ? 0 : NOT_POSSIBLE;
}
