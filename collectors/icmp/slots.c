/* Where targets live: in chunks that never move, found by slot, and chained by slot into the list
 * of what they are doing.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK 256

struct phu_icmp_target *phu_icmp_target_at(const struct phu_icmp_engine *icmp, uint32_t slot)
{
    return slot < icmp->slots ? &icmp->chunks[slot / CHUNK][slot % CHUNK] : NULL;
}

static void list_append(struct phu_icmp_engine *icmp, struct phu_icmp_list *list,
                        struct phu_icmp_target *target)
{
    target->previous = list->tail;
    target->next = PHU_ICMP_NONE;
    if (list->tail == PHU_ICMP_NONE)
        list->head = target->slot;
    else
        phu_icmp_target_at(icmp, list->tail)->next = target->slot;
    list->tail = target->slot;
}

static void list_remove(struct phu_icmp_engine *icmp, struct phu_icmp_list *list,
                        struct phu_icmp_target *target)
{
    if (target->previous == PHU_ICMP_NONE)
        list->head = target->next;
    else
        phu_icmp_target_at(icmp, target->previous)->next = target->next;
    if (target->next == PHU_ICMP_NONE)
        list->tail = target->previous;
    else
        phu_icmp_target_at(icmp, target->next)->previous = target->previous;
}

static int add_chunk(struct phu_icmp_engine *icmp)
{
    struct phu_icmp_target **chunks =
        realloc(icmp->chunks, (icmp->chunk_count + 1) * sizeof(void *));

    if (!chunks)
        return -ENOMEM;
    icmp->chunks = chunks;
    chunks[icmp->chunk_count] = calloc(CHUNK, sizeof **chunks);
    if (!chunks[icmp->chunk_count])
        return -ENOMEM;
    icmp->chunk_count++;
    return 0;
}

/* A slot keeps its generation from one owner to the next, so that answers to the former are known
 * as such. */
struct phu_icmp_target *phu_icmp_slot_take(struct phu_icmp_engine *icmp)
{
    struct phu_icmp_target *target;
    uint32_t generation, slot = icmp->free;

    if (slot != PHU_ICMP_NONE) {
        target = phu_icmp_target_at(icmp, slot);
        icmp->free = target->next;
    } else {
        if (icmp->slots == icmp->chunk_count * CHUNK && add_chunk(icmp))
            return NULL;
        slot = icmp->slots++;
        target = phu_icmp_target_at(icmp, slot);
    }
    generation = target->generation;
    *target = (struct phu_icmp_target){
        .slot = slot, .generation = generation, .first_generation = generation + 1};
    return target;
}

void phu_icmp_slot_free(struct phu_icmp_engine *icmp, struct phu_icmp_target *target)
{
    target->family = AF_UNSPEC;
    target->state = PHU_ICMP_IDLE;
    target->first_generation = target->generation + 1;
    target->next = icmp->free;
    icmp->free = target->slot;
}

struct phu_icmp_channel *phu_icmp_channel_of(struct phu_icmp_engine *icmp,
                                             const struct phu_icmp_target *target)
{
    return &icmp->channels[target->family == AF_INET6 ? PHU_ICMP_V6 : PHU_ICMP_V4];
}

static struct phu_icmp_list *list_of(struct phu_icmp_engine *icmp,
                                     const struct phu_icmp_target *target)
{
    switch ((enum phu_icmp_state)target->state) {
    case PHU_ICMP_QUEUED:
        return &phu_icmp_channel_of(icmp, target)->queues[target->is_df];
    case PHU_ICMP_SENT:
        return &icmp->lanes[target->lane]->sent;
    case PHU_ICMP_FAILED:
        return &icmp->failed;
    case PHU_ICMP_IDLE:
    case PHU_ICMP_RESOLVING:
        break;
    }
    return NULL;
}

void phu_icmp_leave(struct phu_icmp_engine *icmp, struct phu_icmp_target *target)
{
    struct phu_icmp_list *list = list_of(icmp, target);

    if (list)
        list_remove(icmp, list, target);
    if (target->state == PHU_ICMP_SENT)
        icmp->in_flight--;
    target->state = PHU_ICMP_IDLE;
}

void phu_icmp_enter(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                    enum phu_icmp_state state)
{
    phu_icmp_leave(icmp, target);
    target->state = (uint8_t)state;
    if (state == PHU_ICMP_SENT)
        icmp->in_flight++;
    if (list_of(icmp, target))
        list_append(icmp, list_of(icmp, target), target);
}

int phu_icmp_lane_find(struct phu_icmp_engine *icmp, int64_t timeout_ns, uint32_t *number)
{
    struct phu_icmp_lane **lanes, *lane;

    for (*number = 0; *number < icmp->lane_count; ++*number) {
        if (icmp->lanes[*number]->timeout_ns == timeout_ns)
            return 0;
    }
    lanes = realloc(icmp->lanes, (icmp->lane_count + 1) * sizeof(void *));
    if (!lanes)
        return -ENOMEM;
    icmp->lanes = lanes;
    lane = lanes[icmp->lane_count] = calloc(1, sizeof *lane);
    if (!lane)
        return -ENOMEM;
    *lane = (struct phu_icmp_lane){
        .icmp = icmp, .timeout_ns = timeout_ns, .sent = {PHU_ICMP_NONE, PHU_ICMP_NONE}};
    phu_timer_init(&lane->expiry, icmp->lane_due);
    icmp->lane_count++;
    return 0;
}
