/* Raw values as they are, and what they are compared with. */
#include "profile_cell.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- Cells ------------------------------------------------------------------------------------ */

struct phu_cell phu_cell_masked(const struct phu_profile_column *column,
                                const struct phu_cell *cell)
{
    struct phu_cell masked = *cell;

    if (column->mask)
        masked.number &= column->mask;
    return masked;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r');
}

struct phu_subject phu_subject_trim(struct phu_subject subject)
{
    while (subject.length && is_blank(subject.text[subject.length - 1]))
        subject.length--;
    while (subject.length && is_blank(subject.text[0])) {
        subject.text++;
        subject.length--;
    }
    return subject;
}

struct phu_subject phu_cell_subject(const struct phu_cell *cell)
{
    return phu_subject_trim((struct phu_subject){(const char *)cell->text, cell->text_length});
}

/* -- Comparing raw values --------------------------------------------------------------------- */

bool phu_profile_is_number(const char *text, int64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)text[text[0] == '-']))
        return false;
    errno = 0;
    *number = text[0] == '-' ? strtoll(text, &end, 10) : (int64_t)strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

void phu_profile_pattern_init(struct phu_profile_pattern *pattern, const char *text)
{
    *pattern = (struct phu_profile_pattern){.text = text, .length = strlen(text)};
    pattern->is_prefix = pattern->length && text[pattern->length - 1] == '*';
    pattern->length -= pattern->is_prefix;
    pattern->is_number = phu_profile_is_number(text, &pattern->number);
}

bool phu_pattern_is_text(const struct phu_profile_pattern *pattern, struct phu_subject subject)
{
    if (pattern->is_prefix ? subject.length < pattern->length : subject.length != pattern->length)
        return false;
    return !pattern->length || strncasecmp(subject.text, pattern->text, pattern->length) == 0;
}

int64_t phu_cell_in_bits(uint64_t number, uint8_t bits)
{
    if (bits == 8)
        return (int8_t)number;
    if (bits == 16)
        return (int16_t)number;
    if (bits == 32)
        return (int32_t)number;
    return (int64_t)number;
}

static bool is_same(const struct phu_profile_pattern *pattern, const struct phu_cell *cell,
                    struct phu_subject subject, uint8_t bits)
{
    if (phu_cell_is_text(cell))
        return phu_pattern_is_text(pattern, subject);
    if (pattern->is_prefix)
        return pattern->length == 0;
    return pattern->is_number && (pattern->number == (int64_t)cell->number ||
                                  pattern->number == phu_cell_in_bits(cell->number, bits));
}

int phu_pattern_find(const struct phu_profile_pattern *patterns, size_t count,
                     const struct phu_cell *cell, struct phu_subject subject, uint8_t bits)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same(&patterns[i], cell, subject, bits))
            return (int)i;
    }
    return -1;
}
