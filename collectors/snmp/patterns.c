/* Shell patterns over interface names. See patterns.h. */
#include "patterns.h"

#include <fnmatch.h>
#include <string.h>

#define PATTERN_MAX 128

/* The next word, without its `!`; NULL at the end. A word that is too long matches nothing. */
static const char *next_word(const char *text, char *word, bool *is_exclusion)
{
    size_t length;

    text += strspn(text, " \t");
    if (!*text)
        return NULL;
    length = strcspn(text, " \t");
    *is_exclusion = *text == '!';
    word[0] = '\0';
    if (length < PATTERN_MAX) {
        memcpy(word, text + *is_exclusion, length - *is_exclusion);
        word[length - *is_exclusion] = '\0';
    }
    return text + length;
}

bool phu_patterns_match(const char *patterns, const char *name)
{
    char word[PATTERN_MAX];
    bool is_exclusion, has_inclusion = false, is_included = false;

    if (!patterns[0] || strcmp(patterns, "*") == 0)
        return true;
    while ((patterns = next_word(patterns, word, &is_exclusion))) {
        bool is_hit = word[0] && fnmatch(word, name, 0) == 0;

        if (is_exclusion && is_hit)
            return false;
        has_inclusion |= !is_exclusion;
        is_included |= !is_exclusion && is_hit;
    }
    return is_included || !has_inclusion;
}
