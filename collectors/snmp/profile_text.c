/* What texts of devices hold: numbers, times, serial numbers, and what an expression finds. */
#include "profile_cell.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 64 };

bool phu_subject_extract(const regex_t *expression, const struct phu_cell *cell,
                         struct phu_subject *subject, char room[PHU_SUBJECT_MAX])
{
    regmatch_t found[2];

    if (phu_cell_is_text(cell)) {
        size_t length = subject->length < PHU_SUBJECT_MAX ? subject->length : PHU_SUBJECT_MAX - 1;

        for (size_t i = 0; i < length; i++)
            room[i] = subject->text[i] ? subject->text[i] : ' ';
        room[length] = '\0';
    } else {
        snprintf(room, PHU_SUBJECT_MAX, "%lld", (long long)cell->number);
    }
    if (regexec(expression, room, 2, found, 0) != 0 || found[1].rm_so < 0)
        return false;
    *subject = phu_subject_trim(
        (struct phu_subject){room + found[1].rm_so, (size_t)(found[1].rm_eo - found[1].rm_so)});
    return true;
}

/* The number at the start of a text: "-71 dBm" is -71. */
bool phu_subject_number(struct phu_subject subject, double *number)
{
    char digits[DIGITS_MAX], *end;
    size_t length = 0;

    while (length < subject.length && length < DIGITS_MAX - 1 && subject.text[length] &&
           strchr("+-.0123456789eE", subject.text[length])) {
        digits[length] = subject.text[length];
        length++;
    }
    digits[length] = '\0';
    *number = strtod(digits, &end);
    return end != digits && isfinite(*number);
}

/* Up to `most` digits, and what follows them in *text; false when there are none. */
static bool read_digits(const char **text, size_t most, double *number)
{
    size_t count = 0;

    *number = 0;
    while (count < most && isdigit((unsigned char)**text)) {
        *number = *number * 10 + (*(*text)++ - '0');
        count++;
    }
    return count > 0;
}

/* "hh:mm:ss", with up to seven digits of hours. */
bool phu_subject_clock(struct phu_subject subject, double *seconds)
{
    char text[DIGITS_MAX];
    const char *at = text;
    double hours, minutes, rest;

    snprintf(text, sizeof text, "%.*s", (int)(subject.length < 32 ? subject.length : 32),
             subject.length ? subject.text : "");
    if (!read_digits(&at, 7, &hours) || *at++ != ':' || !read_digits(&at, 2, &minutes) ||
        *at++ != ':' || !read_digits(&at, 2, &rest) || *at)
        return false;
    *seconds = hours * 3600 + minutes * 60 + rest;
    return minutes < 60 && rest < 60;
}

void phu_subject_serial(struct phu_subject subject, char text[PHU_METRIC_TEXT_MAX + 1])
{
    const unsigned char *bytes = (const unsigned char *)subject.text;
    size_t letters = subject.length == 8 ? 4 : 0, used = 0;
    bool is_readable = subject.length != 8;

    for (size_t i = 0; i < letters; i++)
        letters = isalnum(bytes[i]) ? letters : 0;
    for (size_t i = 0; i < subject.length; i++)
        is_readable = is_readable && bytes[i] >= 0x20 && bytes[i] < 0x7f;
    if (is_readable) {
        phu_ifname_clean(bytes, subject.length, text);
        return;
    }
    for (size_t i = 0; i < subject.length && used + 2 <= PHU_METRIC_TEXT_MAX; i++)
        used += (size_t)snprintf(text + used, 3, i < letters ? "%c" : "%02X", bytes[i]);
    text[used] = '\0';
}
