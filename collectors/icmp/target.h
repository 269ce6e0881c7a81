/* What is kept of one ICMP check, and how an answer is judged against it. Pure: the caller brings
 * the answer and the time.
 *
 * A probe is known by slot (which target) and generation (which probe of it). Both travel in the
 * payload under a keyed cookie, so an answer of any age finds its probe, and none can be made up.
 */
#pragma once

#include "packet.h"
#include "siphash.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_icmp_name;
struct phu_icmp_path;

enum phu_icmp_state {
    PHU_ICMP_IDLE,
    PHU_ICMP_RESOLVING, /* polled, waits for its address */
    PHU_ICMP_QUEUED,    /* in a send queue */
    PHU_ICMP_SENT,      /* in the queue of its timeout */
    PHU_ICMP_FAILED,    /* polled, verdict known, to be told in the next flush */
};

struct phu_icmp_target {
    uint8_t address[16]; /* IPv4 in the first 4 */
    uint32_t scope;
    uint32_t check; /* handle of the sink */
    uint32_t slot;
    uint32_t generation;        /* of the newest probe */
    uint32_t first_generation;  /* answers to older ones belong to who had the slot before */
    uint32_t answered;          /* bit i: generation - i has been answered */
    uint32_t previous, next;    /* slots, in the list that `state` tells */
    uint32_t lane;              /* which timeout */
    int64_t sent_ns;            /* monotonic; when the newest probe left */
    struct phu_icmp_path *path; /* NULL: no source, interface, class or hop limit of its own */
    struct phu_icmp_name *name; /* NULL: a literal address */
    uint16_t size;              /* of the payload */
    uint8_t family;             /* AF_INET, AF_INET6; AF_UNSPEC while no address is known */
    uint8_t ttl;                /* of the newest reply; 0: none yet */
    uint8_t state;              /* enum phu_icmp_state */
    uint8_t result;             /* enum phu_result, while FAILED */
    uint8_t retries;
    bool is_df : 1;
    bool is_hinted : 1; /* an error without a cookie came: unreachable if nothing better comes */
};

enum phu_icmp_outcome {
    PHU_ICMP_ANSWERED, /* the reply that is waited for */
    PHU_ICMP_LATE,     /* the reply to a probe that has been given up */
    PHU_ICMP_DUPLICATE,
    PHU_ICMP_CORRUPTED,     /* our probe came back changed */
    PHU_ICMP_SPOILED,       /* came back changed so much that it proves nothing */
    PHU_ICMP_FORGED,        /* wrong sequence or cookie, or right ones from another address */
    PHU_ICMP_FOREIGN,       /* all wrong: nothing to do with this target */
    PHU_ICMP_REPORTED,      /* an error message about the probe that is waited for */
    PHU_ICMP_REPORTED_HINT, /* the same, too short to hold the cookie */
    PHU_ICMP_REPORTED_LATE, /* about an older one */
    PHU_ICMP_STALE,         /* to a target that is no longer measured */
};

void phu_icmp_target_next(struct phu_icmp_target *target, uint16_t id,
                          const struct phu_siphash_key *key, struct phu_icmp_echo *echo);

/* `source`: who sent the answer. Notes the answer for telling duplicates; changes no state. */
enum phu_icmp_outcome phu_icmp_target_match(struct phu_icmp_target *target,
                                            const struct phu_siphash_key *key,
                                            const struct phu_icmp_answer *answer,
                                            const uint8_t source[16]);

/* The sequence number of a probe: 10 bits of the slot, so that an error message without payload
 * finds its target among few, and 6 bits of the generation. */
static inline uint16_t phu_icmp_sequence(uint32_t slot, uint32_t generation)
{
    return (uint16_t)((generation & 0x3f) << 10 | (slot & 0x3ff));
}
