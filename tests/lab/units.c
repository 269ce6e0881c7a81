/* Reads and writes quantities with units. Pure: owns nothing, keeps nothing. */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit durations[] = {
    {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9},
};

static const struct unit sizes[] = {
    {"B", 1},          {"kB", 1e3},       {"MB", 1e6},
    {"GB", 1e9},       {"KiB", 1024},     {"MiB", 1024.0 * 1024},
    {"kbit", 1e3 / 8}, {"Mbit", 1e6 / 8}, {"Gbit", 1e9 / 8},
};

int lab_fail(struct lab_error *err, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* strtod alone would also take "inf", "nan", "0x1" and leading blanks. */
static int parse_decimal(const char *text, double *value, const char **rest)
{
    char *end;

    if (!isdigit((unsigned char)text[0]) || text[1] == 'x' || text[1] == 'X')
        return -EINVAL;
    errno = 0;
    *value = strtod(text, &end);
    if (errno || !isfinite(*value))
        return -EINVAL;
    *rest = end;
    return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

int lab_parse_duration(const char *text, int64_t *ns, struct lab_error *err)
{
    const struct unit *unit;
    const char *rest;
    double value;

    if (parse_decimal(text, &value, &rest) == 0) {
        if (value == 0 && *rest == '\0') {
            *ns = 0;
            return 0;
        }
        unit = find_unit(durations, sizeof(durations) / sizeof(*durations), rest);
        if (unit && value * unit->factor <= 30 * 86400e9) {
            *ns = llround(value * unit->factor);
            return 0;
        }
    }
    return lab_fail(err,
                    "\"%.40s\" is no duration: write a number with ns, us, ms, s, m or h, "
                    "at most 720h, as in 20ms",
                    text);
}

int lab_parse_share(const char *text, double *share, struct lab_error *err)
{
    const char *rest;
    double value;

    if (parse_decimal(text, &value, &rest) == 0 && strcmp(rest, "%") == 0 && value <= 100) {
        *share = value / 100;
        return 0;
    }
    return lab_fail(err, "\"%.40s\" is no share: write a percentage from 0%% to 100%%, as in 2%%",
                    text);
}

int lab_parse_bytes(const char *text, uint64_t *bytes, struct lab_error *err)
{
    const struct unit *unit;
    const char *rest;
    double value;

    if (parse_decimal(text, &value, &rest) == 0) {
        unit = find_unit(sizes, sizeof(sizes) / sizeof(*sizes), rest);
        if (unit && value * unit->factor <= 1e12) {
            *bytes = (uint64_t)llround(value * unit->factor);
            return 0;
        }
    }
    return lab_fail(err,
                    "\"%.40s\" is no amount of bytes: write a number with B, kB, MB, KiB, MiB, "
                    "kbit, Mbit or Gbit, as in 1MB",
                    text);
}

int lab_parse_number(const char *text, uint64_t max, uint64_t *number, struct lab_error *err)
{
    char *end = NULL;
    unsigned long long value = 0;

    errno = 0;
    if (isdigit((unsigned char)text[0]))
        value = strtoull(text, &end, 10);
    if (!end || *end || errno || value > max)
        return lab_fail(err, "\"%.40s\" is no whole number from 0 to %" PRIu64, text, max);
    *number = value;
    return 0;
}

char *lab_format_duration(int64_t ns, char *out, size_t size)
{
    static const struct {
        int64_t ns;
        const char *name;
    } steps[] = {{3600000000000, "h"}, {60000000000, "m"}, {1000000000, "s"},
                 {1000000, "ms"},      {1000, "us"},       {1, "ns"}};
    size_t i = 0;

    if (ns == 0)
        snprintf(out, size, "0");
    else {
        while (ns % steps[i].ns != 0)
            i++;
        snprintf(out, size, "%" PRId64 "%s", ns / steps[i].ns, steps[i].name);
    }
    return out;
}
