#include "target.h"

#include <string.h>
#include <sys/socket.h>

static uint64_t cookie_of(const struct phu_siphash_key *key, uint32_t slot, uint32_t generation)
{
    uint32_t words[2] = {slot, generation};

    return phu_siphash(key, words, sizeof words);
}

void phu_icmp_target_next(struct phu_icmp_target *target, uint16_t id,
                          const struct phu_siphash_key *key, struct phu_icmp_echo *echo)
{
    target->generation++;
    target->answered <<= 1;
    target->is_hinted = false;
    *echo = (struct phu_icmp_echo){
        .id = id,
        .sequence = phu_icmp_sequence(target->slot, target->generation),
        .cookie = cookie_of(key, target->slot, target->generation),
        .slot = target->slot,
        .generation = target->generation,
    };
}

static bool is_address_of(const struct phu_icmp_target *target, const uint8_t address[16])
{
    return memcmp(target->address, address, target->family == AF_INET ? 4 : 16) == 0;
}

/* Is the answer's identity one that we made for this target? */
static bool is_proven(const struct phu_icmp_target *target, const struct phu_siphash_key *key,
                      const struct phu_icmp_echo *echo)
{
    return echo->slot == target->slot &&
           echo->sequence == phu_icmp_sequence(echo->slot, echo->generation) &&
           echo->cookie == cookie_of(key, echo->slot, echo->generation);
}

static enum phu_icmp_outcome match_error(const struct phu_icmp_target *target,
                                         const struct phu_siphash_key *key,
                                         const struct phu_icmp_answer *answer)
{
    static const uint8_t unknown[16];
    bool is_current;

    if (answer->is_damaged)
        return PHU_ICMP_SPOILED;
    if (memcmp(answer->target, unknown, sizeof unknown) != 0 &&
        !is_address_of(target, answer->target))
        return PHU_ICMP_FOREIGN;
    if (!answer->has_cookie) {
        is_current = target->state == PHU_ICMP_SENT &&
                     answer->echo.sequence == phu_icmp_sequence(target->slot, target->generation);
        return is_current ? PHU_ICMP_REPORTED_HINT : PHU_ICMP_REPORTED_LATE;
    }
    if (!is_proven(target, key, &answer->echo))
        return PHU_ICMP_FORGED;
    if ((int32_t)(answer->echo.generation - target->first_generation) < 0)
        return PHU_ICMP_STALE;
    is_current = target->state == PHU_ICMP_SENT && answer->echo.generation == target->generation;
    return is_current ? PHU_ICMP_REPORTED : PHU_ICMP_REPORTED_LATE;
}

enum phu_icmp_outcome phu_icmp_target_match(struct phu_icmp_target *target,
                                            const struct phu_siphash_key *key,
                                            const struct phu_icmp_answer *answer,
                                            const uint8_t source[16])
{
    bool is_sender, is_ours;
    uint32_t age, bit;

    if (answer->kind == PHU_ICMP_ERROR)
        return match_error(target, key, answer);
    is_sender = is_address_of(target, source);
    is_ours = is_proven(target, key, &answer->echo);
    if (!is_sender)
        return is_ours ? PHU_ICMP_FORGED : PHU_ICMP_FOREIGN;
    if (!is_ours)
        return answer->is_damaged ? PHU_ICMP_SPOILED : PHU_ICMP_FORGED;
    if ((int32_t)(answer->echo.generation - target->first_generation) < 0)
        return PHU_ICMP_STALE;
    if (answer->is_damaged || answer->payload != target->size)
        return PHU_ICMP_CORRUPTED;
    age = target->generation - answer->echo.generation;
    bit = age < 32 ? UINT32_C(1) << age : 0;
    if (target->answered & bit)
        return PHU_ICMP_DUPLICATE;
    target->answered |= bit;
    return age == 0 && target->state == PHU_ICMP_SENT ? PHU_ICMP_ANSWERED : PHU_ICMP_LATE;
}
