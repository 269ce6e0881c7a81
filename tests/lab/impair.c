/* The order is that of a real path: a cut line takes all, then loss, then damage, then the wait for
 * the line's rate, then the way. */
#include "impair.h"

#include <math.h>

const char *lab_cause_name(enum lab_cause cause)
{
    static const char *const names[LAB_CAUSES] = {"none", "down",   "loss",
                                                  "rate", "buffer", "write"};

    return cause < LAB_CAUSES ? names[cause] : "?";
}

/* Gilbert's model: a run of losses ends after each packet with probability 1/burst, and begins so
 * often that `share` of all packets are lost. */
static bool is_lost(const struct lab_setting *loss, struct lab_flow *flow,
                    const struct lab_dice *dice)
{
    if (!loss)
        return false;
    if (loss->burst <= 0)
        return lab_dice_unit(dice, LAB_DRAW_LOSS) < loss->share;
    if (flow->in_burst)
        flow->in_burst = lab_dice_unit(dice, LAB_DRAW_BURST) >= 1 / loss->burst;
    else
        flow->in_burst =
            lab_dice_unit(dice, LAB_DRAW_LOSS) < loss->share / (loss->burst * (1 - loss->share));
    return flow->in_burst;
}

/* Returns when the line has sent the packet, or -1 when the queue before it is full. */
static int64_t shape(const struct lab_setting *rate, struct lab_shaper *shaper, int64_t now_ns,
                     size_t length)
{
    int64_t start = shaper->free_at_ns > now_ns ? shaper->free_at_ns : now_ns;
    double waiting = (double)(start - now_ns) * 1e-9 * rate->rate;

    if (start > now_ns && waiting + (double)length > (double)rate->limit)
        return -1;
    shaper->free_at_ns = start + (int64_t)((double)length * 1e9 / rate->rate);
    return shaper->free_at_ns;
}

static int64_t draw_delay(const struct lab_setting *delay, const struct lab_dice *dice)
{
    double offset;

    if (!delay)
        return 0;
    if (delay->jitter_ns == 0)
        return delay->delay_ns;
    offset =
        delay->is_normal ? lab_dice_normal(dice) : 2 * lab_dice_unit(dice, LAB_DRAW_JITTER) - 1;
    return delay->delay_ns +
           (int64_t)fmax(-(double)delay->delay_ns, offset * (double)delay->jitter_ns);
}

static bool happens(const struct lab_setting *setting, const struct lab_dice *dice,
                    enum lab_draw draw)
{
    return setting && lab_dice_unit(dice, draw) < setting->share;
}

struct lab_verdict lab_impair(const struct lab_profile *profile, struct lab_flow *flow,
                              uint64_t flow_dice, int64_t now_ns, size_t length)
{
    struct lab_dice dice = {.flow = flow_dice, .number = flow->packets++};
    struct lab_verdict verdict = {.due_ns = now_ns};
    const struct lab_setting *delay = profile->settings[LAB_ATTR_DELAY];
    const struct lab_setting *rate = profile->settings[LAB_ATTR_RATE];
    const struct lab_setting *corrupt = profile->settings[LAB_ATTR_CORRUPT];

    if (profile->is_down) {
        verdict.cause = LAB_CAUSE_DOWN;
        return verdict;
    }
    if (is_lost(profile->settings[LAB_ATTR_LOSS], flow, &dice)) {
        verdict.cause = LAB_CAUSE_LOSS;
        return verdict;
    }
    verdict.duplicates = happens(profile->settings[LAB_ATTR_DUPLICATE], &dice, LAB_DRAW_DUPLICATE);
    verdict.corrupts = happens(corrupt, &dice, LAB_DRAW_CORRUPT);
    verdict.mends = verdict.corrupts && corrupt->mends;
    verdict.corrupt_bits = lab_dice_bits(&dice, LAB_DRAW_BIT);
    if (rate)
        verdict.due_ns = shape(rate, profile->shaper, now_ns, length);
    if (verdict.due_ns < 0)
        verdict.cause = LAB_CAUSE_RATE;
    else
        verdict.due_ns += draw_delay(delay, &dice);
    verdict.keeps_order = delay && delay->keeps_order;
    return verdict;
}
