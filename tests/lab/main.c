/* phusong-lab: an emulated district. This file only finds the verb. */
#include "client.h"
#include "lab.h"

#include <stdlib.h>
#include <string.h>

enum { USAGE = 2 };

static void print_help(FILE *out)
{
    fprintf(out,
            "Usage: phusong-lab [--state DIR] VERB [ARGUMENT]...\n\n"
            "An emulated district: a whole prefix whose every address answers, behind a link "
            "with\ndelay, loss, rate and outages that you choose, and a log of what it "
            "really did.\n\n  %-10s %s\n",
            "run", "start the lab (see run --help)");
    for (const struct lab_verb *verb = lab_client_verbs; verb->name; verb++)
        fprintf(out, "  %-10s %s\n", verb->name, verb->summary);
    fprintf(out,
            "\nphusong-lab VERB --help tells more. --state, or PHUSONG_LAB_STATE, chooses among "
            "several labs.\nExit status: 0 done, 1 failed or refused, 2 usage, 3 no lab runs, "
            "77 not possible here.\n");
}

static const struct lab_verb *find_verb(const char *name)
{
    const struct lab_verb *verb = lab_client_verbs;

    while (verb->name && strcmp(verb->name, name) != 0)
        verb++;
    return verb->name ? verb : NULL;
}

static void print_verb_help(const struct lab_verb *verb)
{
    bool has_direction = lab_statement_is_verb(verb->name);

    printf("Usage: phusong-lab %s %s\n\n%s.\n%s%s", verb->name, verb->arguments, verb->summary,
           verb->details ? "\n" : "", verb->details ? verb->details : "");
    if (has_direction)
        printf(
            "\n  --dir to|from|both   to the district, from it, or both ways (default): 10ms both "
            "ways\n                       make 20ms of round trip\nEach attribute is looked up by "
            "itself, and the longest prefix that sets it wins.\n");
}

static bool wants_help(char **words, int count)
{
    /* The words after exec's own belong to the command. */
    int last = strcmp(words[0], "exec") == 0 && count > 2 ? 2 : count;

    for (int i = 1; i < last; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return true;
    return false;
}

static int run_verb(const char *state, char **words, int count)
{
    const struct lab_verb *verb = find_verb(words[0]);
    char chosen[128];

    if (strcmp(words[0], "run") == 0) {
        if (state)
            setenv("PHUSONG_LAB_STATE", state, 1);
        return lab_run(words + 1, count - 1);
    }
    if (!verb) {
        fprintf(stderr, "phusong-lab: unknown verb \"%.60s\": see phusong-lab --help\n", words[0]);
        return USAGE;
    }
    if (wants_help(words, count)) {
        print_verb_help(verb);
        return 0;
    }
    lab_options_state(chosen, sizeof(chosen));
    return verb->run(verb, state ? state : chosen, words, count);
}

/* Takes --state DIR out of the words, wherever it stands before a `--`. */
static const char *take_state(char **words, int *count)
{
    for (int i = 0; i + 1 < *count && strcmp(words[i], "--") != 0; i++) {
        const char *state = words[i + 1];

        if (strcmp(words[i], "--state") != 0)
            continue;
        memmove(words + i, words + i + 2, (size_t)(*count - i - 1) * sizeof(*words));
        *count -= 2;
        return state;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    char **words = argv + 1;
    int count = argc - 1;
    const char *state = take_state(words, &count);

    if (count < 1) {
        print_help(stderr);
        return USAGE;
    }
    if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0 ||
        strcmp(words[0], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    return run_verb(state, words, count);
}
