/* Decides what happens to one packet: dropped and why, or sent on and when. Pure but for the two
 * states it is given: the flow's (runs of loss) and the shaper's (the rate). */
#pragma once

#include "prefix.h"
#include "random.h"

enum lab_cause {
    LAB_CAUSE_NONE,
    LAB_CAUSE_DOWN,
    LAB_CAUSE_LOSS,
    LAB_CAUSE_RATE,   /* the rate's queue was full */
    LAB_CAUSE_BUFFER, /* the lab's own memory bound: an overrun */
    LAB_CAUSE_WRITE,  /* the kernel refused the packet: an overrun */
    LAB_CAUSES,
};

struct lab_flow {
    uint64_t packets;
    bool in_burst;
};

struct lab_verdict {
    enum lab_cause cause;
    int64_t due_ns;
    bool keeps_order;
    bool duplicates;
    bool corrupts;
    bool mends;
    uint64_t corrupt_bits;
};

const char *lab_cause_name(enum lab_cause cause);
/* Takes the flow's next number. `flow_dice` is lab_dice_flow() of this flow. */
struct lab_verdict lab_impair(const struct lab_profile *profile, struct lab_flow *flow,
                              uint64_t flow_dice, int64_t now_ns, size_t length);
