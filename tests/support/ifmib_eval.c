/* What the interface walk makes of a recorded device: one line of JSON for the device, one for each
 * interface, with the counters as they were read. The walk asks as the collector does, and answers
 * come from the recording.
 *
 *     ifmib_eval tests/data/snmprec/vsol_v1600d.snmprec
 */
#include "ifmib.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITIONS = 12, NAMES_MAX = PHU_WALK_COLUMNS_MAX };

struct object {
    unsigned long oid[PHU_OID_MAX + PHU_INDEX_MAX];
    struct phu_varbind varbind;
};

struct device {
    struct object *objects;
    size_t count;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* -- The recording ---------------------------------------------------------------------------- */

static int compare(const unsigned long *a, size_t a_length, const unsigned long *b, size_t b_length)
{
    for (size_t i = 0; i < a_length && i < b_length; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_length > b_length) - (a_length < b_length);
}

static int by_oid(const void *a, const void *b)
{
    const struct object *left = a, *right = b;

    return compare(left->oid, left->varbind.oid_length, right->oid, right->varbind.oid_length);
}

static void take_oid(struct object *object, const char *text)
{
    char *end;

    while (isdigit((unsigned char)*text) &&
           object->varbind.oid_length < sizeof object->oid / sizeof *object->oid) {
        object->oid[object->varbind.oid_length++] = strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : end;
    }
}

static void take_text(struct phu_varbind *varbind, const char *value, size_t length, bool is_hex)
{
    char *text = must(malloc(length + 1));
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned byte = (unsigned char)value[i];

        if (is_hex) {
            if (i + 1 == length || sscanf(value + i, "%2x", &byte) != 1)
                break;
            i++;
        }
        text[used++] = (char)byte;
    }
    varbind->kind = PHU_VARBIND_TEXT;
    varbind->text = (uint8_t *)text;
    varbind->text_length = used;
}

static void take_value(struct phu_varbind *varbind, const char *tag, const char *value,
                       size_t length)
{
    switch (atoi(tag)) {
    case 2:
        varbind->kind = PHU_VARBIND_INTEGER;
        varbind->number = (uint64_t)strtoll(value, NULL, 10);
        return;
    case 65:
        varbind->kind = PHU_VARBIND_COUNTER32;
        break;
    case 66:
        varbind->kind = PHU_VARBIND_GAUGE;
        break;
    case 67:
        varbind->kind = PHU_VARBIND_TICKS;
        break;
    case 70:
        varbind->kind = PHU_VARBIND_COUNTER64;
        break;
    case 4:
        take_text(varbind, value, length, strchr(tag, 'x') && strchr(tag, 'x') < value);
        return;
    default:
        varbind->kind = PHU_VARBIND_OTHER;
        return;
    }
    varbind->number = strtoull(value, NULL, 10);
}

static struct object *next_object(struct device *device)
{
    if (!(device->count & (device->count - 1))) /* 0 or a power of two: full */
        device->objects = must(realloc(device->objects, (device->count ? 2 * device->count : 1) *
                                                            sizeof *device->objects));
    memset(&device->objects[device->count], 0, sizeof *device->objects);
    return &device->objects[device->count++];
}

static int read_recording(struct device *device, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    if (!file)
        return -errno;
    while ((length = getline(&line, &size, file)) > 0) {
        char *tag = strchr(line, '|'), *value = tag ? strchr(tag + 1, '|') : NULL;
        struct object *object;

        if (!value)
            continue;
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        *value++ = '\0';
        object = next_object(device);
        take_oid(object, line[0] == '.' ? line + 1 : line);
        take_value(&object->varbind, tag + 1, value, (size_t)(line + length - value));
    }
    free(line);
    fclose(file);
    qsort(device->objects, device->count, sizeof *device->objects, by_oid);
    for (size_t i = 0; i < device->count; i++)
        device->objects[i].varbind.oid = device->objects[i].oid;
    return 0;
}

/* -- Answering -------------------------------------------------------------------------------- */

static struct phu_varbind after(const struct device *device, const unsigned long *oid,
                                size_t length)
{
    size_t low = 0, high = device->count;

    while (low < high) {
        const struct object *object = &device->objects[(low + high) / 2];

        if (compare(object->oid, object->varbind.oid_length, oid, length) <= 0)
            low = (low + high) / 2 + 1;
        else
            high = (low + high) / 2;
    }
    if (low < device->count)
        return device->objects[low].varbind;
    return (struct phu_varbind){.oid = oid, .oid_length = length, .kind = PHU_VARBIND_END};
}

static void ask(const struct device *device, struct phu_walk *walk,
                const struct phu_walk_request *request)
{
    static struct phu_varbind answer[NAMES_MAX * REPETITIONS];
    static unsigned long oids[NAMES_MAX][PHU_OID_MAX + PHU_INDEX_MAX];
    size_t lengths[NAMES_MAX], count = 0;

    for (unsigned i = 0; i < request->name_count; i++) {
        const struct phu_walk_name *name = &request->names[i];

        lengths[i] = 0;
        for (size_t k = 0; k < name->prefix->length; k++)
            oids[i][lengths[i]++] = name->prefix->part[k];
        for (size_t k = 0; k < name->place->length; k++)
            oids[i][lengths[i]++] = name->place->part[k];
    }
    for (unsigned time = 0; time < (request->is_bulk ? request->repetitions : 1); time++) {
        for (unsigned i = time ? request->scalars : 0; i < request->name_count; i++) {
            answer[count] = after(device, oids[i], lengths[i]);
            lengths[i] = answer[count].oid_length;
            memmove(oids[i], answer[count].oid, lengths[i] * sizeof(unsigned long));
            count++;
        }
    }
    phu_walk_answer(walk, answer, count);
}

static void poll(const struct device *device, struct phu_ifmib *ifmib)
{
    const struct phu_walk_limits limits = {
        .is_bulk = true,
        .index_length = 1,
        .repetitions = REPETITIONS,
        .repetitions_max = REPETITIONS,
        .rows_max = 100000,
    };
    struct phu_ifmib_habits habits = {0};
    struct phu_walk_request request;
    struct phu_walk walk;

    phu_ifmib_reset(ifmib, limits.rows_max);
    phu_walk_init(&walk, &limits, phu_ifmib_cell, ifmib);
    phu_ifmib_plan(&walk, &habits);
    do {
        while (phu_walk_next(&walk, &request))
            ask(device, &walk, &request);
    } while (phu_ifmib_extend(ifmib, &walk, "*", &habits));
}

/* -- Printing --------------------------------------------------------------------------------- */

static void put_text(const char *key, const char *text)
{
    printf(", \"%s\": \"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void put_counter(const struct phu_ifmib_row *row, enum phu_if_counter counter,
                        const char *name)
{
    if (row->bits[counter])
        printf(", \"%s\": %" PRIu64 ", \"%s_bits\": %u", name, row->value[counter], name,
               row->bits[counter]);
}

static void put(const struct phu_ifmib *ifmib)
{
    printf("{\"interfaces\": %zu, \"wrong_types\": %u", ifmib->row_count, ifmib->wrong_types);
    if (ifmib->uptime.has_ticks)
        printf(", \"uptime\": %" PRIu32, ifmib->uptime.ticks);
    if (ifmib->uptime.has_engine_s)
        printf(", \"engine_time\": %" PRId64, ifmib->uptime.engine_s);
    puts("}");
    for (size_t i = 0; i < ifmib->row_count; i++) {
        const struct phu_ifmib_row *row = &ifmib->rows[i];

        printf("{\"index\": %" PRIu32 ", \"oper\": %u, \"admin\": %u, \"speed_bps\": %" PRIu64,
               row->index, row->oper, row->admin, row->speed_bps);
        put_text("name", row->name);
        if (row->has_discontinuity)
            printf(", \"discontinuity\": %" PRIu32, row->discontinuity);
        put_counter(row, PHU_IF_IN_OCTETS, "in_octets");
        put_counter(row, PHU_IF_OUT_OCTETS, "out_octets");
        puts("}");
    }
}

int main(int argc, char **argv)
{
    struct device device = {0};
    struct phu_ifmib ifmib = {0};
    int result;

    if (argc != 2) {
        fputs("usage: ifmib_eval RECORDING\n", stderr);
        return 2;
    }
    result = read_recording(&device, argv[1]);
    if (result) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(-result));
        return 1;
    }
    poll(&device, &ifmib);
    put(&ifmib);
    phu_ifmib_fini(&ifmib);
    for (size_t i = 0; i < device.count; i++)
        free((void *)device.objects[i].varbind.text);
    free(device.objects);
    return 0;
}
