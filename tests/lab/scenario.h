/* A scenario: statements with times, one a line. `#` starts a comment.
 *
 *     delay 10.27.0.0/16 8ms --jitter 2ms                 at the start
 *     at 30s down 10.27.3.0/24 for 20s
 *     every 45s down pick:10.27.0.0/16:24 for 15s         first after 45 s
 *     every 1m from 10s loss pick:10.27.0.0/16:24 30% for 20s
 *
 * Times count from the start of the lab, or from the moment the lines were handed to a running one.
 */
#pragma once

#include "prefix.h"

#include <stddef.h>

enum { LAB_SCENARIO_LINES = 65536, LAB_LINE_MAX = 512, LAB_WORDS_MAX = 24 };

struct lab_step {
    int64_t first_ns;  /* after the start */
    int64_t every_ns;  /* 0: once */
    int64_t length_ns; /* 0: lasting */
    unsigned line;
    struct lab_statement statement;
};

struct lab_steps {
    struct lab_step *items;
    size_t count;
};

/* Splits at blanks, up to a `#`; the words point into `line`, which is changed, and end with a
 * NULL. -EINVAL when there are too many. */
int lab_words_split(char *line, char *words[LAB_WORDS_MAX + 1], int *count, struct lab_error *err);
int lab_step_parse(char *const *words, int count, struct lab_step *step, struct lab_error *err);
/* Parses a whole text; an error names its line. Release with lab_steps_fini in either case. */
int lab_steps_parse(const char *text, size_t length, struct lab_steps *steps,
                    struct lab_error *err);
void lab_steps_fini(struct lab_steps *steps);

/* The player applies steps to the rules as time goes. It takes the time as an argument. */
struct lab_player;

/* `changed` is told each change as text, for the log of events. */
struct lab_player *lab_player_new(struct lab_rules *rules, uint64_t seed,
                                  void (*changed)(void *context, const char *text), void *context);
void lab_player_free(struct lab_player *player);
/* Copies the step; its times count from `start_ns`. -ENOSPC, -ENOMEM. */
int lab_player_add(struct lab_player *player, const struct lab_step *step, int64_t start_ns);
/* When something is to be done next, INT64_MAX when never. */
int64_t lab_player_due(const struct lab_player *player);
/* Does what is due. After a pause a repeated step is done once, not as often as it was missed. */
void lab_player_run(struct lab_player *player, int64_t now_ns);
