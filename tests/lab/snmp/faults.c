/* Owns the list: prefixes first, shortest first, then single hosts by address, so that the hosts of
 * one device are found by a search and the rest is looked through. */
#include "faults.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lab_faults {
    struct lab_fault *items;
    size_t count;
    size_t room;
    size_t first_host;
    uint64_t next_order;
    uint64_t seed;
    bool is_sorted;
};

typedef int parse_value(const char *text, struct lab_fault *fault, struct lab_error *err);

struct kind {
    const char *name;
    const char *value; /* NULL: takes none */
    const char *help;
    parse_value *parse;
};

static int keep_bytes(struct lab_fault *fault, const void *bytes, size_t length)
{
    fault->bytes = malloc(length + 1);
    if (!fault->bytes)
        return -ENOMEM;
    memcpy(fault->bytes, bytes, length);
    fault->bytes[length] = 0;
    fault->length = (uint16_t)length;
    return 0;
}

static int parse_share(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    return lab_parse_share(text, &fault->number, err);
}

static int parse_duration(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    int64_t ns;
    int error = lab_parse_duration(text, &ns, err);

    if (error == 0)
        fault->number = (double)ns;
    return error;
}

static int parse_count(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    uint64_t number;
    int error = lab_parse_number(text, 65535, &number, err);

    if (error == 0 && number == 0)
        return lab_fail(err, "1 to 65535");
    fault->number = (double)number;
    return error;
}

static int parse_copies(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    int error = parse_count(text, fault, err);

    return error == 0 && fault->number > 16 ? lab_fail(err, "at most 16 more") : error;
}

static int parse_oid(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    uint8_t ber[LAB_OID_BYTES];
    uint8_t key[LAB_OID_BYTES];
    int length = lab_oid_parse(text, strlen(text), ber);

    if (length < 0)
        return lab_fail(err, "\"%.60s\" is no object identifier", text);
    length = lab_oid_key(ber, (size_t)length, key);
    return keep_bytes(fault, key, (size_t)length);
}

static int parse_name(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    size_t length = strlen(text);

    if (length == 0 || length > 255)
        return lab_fail(err, "a name has 1 to 255 characters");
    return keep_bytes(fault, text, length);
}

static int parse_engine(const char *text, struct lab_fault *fault, struct lab_error *err)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = strlen(text) / 2;
    uint8_t bytes[32];

    if (length < 5 || length > sizeof(bytes) || strlen(text) % 2 ||
        strspn(text, "0123456789abcdefABCDEF") != strlen(text))
        return lab_fail(err, "an engine id is 5 to 32 bytes in hexadecimal, as in 80007ed90301");
    for (size_t i = 0; i < length; i++) {
        size_t high = (size_t)(strchr(digits, tolower((unsigned char)text[2 * i])) - digits);
        size_t low = (size_t)(strchr(digits, tolower((unsigned char)text[2 * i + 1])) - digits);

        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return keep_bytes(fault, bytes, length);
}

static const struct kind kinds[LAB_FAULT_KINDS] = {
    [LAB_FAULT_SILENCE] = {"silence", NULL, "no answer", NULL},
    [LAB_FAULT_DROP] = {"drop", "P%", "no answer to that share of the requests", parse_share},
    [LAB_FAULT_DELAY] = {"delay", "DURATION", "answers so much later", parse_duration},
    [LAB_FAULT_DUPLICATE] = {"duplicate", "N", "N more copies of each answer", parse_copies},
    [LAB_FAULT_CUT] = {"cut", "N", "only the first N bytes of the datagram", parse_count},
    [LAB_FAULT_WRONG_ID] = {"wrong-id", NULL, "request-id + 1", NULL},
    [LAB_FAULT_WRONG_SOURCE] = {"wrong-source", NULL, "answers from the next address", NULL},
    [LAB_FAULT_TOO_BIG] = {"toobig", "N", "tooBig when more than N variables are wanted",
                           parse_count},
    [LAB_FAULT_MOST] = {"most", "N", "at most N variables in the answer to a GETBULK", parse_count},
    [LAB_FAULT_BYTES] = {"bytes", "N", "answers of at most N bytes, tooBig where less will not do",
                         parse_count},
    [LAB_FAULT_NO_BULK] = {"no-bulk", NULL, "no answer to GETBULK", NULL},
    [LAB_FAULT_BACKWARDS] = {"backwards", NULL, "the next object is the one before", NULL},
    [LAB_FAULT_STUCK] = {"stuck", NULL, "the next object is the same again", NULL},
    [LAB_FAULT_REVERSED] = {"reversed", NULL, "variables in the opposite order", NULL},
    [LAB_FAULT_GEN_ERR] = {"generr", "OID", "genErr for what is at or below", parse_oid},
    [LAB_FAULT_REBOOT] = {"reboot", NULL, "starts again: what moves counts from 0", NULL},
    [LAB_FAULT_RECORDING] = {"recording", "NAME", "answers from that recording", parse_name},
    [LAB_FAULT_ENGINE] = {"engine", "HEX", "that engine id (v3)", parse_engine},
    [LAB_FAULT_CLOCK] = {"clock", "DURATION", "an engine time that is so far ahead (v3)",
                         parse_duration},
};

struct lab_faults *lab_faults_new(uint64_t seed)
{
    struct lab_faults *faults = calloc(1, sizeof(*faults));

    if (!faults) {
        perror("phusong-lab-snmp: out of memory");
        exit(1);
    }
    faults->seed = seed;
    return faults;
}

void lab_faults_free(struct lab_faults *faults)
{
    if (!faults)
        return;
    for (size_t i = 0; i < faults->count; i++)
        free(faults->items[i].bytes);
    free(faults->items);
    free(faults);
}

static void add(struct lab_faults *faults, const struct lab_fault *fault)
{
    if (faults->count == faults->room) {
        size_t room = faults->room ? 2 * faults->room : 64;
        struct lab_fault *items = realloc(faults->items, room * sizeof(*items));

        if (!items) {
            perror("phusong-lab-snmp: out of memory");
            exit(1);
        }
        faults->items = items;
        faults->room = room;
    }
    faults->items[faults->count] = *fault;
    faults->items[faults->count++].order = faults->next_order++;
    faults->is_sorted = false;
}

static int compare(const void *left, const void *right)
{
    const struct lab_fault *a = left;
    const struct lab_fault *b = right;
    int order = (int)a->prefix.length - (int)b->prefix.length;

    if (order == 0 && a->prefix.length == 128)
        order = memcmp(a->prefix.addr.b, b->prefix.addr.b, 16);
    if (order == 0)
        order = a->order < b->order ? -1 : a->order > b->order;
    return order;
}

static void sort(struct lab_faults *faults)
{
    if (faults->count)
        qsort(faults->items, faults->count, sizeof(*faults->items), compare);
    faults->first_host = 0;
    while (faults->first_host < faults->count &&
           faults->items[faults->first_host].prefix.length < 128)
        faults->first_host++;
    faults->is_sorted = true;
}

static bool is_chosen(const struct lab_faults *faults, const struct lab_fault *fault,
                      const struct lab_addr *device)
{
    uint64_t bits =
        lab_addr_hash(device) + faults->seed + (uint64_t)(fault->kind + 1) * 0x9e3779b97f4a7c15u;

    if (fault->share >= 1)
        return true;
    bits ^= bits >> 30;
    bits *= 0xbf58476d1ce4e5b9u;
    bits ^= bits >> 27;
    bits *= 0x94d049bb133111ebu;
    bits ^= bits >> 31;
    return (double)(bits >> 11) * 0x1p-53 < fault->share;
}

static void consider(const struct lab_faults *faults, const struct lab_fault *fault,
                     const struct lab_addr *device, int64_t now_ns, struct lab_faulty *found)
{
    if (now_ns < fault->from_ns || !is_chosen(faults, fault, device))
        return;
    if (fault->kind == LAB_FAULT_REBOOT) {
        found->reboots++;
        if (fault->from_ns > found->rebooted_ns)
            found->rebooted_ns = fault->from_ns;
        return;
    }
    if (now_ns >= fault->until_ns)
        return;
    found->by[fault->kind] = fault;
    if (fault->kind == LAB_FAULT_GEN_ERR &&
        found->sick_count < sizeof(found->sick) / sizeof(*found->sick))
        found->sick[found->sick_count++] = fault;
}

static size_t find_host(const struct lab_faults *faults, const struct lab_addr *device)
{
    size_t low = faults->first_host;
    size_t high = faults->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(faults->items[middle].prefix.addr.b, device->b, 16) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void lab_faults_find(struct lab_faults *faults, const struct lab_addr *device, int64_t now_ns,
                     struct lab_faulty *found)
{
    memset(found, 0, sizeof(*found));
    found->rebooted_ns = INT64_MIN;
    if (!faults->is_sorted)
        sort(faults);
    for (size_t i = 0; i < faults->first_host; i++)
        if (lab_prefix_covers(&faults->items[i].prefix, device))
            consider(faults, &faults->items[i], device, now_ns, found);
    if (faults->first_host == faults->count)
        return;
    for (size_t i = find_host(faults, device);
         i < faults->count && lab_addr_equal(&faults->items[i].prefix.addr, device); i++)
        consider(faults, &faults->items[i], device, now_ns, found);
}

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < LAB_FAULT_KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static int parse_prefix(const char *text, struct lab_prefix *prefix, struct lab_error *err)
{
    if (strcmp(text, "all") != 0)
        return lab_prefix_parse(text, prefix, err);
    *prefix = (struct lab_prefix){.length = 0};
    return 0;
}

/* The options after the value. */
static int parse_option(char *const *words, int64_t now_ns, struct lab_fault *fault,
                        int64_t *for_ns, struct lab_error *err)
{
    int64_t ns;

    if (strcmp(words[0], "--share") == 0)
        return lab_parse_share(words[1], &fault->share, err);
    if (strcmp(words[0], "--for") == 0)
        return lab_parse_duration(words[1], for_ns, err);
    if (strcmp(words[0], "--after") != 0)
        return lab_fail(err, "unknown word \"%.40s\": --share, --after and --for may follow",
                        words[0]);
    if (lab_parse_duration(words[1], &ns, err) < 0)
        return -EINVAL;
    fault->from_ns = now_ns + ns;
    return 0;
}

static int parse(char *const *words, int count, int64_t now_ns, struct lab_fault *fault,
                 struct lab_error *err)
{
    const struct kind *kind = count >= 2 ? find_kind(words[1]) : NULL;
    int64_t for_ns = INT64_MAX;
    int at = 2;

    *fault = (struct lab_fault){.share = 1, .from_ns = now_ns, .until_ns = INT64_MAX};
    if (!kind)
        return lab_fail(err, "write PREFIX|all FAULT [VALUE], with one of the faults that "
                             "phusong-lab-snmp --help names");
    if (parse_prefix(words[0], &fault->prefix, err) < 0)
        return -EINVAL;
    fault->kind = (enum lab_fault_kind)(kind - kinds);
    if (kind->value && count <= at)
        return lab_fail(err, "%s needs %s after it", kind->name, kind->value);
    if (kind->value && kind->parse(words[at++], fault, err) < 0)
        return -EINVAL;
    for (; at < count; at += 2) {
        if (at + 1 == count)
            return lab_fail(err, "nothing follows \"%.40s\"", words[at]);
        if (parse_option(words + at, now_ns, fault, &for_ns, err) < 0)
            return -EINVAL;
    }
    if (for_ns != INT64_MAX)
        fault->until_ns = fault->from_ns + for_ns;
    return 0;
}

static void remove_at(struct lab_faults *faults, size_t index)
{
    free(faults->items[index].bytes);
    memmove(faults->items + index, faults->items + index + 1,
            (--faults->count - index) * sizeof(*faults->items));
    faults->is_sorted = false;
}

/* One of the same prefix and kind is replaced; reboots and genErr for several OIDs add up. */
static bool replaces(const struct lab_fault *fault, const struct lab_fault *old)
{
    if (fault->kind != old->kind || !lab_prefix_equal(&fault->prefix, &old->prefix) ||
        fault->kind == LAB_FAULT_REBOOT)
        return false;
    return fault->kind != LAB_FAULT_GEN_ERR ||
           (fault->length == old->length && memcmp(fault->bytes, old->bytes, old->length) == 0);
}

int lab_faults_tell(struct lab_faults *faults, char *const *words, int count, int64_t now_ns,
                    struct lab_error *err)
{
    struct lab_fault fault;
    int error = parse(words, count, now_ns, &fault, err);

    if (error == 0 && faults->count == LAB_FAULTS_MAX)
        error = lab_fail(err, "more than %d faults", LAB_FAULTS_MAX);
    if (error < 0) {
        free(fault.bytes);
        return error;
    }
    for (size_t i = faults->count; i-- > 0;)
        if (replaces(&fault, &faults->items[i]))
            remove_at(faults, i);
    add(faults, &fault);
    return 0;
}

int lab_faults_clear(struct lab_faults *faults, char *const *words, int count,
                     struct lab_error *err)
{
    const struct kind *kind = count == 2 ? find_kind(words[1]) : NULL;
    struct lab_prefix prefix;
    int cleared = 0;

    if (count < 1 || count > 2 || (count == 2 && !kind))
        return lab_fail(err, "write clear PREFIX|all [FAULT], with a fault's name");
    if (parse_prefix(words[0], &prefix, err) < 0)
        return -EINVAL;
    for (size_t i = faults->count; i-- > 0;) {
        const struct lab_fault *fault = &faults->items[i];

        if ((prefix.length && !lab_prefix_equal(&prefix, &fault->prefix)) ||
            fault->kind == LAB_FAULT_REBOOT || (kind && fault->kind != (size_t)(kind - kinds)))
            continue;
        remove_at(faults, i);
        cleared++;
    }
    return cleared;
}

void lab_faults_map(struct lab_faults *faults, const struct lab_prefix *prefix, const char *name)
{
    struct lab_fault fault = {
        .prefix = *prefix,
        .kind = LAB_FAULT_RECORDING,
        .share = 1,
        .from_ns = INT64_MIN,
        .until_ns = INT64_MAX,
    };

    keep_bytes(&fault, name, strlen(name));
    add(faults, &fault);
}

static void print_value(const struct lab_fault *fault, FILE *out)
{
    char text[40];

    if (kinds[fault->kind].parse == parse_duration)
        fprintf(out, " %s", lab_format_duration((int64_t)fault->number, text, sizeof(text)));
    else if (kinds[fault->kind].parse == parse_share)
        fprintf(out, " %g%%", fault->number * 100);
    else if (fault->kind == LAB_FAULT_RECORDING)
        fprintf(out, " %s", (const char *)fault->bytes);
    else if (kinds[fault->kind].value && !fault->bytes)
        fprintf(out, " %.0f", fault->number);
    else
        for (size_t i = 0; i < fault->length; i++)
            fprintf(out, i ? "%02x" : " %02x", fault->bytes[i]);
}

void lab_faults_print(const struct lab_faults *faults, FILE *out)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct lab_fault *fault = &faults->items[i];
        char prefix[LAB_PREFIX_TEXT];

        fprintf(out, "%s %s",
                fault->prefix.length ? lab_prefix_format(&fault->prefix, prefix) : "all",
                kinds[fault->kind].name);
        print_value(fault, out);
        if (fault->share < 1)
            fprintf(out, " --share %g%%", fault->share * 100);
        fprintf(out, "\n");
    }
}

void lab_faults_help(FILE *out)
{
    for (size_t i = 0; i < LAB_FAULT_KINDS; i++) {
        char left[40];

        snprintf(left, sizeof(left), "%s %s", kinds[i].name, kinds[i].value ? kinds[i].value : "");
        fprintf(out, "  %-20s %s\n", left, kinds[i].help);
    }
}
