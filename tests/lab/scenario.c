/* Parses scenarios and plays them. The player owns a list of coming starts and ends; there are few,
 * so each look goes through all of them. */
#include "scenario.h"

#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lab_words_split(char *line, char *words[LAB_WORDS_MAX + 1], int *count, struct lab_error *err)
{
    char *rest = line;
    char *word;

    line[strcspn(line, "#\r\n")] = '\0';
    *count = 0;
    while ((word = strtok_r(rest, " \t", &rest))) {
        if (*count == LAB_WORDS_MAX)
            return lab_fail(err, "more than %d words in a line", LAB_WORDS_MAX);
        words[(*count)++] = word;
    }
    words[*count] = NULL;
    return 0;
}

/* Takes `WORD DURATION` off the front. */
static int take_time(char *const **words, int *count, const char *word, int64_t *ns,
                     struct lab_error *err)
{
    if (*count < 1 || strcmp((*words)[0], word) != 0)
        return 0;
    if (*count < 2)
        return lab_fail(err, "\"%s\" needs a duration after it, as in %s 30s", word, word);
    if (lab_parse_duration((*words)[1], ns, err) < 0)
        return -EINVAL;
    *words += 2;
    *count -= 2;
    return 1;
}

static int take_start(char *const **words, int *count, struct lab_step *step, struct lab_error *err)
{
    int found = take_time(words, count, "at", &step->first_ns, err);

    if (found != 0)
        return found;
    found = take_time(words, count, "every", &step->every_ns, err);
    if (found <= 0)
        return found;
    if (step->every_ns < 1000000)
        return lab_fail(err, "every takes 1ms or more");
    step->first_ns = step->every_ns;
    return take_time(words, count, "from", &step->first_ns, err);
}

/* Takes `for DURATION` off the end. */
static int take_length(char *const *words, int *count, struct lab_step *step, struct lab_error *err)
{
    if (*count < 2 || strcmp(words[*count - 2], "for") != 0)
        return 0;
    if (lab_parse_duration(words[*count - 1], &step->length_ns, err) < 0)
        return -EINVAL;
    if (step->length_ns == 0)
        return lab_fail(err, "for 0 would change nothing");
    *count -= 2;
    return 0;
}

int lab_step_parse(char *const *words, int count, struct lab_step *step, struct lab_error *err)
{
    char *kept[LAB_WORDS_MAX + 1] = {NULL};

    *step = (struct lab_step){0};
    if (count > LAB_WORDS_MAX)
        return lab_fail(err, "more than %d words in a line", LAB_WORDS_MAX);
    if (take_start(&words, &count, step, err) < 0 || take_length(words, &count, step, err) < 0)
        return -EINVAL;
    memcpy(kept, words,
           (size_t)count * sizeof(*kept)); /* so that the words end where `for` began */
    if (lab_statement_parse(kept, count, &step->statement, err) < 0)
        return -EINVAL;
    if (step->length_ns && step->statement.clears_all)
        return lab_fail(err, "`clear all` is lasting: leave `for` out");
    return 0;
}

static int parse_line(struct lab_steps *steps, const char *text, size_t length, unsigned number,
                      struct lab_error *err)
{
    char line[LAB_LINE_MAX + 1];
    char *words[LAB_WORDS_MAX + 1];
    struct lab_step *step = &steps->items[steps->count];
    int count;

    if (length > LAB_LINE_MAX)
        return lab_fail(err, "longer than %d bytes", LAB_LINE_MAX);
    memcpy(line, text, length);
    line[length] = '\0';
    if (strlen(line) != length)
        return lab_fail(err, "holds a zero byte");
    if (lab_words_split(line, words, &count, err) < 0)
        return -EINVAL;
    if (count == 0)
        return 0;
    if (lab_step_parse(words, count, step, err) < 0)
        return -EINVAL;
    step->line = number;
    steps->count++;
    return 0;
}

static int make_room(struct lab_steps *steps, size_t *room)
{
    struct lab_step *items;

    if (steps->count < *room)
        return 0;
    *room = *room ? *room * 2 : 64;
    items = realloc(steps->items, *room * sizeof(*items));
    if (!items)
        return -ENOMEM;
    steps->items = items;
    return 0;
}

int lab_steps_parse(const char *text, size_t length, struct lab_steps *steps, struct lab_error *err)
{
    const char *end = text + length;
    unsigned number = 0;
    size_t room = 0;

    *steps = (struct lab_steps){0};
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        struct lab_error why;

        if (!stop)
            stop = end;
        if (++number > LAB_SCENARIO_LINES)
            return lab_fail(err, "more than %d lines", LAB_SCENARIO_LINES);
        if (make_room(steps, &room) < 0)
            return lab_fail(err, "out of memory");
        if (parse_line(steps, text, (size_t)(stop - text), number, &why) < 0)
            return lab_fail(err, "line %u: %.200s", number, why.text);
        text = stop + 1;
    }
    return 0;
}

void lab_steps_fini(struct lab_steps *steps)
{
    free(steps->items);
    *steps = (struct lab_steps){0};
}

enum { ACTS_MAX = 2 * LAB_SCENARIO_LINES };

/* Something to do later: start a step, or end what one started. */
struct act {
    int64_t due_ns;
    uint64_t owner; /* 0: a start */
    struct lab_prefix prefix;
    struct lab_step step;
};

struct lab_player {
    struct lab_rules *rules;
    void (*changed)(void *context, const char *text);
    void *context;
    struct lab_dice dice;
    uint64_t last_owner;
    int64_t due_ns;
    struct act *acts;
    size_t count;
    size_t room;
};

struct lab_player *lab_player_new(struct lab_rules *rules, uint64_t seed,
                                  void (*changed)(void *context, const char *text), void *context)
{
    struct lab_player *player = calloc(1, sizeof(*player));

    if (!player)
        return NULL;
    player->rules = rules;
    player->changed = changed;
    player->context = context;
    player->dice.flow = lab_dice_flow(seed, 0, LAB_DRAW_PICK);
    player->due_ns = INT64_MAX;
    return player;
}

void lab_player_free(struct lab_player *player)
{
    if (!player)
        return;
    free(player->acts);
    free(player);
}

static int add_act(struct lab_player *player, const struct act *act)
{
    if (player->count == ACTS_MAX)
        return -ENOSPC;
    if (player->count == player->room) {
        size_t room = player->room ? player->room * 2 : 64;
        struct act *acts = realloc(player->acts, room * sizeof(*acts));

        if (!acts)
            return -ENOMEM;
        player->acts = acts;
        player->room = room;
    }
    player->acts[player->count++] = *act;
    if (act->due_ns < player->due_ns)
        player->due_ns = act->due_ns;
    return 0;
}

int lab_player_add(struct lab_player *player, const struct lab_step *step, int64_t start_ns)
{
    struct act act = {.due_ns = start_ns + step->first_ns, .step = *step};

    return add_act(player, &act);
}

int64_t lab_player_due(const struct lab_player *player)
{
    return player->due_ns;
}

static void tell(struct lab_player *player, const struct act *act, const char *ending)
{
    struct lab_statement said = act->step.statement;
    char statement[LAB_LINE_MAX];
    char length[32];
    char text[LAB_LINE_MAX + 64];

    said.target = (struct lab_target){.prefix = act->prefix};
    lab_statement_format(&said, statement, sizeof(statement));
    if (*ending || act->step.length_ns == 0)
        snprintf(text, sizeof(text), "%s%s", ending, statement);
    else
        snprintf(text, sizeof(text), "%s for %s", statement,
                 lab_format_duration(act->step.length_ns, length, sizeof(length)));
    player->changed(player->context, text);
}

static void start_step(struct lab_player *player, struct act *act, int64_t now_ns)
{
    uint64_t owner = act->step.length_ns ? ++player->last_owner : 0;
    struct act end = *act;
    char text[64];
    int error;

    act->prefix = lab_target_resolve(&act->step.statement.target,
                                     lab_dice_bits(&player->dice, LAB_DRAW_PICK));
    player->dice.number++;
    error = lab_rules_apply(player->rules, &act->step.statement, &act->prefix, owner);
    if (error < 0) {
        snprintf(text, sizeof(text), "not applied, too many prefixes: line %u", act->step.line);
        player->changed(player->context, text);
        return;
    }
    tell(player, act, "");
    end.prefix = act->prefix;
    end.owner = owner;
    end.due_ns = now_ns + act->step.length_ns;
    /* Should there be no room to remember the end, it comes at once rather than never. */
    if (owner && add_act(player, &end) < 0)
        lab_rules_expire(player->rules, &end.prefix, owner);
}

/* Returns whether the act is to stay in the list. */
static bool run_act(struct lab_player *player, struct act *act, int64_t now_ns)
{
    if (act->owner) {
        lab_rules_expire(player->rules, &act->prefix, act->owner);
        tell(player, act, "end of ");
        return false;
    }
    start_step(player, act, now_ns);
    if (act->step.every_ns == 0)
        return false;
    act->due_ns += ((now_ns - act->due_ns) / act->step.every_ns + 1) * act->step.every_ns;
    return true;
}

void lab_player_run(struct lab_player *player, int64_t now_ns)
{
    size_t count = player->count;
    size_t kept = 0;

    if (player->due_ns > now_ns)
        return;
    for (size_t i = 0; i < count; i++) {
        struct act act = player->acts[i]; /* a copy: running it may move the array */

        if (act.due_ns <= now_ns && !run_act(player, &act, now_ns))
            continue;
        player->acts[kept++] = act;
    }
    /* What was added meanwhile stands behind the old ones: close the gap. */
    for (size_t i = count; i < player->count; i++)
        player->acts[kept++] = player->acts[i];
    player->count = kept;
    player->due_ns = INT64_MAX;
    for (size_t i = 0; i < kept; i++)
        if (player->acts[i].due_ns < player->due_ns)
            player->due_ns = player->acts[i].due_ns;
}
