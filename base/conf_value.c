/* Texts of scalar options to values. Decimal fractions of units are worked out in integers: 0.1s
 * is exactly 100 ms.
 */
#include "conf_value.h"

#include "phusong/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", INT64_C(60000000000)},
    {"h", INT64_C(3600000000000)},
    {"d", INT64_C(86400000000000)},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", 1024},
    {"MiB", 1048576},
    {"GiB", INT64_C(1073741824)},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", INT64_C(1000000000)},
    {"TiB", INT64_C(1099511627776)},
    {"TB", INT64_C(1000000000000)},
    {NULL, 0},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits to *value; returns how many there were, or -ERANGE. */
static int read_digits(const char *text, int64_t *value)
{
    int count = 0;

    *value = 0;
    for (; is_digit(text[count]); count++) {
        if (*value > (INT64_MAX - 9) / 10)
            return -ERANGE;
        *value = *value * 10 + (text[count] - '0');
    }
    return count;
}

/* The digits behind the decimal point, times factor, where that is a whole number. Worked out from
 * the last one: a remainder on the way cannot vanish again. */
static int read_fraction(const char *digits, int count, int64_t factor, int64_t *value)
{
    *value = 0;
    while (count-- > 0) {
        *value += (digits[count] - '0') * factor;
        if (*value % 10)
            return -EINVAL;
        *value /= 10;
    }
    return 0;
}

static int parse_unit(const char *text, const struct unit *units, int64_t *value)
{
    int64_t whole, part = 0, unused;
    int count = read_digits(text, &whole), part_count = 0;
    const char *fraction = NULL, *name;

    if (count <= 0)
        return count < 0 ? count : -EINVAL;
    name = text + count;
    if (*name == '.') {
        fraction = name + 1;
        part_count = read_digits(fraction, &unused);
        if (part_count <= 0)
            return -EINVAL;
        name = fraction + part_count;
    }
    while (units->name && strcmp(units->name, name) != 0)
        units++;
    if (!units->name)
        return -EINVAL;
    if (fraction && read_fraction(fraction, part_count, units->factor, &part) < 0)
        return -EINVAL;
    if (__builtin_mul_overflow(whole, units->factor, &whole) ||
        __builtin_add_overflow(whole, part, value))
        return -ERANGE;
    return 0;
}

int phu_conf_parse_duration(const char *text, int64_t *ns)
{
    return parse_unit(text, duration_units, ns);
}

int phu_conf_parse_size(const char *text, int64_t *bytes)
{
    return parse_unit(text, size_units, bytes);
}

static int parse_int(const char *text, int64_t *value)
{
    bool is_negative = text[0] == '-';
    int count = read_digits(text + is_negative, value);

    if (count < 0)
        return count;
    if (count == 0 || text[is_negative + count] != '\0')
        return -EINVAL;
    if (is_negative)
        *value = -*value;
    return 0;
}

static int parse_number(const char *text, double *value)
{
    char *end;

    if (!text[0] || text[strspn(text, "0123456789.+-eE")] != '\0')
        return -EINVAL;
    *value = strtod(text, &end);
    if (end == text || *end)
        return -EINVAL;
    return isfinite(*value) ? 0 : -ERANGE;
}

static int parse_share(const char *text, double *value)
{
    char digits[32];
    size_t length = strlen(text);

    if (length < 2 || length > sizeof digits || text[length - 1] != '%' ||
        text[strspn(text, "0123456789.")] != '%')
        return -EINVAL;
    memcpy(digits, text, length - 1);
    digits[length - 1] = '\0';
    if (parse_number(digits, value) < 0)
        return -EINVAL;
    *value /= 100;
    return *value <= 1 ? 0 : -ERANGE;
}

static int parse_bool(const char *text, bool *value)
{
    *value = strcmp(text, "true") == 0;
    return *value || strcmp(text, "false") == 0 ? 0 : -EINVAL;
}

bool phu_conf_is_number(enum phu_option_type type)
{
    return type <= PHU_OPTION_SHARE || type == PHU_OPTION_CHOICE;
}

const char *phu_conf_type_words(enum phu_option_type type)
{
    switch (type) {
    case PHU_OPTION_BOOL:
        return "true or false";
    case PHU_OPTION_INT:
        return "a whole number";
    case PHU_OPTION_NUMBER:
        return "a number";
    case PHU_OPTION_DURATION:
        return "a duration with its unit, such as 500ms, 10s, 5m, 1h or 7d";
    case PHU_OPTION_SIZE:
        return "a size with its unit, such as 512B, 64KiB, 16MiB or 2GB";
    case PHU_OPTION_SHARE:
        return "a share in per cent, such as 5%, from 0% to 100%";
    case PHU_OPTION_STRING:
        return "a text";
    case PHU_OPTION_PATH:
        return "a path";
    case PHU_OPTION_CHOICE:
        return "one of several words";
    case PHU_OPTION_SECRET:
        return "a path to a file, or credential:NAME";
    case PHU_OPTION_STRINGS:
        return "a list of texts, such as [a, b]";
    case PHU_OPTION_MAP:
        return "pairs of texts, such as {a: b}";
    case PHU_OPTION_TABLE:
        return "a section of keys";
    case PHU_OPTION_LIST:
    case PHU_OPTION_VARIANTS:
        return "a list of entries, each starting with \"- \"";
    }
    return "";
}

const char *phu_conf_type_name(enum phu_option_type type)
{
    static const char *const names[] = {
        [PHU_OPTION_BOOL] = "true/false",
        [PHU_OPTION_INT] = "integer",
        [PHU_OPTION_NUMBER] = "number",
        [PHU_OPTION_DURATION] = "duration",
        [PHU_OPTION_SIZE] = "size",
        [PHU_OPTION_SHARE] = "share",
        [PHU_OPTION_STRING] = "text",
        [PHU_OPTION_PATH] = "path",
        [PHU_OPTION_CHOICE] = "choice",
        [PHU_OPTION_SECRET] = "secret",
        [PHU_OPTION_STRINGS] = "list of texts",
        [PHU_OPTION_TABLE] = "section",
        [PHU_OPTION_LIST] = "list",
        [PHU_OPTION_VARIANTS] = "list",
        [PHU_OPTION_MAP] = "pairs of texts",
    };

    return names[type];
}

/* -- Ranges ----------------------------------------------------------------------------------- */

static int parse_any(const struct phu_option *option, const char *text, union phu_conf_value *value)
{
    switch (option->type) {
    case PHU_OPTION_BOOL:
        return parse_bool(text, &value->b);
    case PHU_OPTION_INT:
        return parse_int(text, &value->i);
    case PHU_OPTION_NUMBER:
        return parse_number(text, &value->d);
    case PHU_OPTION_DURATION:
        return phu_conf_parse_duration(text, &value->i);
    case PHU_OPTION_SIZE:
        return phu_conf_parse_size(text, &value->i);
    case PHU_OPTION_SHARE:
        return parse_share(text, &value->d);
    case PHU_OPTION_CHOICE:
        for (value->choice = 0; option->choices[value->choice]; value->choice++) {
            if (strcmp(option->choices[value->choice], text) == 0)
                return 0;
        }
        return -EINVAL;
    case PHU_OPTION_STRING:
    case PHU_OPTION_PATH:
    case PHU_OPTION_SECRET:
    case PHU_OPTION_STRINGS:
    case PHU_OPTION_MAP:
    case PHU_OPTION_TABLE:
    case PHU_OPTION_LIST:
    case PHU_OPTION_VARIANTS:
        break;
    }
    return -EINVAL;
}

/* Less than 0: `a` lies below `b`. */
static int compare(enum phu_option_type type, const union phu_conf_value *a,
                   const union phu_conf_value *b)
{
    if (type == PHU_OPTION_NUMBER || type == PHU_OPTION_SHARE)
        return (a->d > b->d) - (a->d < b->d);
    return (a->i > b->i) - (a->i < b->i);
}

static bool is_in_range(const struct phu_option *option, const union phu_conf_value *value)
{
    union phu_conf_value bound;

    if (option->type == PHU_OPTION_BOOL || option->type == PHU_OPTION_CHOICE)
        return true;
    if (option->min && parse_any(option, option->min, &bound) == 0 &&
        compare(option->type, value, &bound) < 0)
        return false;
    return !(option->max && parse_any(option, option->max, &bound) == 0 &&
             compare(option->type, value, &bound) > 0);
}

static void say_range(const struct phu_option *option, const char *text, char *why, size_t size)
{
    if (option->min && option->max)
        snprintf(why, size, "\"%s\" is %s, outside its range of %s to %s", option->name, text,
                 option->min, option->max);
    else if (option->min)
        snprintf(why, size, "\"%s\" is %s, it must be at least %s", option->name, text,
                 option->min);
    else if (option->max)
        snprintf(why, size, "\"%s\" is %s, it must be at most %s", option->name, text, option->max);
    else
        snprintf(why, size, "\"%s\" is %s, which is too large", option->name, text);
}

/* -- What is wrong ---------------------------------------------------------------------------- */

static void say_choices(const struct phu_option *option, const char *text, char *why, size_t size)
{
    struct phu_guess guess = {.word = text};
    int used = snprintf(why, size, "\"%s\" cannot be \"%.40s\"; ", option->name, text);

    for (size_t i = 0; option->choices[i]; i++)
        phu_guess_offer(&guess, option->choices[i]);
    if (guess.nearest && used > 0 && (size_t)used < size) {
        used += snprintf(why + used, size - (size_t)used, "did you mean \"%s\"? ", guess.nearest);
    }
    for (size_t i = 0; option->choices[i] && used > 0 && (size_t)used < size; i++)
        used += snprintf(why + used, size - (size_t)used, "%s%s", i ? ", " : "it is one of ",
                         option->choices[i]);
}

static bool is_bare_number(const char *text)
{
    double unused;

    return parse_number(text, &unused) == 0;
}

static const char *unit_hint(enum phu_option_type type)
{
    switch (type) {
    case PHU_OPTION_DURATION:
        return "s";
    case PHU_OPTION_SIZE:
        return "B";
    case PHU_OPTION_SHARE:
        return "%";
    case PHU_OPTION_BOOL:
    case PHU_OPTION_INT:
    case PHU_OPTION_NUMBER:
    case PHU_OPTION_STRING:
    case PHU_OPTION_PATH:
    case PHU_OPTION_CHOICE:
    case PHU_OPTION_SECRET:
    case PHU_OPTION_STRINGS:
    case PHU_OPTION_MAP:
    case PHU_OPTION_TABLE:
    case PHU_OPTION_LIST:
    case PHU_OPTION_VARIANTS:
        break;
    }
    return NULL;
}

static void say_invalid(const struct phu_option *option, const char *text, char *why, size_t size)
{
    const char *unit = unit_hint(option->type);
    double number;

    if (option->type == PHU_OPTION_CHOICE)
        say_choices(option, text, why, size);
    else if (option->type == PHU_OPTION_SHARE && parse_number(text, &number) == 0 && number > 0 &&
             number < 1)
        snprintf(why, size, "\"%s\" is a share in per cent; write %g%% for %.40s", option->name,
                 number * 100, text);
    else if (unit && is_bare_number(text))
        snprintf(why, size, "\"%s\" has no unit; write %.40s%s if that is what is meant",
                 option->name, text, unit);
    else
        snprintf(why, size, "\"%s\" is \"%.40s\", it must be %s", option->name, text,
                 phu_conf_type_words(option->type));
}

static bool must_be_plain(enum phu_option_type type)
{
    return type == PHU_OPTION_BOOL || type == PHU_OPTION_INT || type == PHU_OPTION_NUMBER;
}

int phu_conf_value_parse(const struct phu_option *option, const char *text, bool is_quoted,
                         union phu_conf_value *value, char *why, size_t size)
{
    int result = parse_any(option, text, value);

    if (result == 0 && is_quoted && must_be_plain(option->type)) {
        snprintf(why, size, "\"%s\" must be %s; remove the quotes", option->name,
                 phu_conf_type_words(option->type));
        return -EINVAL;
    }
    if (result == -ERANGE || (result == 0 && !is_in_range(option, value))) {
        say_range(option, text, why, size);
        return -EINVAL;
    }
    if (result < 0)
        say_invalid(option, text, why, size);
    return result < 0 ? -EINVAL : 0;
}
