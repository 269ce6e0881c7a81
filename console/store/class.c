/* How fields add up, by the conventions of the catalogue (docs/metrics.md). */
#include "dict.h"

#include <string.h>

static bool is(struct phu_slice slice, const char *text)
{
    return slice.length == strlen(text) && memcmp(slice.at, text, slice.length) == 0;
}

enum phu_class phu_class_of(struct phu_slice measurement)
{
    static const char *const windows[] = {"coverage", "device",    "icmp", "tcp",        "http",
                                          "dns",      "stamp",     "snmp", "throughput", "signal",
                                          "optics",   "interface", "pon",  "radio",      "power",
                                          "sensor",   "passive"};

    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        if (is(measurement, windows[i]))
            return PHU_CLASS_WINDOW;
    if (is(measurement, "agent"))
        return PHU_CLASS_AGENT;
    if (is(measurement, "state"))
        return PHU_CLASS_STATE;
    return is(measurement, "event") ? PHU_CLASS_EVENT : PHU_CLASS_OTHER;
}

/* "_min" or "_max" at the end or before a unit, not at the beginning. */
static bool has_part(struct phu_slice name, const char *part)
{
    size_t length = strlen(part);

    for (size_t i = 1; i + length <= name.length; i++)
        if (memcmp(name.at + i, part, length) == 0 &&
            (i + length == name.length || name.at[i + length] == '_'))
            return true;
    return false;
}

enum phu_how phu_how_of(enum phu_class class, struct phu_slice field, enum phu_cell_type type)
{
    if (type == PHU_CELL_TEXT || type == PHU_CELL_BOOL)
        return PHU_HOW_LATEST;
    switch (class) {
    case PHU_CLASS_AGENT:
        return PHU_HOW_GAUGE;
    case PHU_CLASS_STATE:
    case PHU_CLASS_EVENT:
        return PHU_HOW_LATEST;
    case PHU_CLASS_OTHER:
        return PHU_HOW_STATS;
    case PHU_CLASS_WINDOW:
        break;
    }
    if (has_part(field, "_min"))
        return PHU_HOW_MIN;
    return has_part(field, "_max") ? PHU_HOW_MAX : PHU_HOW_SUM;
}

bool phu_field_is_bucket(enum phu_class class, const struct phu_field *field,
                         struct phu_slice *base, uint32_t *index)
{
    const char *name = field->name.at;
    size_t length = field->name.length, digits = 0;
    uint32_t number = 0;

    while (digits < length && digits < 5 && name[length - 1 - digits] >= '0' &&
           name[length - 1 - digits] <= '9')
        digits++;
    if (!digits || length < digits + 3 || memcmp(name + length - digits - 2, "_b", 2) != 0)
        return false;
    if (class != PHU_CLASS_WINDOW || field->type != PHU_FIELD_INT || field->i < 0 ||
        (digits > 1 && name[length - digits] == '0'))
        return false;
    for (size_t i = length - digits; i < length; i++)
        number = number * 10 + (uint32_t)(name[i] - '0');
    *base = (struct phu_slice){.at = name, .length = length - digits};
    *index = number;
    return number < PHU_DICT_BUCKETS;
}
