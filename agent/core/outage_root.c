/* Which node is the root of what keeps a subject down. */
#include "outage_internal.h"

#define SAMPLE 64 /* children looked at */
#define ASKED 16  /* of them, asked around for */
#define ENOUGH 8  /* children whose verdict must be known, unless there is no time left */
#define ASK_AGAIN_NS PHU_NS_PER_S
#define ASK_DEVICE_AGAIN_NS (5 * PHU_NS_PER_S)

/* -- Inferring -------------------------------------------------------------------------------- */

struct view {
    uint32_t out;     /* confirmed, and lately */
    uint32_t weight;  /* of these: how many subjects they stand for */
    uint32_t suspect; /* likely to be, soon */
    uint32_t alive;
    uint32_t known, looked;
};

static void look_at_child(const struct phu_outage *outage, uint32_t child, int64_t wave_ns,
                          struct view *view)
{
    const struct phu_outage_node *node = &outage->nodes[child];

    view->looked++;
    if (node->is_released)
        return;
    if (node->is_out) {
        if (node->since_ns + outage->conf.spread_ns < wave_ns)
            return; /* an older trouble of its own says nothing */
        view->out++;
        view->weight += node->out_children > 1 ? node->out_children : 1;
    } else if (phu_outage_is_heard(node->answered_ns, wave_ns) ||
               (node->own == PHU_OWN_NONE && phu_outage_is_heard(node->passed_ns, wave_ns))) {
        view->alive++;
    } else if (node->own == PHU_OWN_SUSPECT) {
        view->suspect++;
    } else {
        return;
    }
    view->known++;
}

static void look_at_children(const struct phu_outage *outage, uint32_t node, struct view *view)
{
    const struct phu_node *tree = phu_outage_tree(outage, node);
    uint32_t count = tree->children_count < SAMPLE ? tree->children_count : SAMPLE;

    *view = (struct view){0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = (uint32_t)((uint64_t)i * tree->children_count / count);

        look_at_child(outage, outage->topology->children[tree->children + place],
                      outage->nodes[node].wave_ns, view);
    }
}

/* Two devices of a site are enough: they share little but its power and its way out. */
static uint32_t least_of(const struct phu_outage *outage, enum phu_node_kind kind)
{
    return kind == PHU_NODE_SITE ? 2 : (uint32_t)outage->conf.least;
}

/* One child stands for its parent only where it is all there is to a device without a check. */
static enum phu_answer infer_from_one(const struct phu_outage *outage, uint32_t node)
{
    const struct phu_node *tree = phu_outage_tree(outage, node);
    uint32_t child = outage->topology->children[tree->children];
    bool is_all = tree->kind == PHU_NODE_DEVICE && outage->nodes[node].own == PHU_OWN_NONE &&
                  phu_outage_tree(outage, child)->kind == PHU_NODE_BRANCH;

    return is_all && outage->nodes[child].is_out ? PHU_ANSWER_YES : PHU_ANSWER_NO;
}

enum phu_answer phu_outage_infer(const struct phu_outage *outage, uint32_t node, bool is_final)
{
    const struct phu_node *tree = phu_outage_tree(outage, node);
    bool is_last = tree->kind == PHU_NODE_PON || tree->kind == PHU_NODE_BRANCH;
    uint32_t least = least_of(outage, (enum phu_node_kind)tree->kind), enough;
    double spared = 1 - outage->conf.share + 1e-9;
    struct view view;

    if (tree->children_count < 2)
        return tree->children_count ? infer_from_one(outage, node) : PHU_ANSWER_NO;
    if (outage->nodes[node].wave == 0 || (is_last && tree->children_count < least))
        return PHU_ANSWER_NO;
    look_at_children(outage, node, &view);
    if (view.alive > spared * view.looked)
        return PHU_ANSWER_NO; /* whatever the others turn out to be */
    enough = view.looked < ENOUGH ? view.looked : ENOUGH;
    if (view.alive <= spared * view.known && view.out >= 2 && view.weight >= least &&
        (is_final || view.known >= enough))
        return PHU_ANSWER_YES;
    return is_final ? PHU_ANSWER_NO : PHU_ANSWER_OPEN;
}

/* -- What hangs on a node --------------------------------------------------------------------- */

/* The subject nearest behind a place in the subtree: 0 to `count` - 1 are spread over all of it. */
static uint32_t pick(const struct phu_outage *outage, uint32_t node, uint32_t place, uint32_t count)
{
    uint32_t below = phu_outage_tree(outage, node)->size - 1, end = node + 1 + below;
    uint32_t at = node + 1 + (uint32_t)((uint64_t)place * below / count);

    for (uint32_t tries = 0; at < end && tries < 8; at++, tries++) {
        if (phu_outage_tree(outage, at)->kind == PHU_NODE_ENDPOINT &&
            outage->nodes[at].own != PHU_OWN_NONE)
            return at;
    }
    return PHU_NODE_NONE;
}

static uint32_t picks_of(const struct phu_outage *outage, uint32_t node)
{
    uint32_t below = phu_outage_tree(outage, node)->size - 1;

    return below < ASKED ? below : ASKED;
}

bool phu_outage_is_contradicted(const struct phu_outage *outage, uint32_t node, int64_t since_ns)
{
    uint32_t count = picks_of(outage, node), alive = 0, known = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t subject = pick(outage, node, i, count);
        bool answers = subject != PHU_NODE_NONE &&
                       phu_outage_is_heard(outage->nodes[subject].answered_ns, since_ns) &&
                       outage->nodes[subject].own == PHU_OWN_UP;

        if (subject == PHU_NODE_NONE)
            continue;
        alive += answers;
        known += answers || outage->nodes[subject].own >= PHU_OWN_SUSPECT;
    }
    return alive > 0 && alive > (1 - outage->conf.share) * known;
}

/* -- Asking around ---------------------------------------------------------------------------- */

static bool may_ask(struct phu_outage *outage, uint32_t node, int64_t again_ns)
{
    struct phu_outage_node *state = &outage->nodes[node];

    if (state->asked_ns != PHU_NEVER && outage->now_ns - state->asked_ns < again_ns)
        return false;
    state->asked_ns = outage->now_ns;
    return true;
}

static void ask_one(struct phu_outage *outage, uint32_t node)
{
    enum phu_outage_own own = outage->nodes[node].own;
    bool is_device = phu_outage_tree(outage, node)->kind == PHU_NODE_DEVICE;

    if (own == PHU_OWN_NONE || own >= PHU_OWN_SUSPECT)
        return; /* is being confirmed */
    if (may_ask(outage, node, is_device ? ASK_DEVICE_AGAIN_NS : ASK_AGAIN_NS))
        outage->calls.poll(outage->calls.arg, node);
}

void phu_outage_ask_below(struct phu_outage *outage, uint32_t node)
{
    uint32_t count = picks_of(outage, node);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t subject = pick(outage, node, i, count);

        if (subject != PHU_NODE_NONE)
            ask_one(outage, subject);
    }
}

/* The devices of a site, of which there are few. */
static void ask_children(struct phu_outage *outage, uint32_t node)
{
    const struct phu_node *tree = phu_outage_tree(outage, node);

    for (uint32_t i = 0; i < tree->children_count && i < ASKED; i++)
        ask_one(outage, outage->topology->children[tree->children + i]);
}

void phu_outage_ask(struct phu_outage *outage, uint32_t node)
{
    if (phu_outage_tree(outage, node)->size > 1)
        phu_outage_ask_below(outage, node);
    for (uint32_t above = phu_outage_tree(outage, node)->parent; above != PHU_NODE_NONE;
         above = phu_outage_tree(outage, above)->parent) {
        if (outage->nodes[above].own != PHU_OWN_NONE) {
            ask_one(outage, above);
        } else if (above != PHU_NODE_UPLINK && may_ask(outage, above, ASK_AGAIN_NS)) {
            phu_outage_ask_below(outage, above);
            ask_children(outage, above);
        }
    }
    if (outage->reference != PHU_REFERENCE_NONE &&
        outage->now_ns - outage->references_asked_ns >= ASK_AGAIN_NS) {
        outage->references_asked_ns = outage->now_ns;
        outage->calls.poll_references(outage->calls.arg);
    }
}

/* -- Being out -------------------------------------------------------------------------------- */

static void count_out(struct phu_outage *outage, uint32_t parent, int64_t since_ns)
{
    struct phu_outage_node *node = &outage->nodes[parent];

    node->out_children++;
    if (node->out_children > node->out_peak)
        node->out_peak = node->out_children;
    if (node->wave == 0 || since_ns > node->wave_ns + outage->conf.spread_ns) {
        node->wave_ns = since_ns;
        node->wave = 0;
    }
    if (since_ns < node->wave_ns)
        node->wave_ns = since_ns;
    node->wave++;
}

/* An inferred node is back when half of those that were out are, or hardly any is left. */
static void reconsider(struct phu_outage *outage, uint32_t node)
{
    struct phu_outage_node *state = &outage->nodes[node];
    bool is_inferred = state->is_out && state->own != PHU_OWN_DOWN;
    uint32_t left = state->out_children;

    if (!is_inferred || left * 2 > state->out_peak)
        return;
    phu_outage_set_out(outage, node, false, 0);
    if (state->rooted)
        phu_outage_end(outage, state->rooted);
}

static void count_back(struct phu_outage *outage, uint32_t parent, int64_t since_ns)
{
    struct phu_outage_node *node = &outage->nodes[parent];

    if (node->out_children > 0)
        node->out_children--;
    if (node->wave > 0 && since_ns >= node->wave_ns)
        node->wave--;
    if (node->out_children == 0)
        node->wave = node->out_peak = 0;
    reconsider(outage, parent);
}

void phu_outage_set_out(struct phu_outage *outage, uint32_t node, bool is_out, int64_t since_ns)
{
    struct phu_outage_node *state = &outage->nodes[node];
    uint32_t parent = phu_outage_tree(outage, node)->parent;

    if (state->is_out == is_out)
        return;
    state->is_out = is_out;
    if (is_out) {
        state->since_ns = since_ns;
        state->out_peak = state->out_children;
        if (parent != PHU_NODE_NONE)
            count_out(outage, parent, since_ns);
    } else if (parent != PHU_NODE_NONE) {
        count_back(outage, parent, state->since_ns);
    }
}

/* -- Walking up ------------------------------------------------------------------------------- */

/* What a node on the way up says. */
enum step {
    STEP_ROOT,   /* is out, and explains what lies below it */
    STEP_BEYOND, /* says nothing: look further up */
    STEP_OPEN,   /* will say something */
    STEP_STOP,   /* answers, or carries what answers: nothing above explains anything */
};

/* What is out without an event of its own was so below another root: is it still? */
static enum phu_answer answer_of(struct phu_outage *outage, uint32_t node, bool is_final)
{
    enum phu_answer answer;

    if (outage->nodes[node].rooted)
        return PHU_ANSWER_YES;
    answer = phu_outage_infer(outage, node, is_final);
    if (answer == PHU_ANSWER_YES)
        phu_outage_set_out(outage, node, true, outage->nodes[node].wave_ns);
    else if (answer == PHU_ANSWER_NO)
        phu_outage_set_out(outage, node, false, 0);
    return answer;
}

static enum step step_inferred(struct phu_outage *outage, uint32_t node, bool is_final)
{
    switch (answer_of(outage, node, is_final)) {
    case PHU_ANSWER_YES:
        return STEP_ROOT;
    case PHU_ANSWER_OPEN:
        return STEP_OPEN;
    case PHU_ANSWER_NO:
        break;
    }
    return STEP_BEYOND;
}

static enum step step_unchecked(struct phu_outage *outage, uint32_t node, int64_t since_ns,
                                bool is_final)
{
    enum step step = step_inferred(outage, node, is_final);

    return step == STEP_BEYOND && phu_outage_is_heard(outage->nodes[node].passed_ns, since_ns)
               ? STEP_STOP
               : step;
}

static enum step step_checked(struct phu_outage *outage, uint32_t node, int64_t since_ns,
                              bool is_final)
{
    const struct phu_outage_node *state = &outage->nodes[node];

    if (state->own == PHU_OWN_DOWN)
        return phu_outage_is_contradicted(outage, node, since_ns) ? STEP_STOP : STEP_ROOT;
    if (phu_outage_is_heard(state->answered_ns, since_ns))
        return STEP_STOP;
    if (state->own == PHU_OWN_UNKNOWN)
        return STEP_BEYOND;
    if (!is_final)
        return STEP_OPEN;
    return step_inferred(outage, node, true); /* its verdict is late: its children have theirs */
}

static enum step step_uplink(struct phu_outage *outage, int64_t since_ns, bool is_final)
{
    const struct phu_outage_node *state = &outage->nodes[PHU_NODE_UPLINK];

    switch (outage->reference) {
    case PHU_REFERENCE_NONE:
        return step_inferred(outage, PHU_NODE_UPLINK, is_final);
    case PHU_REFERENCE_ANSWERS:
        if (phu_outage_is_heard(state->answered_ns, since_ns) || is_final)
            return STEP_STOP;
        return STEP_OPEN;
    case PHU_REFERENCE_SUSPECT:
        return is_final ? STEP_STOP : STEP_OPEN;
    case PHU_REFERENCE_OUT:
    case PHU_REFERENCE_OUT_HERE:
    case PHU_REFERENCE_LOCAL:
        return phu_outage_is_contradicted(outage, PHU_NODE_UPLINK, since_ns) ? STEP_STOP
                                                                             : STEP_ROOT;
    }
    return STEP_STOP;
}

static enum step step_at(struct phu_outage *outage, uint32_t node, int64_t since_ns, bool is_final)
{
    if (node == PHU_NODE_UPLINK)
        return step_uplink(outage, since_ns, is_final);
    if (outage->nodes[node].own == PHU_OWN_NONE)
        return step_unchecked(outage, node, since_ns, is_final);
    return step_checked(outage, node, since_ns, is_final);
}

/* Has it an event that began when the subject failed, so lately that what has answered since may
 * just as well be on its way back? */
static bool is_of_event(const struct phu_outage *outage, uint32_t node, int64_t since_ns)
{
    const struct phu_outage_entry *entry = outage->nodes[node].rooted;

    return entry && !entry->is_settled && !entry->is_restored &&
           since_ns <= entry->begin.ns + outage->conf.spread_ns &&
           since_ns + outage->conf.spread_ns >= entry->begin.ns;
}

static bool find_recent(const struct phu_outage *outage, uint32_t node, uint32_t *root)
{
    int64_t since_ns = outage->nodes[node].since_ns;
    bool is_found = false;

    for (uint32_t above = phu_outage_tree(outage, node)->parent; above != PHU_NODE_NONE;
         above = phu_outage_tree(outage, above)->parent) {
        if (!is_of_event(outage, above, since_ns))
            continue;
        *root = above;
        is_found = true;
    }
    return is_found;
}

bool phu_outage_is_echo(const struct phu_outage *outage, uint32_t node)
{
    int64_t since_ns = outage->nodes[node].since_ns;

    for (uint32_t above = phu_outage_tree(outage, node)->parent; above != PHU_NODE_NONE;
         above = phu_outage_tree(outage, above)->parent) {
        int64_t ended_ns = outage->nodes[above].ended_ns;

        if (ended_ns != PHU_NEVER && since_ns <= ended_ns &&
            outage->now_ns - ended_ns < 2 * outage->conf.hold_ns)
            return true;
    }
    return false;
}

bool phu_outage_find_root(struct phu_outage *outage, uint32_t node, bool is_final, uint32_t *root)
{
    int64_t since_ns = outage->nodes[node].since_ns;
    bool is_open = false;

    *root = node;
    if (find_recent(outage, node, root))
        return true;
    for (uint32_t above = phu_outage_tree(outage, node)->parent; above != PHU_NODE_NONE;
         above = phu_outage_tree(outage, above)->parent) {
        switch (step_at(outage, above, since_ns, is_final)) {
        case STEP_ROOT:
            *root = above;
            break;
        case STEP_BEYOND:
            break;
        case STEP_OPEN:
            is_open = true;
            break;
        case STEP_STOP:
            return !is_open;
        }
    }
    return !is_open;
}
