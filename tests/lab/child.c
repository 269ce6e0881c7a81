/* Forks, enters the namespace, ties the child's life to the lab's, and tells the parent over a pipe
 * whether that worked (snmpd: closed by exec). */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child, before anything else. The parent may have died already: then nobody would tell. */
static int become_child(int ns_fd, pid_t parent)
{
    struct sched_param normal = {0};
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    sched_setscheduler(0, SCHED_OTHER, &normal);
    if (ns_fd >= 0 && setns(ns_fd, CLONE_NEWNET) < 0)
        return -errno;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return -ECHILD;
    return 0;
}

/* The lab's lock and interfaces must go with the lab, not with the last of its children. Returns
 * the kept descriptor's new number. */
static int keep_only(int fd)
{
    enum { FIRST = 3 };

    if (fd != FIRST) {
        if (dup3(fd, FIRST, O_CLOEXEC) < 0)
            return fd;
        fd = FIRST;
    }
    close_range(FIRST + 1, ~0u, 0);
    return fd;
}

/* Reads the child's verdict: nothing means success. */
static int await_start(struct lab_child *child, int fd, struct lab_error *err)
{
    struct lab_error said;
    ssize_t got;

    do
        got = read(fd, &said, sizeof(said));
    while (got < 0 && errno == EINTR);
    close(fd);
    if (got != (ssize_t)sizeof(said))
        return 0;
    waitpid(child->pid, &child->status, 0);
    child->pid = 0;
    said.text[sizeof(said.text) - 1] = '\0';
    return lab_fail(err, "%.220s", said.text);
}

static void report_and_exit(int fd, const struct lab_error *err)
{
    ssize_t ignored = write(fd, err, sizeof(*err));

    (void)ignored;
    _exit(1);
}

static void run_serve(int report_fd, const struct lab_serve_config *config)
{
    struct lab_error err = {{0}};
    int fds[LAB_PORTS_MAX];

    if (lab_serve_open(config, fds, &err) < 0)
        report_and_exit(report_fd, &err);
    close(report_fd);
    lab_serve_run(fds, config->count);
    _exit(1);
}

/* Forks; in the child returns 0 with the pipe's writing end, in the parent 1 with the reading end.
 */
static int start_child(struct lab_child *child, int ns_fd, int *fd, struct lab_error *err)
{
    struct lab_error why = {{0}};
    pid_t parent = getpid();
    int ends[2];
    int error;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return lab_fail(err, "pipe: %s", strerror(errno));
    child->pid = fork();
    if (child->pid < 0) {
        close(ends[0]);
        close(ends[1]);
        child->pid = 0;
        return lab_fail(err, "fork: %s", strerror(errno));
    }
    *fd = child->pid ? ends[0] : ends[1];
    close(child->pid ? ends[1] : ends[0]);
    if (child->pid)
        return 1;
    error = become_child(ns_fd, parent);
    if (error < 0) {
        lab_fail(&why, "cannot start in the district: %s", strerror(-error));
        report_and_exit(*fd, &why);
    }
    *fd = keep_only(*fd);
    return 0;
}

int lab_child_serve(struct lab_child *child, int ns_fd, const struct lab_serve_config *config,
                    struct lab_error *err)
{
    int fd = -1;
    int is_parent = start_child(child, ns_fd, &fd, err);

    child->name = "serve";
    if (is_parent == 0) {
        prctl(PR_SET_NAME, "phusong-lab-srv");
        run_serve(fd, config);
    }
    return is_parent < 0 ? is_parent : await_start(child, fd, err);
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t length = strlen(text);
    bool done;

    if (fd < 0)
        return -errno;
    done = write(fd, text, length) == (ssize_t)length;
    close(fd);
    return done ? 0 : -EIO;
}

static int write_snmp_config(const struct lab_snmp_config *config, const char *directory)
{
    char path[300];
    char text[1024];
    int length;

    length = snprintf(text, sizeof(text),
                      "rocommunity %s\nsysName phusong-lab\nsysLocation emulated district\n"
                      "sysContact nobody\nsysServices 72\ndontLogTCPWrappersConnects yes\n",
                      config->community);
    if (config->user)
        snprintf(text + length, sizeof(text) - (size_t)length,
                 "rouser %s priv\ncreateUser %s SHA-256 \"%s\" AES \"%s\"\n", config->user,
                 config->user, config->auth_pass, config->priv_pass);
    snprintf(path, sizeof(path), "%s/snmp", directory);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/snmp/agent.conf", directory);
    return write_file(path, text);
}

static void run_snmpd(int report_fd, const struct lab_snmp_config *config, const char *directory)
{
    struct lab_error err;
    char file[300];
    char log[300];
    char persistent[300];
    char address[32];

    snprintf(file, sizeof(file), "%s/snmp/agent.conf", directory);
    snprintf(log, sizeof(log), "%s/snmp/snmpd.log", directory);
    snprintf(persistent, sizeof(persistent), "%s/snmp", directory);
    snprintf(address, sizeof(address), "udp:0.0.0.0:%u", config->port);
    setenv("SNMP_PERSISTENT_DIR", persistent, 1);
    setenv("SNMPCONFPATH", persistent, 1);
    setenv("PATH", "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin", 1);
    setenv("MIBS", "", 1);
    /* -C -c: only this file; -f: stay; the log is truncated at each start. */
    execlp("snmpd", "snmpd", "-f", "-Lf", log, "-C", "-c", file, address, (char *)NULL);
    lab_fail(&err, "cannot run snmpd: %s%s", strerror(errno),
             errno == ENOENT ? "; `apt-get install snmpd`" : "");
    report_and_exit(report_fd, &err);
}

int lab_child_snmpd(struct lab_child *child, int ns_fd, const struct lab_snmp_config *config,
                    const char *directory, struct lab_error *err)
{
    int error = write_snmp_config(config, directory);
    int is_parent;
    int fd = -1;

    child->name = "snmpd";
    if (error < 0)
        return lab_fail(err, "cannot write %.150s/snmp: %s", directory, strerror(-error));
    is_parent = start_child(child, ns_fd, &fd, err);
    if (is_parent == 0)
        run_snmpd(fd, config, directory);
    return is_parent < 0 ? is_parent : await_start(child, fd, err);
}

void lab_child_stop(struct lab_child *child)
{
    struct timespec pause = {.tv_nsec = 5000000};

    if (child->pid == 0)
        return;
    kill(child->pid, SIGTERM);
    for (int i = 0; i < 100; i++) {
        if (waitpid(child->pid, &child->status, WNOHANG) != 0) {
            child->pid = 0;
            return;
        }
        nanosleep(&pause, NULL);
    }
    kill(child->pid, SIGKILL);
    waitpid(child->pid, &child->status, 0);
    child->pid = 0;
}
