/* Text that people write. Validation is done here, byte by byte; composing is libutf8proc's. */
#include "phusong/text.h"

#include <utf8proc.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes of the sequence that starts with `lead`, 0 if none does; `low` and `high` bound the second
 * byte, which rules out overlong forms, surrogates and what is past U+10FFFF. */
static size_t sequence_length(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0)
            *low = 0xa0;
        if (lead == 0xed)
            *high = 0x9f;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0)
            *low = 0x90;
        if (lead == 0xf4)
            *high = 0x8f;
        return 4;
    }
    return 0;
}

static bool is_sequence(const unsigned char *bytes, size_t left, size_t *length)
{
    unsigned char low, high;

    *length = sequence_length(bytes[0], &low, &high);
    if (*length == 0 || *length > left || bytes[1] < low || bytes[1] > high)
        return false;
    for (size_t i = 2; i < *length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

size_t phu_text_valid(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;

    while (at < length) {
        size_t step = 1;

        if (bytes[at] == 0)
            return at;
        if (bytes[at] >= 0x80 && !is_sequence(bytes + at, length - at, &step))
            return at;
        at += step;
    }
    return length;
}

size_t phu_text_characters(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static bool is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return true;
}

int phu_text_nfc(const char *text, size_t length, char *buffer, size_t size)
{
    utf8proc_uint8_t *composed;
    utf8proc_ssize_t result;

    if (is_ascii(text, length)) {
        if (length >= size)
            return -ENOBUFS;
        memcpy(buffer, text, length);
        buffer[length] = '\0';
        return (int)length;
    }
    result = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &composed,
                          UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (result < 0)
        return result == UTF8PROC_ERROR_NOMEM ? -ENOMEM : -EINVAL;
    if ((size_t)result >= size) {
        free(composed);
        return -ENOBUFS;
    }
    memcpy(buffer, composed, (size_t)result + 1);
    free(composed);
    return (int)result;
}

static const char id_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";

bool phu_text_is_id(const char *text)
{
    size_t length = strspn(text, id_letters);

    return length >= 1 && length <= PHU_TEXT_ID_MAX && text[length] == '\0';
}

/* Letters without their accents; NULL when `text` is not UTF-8. */
static char *strip_accents(const char *text)
{
    utf8proc_uint8_t *folded = NULL;

    if (utf8proc_map((const utf8proc_uint8_t *)text, 0, &folded,
                     UTF8PROC_NULLTERM | UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK |
                         UTF8PROC_COMPAT) < 0)
        return NULL;
    return (char *)folded;
}

/* The letter of an id that `at` begins with, or 0; *step: its bytes. Crossing a d is no accent. */
static char id_letter(const char *at, size_t *step)
{
    *step = 1;
    if (at[0] == '\xc4' && (at[1] == '\x90' || at[1] == '\x91')) {
        *step = 2;
        return at[1] == '\x90' ? 'D' : 'd';
    }
    return strchr(id_letters, *at) ? *at : 0;
}

size_t phu_text_make_id(const char *text, char id[PHU_TEXT_ID_MAX + 1])
{
    char *folded = strip_accents(text);
    size_t length = 0, step;

    for (const char *at = folded ? folded : text; *at && length < PHU_TEXT_ID_MAX; at += step) {
        char letter = id_letter(at, &step);

        if (letter)
            id[length++] = letter;
        else if (length && id[length - 1] != '-')
            id[length++] = '-';
    }
    while (length && id[length - 1] == '-')
        length--;
    id[length] = '\0';
    free(folded);
    return length;
}

/* -- Guesses ---------------------------------------------------------------------------------- */

enum { GUESS_MAX = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int fold(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '-' ? '_' : c;
}

/* Letters inserted, left out, replaced, or swapped with their neighbour (optimal string alignment).
 * Case, and hyphen for underscore, count nothing. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint8_t rows[3][GUESS_MAX + 1];

    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a_length; i++) {
        uint8_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];

        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b_length; j++) {
            bool is_same = fold(a[i - 1]) == fold(b[j - 1]);
            size_t best = least((size_t)above[j - 1] + !is_same,
                                least((size_t)above[j] + 1, (size_t)row[j - 1] + 1));

            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                best = least(best, (size_t)higher[j - 2] + 1);
            row[j] = (uint8_t)best;
        }
    }
    return rows[a_length % 3][b_length];
}

void phu_guess_offer(struct phu_guess *guess, const char *known)
{
    size_t word_length = strlen(guess->word), known_length = strlen(known);
    size_t longer = word_length > known_length ? word_length : known_length;
    size_t gap = longer - least(word_length, known_length);
    size_t limit = longer < 3 ? 0 : longer / 3, found;

    if (longer > GUESS_MAX || gap > limit)
        return;
    found = distance(guess->word, word_length, known, known_length);
    if (found > limit || (guess->nearest && found >= guess->distance))
        return;
    guess->nearest = known;
    guess->distance = found;
}
