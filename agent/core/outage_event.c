/* Events: their beginning and end, whom they cover, and what they add up to. */
#include "outage_internal.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_AGAIN_NS PHU_NS_PER_S

/* -- Overrides -------------------------------------------------------------------------------- */

void phu_outage_show(struct phu_outage *outage, uint32_t node, enum phu_state state)
{
    if (outage->nodes[node].shown == (uint8_t)state)
        return;
    outage->nodes[node].shown = (uint8_t)state;
    outage->calls.override(outage->calls.arg, node, state);
}

/* What a member of the event is shown as: nothing is known of anybody behind an uplink that is out.
 */
static enum phu_state state_of_member(const struct phu_outage *outage,
                                      const struct phu_outage_entry *entry, uint32_t node)
{
    if (outage->is_blind)
        return PHU_STATE_UNKNOWN;
    return entry->shown.root == node ? PHU_STATE_NONE : PHU_STATE_UNREACHABLE;
}

static void show_members(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    uint32_t next;

    for (uint32_t node = entry->members.head; node != PHU_NODE_NONE; node = next) {
        next = outage->nodes[node].next;
        phu_outage_show(outage, node, state_of_member(outage, entry, node));
    }
}

/* -- Counting --------------------------------------------------------------------------------- */

static void count_endpoint(struct phu_outage *outage, struct phu_outage_entry *entry, uint32_t node,
                           struct phu_outage_sum *sum)
{
    const struct phu_node *tree = phu_outage_tree(outage, node);
    uint32_t hamlet;

    if (tree->kind != PHU_NODE_ENDPOINT)
        return;
    sum->endpoints++;
    hamlet = outage->inventory->endpoints[tree->record].hamlet;
    if (hamlet == PHU_INVENTORY_NONE || outage->stamps[hamlet] == outage->stamp)
        return;
    outage->stamps[hamlet] = outage->stamp;
    if (sum->hamlets < PHU_OUTAGE_HAMLETS_LISTED)
        entry->listed[sum->hamlets] = hamlet;
    sum->hamlets++;
    sum->households += outage->inventory->areas[hamlet].households;
}

static void new_stamp(struct phu_outage *outage)
{
    if (++outage->stamp == 0) {
        memset(outage->stamps, 0, outage->inventory->area_count * sizeof *outage->stamps);
        outage->stamp = 1;
    }
}

/* Covered, or likely to be: nothing has been heard of it since the event began. */
static bool is_presumed(const struct phu_outage *outage, const struct phu_outage_entry *entry,
                        uint32_t node)
{
    const struct phu_outage_node *state = &outage->nodes[node];

    if (state->event)
        return state->event == entry;
    return (state->own == PHU_OWN_UP || state->own >= PHU_OWN_SUSPECT) &&
           !phu_outage_is_heard(state->answered_ns, entry->begin.ns);
}

static struct phu_outage_sum count_presumed(struct phu_outage *outage,
                                            struct phu_outage_entry *entry)
{
    uint32_t root = entry->shown.root, end = root + phu_outage_tree(outage, root)->size;
    struct phu_outage_sum sum = {0};

    new_stamp(outage);
    for (uint32_t node = root; node < end; node++) {
        if (is_presumed(outage, entry, node))
            count_endpoint(outage, entry, node, &sum);
    }
    return sum;
}

static struct phu_outage_sum count_members(struct phu_outage *outage,
                                           struct phu_outage_entry *entry)
{
    struct phu_outage_sum sum = {0};

    new_stamp(outage);
    for (uint32_t node = entry->members.head; node != PHU_NODE_NONE;
         node = outage->nodes[node].next)
        count_endpoint(outage, entry, node, &sum);
    return sum;
}

static void raise_peak(struct phu_outage_sum *peak, const struct phu_outage_sum *sum)
{
    if (sum->endpoints > peak->endpoints)
        peak->endpoints = sum->endpoints;
    if (sum->hamlets > peak->hamlets)
        peak->hamlets = sum->hamlets;
    if (sum->households > peak->households)
        peak->households = sum->households;
}

static void count_now(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    struct phu_outage_sum sum;

    if (!entry->is_stale)
        return;
    sum = count_members(outage, entry);
    if (sum.endpoints >= entry->peak.endpoints)
        entry->shown.listed_count =
            sum.hamlets < PHU_OUTAGE_HAMLETS_LISTED ? sum.hamlets : PHU_OUTAGE_HAMLETS_LISTED;
    raise_peak(&entry->peak, &sum);
    entry->is_stale = false;
    entry->counted_ns = outage->now_ns;
}

/* What the event is told to have taken along. Until all below the root have been probed, those not
 * heard of count, unless a sample of them answers. */
static void sum_up(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    struct phu_outage_sum sum;
    uint32_t root = entry->shown.root;

    count_now(outage, entry);
    sum = entry->peak;
    if (!entry->shown.is_active && !entry->is_settled)
        raise_peak(&sum, &(struct phu_outage_sum){entry->shown.endpoints, entry->shown.hamlets,
                                                  entry->shown.households});
    else if (!entry->is_settled && !entry->is_restored && phu_outage_tree(outage, root)->size > 1 &&
             !phu_outage_is_contradicted(outage, root, entry->begin.ns)) {
        struct phu_outage_sum presumed = count_presumed(outage, entry);

        raise_peak(&sum, &presumed);
        entry->shown.listed_count = presumed.hamlets < PHU_OUTAGE_HAMLETS_LISTED
                                        ? presumed.hamlets
                                        : PHU_OUTAGE_HAMLETS_LISTED;
    }
    entry->shown.endpoints = sum.endpoints;
    entry->shown.hamlets = sum.hamlets;
    entry->shown.households = sum.households;
    entry->shown.listed = entry->listed;
}

/* -- Telling ---------------------------------------------------------------------------------- */

/* A root is in maintenance by itself or by what it hangs on; an inferred one also when all that it
 * covers is. */
static bool is_in_maintenance(const struct phu_outage *outage, const struct phu_outage_entry *entry)
{
    const struct phu_outage_node *root = &outage->nodes[entry->shown.root];

    return root->is_maintenance || (root->own == PHU_OWN_NONE && entry->member_count > 0 &&
                                    entry->maintained == entry->member_count);
}

void phu_outage_tell(struct phu_outage *outage, struct phu_outage_entry *entry,
                     enum phu_outage_step step)
{
    const struct phu_outage_node *root = &outage->nodes[entry->shown.root];

    sum_up(outage, entry);
    entry->shown.is_maintenance = is_in_maintenance(outage, entry);
    entry->shown.is_flapping = root->is_flapping;
    if (step != PHU_OUTAGE_END)
        entry->shown.is_inferred =
            entry->shown.root != PHU_NODE_UPLINK || outage->reference == PHU_REFERENCE_NONE
                ? root->own != PHU_OWN_DOWN
                : false;
    outage->calls.tell(outage->calls.arg, &entry->shown, step);
}

void phu_outage_refine(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    enum phu_cause cause = phu_outage_cause(outage, entry);

    if (cause == PHU_CAUSE_UNKNOWN || cause == entry->shown.refined)
        return;
    entry->shown.refined = cause;
    phu_outage_tell(outage, entry, PHU_OUTAGE_UPDATE);
}

/* -- Members ---------------------------------------------------------------------------------- */

static void count_line(struct phu_outage_entry *entry, const struct phu_outage_node *node, int by)
{
    if (node->evidence == PHU_LINE_GASP)
        entry->gasps += (uint32_t)by;
    else if (node->evidence == PHU_LINE_LOS)
        entry->losses += (uint32_t)by;
    if (node->is_maintenance)
        entry->maintained += (uint32_t)by;
}

static void count_member(struct phu_outage *outage, struct phu_outage_entry *entry, uint32_t node,
                         int by)
{
    entry->member_count += (uint32_t)by;
    if (phu_outage_tree(outage, node)->kind == PHU_NODE_ENDPOINT)
        entry->endpoint_count += (uint32_t)by;
    count_line(entry, &outage->nodes[node], by);
}

void phu_outage_join(struct phu_outage *outage, struct phu_outage_entry *entry, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];

    phu_outage_unlink(outage, node);
    phu_outage_link(outage, &entry->members, node, PHU_LIST_MEMBERS);
    state->event = entry;
    entry->is_stale = true;
    count_member(outage, entry, node, 1);
    phu_outage_show(outage, node, state_of_member(outage, entry, node));
}

void phu_outage_leave(struct phu_outage *outage, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];
    struct phu_outage_entry *entry = state->event;

    if (!entry)
        return;
    if (entry->is_stale && outage->now_ns - entry->counted_ns >= COUNT_AGAIN_NS)
        count_now(outage, entry);
    phu_outage_unlink(outage, node);
    state->event = NULL;
    count_member(outage, entry, node, -1);
}

/* -- Beginning and end ------------------------------------------------------------------------ */

static struct phu_outage_entry *new_entry(struct phu_outage *outage, uint32_t root)
{
    struct phu_outage_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        abort();
    entry->shown.root = root;
    entry->shown.is_active = true;
    entry->members = (struct phu_outage_links){PHU_NODE_NONE, PHU_NODE_NONE};
    entry->counted_ns = INT64_MIN / 2;
    entry->told.ns = outage->now_ns;
    entry->prev = outage->last;
    if (outage->last)
        outage->last->next = entry;
    else
        outage->first = entry;
    outage->last = entry;
    outage->nodes[root].rooted = entry;
    outage->counts.active++;
    if (!outage->unsettled)
        outage->unsettled = entry;
    return entry;
}

static void drop_entry(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        outage->first = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    else
        outage->last = entry->prev;
    if (outage->unsettled == entry)
        outage->unsettled = entry->next;
    outage->nodes[entry->shown.root].rooted = NULL;
    outage->nodes[entry->shown.root].ended_ns = outage->now_ns;
    outage->counts.active--;
    free(entry);
}

struct phu_outage_entry *phu_outage_begin(struct phu_outage *outage, uint32_t root,
                                          int64_t since_ns)
{
    struct phu_outage_entry *entry = new_entry(outage, root);

    entry->begin.ns = since_ns;
    entry->shown.begin_ns = entry->shown.id_ns = since_ns + outage->clock_ns;
    return entry;
}

/* Its state machine confirms anew that it is down, and says so. */
static void release(struct phu_outage *outage, uint32_t node)
{
    bool is_shown = outage->nodes[node].shown == PHU_STATE_NONE;

    phu_outage_leave(outage, node);
    outage->nodes[node].is_released = !is_shown;
    if (is_shown)
        phu_outage_wait(outage, node);
    else
        phu_outage_show(outage, node, PHU_STATE_NONE);
}

/* Who waits for a verdict went down while the root was out: as much a case of it as its members. */
static void take_waiting(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    uint32_t root = entry->shown.root, next;

    if (phu_outage_tree(outage, root)->size == 1)
        return;
    for (uint32_t node = outage->waiting.head; node != PHU_NODE_NONE; node = next) {
        next = outage->nodes[node].next;
        if (node != root && phu_topology_is_within(outage->topology, node, root) &&
            outage->nodes[node].since_ns + outage->conf.spread_ns >= entry->begin.ns)
            phu_outage_join(outage, entry, node);
    }
}

static void release_members(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    uint32_t node;

    while ((node = entry->members.head) != PHU_NODE_NONE)
        release(outage, node);
}

static void finish(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    entry->shown.is_active = false;
    entry->shown.end_ns = outage->now_ns + outage->clock_ns;
    outage->counts.ended++;
    phu_outage_tell(outage, entry, PHU_OUTAGE_END);
    drop_entry(outage, entry);
}

void phu_outage_end(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    bool is_uplink = entry->shown.root == PHU_NODE_UPLINK;

    take_waiting(outage, entry);
    count_now(outage, entry);
    outage->nodes[entry->shown.root].rooted = NULL;
    outage->nodes[entry->shown.root].ended_ns = outage->now_ns;
    if (is_uplink)
        outage->is_blind = false;
    release_members(outage, entry);
    for (struct phu_outage_entry *other = outage->first; is_uplink && other; other = other->next) {
        if (other != entry)
            show_members(outage, other);
    }
    finish(outage, entry);
}

/* -- Merging ---------------------------------------------------------------------------------- */

static void take_members(struct phu_outage *outage, struct phu_outage_entry *into,
                         struct phu_outage_entry *from)
{
    uint32_t node;

    while ((node = from->members.head) != PHU_NODE_NONE) {
        phu_outage_leave(outage, node);
        phu_outage_join(outage, into, node);
    }
}

void phu_outage_merge(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    struct phu_outage_entry *before;
    bool is_uplink = entry->shown.root == PHU_NODE_UPLINK;

    if (phu_outage_is_contradicted(outage, entry->shown.root, entry->begin.ns))
        return;
    outage->is_blind |= is_uplink;
    for (struct phu_outage_entry *other = outage->last; other; other = before) {
        before = other->prev;
        if (outage->now_ns - other->told.ns > outage->conf.merge_ns)
            break;
        if (other == entry || other->is_restored ||
            !phu_topology_is_within(outage->topology, other->shown.root, entry->shown.root))
            continue;
        count_now(outage, other);
        take_members(outage, entry, other);
        if (other->begin.ns < entry->begin.ns) {
            entry->begin = other->begin;
            entry->shown.begin_ns = other->shown.begin_ns;
        }
        other->shown.is_merged = true;
        outage->counts.merged++;
        finish(outage, other);
    }
    for (struct phu_outage_entry *other = outage->first; is_uplink && other; other = other->next)
        show_members(outage, other);
}

/* -- Settling --------------------------------------------------------------------------------- */

/* Who answers though the root's check is down is not explained by it. */
static void check_settled(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    uint32_t root = entry->shown.root, next;

    if (!phu_outage_is_contradicted(outage, root, entry->begin.ns))
        return;
    for (uint32_t node = entry->members.head; node != PHU_NODE_NONE; node = next) {
        next = outage->nodes[node].next;
        if (node != root)
            release(outage, node);
    }
}

/* An inferred root of a former run: what hangs on it has had time to be probed. */
static bool is_over(const struct phu_outage *outage, const struct phu_outage_entry *entry)
{
    const struct phu_outage_node *root = &outage->nodes[entry->shown.root];

    return entry->is_restored && root->own == PHU_OWN_NONE && root->out_children == 0 &&
           root->passed_ns >= entry->told.ns;
}

void phu_outage_check_restored(struct phu_outage *outage)
{
    struct phu_outage_entry *next;

    for (struct phu_outage_entry *entry = outage->first; entry; entry = next) {
        next = entry->next;
        if (!entry->is_settled || !is_over(outage, entry))
            continue;
        phu_outage_set_out(outage, entry->shown.root, false, 0);
        phu_outage_end(outage, entry);
    }
}

static void settle_one(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    struct phu_outage_sum before = {entry->shown.endpoints, entry->shown.hamlets,
                                    entry->shown.households};

    entry->is_settled = true;
    if (entry->is_restored)
        return;
    if (outage->nodes[entry->shown.root].own == PHU_OWN_DOWN)
        check_settled(outage, entry);
    sum_up(outage, entry);
    if (before.endpoints != entry->shown.endpoints || before.hamlets != entry->shown.hamlets ||
        before.households != entry->shown.households)
        phu_outage_tell(outage, entry, PHU_OUTAGE_UPDATE);
}

void phu_outage_settle(struct phu_outage *outage)
{
    while (outage->unsettled &&
           outage->now_ns - outage->unsettled->told.ns >= outage->conf.spread_ns) {
        struct phu_outage_entry *entry = outage->unsettled;

        outage->unsettled = entry->next;
        settle_one(outage, entry);
    }
}
