/* One conversation with one device: questions, repetitions, answers; alive only while the device is
 * being polled; several with one device at a time are fine. Nothing above it knows a socket,
 * nothing below it knows IF-MIB.
 *
 * All sessions share one socket per address family (socket.h). Questions are written by encode.h
 * and answers read by message.h; version 3 goes through secure.h. Every question ends in one call
 * of `told`, never from inside the call that asked.
 */
#pragma once

#include "walk.h"

#include <sys/socket.h>

struct phu_sched;
struct phu_secret;
struct phu_usm_engine;
struct phu_usm_user;
struct phu_session;
struct phu_session_shell;
struct phu_udp_counts;

enum phu_session_event {
    PHU_SESSION_ANSWER,
    PHU_SESSION_REPORT,      /* version 3: the device refused the message and says why */
    PHU_SESSION_TIMEOUT,     /* after all repetitions */
    PHU_SESSION_REFUSED,     /* nothing listens there */
    PHU_SESSION_UNREACHABLE, /* an ICMP error came back */
    PHU_SESSION_FAILED,      /* our side could not send, or lost what was answered */
};

enum phu_session_report {
    PHU_REPORT_OTHER,
    PHU_REPORT_UNKNOWN_USER,
    PHU_REPORT_WRONG_DIGEST,
    PHU_REPORT_DECRYPTION,
    PHU_REPORT_LEVEL, /* the user exists, but not with this auth and privacy */
    PHU_REPORT_UNKNOWN_ENGINE,
    PHU_REPORT_TIME_WINDOW,
    PHU_REPORT_CONTEXT,
};

struct phu_session_news {
    enum phu_session_event event;
    enum phu_session_report report;
    long error_status; /* of an answer; 0 none */
    size_t error_index;
    const struct phu_varbind *varbinds; /* borrowed for the call */
    size_t count;
    int64_t response_ns; /* from the last sending to the answer's arrival in the kernel */
    int64_t at_ns;       /* monotonic time of that arrival */
    int error;           /* negative errno, with FAILED */
};

struct phu_session_counts {
    unsigned sent, timeouts,
        ignored; /* messages, with repetitions; datagrams that were no answer */
};

struct phu_session_config {
    const struct sockaddr *address;
    socklen_t address_length;
    const struct phu_secret *secret;
    struct phu_usm_user *user; /* version 3, when the engine is known */
    int64_t timeout_ns;        /* of one message */
    unsigned retries;
    /* May a message be sent that was not asked for, a repetition? Returns how long it must wait; 0:
     * it may, and counts. NULL: always. */
    int64_t (*wait)(void *arg);
    void (*told)(void *arg, const struct phu_session_news *news);
    void *arg;
};

/* What sessions share: sockets and buffers. `counts` outlives it. */
int phu_session_shell_new(struct phu_sched *sched, int64_t receive_buffer,
                          struct phu_udp_counts *counts, struct phu_session_shell **out);
void phu_session_shell_free(struct phu_session_shell *shell);

int phu_session_open(struct phu_session_shell *shell, const struct phu_session_config *config,
                     struct phu_session **out);
/* May be called from inside `told`. NULL is harmless. */
void phu_session_close(struct phu_session *session);

/* Asks; one question at a time. */
void phu_session_ask(struct phu_session *session, const struct phu_walk_request *request);
/* Version 3: asks who the device is. The answer is a report; then phu_session_engine() is known. */
void phu_session_discover(struct phu_session *session);
const struct phu_usm_engine *phu_session_engine(const struct phu_session *session);

const struct phu_session_counts *phu_session_counts(const struct phu_session *session);
