/* A device and a poll of it, as the files that carry a poll out share them: place.c, device.c,
 * conversation.c and report.c.
 *
 * What lasts from poll to poll is small: the user at the device's engine, habits, and the baselines
 * of its interfaces. Everything a poll needs besides is a `work`, of which there are as many as
 * polls in flight.
 */
#pragma once

#include "interfaces.h"
#include "session.h"
#include "snmp.h"
#include "usm.h"
#include "walk.h"

#include "phusong/observation.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct phu_resolve;

struct phu_snmp_work {
    struct phu_snmp_work *next; /* among the spare ones */
    struct phu_session *session;
    struct phu_session_counts counts; /* of sessions already closed */
    struct phu_walk walk;
    struct phu_ifmib ifmib;
    struct phu_resolve *resolve;
    struct sockaddr_storage address;
    bool is_discovering, has_discovered;
    bool is_other; /* another engine than before: a swapped or re-flashed device */
    unsigned answers, varbinds;
    int64_t first_response_ns;
};

struct phu_snmp_device {
    struct phu_snmp *snmp;
    struct phu_check_spec spec;
    struct phu_snmp_check_options options;
    struct phu_snmp_device *next_waiting;
    struct phu_snmp_work *work; /* while polling */
    struct phu_timer timer;     /* deadline */
    struct phu_mono started;
    bool is_waiting;
    struct phu_secret *secret;
    struct phu_usm_user *user;         /* NULL until the engine is known */
    bool has_answered_user;            /* this user has been accepted */
    uint8_t engine[PHU_ENGINE_ID_MAX]; /* the last that accepted a user */
    uint8_t engine_length;
    enum phu_result last_result;
    unsigned polls_since_habits, repetitions;
    struct phu_ifmib_habits habits;
    struct phu_uptime uptime;
    struct phu_interfaces interfaces;
};

/* A place has become free for it: the poll begins. */
void phu_snmp_device_begin(struct phu_snmp_device *device);
