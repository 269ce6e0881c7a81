/* A counter-based generator: two rounds of the splitmix64 finaliser over the draw's coordinates. */
#include "random.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t lab_dice_flow(uint64_t seed, uint64_t address_hash, unsigned kind)
{
    return mix(mix(seed + 0x9e3779b97f4a7c15u) ^ mix(address_hash + kind * 0xd1b54a32d192ed03u));
}

uint64_t lab_dice_bits(const struct lab_dice *dice, enum lab_draw draw)
{
    uint64_t counter = dice->number * 0x9e3779b97f4a7c15u + (uint64_t)draw * 0xa0761d6478bd642fu;

    return mix(dice->flow ^ mix(counter + 0x2545f4914f6cdd1du));
}

double lab_dice_unit(const struct lab_dice *dice, enum lab_draw draw)
{
    return (double)(lab_dice_bits(dice, draw) >> 11) * 0x1p-53;
}

double lab_dice_normal(const struct lab_dice *dice)
{
    const double pi = 3.14159265358979323846;
    double u = 1.0 - lab_dice_unit(dice, LAB_DRAW_JITTER); /* (0, 1]: a logarithm follows */
    double v = lab_dice_unit(dice, LAB_DRAW_JITTER2);

    return fmin(4.0, fmax(-4.0, sqrt(-2.0 * log(u)) * cos(2.0 * pi * v)));
}
