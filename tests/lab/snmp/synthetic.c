/* Writes the lines that a recording of such a device would have. */
#include "synthetic.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERFACES_MAX = 100000, OCTETS_PER_PACKET = 500 };

struct shape {
    uint64_t interfaces;
    uint64_t rate;
};

static int parse_shape(const char *text, struct shape *shape, struct lab_error *err)
{
    *shape = (struct shape){.interfaces = 4, .rate = 125000};
    while (*text) {
        const char *comma = strchr(text, ',');
        size_t length = comma ? (size_t)(comma - text) : strlen(text);
        uint64_t *number = strncmp(text, "interfaces=", 11) == 0 ? &shape->interfaces
                           : strncmp(text, "rate=", 5) == 0      ? &shape->rate
                                                                 : NULL;
        size_t name = number == &shape->interfaces ? 11 : 5;
        char value[24];

        if (!number || length <= name || length - name >= sizeof(value))
            return lab_fail(err, "\"%.60s\": write interfaces=N or rate=N", text);
        snprintf(value, sizeof(value), "%.*s", (int)(length - name), text + name);
        if (lab_parse_number(value, 1000000000000, number, err) < 0)
            return -EINVAL;
        text += length + (comma != NULL);
    }
    if (shape->interfaces < 1 || shape->interfaces > INTERFACES_MAX)
        return lab_fail(err, "interfaces: 1 to %d", INTERFACES_MAX);
    return 0;
}

__attribute__((format(printf, 2, 3))) static void line(struct lab_recording *recording,
                                                       const char *format, ...)
{
    struct lab_error err;
    char text[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (lab_recording_take_line(recording, text, (size_t)length, &err) < 0) {
        fprintf(stderr, "phusong-lab-snmp: %s: %s\n", text, err.text);
        abort(); /* a mistake of this file */
    }
}

static void add_system(struct lab_recording *recording, const struct shape *shape)
{
    static const char *const system = "1.3.6.1.2.1.1";

    line(recording, "%s.1.0|4|phusong lab device", system);
    line(recording, "%s.2.0|6|1.3.6.1.4.1.32473.1.1", system);
    line(recording, "%s.3.0|67:numeric|rate=100,initial=8640000", system);
    line(recording, "%s.4.0|4|lab", system);
    line(recording, "%s.5.0|4|synthetic", system);
    line(recording, "%s.6.0|4|lab", system);
    line(recording, "%s.7.0|2|72", system);
    line(recording, "1.3.6.1.2.1.2.1.0|2|%llu", (unsigned long long)shape->interfaces);
    line(recording, "1.3.6.1.2.1.31.1.5.0|67|0");
    line(recording, "1.3.6.1.6.3.10.2.1.2.0|2|1");
    line(recording, "1.3.6.1.6.3.10.2.1.3.0|2:numeric|rate=1,initial=86400");
}

/* `column` of octets in or out and of packets: 32 bits in ifTable, 64 in ifXTable. */
static void add_counter(struct lab_recording *recording, const char *table, unsigned column,
                        unsigned index, unsigned type, uint64_t rate)
{
    line(recording, "1.3.6.1.2.1.%s.%u.%u|%u:numeric|rate=%llu,initial=%llu", table, column, index,
         type, (unsigned long long)rate, (unsigned long long)(rate * 1000 % 4294967296));
}

static void add_interface(struct lab_recording *recording, unsigned index, uint64_t rate)
{
    static const unsigned zeros[] = {13, 14, 15, 19, 20};
    static const unsigned wide_zeros[] = {8, 9, 12, 13};
    const char *table = "1.3.6.1.2.1.2.2.1";
    const char *wide = "1.3.6.1.2.1.31.1.1.1";

    line(recording, "%s.1.%u|2|%u", table, index, index);
    line(recording, "%s.2.%u|4|lab interface %u", table, index, index);
    line(recording, "%s.3.%u|2|6", table, index);
    line(recording, "%s.4.%u|2|1500", table, index);
    line(recording, "%s.5.%u|66|1000000000", table, index);
    line(recording, "%s.6.%u|4x|0200%08x", table, index, index);
    line(recording, "%s.7.%u|2|1", table, index);
    line(recording, "%s.8.%u|2|1", table, index);
    line(recording, "%s.9.%u|67|0", table, index);
    add_counter(recording, "2.2.1", 10, index, 65, rate);
    add_counter(recording, "2.2.1", 11, index, 65, rate / OCTETS_PER_PACKET);
    add_counter(recording, "2.2.1", 16, index, 65, rate / 2);
    add_counter(recording, "2.2.1", 17, index, 65, rate / 2 / OCTETS_PER_PACKET);
    for (size_t i = 0; i < sizeof(zeros) / sizeof(*zeros); i++)
        line(recording, "%s.%u.%u|65|0", table, zeros[i], index);
    line(recording, "%s.1.%u|4|lab%u", wide, index, index);
    add_counter(recording, "31.1.1.1", 6, index, 70, rate);
    add_counter(recording, "31.1.1.1", 7, index, 70, rate / OCTETS_PER_PACKET);
    add_counter(recording, "31.1.1.1", 10, index, 70, rate / 2);
    add_counter(recording, "31.1.1.1", 11, index, 70, rate / 2 / OCTETS_PER_PACKET);
    for (size_t i = 0; i < sizeof(wide_zeros) / sizeof(*wide_zeros); i++)
        line(recording, "%s.%u.%u|70|0", wide, wide_zeros[i], index);
    line(recording, "%s.14.%u|2|1", wide, index);
    line(recording, "%s.15.%u|66|1000", wide, index);
    line(recording, "%s.16.%u|2|2", wide, index);
    line(recording, "%s.17.%u|2|1", wide, index);
    line(recording, "%s.18.%u|4|hamlet %u", wide, index, index);
    line(recording, "%s.19.%u|67|0", wide, index);
}

int lab_synthetic_make(const char *text, struct lab_recording **recording, struct lab_error *err)
{
    struct shape shape;

    if (parse_shape(text, &shape, err) < 0)
        return -EINVAL;
    *recording = lab_recording_new("synthetic");
    add_system(*recording, &shape);
    for (unsigned i = 1; i <= shape.interfaces; i++)
        add_interface(*recording, i, shape.rate * i);
    lab_recording_sort(*recording);
    return 0;
}
