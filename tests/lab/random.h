/* Randomness that can be repeated: every draw is a pure function of the seed, the flow, the
 * packet's number within the flow, and what the draw is for. So the n-th packet of a flow meets the
 * same fate in every run with that seed, however the flows interleave, and switching one
 * impairment on does not shift another's draws. */
#pragma once

#include <stdint.h>

enum lab_draw {
    LAB_DRAW_LOSS,
    LAB_DRAW_BURST,
    LAB_DRAW_JITTER,
    LAB_DRAW_JITTER2,
    LAB_DRAW_DUPLICATE,
    LAB_DRAW_CORRUPT,
    LAB_DRAW_BIT,
    LAB_DRAW_PICK,
};

struct lab_dice {
    uint64_t flow;   /* lab_dice_flow() */
    uint64_t number; /* of the packet within its flow, from 0 */
};

uint64_t lab_dice_flow(uint64_t seed, uint64_t address_hash, unsigned kind);
uint64_t lab_dice_bits(const struct lab_dice *dice, enum lab_draw draw);
/* Uniform in [0, 1). */
double lab_dice_unit(const struct lab_dice *dice, enum lab_draw draw);
/* Mean 0, standard deviation 1, cut at 4 deviations. */
double lab_dice_normal(const struct lab_dice *dice);
