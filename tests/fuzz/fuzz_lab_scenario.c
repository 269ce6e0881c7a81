/* The lab's scenarios and configurations: any text is taken or refused with a reason, and what is
 * taken prints as text that is taken again and means the same. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct lab_statement *statement)
{
    struct lab_statement again;
    struct lab_error err;
    char first[LAB_LINE_MAX];
    char second[LAB_LINE_MAX];
    char copy[LAB_LINE_MAX];
    char *words[LAB_WORDS_MAX + 1];
    int count;

    lab_statement_format(statement, first, sizeof(first));
    memcpy(copy, first, sizeof(copy));
    if (lab_words_split(copy, words, &count, &err) < 0 ||
        lab_statement_parse(words, count, &again, &err) < 0)
        abort();
    lab_statement_format(&again, second, sizeof(second));
    if (strcmp(first, second) != 0)
        abort();
}

static void ignore(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static void play(const struct lab_steps *steps)
{
    struct lab_rules *rules = lab_rules_new();
    struct lab_player *player = lab_player_new(rules, 1, ignore, NULL);

    for (size_t i = 0; i < steps->count && i < 64; i++)
        lab_player_add(player, &steps->items[i], 0);
    for (int64_t now_ns = 0; now_ns < 10; now_ns++)
        lab_player_run(player, now_ns * 7000000000);
    lab_player_free(player);
    lab_rules_free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lab_options *options = calloc(1, sizeof(*options));
    struct lab_error err = {""};
    char *text = malloc(size + 1);

    if (options && text) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (lab_options_text(options, text, size, &err) == 0) {
            for (size_t i = 0; i < options->steps.count; i++)
                check_round_trip(&options->steps.items[i].statement);
            play(&options->steps);
        } else if (!err.text[0])
            abort();
        lab_options_fini(options);
    }
    free(text);
    free(options);
    return 0;
}
