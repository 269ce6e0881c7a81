#include "health.h"

static int64_t to_wall_ms(int64_t mono_ms, struct phu_mono now, struct phu_wall wall)
{
    return wall.ns / PHU_NS_PER_MS - (phu_mono_ms(now) - mono_ms);
}

static int64_t to_mono_ms(int64_t wall_ms, struct phu_mono now, struct phu_wall wall)
{
    return phu_mono_ms(now) - (wall.ns / PHU_NS_PER_MS - wall_ms);
}

bool phu_health_save(const struct phu_state_track *track, struct phu_mono now, struct phu_wall wall,
                     struct phu_health_saved *saved)
{
    *saved = (struct phu_health_saved){.told_ms = wall.ns / PHU_NS_PER_MS,
                                       .state = track->raw,
                                       .held = track->held,
                                       .is_flapping = track->is_flapping,
                                       .changes = track->changes};
    if (track->failing_ms)
        saved->since_ms = to_wall_ms(track->failing_ms, now, wall);
    if (track->changes)
        saved->change_ms = to_wall_ms((int64_t)track->change_s * 1000, now, wall);
    return track->raw == PHU_STATE_DOWN || track->raw == PHU_STATE_DEGRADED || track->changes ||
           track->is_flapping;
}

static bool is_sound(const struct phu_health_saved *saved)
{
    return saved->state < PHU_STATE_COUNT && saved->state != PHU_STATE_UNREACHABLE &&
           saved->held <= PHU_STATE_DOWN;
}

/* Monotonic times may lie before the start of the clock: the machine was started since. */
static uint32_t seconds_or_never(int64_t mono_ms)
{
    return mono_ms > 0 ? (uint32_t)(mono_ms / 1000) : 0;
}

void phu_health_restore(struct phu_state_track *track, const struct phu_health_saved *saved,
                        struct phu_mono now, struct phu_wall wall)
{
    int64_t age_ms = wall.ns / PHU_NS_PER_MS - saved->told_ms;

    if (!is_sound(saved) || age_ms < 0)
        return;
    phu_state_advance(track, now);
    if (saved->change_ms && saved->change_ms <= saved->told_ms) {
        track->change_s = seconds_or_never(to_mono_ms(saved->change_ms, now, wall));
        track->changes = track->change_s ? saved->changes : 0;
        track->is_flapping = saved->is_flapping && track->change_s;
        track->held = saved->held;
    }
    if (age_ms > track->rules->stale_ms)
        return;
    if (saved->since_ms && saved->since_ms <= saved->told_ms)
        track->failing_ms = to_mono_ms(saved->since_ms, now, wall);
    track->raw = saved->state;
    track->state =
        track->is_flapping && saved->state != PHU_STATE_UNKNOWN && saved->held > saved->state
            ? saved->held
            : saved->state;
    track->verdict_ms = phu_mono_ms(now);
}
