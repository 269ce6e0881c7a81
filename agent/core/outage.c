/* Changes of subjects, and who waits for what. */
#include "outage_internal.h"

#include <stdlib.h>
#include <string.h>

/* A random loss is over by then: its first confirmation has answered. */
#define ASK_AFTER_NS (600 * PHU_NS_PER_MS)
/* Who waits is looked at when what lies above answers; beyond this many, at the end of the hold. */
#define LOOKED_AT 256

/* -- Lists ------------------------------------------------------------------------------------ */

static struct phu_outage_links *links_of(struct phu_outage *outage, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];

    switch ((enum phu_outage_list)state->list) {
    case PHU_LIST_NONE:
        return NULL;
    case PHU_LIST_SUSPECTS:
        return &outage->suspects;
    case PHU_LIST_WAITING:
        return &outage->waiting;
    case PHU_LIST_MEMBERS:
        return &state->event->members;
    }
    return NULL;
}

void phu_outage_link(struct phu_outage *outage, struct phu_outage_links *links, uint32_t node,
                     enum phu_outage_list list)
{
    struct phu_outage_node *state = &outage->nodes[node];

    state->list = (uint8_t)list;
    state->next = PHU_NODE_NONE;
    state->prev = links->tail;
    if (links->tail == PHU_NODE_NONE)
        links->head = node;
    else
        outage->nodes[links->tail].next = node;
    links->tail = node;
}

void phu_outage_unlink(struct phu_outage *outage, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];
    struct phu_outage_links *links = links_of(outage, node);

    if (!links)
        return;
    if (state->list == PHU_LIST_WAITING)
        outage->counts.waiting--;
    if (state->prev == PHU_NODE_NONE)
        links->head = state->next;
    else
        outage->nodes[state->prev].next = state->next;
    if (state->next == PHU_NODE_NONE)
        links->tail = state->prev;
    else
        outage->nodes[state->next].prev = state->prev;
    state->list = PHU_LIST_NONE;
}

static void wait_in(struct phu_outage *outage, struct phu_outage_links *links, uint32_t node,
                    enum phu_outage_list list, int64_t delay_ns)
{
    phu_outage_unlink(outage, node);
    outage->nodes[node].due_ns = outage->now_ns + delay_ns;
    phu_outage_link(outage, links, node, list);
    if (list == PHU_LIST_WAITING)
        outage->counts.waiting++;
}

void phu_outage_wait(struct phu_outage *outage, uint32_t node)
{
    wait_in(outage, &outage->waiting, node, PHU_LIST_WAITING, outage->conf.hold_ns);
}

/* -- Deciding --------------------------------------------------------------------------------- */

static struct phu_outage_entry *event_at(struct phu_outage *outage, uint32_t root, int64_t since_ns)
{
    struct phu_outage_node *state = &outage->nodes[root];

    if (state->rooted)
        return state->rooted;
    if (state->own == PHU_OWN_DOWN)
        since_ns = state->since_ns;
    else if (state->wave > 0 && state->wave_ns < since_ns)
        since_ns = state->wave_ns;
    return phu_outage_begin(outage, root, since_ns);
}

static void tell_begun(struct phu_outage *outage, struct phu_outage_entry *entry)
{
    phu_outage_merge(outage, entry);
    entry->shown.is_local = outage->reference == PHU_REFERENCE_LOCAL;
    entry->shown.cause = entry->shown.refined = phu_outage_cause(outage, entry);
    outage->counts.begun++;
    outage->counts.inferred += outage->nodes[entry->shown.root].own != PHU_OWN_DOWN;
    phu_outage_tell(outage, entry, PHU_OUTAGE_BEGIN);
}

/* Anew: it was confirmed after what is above it came back. */
static void decide(struct phu_outage *outage, uint32_t node, bool is_final, bool is_anew)
{
    struct phu_outage_node *state = &outage->nodes[node];
    struct phu_outage_entry *entry;
    bool is_new;
    uint32_t root;

    if (!is_final && !is_anew && phu_outage_is_echo(outage, node)) {
        phu_outage_wait(outage, node);
        outage->calls.poll(outage->calls.arg, node);
        return;
    }
    if (!phu_outage_find_root(outage, node, is_final, &root) && !is_final) {
        if (state->list != PHU_LIST_WAITING)
            phu_outage_wait(outage, node);
        return;
    }
    is_new = !outage->nodes[root].rooted;
    entry = event_at(outage, root, state->since_ns);
    entry->is_restored = false;
    phu_outage_join(outage, entry, node);
    if (is_new)
        tell_begun(outage, entry);
    else if (entry->shown.is_inferred && node == root)
        phu_outage_tell(outage, entry, PHU_OUTAGE_UPDATE); /* its check has said so, late */
    else
        phu_outage_refine(outage, entry);
}

/* Something above those who wait has answered. */
static void look_at_waiting(struct phu_outage *outage, uint32_t above)
{
    uint32_t node = outage->waiting.head, next;

    for (unsigned i = 0; node != PHU_NODE_NONE && i < LOOKED_AT; i++, node = next) {
        next = outage->nodes[node].next;
        if (phu_topology_is_within(outage->topology, node, above))
            decide(outage, node, false, false);
        if (next != PHU_NODE_NONE && outage->nodes[next].list != PHU_LIST_WAITING)
            return; /* a merge or an end has moved it */
    }
}

/* -- Changes of subjects ---------------------------------------------------------------------- */

static void note_answer(struct phu_outage *outage, uint32_t node, int64_t at_ns)
{
    outage->nodes[node].answered_ns = at_ns;
    for (uint32_t above = phu_outage_tree(outage, node)->parent; above != PHU_NODE_NONE;
         above = phu_outage_tree(outage, above)->parent)
        outage->nodes[above].passed_ns = at_ns;
}

static void suspected(struct phu_outage *outage, uint32_t node, const struct phu_health *health)
{
    struct phu_outage_node *state = &outage->nodes[node];

    if (state->own == PHU_OWN_DOWN)
        return;
    state->own = PHU_OWN_SUSPECT;
    state->since_ns = health->since.ns;
    wait_in(outage, &outage->suspects, node, PHU_LIST_SUSPECTS, ASK_AFTER_NS);
}

/* A root that was inferred for want of its check's verdict may turn out to answer. */
static void end_own_event(struct phu_outage *outage, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];

    phu_outage_leave(outage, node);
    phu_outage_show(outage, node, PHU_STATE_NONE);
    phu_outage_set_out(outage, node, false, 0);
    if (state->rooted)
        phu_outage_end(outage, state->rooted);
}

static void answered(struct phu_outage *outage, uint32_t node, int64_t at_ns)
{
    struct phu_outage_node *state = &outage->nodes[node];

    phu_outage_leave(outage, node);
    phu_outage_unlink(outage, node);
    if (state->own == PHU_OWN_SUSPECT)
        state->ended_ns = at_ns; /* lost something, too */
    state->own = PHU_OWN_UP;
    state->is_released = false;
    note_answer(outage, node, at_ns);
    end_own_event(outage, node);
    if (phu_outage_tree(outage, node)->size > 1)
        look_at_waiting(outage, node);
}

static void went_down(struct phu_outage *outage, uint32_t node, const struct phu_health *health)
{
    struct phu_outage_node *state = &outage->nodes[node];

    state->own = PHU_OWN_DOWN;
    state->is_released = false;
    phu_outage_set_out(outage, node, true, health->since.ns);
    if (state->event)
        return; /* told anew, as after a restart */
    phu_outage_unlink(outage, node);
    decide(outage, node, false, health->is_released);
    if (phu_outage_tree(outage, node)->size > 1)
        look_at_waiting(outage, node);
}

/* It has not come back, as far as is known: who was down is left as it was. */
static void went_unknown(struct phu_outage *outage, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];

    if (state->own == PHU_OWN_DOWN)
        return;
    phu_outage_unlink(outage, node);
    state->own = PHU_OWN_UNKNOWN;
}

static void flapping(struct phu_outage *outage, uint32_t node, bool is_flapping)
{
    struct phu_outage_node *state = &outage->nodes[node];

    if (state->is_flapping == is_flapping)
        return;
    state->is_flapping = is_flapping;
    if (state->rooted && state->rooted->shown.is_flapping != is_flapping)
        phu_outage_tell(outage, state->rooted, PHU_OUTAGE_UPDATE);
}

void phu_outage_change(struct phu_outage *outage, uint32_t node, const struct phu_health *health)
{
    struct phu_outage_node *state = &outage->nodes[node];

    if (health->at.ns > outage->now_ns)
        outage->now_ns = health->at.ns;
    if (state->own == PHU_OWN_NONE)
        return;
    switch (health->change) {
    case PHU_HEALTH_SUSPECT:
        suspected(outage, node, health);
        break;
    case PHU_HEALTH_CLEARED:
        /* One answer of a subject that is down is no recovery yet. */
        if (state->own == PHU_OWN_DOWN)
            note_answer(outage, node, health->at.ns);
        else
            answered(outage, node, health->at.ns);
        break;
    case PHU_HEALTH_RECOVERED:
    case PHU_HEALTH_DEGRADED:
    case PHU_HEALTH_UP:
        answered(outage, node, health->at.ns);
        break;
    case PHU_HEALTH_DOWN:
        state->is_flapping = health->is_flapping;
        went_down(outage, node, health);
        break;
    case PHU_HEALTH_UNKNOWN:
        went_unknown(outage, node);
        break;
    case PHU_HEALTH_FLAPPING:
        break;
    }
    flapping(outage, node, health->is_flapping);
}

/* -- The uplink ------------------------------------------------------------------------------- */

static bool is_out(enum phu_reference reference)
{
    return reference == PHU_REFERENCE_OUT || reference == PHU_REFERENCE_OUT_HERE ||
           reference == PHU_REFERENCE_LOCAL;
}

static void uplink_lost(struct phu_outage *outage, struct phu_mono since)
{
    struct phu_outage_node *uplink = &outage->nodes[PHU_NODE_UPLINK];

    uplink->is_out = true;
    uplink->since_ns = since.ns;
    if (uplink->rooted)
        phu_outage_refine(outage, uplink->rooted);
    else
        tell_begun(outage, phu_outage_begin(outage, PHU_NODE_UPLINK, since.ns));
}

void phu_outage_reference(struct phu_outage *outage, enum phu_reference reference,
                          struct phu_mono since, struct phu_mono at)
{
    struct phu_outage_node *uplink = &outage->nodes[PHU_NODE_UPLINK];

    if (at.ns > outage->now_ns)
        outage->now_ns = at.ns;
    if (outage->reference == PHU_REFERENCE_SUSPECT && reference == PHU_REFERENCE_ANSWERS)
        uplink->ended_ns = at.ns;
    outage->reference = reference;
    if (is_out(reference)) {
        uplink_lost(outage, since);
    } else if (reference == PHU_REFERENCE_ANSWERS) {
        uplink->answered_ns = at.ns;
        uplink->is_out = false;
        if (uplink->rooted)
            phu_outage_end(outage, uplink->rooted);
        look_at_waiting(outage, PHU_NODE_UPLINK);
    } else if (reference == PHU_REFERENCE_SUSPECT) {
        phu_outage_ask_below(outage, PHU_NODE_UPLINK);
    }
}

/* -- Evidence --------------------------------------------------------------------------------- */

void phu_outage_line_evidence(struct phu_outage *outage, uint32_t node,
                              enum phu_line_evidence evidence, struct phu_mono at)
{
    struct phu_outage_node *state = &outage->nodes[node];
    struct phu_outage_entry *entry = state->event;

    if (at.ns > outage->now_ns)
        outage->now_ns = at.ns;
    if (state->evidence == (uint8_t)evidence)
        return;
    if (entry) {
        entry->gasps -= state->evidence == PHU_LINE_GASP;
        entry->losses -= state->evidence == PHU_LINE_LOS;
        entry->gasps += evidence == PHU_LINE_GASP;
        entry->losses += evidence == PHU_LINE_LOS;
    }
    state->evidence = (uint8_t)evidence;
    if (entry)
        phu_outage_refine(outage, entry);
}

void phu_outage_power(struct phu_outage *outage, uint32_t site, bool has_failed, struct phu_mono at)
{
    if (at.ns > outage->now_ns)
        outage->now_ns = at.ns;
    if (outage->power[site] == has_failed)
        return;
    outage->power[site] = has_failed;
    for (struct phu_outage_entry *entry = outage->first; has_failed && entry; entry = entry->next) {
        if (phu_topology_site(outage->topology, outage->inventory, entry->shown.root) == site)
            phu_outage_refine(outage, entry);
    }
}

/* -- Time ------------------------------------------------------------------------------------- */

static void earlier(int64_t candidate_ns, struct phu_mono *due, bool *has)
{
    if (!*has || candidate_ns < due->ns)
        due->ns = candidate_ns;
    *has = true;
}

bool phu_outage_due(const struct phu_outage *outage, struct phu_mono *due)
{
    bool has = false;

    if (outage->suspects.head != PHU_NODE_NONE)
        earlier(outage->nodes[outage->suspects.head].due_ns, due, &has);
    if (outage->waiting.head != PHU_NODE_NONE)
        earlier(outage->nodes[outage->waiting.head].due_ns, due, &has);
    if (outage->unsettled)
        earlier(outage->unsettled->told.ns + outage->conf.spread_ns, due, &has);
    return has;
}

static bool is_head_due(const struct phu_outage *outage, const struct phu_outage_links *links)
{
    return links->head != PHU_NODE_NONE && outage->nodes[links->head].due_ns <= outage->now_ns;
}

void phu_outage_tick(struct phu_outage *outage, struct phu_mono now)
{
    if (now.ns > outage->now_ns)
        outage->now_ns = now.ns;
    while (is_head_due(outage, &outage->suspects)) {
        uint32_t node = outage->suspects.head;

        phu_outage_unlink(outage, node);
        phu_outage_ask(outage, node);
    }
    while (is_head_due(outage, &outage->waiting)) {
        uint32_t node = outage->waiting.head;

        phu_outage_unlink(outage, node);
        decide(outage, node, true, false);
    }
    phu_outage_settle(outage);
}

void phu_outage_heartbeat(struct phu_outage *outage, struct phu_mono now)
{
    struct phu_outage_entry *next;

    phu_outage_tick(outage, now);
    phu_outage_check_restored(outage);
    for (struct phu_outage_entry *entry = outage->first; entry; entry = next) {
        next = entry->next;
        phu_outage_tell(outage, entry, PHU_OUTAGE_UPDATE);
    }
}

/* -- Settings --------------------------------------------------------------------------------- */

void phu_outage_set_clock(struct phu_outage *outage, int64_t offset_ns)
{
    outage->clock_ns = offset_ns;
}

void phu_outage_set_checked(struct phu_outage *outage, uint32_t node, bool is_checked)
{
    outage->nodes[node].own = is_checked ? PHU_OWN_UNKNOWN : PHU_OWN_NONE;
}

void phu_outage_set_maintenance(struct phu_outage *outage, uint32_t node, bool is_in)
{
    struct phu_outage_node *state = &outage->nodes[node];

    if (state->is_maintenance == is_in)
        return;
    state->is_maintenance = is_in;
    if (state->event)
        state->event->maintained += is_in ? 1u : UINT32_MAX;
}

const struct phu_outage_counts *phu_outage_counts(const struct phu_outage *outage)
{
    return &outage->counts;
}

enum phu_state phu_outage_state(const struct phu_outage *outage, uint32_t node)
{
    bool is_out_here = outage->nodes[node].is_out;

    for (uint32_t above = phu_outage_tree(outage, node)->parent;
         is_out_here && above != PHU_NODE_NONE; above = phu_outage_tree(outage, above)->parent) {
        if (outage->nodes[above].rooted)
            return above == PHU_NODE_UPLINK ? PHU_STATE_UNKNOWN : PHU_STATE_UNREACHABLE;
    }
    return is_out_here ? PHU_STATE_DOWN : PHU_STATE_UP;
}

const struct phu_outage_event *phu_outage_event_of(const struct phu_outage *outage, uint32_t node)
{
    return outage->nodes[node].event ? &outage->nodes[node].event->shown : NULL;
}

void phu_outage_visit(const struct phu_outage *outage,
                      void (*visit)(void *arg, struct phu_outage_event *event), void *arg)
{
    for (struct phu_outage_entry *entry = outage->first; entry; entry = entry->next)
        visit(arg, &entry->shown);
}

/* -- A former run ----------------------------------------------------------------------------- */

void phu_outage_restore(struct phu_outage *outage, const struct phu_outage_event *event,
                        struct phu_mono now)
{
    struct phu_outage_node *root = &outage->nodes[event->root];
    struct phu_outage_entry *entry;

    if (root->rooted)
        return;
    if (now.ns > outage->now_ns)
        outage->now_ns = now.ns;
    entry = phu_outage_begin(outage, event->root, event->begin_ns - outage->clock_ns);
    entry->shown = *event;
    entry->shown.listed = entry->listed;
    entry->shown.listed_count = 0;
    entry->peak = (struct phu_outage_sum){event->endpoints, event->hamlets, event->households};
    entry->is_restored = true;
    if (root->own != PHU_OWN_NONE)
        root->own = PHU_OWN_DOWN;
    phu_outage_set_out(outage, event->root, true, entry->begin.ns);
    outage->is_blind |= event->root == PHU_NODE_UPLINK;
    if (root->own == PHU_OWN_DOWN)
        phu_outage_join(outage, entry, event->root);
}

void phu_outage_export(const struct phu_outage *outage, uint32_t node,
                       struct phu_outage_subject *subject)
{
    const struct phu_outage_node *state = &outage->nodes[node];

    *subject = (struct phu_outage_subject){
        .own = state->own == PHU_OWN_DOWN                                  ? PHU_STATE_DOWN
               : state->own == PHU_OWN_UP || state->own == PHU_OWN_SUSPECT ? PHU_STATE_UP
                                                                           : PHU_STATE_UNKNOWN,
        .since = {state->since_ns},
        .event_root = state->event ? state->event->shown.root : PHU_NODE_NONE,
        .is_overridden = state->shown != PHU_STATE_NONE,
        .is_flapping = state->is_flapping,
        .evidence = (enum phu_line_evidence)state->evidence,
    };
}

void phu_outage_import(struct phu_outage *outage, uint32_t node,
                       const struct phu_outage_subject *subject, struct phu_mono now)
{
    struct phu_outage_node *state = &outage->nodes[node];
    struct phu_outage_entry *entry =
        subject->event_root == PHU_NODE_NONE ? NULL : outage->nodes[subject->event_root].rooted;

    if (now.ns > outage->now_ns)
        outage->now_ns = now.ns;
    state->evidence = (uint8_t)subject->evidence;
    state->is_flapping = subject->is_flapping;
    if (state->own == PHU_OWN_NONE || subject->own == PHU_STATE_UNKNOWN)
        return;
    if (subject->own != PHU_STATE_DOWN) {
        state->own = PHU_OWN_UP;
        return;
    }
    if (state->own != PHU_OWN_DOWN) {
        state->own = PHU_OWN_DOWN;
        phu_outage_set_out(outage, node, true, subject->since.ns);
    }
    /* As the monitor shows it, so that it is told when that is over. */
    state->shown = subject->is_overridden ? PHU_STATE_UNREACHABLE : PHU_STATE_NONE;
    if (state->event)
        return;
    if (entry) {
        entry->is_restored = false;
        phu_outage_join(outage, entry, node);
    } else {
        phu_outage_wait(outage, node);
    }
}

/* -- Life ------------------------------------------------------------------------------------- */

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        abort();
    return memory;
}

void phu_outage_new(const struct phu_topology *topology, const struct phu_inventory *inventory,
                    const struct phu_outage_conf *conf, const struct phu_outage_calls *calls,
                    struct phu_outage **out)
{
    struct phu_outage *outage = zeroed(1, sizeof *outage);

    outage->topology = topology;
    outage->inventory = inventory;
    outage->conf = *conf;
    outage->calls = *calls;
    outage->nodes = zeroed(topology->count, sizeof *outage->nodes);
    outage->stamps = zeroed(inventory->area_count, sizeof *outage->stamps);
    outage->power = zeroed(inventory->site_count, sizeof *outage->power);
    outage->suspects = outage->waiting = (struct phu_outage_links){PHU_NODE_NONE, PHU_NODE_NONE};
    outage->now_ns = outage->references_asked_ns = INT64_MIN / 2;
    for (uint32_t i = 0; i < topology->count; i++) {
        struct phu_outage_node *node = &outage->nodes[i];

        node->answered_ns = node->passed_ns = node->asked_ns = node->ended_ns = PHU_NEVER;
        node->shown = PHU_STATE_NONE;
    }
    *out = outage;
}

void phu_outage_free(struct phu_outage *outage)
{
    struct phu_outage_entry *next;

    if (!outage)
        return;
    for (struct phu_outage_entry *entry = outage->first; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
    free(outage->nodes);
    free(outage->stamps);
    free(outage->power);
    free(outage);
}
