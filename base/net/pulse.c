#include "pulse.h"

#define BEAT_NS (10 * PHU_NS_PER_MS)

static void beat(struct phu_pulse *pulse)
{
    pulse->due = phu_mono_add(phu_sched_now(pulse->sched), BEAT_NS);
    phu_timer_at(pulse->sched, &pulse->timer, pulse->due);
}

static void rang(struct phu_timer *timer)
{
    struct phu_pulse *pulse = phu_container_of(timer, struct phu_pulse, timer);
    int64_t late = phu_pulse_late_ns(pulse, phu_sched_now(pulse->sched));

    if (late > 2 * PHU_SCHED_TICK_NS)
        pulse->late(pulse, late);
    beat(pulse);
}

void phu_pulse_init(struct phu_pulse *pulse, struct phu_sched *sched,
                    void (*late)(struct phu_pulse *pulse, int64_t ns))
{
    *pulse = (struct phu_pulse){.sched = sched, .late = late};
    phu_timer_init(&pulse->timer, rang);
}

void phu_pulse_fini(struct phu_pulse *pulse)
{
    phu_timer_cancel(pulse->sched, &pulse->timer);
}

void phu_pulse_join(struct phu_pulse *pulse)
{
    if (pulse->users++ == 0)
        beat(pulse);
}

void phu_pulse_leave(struct phu_pulse *pulse)
{
    if (--pulse->users == 0)
        phu_timer_cancel(pulse->sched, &pulse->timer);
}

int64_t phu_pulse_late_ns(const struct phu_pulse *pulse, struct phu_mono now)
{
    return phu_mono_since(now, pulse->due);
}

void phu_pulse_forgive(struct phu_pulse *pulse, int64_t ns)
{
    if (pulse->users != 1 || !phu_timer_is_armed(&pulse->timer))
        return;
    pulse->due = phu_mono_add(pulse->due, ns);
    phu_timer_at(pulse->sched, &pulse->timer, pulse->due);
}
