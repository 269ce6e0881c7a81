/* How late is the loop? While anybody wants to know, a timer beats every 10 ms, and tells when it
 * came too late to be explained by the timers' own coarseness. Private to base/net. */
#pragma once

#include "phusong/sched.h"

struct phu_pulse {
    struct phu_sched *sched;
    struct phu_timer timer;
    struct phu_mono due;
    unsigned users;
    void (*late)(struct phu_pulse *pulse, int64_t ns);
};

void phu_pulse_init(struct phu_pulse *pulse, struct phu_sched *sched,
                    void (*late)(struct phu_pulse *pulse, int64_t ns));
void phu_pulse_fini(struct phu_pulse *pulse);

void phu_pulse_join(struct phu_pulse *pulse);
void phu_pulse_leave(struct phu_pulse *pulse);

/* How late the next beat is at `now`; negative when it is not yet due. */
int64_t phu_pulse_late_ns(const struct phu_pulse *pulse, struct phu_mono now);
/* The loop was busy for so long. When there is a single user it was his own work, such as a TLS
 * handshake: part of what it takes, and nothing that he had to wait for. */
void phu_pulse_forgive(struct phu_pulse *pulse, int64_t ns);
