#include "wheel.h"

#include <string.h>

#define SLOT_BITS 8
#define SLOT_MASK (PHU_WHEEL_SLOTS - 1)
#define FARTHEST ((INT64_C(1) << (SLOT_BITS * PHU_WHEEL_LEVELS)) - 1) /* 49 days of ms */

void phu_wheel_init(struct phu_wheel *wheel, int64_t now)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->now = now;
    wheel->due_end = &wheel->due;
}

void phu_timer_init(struct phu_timer *timer, void (*fire)(struct phu_timer *timer))
{
    *timer = (struct phu_timer){.fire = fire};
}

bool phu_timer_is_armed(const struct phu_timer *timer)
{
    return timer->link != NULL;
}

static void append_due(struct phu_wheel *wheel, struct phu_timer *timer)
{
    timer->next = NULL;
    timer->link = wheel->due_end;
    *wheel->due_end = timer;
    wheel->due_end = &timer->next;
}

static int level_for(int64_t distance)
{
    int level = 0;

    while (level < PHU_WHEEL_LEVELS - 1 && distance >> (SLOT_BITS * (level + 1)))
        level++;
    return level;
}

static size_t slot_of(int64_t tick, int level)
{
    return (size_t)(tick >> (SLOT_BITS * level)) & SLOT_MASK;
}

static void put_into_slot(struct phu_wheel *wheel, struct phu_timer *timer, int level, size_t slot)
{
    struct phu_timer **head = &wheel->slots[level][slot];

    timer->next = *head;
    timer->link = head;
    if (timer->next)
        timer->next->link = &timer->next;
    *head = timer;
    wheel->occupied[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void place(struct phu_wheel *wheel, struct phu_timer *timer)
{
    int64_t distance = timer->tick - wheel->now;
    int level;

    if (distance <= 0) {
        append_due(wheel, timer);
        return;
    }
    if (distance > FARTHEST) /* comes around again, and is placed anew then */
        distance = FARTHEST;
    level = level_for(distance);
    put_into_slot(wheel, timer, level, slot_of(wheel->now + distance, level));
}

void phu_wheel_arm(struct phu_wheel *wheel, struct phu_timer *timer, int64_t tick)
{
    phu_wheel_cancel(wheel, timer);
    timer->tick = tick;
    place(wheel, timer);
}

void phu_wheel_cancel(struct phu_wheel *wheel, struct phu_timer *timer)
{
    if (!timer->link)
        return;
    if (wheel->due_end == &timer->next)
        wheel->due_end = timer->link;
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    timer->next = NULL;
    timer->link = NULL;
}

/* Takes everything out of a slot and places it again: into the due list, or a finer level. */
static void open_slot(struct phu_wheel *wheel, int level, size_t slot)
{
    struct phu_timer *timer = wheel->slots[level][slot];
    struct phu_timer *reversed = NULL;

    wheel->slots[level][slot] = NULL;
    wheel->occupied[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    /* Slots are stacks; turned over, timers of one tick fire in the order they were armed. */
    while (timer) {
        struct phu_timer *next = timer->next;

        timer->next = reversed;
        reversed = timer;
        timer = next;
    }
    while (reversed) {
        struct phu_timer *next = reversed->next;

        place(wheel, reversed);
        reversed = next;
    }
}

static bool is_occupied(const struct phu_wheel *wheel, int level, size_t slot)
{
    return wheel->occupied[level][slot / 64] >> (slot % 64) & 1;
}

/* The tick at which the next occupied slot of a level begins; INT64_MAX when all are empty. */
static int64_t next_of_level(const struct phu_wheel *wheel, int level)
{
    const uint64_t *words = wheel->occupied[level];
    int64_t block = wheel->now >> (SLOT_BITS * level);

    if (!(words[0] | words[1] | words[2] | words[3]))
        return INT64_MAX;
    for (int64_t i = 1; i <= PHU_WHEEL_SLOTS; i++) {
        size_t slot = (size_t)(block + i) & SLOT_MASK;

        if (words[slot / 64] == 0) { /* on to the last slot of this empty word */
            i += 63 - (int64_t)(slot % 64);
            continue;
        }
        if (is_occupied(wheel, level, slot))
            return (block + i) << (SLOT_BITS * level);
    }
    return INT64_MAX;
}

static int64_t next_opening(const struct phu_wheel *wheel)
{
    int64_t soonest = INT64_MAX;

    for (int level = 0; level < PHU_WHEEL_LEVELS; level++) {
        int64_t tick = next_of_level(wheel, level);

        if (tick < soonest)
            soonest = tick;
    }
    return soonest;
}

void phu_wheel_advance(struct phu_wheel *wheel, int64_t tick)
{
    while (wheel->now < tick) {
        int64_t opening = next_opening(wheel);

        if (opening > tick) {
            wheel->now = tick;
            return;
        }
        wheel->now = opening;
        for (int level = PHU_WHEEL_LEVELS - 1; level >= 0; level--) {
            size_t slot = slot_of(opening, level);
            int64_t begins = opening >> (SLOT_BITS * level) << (SLOT_BITS * level);

            if (begins == opening && is_occupied(wheel, level, slot))
                open_slot(wheel, level, slot);
        }
    }
}

struct phu_timer *phu_wheel_pop(struct phu_wheel *wheel)
{
    struct phu_timer *timer = wheel->due;

    if (timer)
        phu_wheel_cancel(wheel, timer);
    return timer;
}

int64_t phu_wheel_next(const struct phu_wheel *wheel)
{
    return wheel->due ? wheel->now : next_opening(wheel);
}
