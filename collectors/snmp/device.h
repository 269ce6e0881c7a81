/* A device and a poll of it, as the files that carry a poll out share them.
 *
 *   place.c         who may poll now
 *   device.c        life of a device, and the first steps of a poll
 *   conversation.c  sessions: version 3, what each answer or silence leads to
 *   agenda.c        what to ask for next: who are you, processor, interfaces, tables
 *   identify.c      which profile is the device's
 *   tables.c        which table of the profile is due, and how far it has been read
 *   table_row.c     from a row that was read to values in the sink; row_serves.c: whom it serves
 *   report.c        how a poll ends
 *
 * What lasts from poll to poll is small: the user at the device's engine, habits, the baselines of
 * its interfaces, and what tables.h keeps of a profile's tables. Everything a poll needs besides is
 * a `work`, of which there are as many as polls in flight.
 */
#pragma once

#include "gather.h"
#include "interfaces.h"
#include "session.h"
#include "snmp.h"
#include "usm.h"
#include "walk.h"

#include "phusong/collector.h"
#include "phusong/observation.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct phu_identify;
struct phu_profile;
struct phu_profiles;
struct phu_resolve;
struct phu_tables;

#define PHU_SNMP_LINES_MAX 8 /* questions to one device at the same time */

enum phu_snmp_task {
    PHU_TASK_NONE,
    PHU_TASK_IDENTIFY, /* sysObjectID, sysDescr, sysName */
    PHU_TASK_HAS,      /* has it the object that a profile requires? */
    PHU_TASK_CLOCKS,   /* sysUpTime of a device whose interfaces are not read */
    PHU_TASK_CPU,
    PHU_TASK_INTERFACES,
    PHU_TASK_TABLE,
};

/* A session with the device and what it is busy with. */
struct phu_snmp_line {
    struct phu_snmp_device *device;
    struct phu_session *session;
    struct phu_timer timer; /* until the device's messages per second let it ask */
    enum phu_snmp_task task;
    unsigned table; /* of phu_tables */
    bool is_slow;   /* the table waits for its time: not what each poll must read */
    bool is_asking;
    struct phu_walk walk;
    struct phu_gather gather;
};

struct phu_snmp_work {
    struct phu_snmp_work *next; /* among the spare ones */
    struct phu_snmp_device *device;
    struct phu_timer deadline;
    struct phu_snmp_line *lines[PHU_SNMP_LINES_MAX];
    unsigned line_count;
    struct phu_session_counts counts; /* of sessions already closed */
    struct phu_ifmib ifmib;
    struct phu_identify *identify;
    struct phu_resolve *resolve;
    struct sockaddr_storage address;
    bool is_discovering, has_discovered;
    bool is_other; /* another engine than before: a swapped or re-flashed device */
    bool has_read_clocks, has_read_cpu, has_read_interfaces;
    bool has_put_interfaces, has_judged, has_too_many_interfaces;
    bool are_interfaces_whole; /* they were read in good order */
    bool has_rows;             /* of a table */
    bool is_care_stopped;      /* its processor is too busy for slow tables */
    enum phu_uptime_verdict uptime;
    unsigned answers, varbinds, cuts, wrong_cells;
    unsigned room; /* objects that the device could put into an answer; 0: it was never cut */
    struct phu_walk_faults faults; /* of walks that have ended */
    int64_t first_response_ns;
    struct phu_mono fast_done;            /* when all but slow tables had been read; 0: not yet */
    double cpu_pct;                       /* the busiest; negative: not read */
    double cpu_worst_pct;                 /* later on as well */
    struct phu_index cpu_place, cpu_seen; /* the row before the busiest one; the last one */
};

/* The last engine that accepted a user. */
struct phu_snmp_engine {
    uint8_t length, id[];
};

/* There may be 50,000 of these: what only some need is behind a pointer. */
struct phu_snmp_device {
    struct phu_snmp *snmp;
    const struct phu_check_spec *spec;
    struct phu_snmp_work *work; /* while polling */
    struct phu_mono started;
    int64_t may_ask_ns; /* its messages per second allow the next one then */
    struct phu_secret *secret;
    struct phu_usm_user *user;         /* NULL until the engine is known */
    struct phu_snmp_engine *engine;    /* NULL: none yet, or not version 3 */
    struct phu_profiles *profiles;     /* the set that its profile is of, shared */
    const struct phu_profile *profile; /* NULL until identified */
    struct phu_tables *tables;         /* NULL: nothing but interfaces */
    struct phu_interfaces interfaces;
    struct phu_uptime uptime;
    struct phu_ifmib_habits habits;
    uint32_t poll;         /* number of the poll */
    uint32_t identified_s; /* monotonic */
    uint32_t queue_place;  /* while waiting */
    uint16_t room;         /* objects that are asked for at once; 0: no limit but the
                              options' */
    uint8_t last_result;   /* enum phu_result */
    bool is_waiting : 1;
    bool is_too_busy : 1; /* its processor, as last logged */
    bool must_identify : 1;
    bool has_answered_user : 1; /* this user has been accepted */
};

static_assert(sizeof(struct phu_snmp_device) <= 168, "there are too many of them for more");

/* Of the check, shared by all devices. */
static inline const struct phu_snmp_check_options *
phu_snmp_options_of(const struct phu_snmp_device *device)
{
    return device->spec->options;
}

/* A place has become free for it: the poll begins. */
void phu_snmp_device_begin(struct phu_snmp_device *device);
/* The deadline of a poll, which its work keeps. */
void phu_snmp_device_deadline(struct phu_timer *timer);
