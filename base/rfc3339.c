#include "rfc3339.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "HH:MM" with plausible numbers, as seconds. */
static bool take_clock(const char **text, int *seconds)
{
    const char *at = *text;

    if (!isdigit((unsigned char)at[0]) || !isdigit((unsigned char)at[1]) || at[2] != ':' ||
        !isdigit((unsigned char)at[3]) || !isdigit((unsigned char)at[4]))
        return false;
    *seconds = ((at[0] - '0') * 10 + at[1] - '0') * 3600 + ((at[3] - '0') * 10 + at[4] - '0') * 60;
    *text = at + 5;
    return *seconds < 24 * 3600 && at[3] < '6';
}

static bool take_fraction(const char **text, int64_t *ns)
{
    int64_t unit = PHU_NS_PER_S / 10;

    if (**text != '.')
        return true;
    if (!isdigit((unsigned char)*++*text))
        return false;
    for (; isdigit((unsigned char)**text); ++*text, unit /= 10)
        *ns += (**text - '0') * unit;
    return true;
}

static bool take_zone(const char **text, int *offset)
{
    int sign = **text == '-' ? -1 : 1;

    *offset = 0;
    if (**text == 'Z' || **text == 'z') {
        ++*text;
        return true;
    }
    if (**text != '+' && **text != '-')
        return false;
    ++*text;
    if (!take_clock(text, offset))
        return false;
    *offset *= sign;
    return true;
}

static bool take_seconds(const char **text, int *seconds)
{
    const char *at = *text;

    *seconds = 0;
    if (at[0] != ':')
        return true;
    if (!isdigit((unsigned char)at[1]) || !isdigit((unsigned char)at[2]) || at[1] > '6')
        return false;
    *seconds = (at[1] - '0') * 10 + at[2] - '0';
    *text = at + 3;
    return *seconds <= 60;
}

static bool take_date(const char **text, struct tm *tm)
{
    const char *rest;

    *tm = (struct tm){0};
    if (strlen(*text) < 10 || strspn(*text, "0123456789") != 4)
        return false;
    rest = strptime(*text, "%Y-%m-%d", tm);
    if (!rest || rest != *text + 10)
        return false;
    *text = rest;
    return true;
}

int phu_rfc3339_parse(const char *text, struct phu_wall *at)
{
    struct tm tm, check;
    int clock = 0, seconds = 0, offset = 0;
    int64_t ns = 0;
    time_t days;

    if (!take_date(&text, &tm))
        return -EINVAL;
    check = tm;
    days = timegm(&check);
    if (check.tm_mday != tm.tm_mday) /* 31 February */
        return -EINVAL;
    if (*text) {
        if (*text != 'T' && *text != 't' && *text != ' ')
            return -EINVAL;
        text++;
        if (!take_clock(&text, &clock) || !take_seconds(&text, &seconds) ||
            !take_fraction(&text, &ns) || !take_zone(&text, &offset) || *text)
            return -EINVAL;
    }
    if (days < -INT64_C(9000000000) || days > INT64_C(9000000000))
        return -EINVAL;
    at->ns = ((int64_t)days + clock + seconds - offset) * PHU_NS_PER_S + ns;
    return 0;
}

void phu_rfc3339_format(char text[PHU_RFC3339_SIZE], struct phu_wall at)
{
    time_t seconds = (time_t)(at.ns / PHU_NS_PER_S - (at.ns % PHU_NS_PER_S < 0));
    struct tm tm;

    if (!at.ns || !gmtime_r(&seconds, &tm) ||
        !strftime(text, PHU_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm))
        memcpy(text, "-", 2);
}
