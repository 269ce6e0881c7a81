/* A recording: what one device answers, sorted by object identifier, each line kept as the varbind
 * that goes onto the wire, so that an answer is a search and a few copies.
 *
 * Files are lines of OID|TYPE|VALUE. TYPE is the tag as a number: 2 INTEGER, 4 OCTET STRING, 5
 * NULL, 6 OBJECT IDENTIFIER, 64 IpAddress, 65 Counter32, 66 Gauge32, 67 TimeTicks, 68 Opaque, 70
 * Counter64. After 4, 64 and 68 may stand x (the value is hexadecimal), after 4 also e (with
 * backslash escapes). `70:numeric|rate=125000,initial=7` moves by itself: see lab_recording_move.
 * Lines may be in any order; of several with one OID the first counts. */
#pragma once

#include "ber.h"
#include "oid.h"
#include "units.h"

enum { LAB_VALUE_MAX = 60000 }; /* bytes: what fits one datagram */

struct lab_record {
    uint32_t key_at; /* into the recording's bytes */
    uint32_t varbind_at;
    uint32_t varbind_length;
    uint32_t motion; /* 0: the value stays; else 1 + its index */
    uint16_t key_length;
    uint16_t oid_length;
    uint8_t oid_at; /* from varbind_at */
    uint8_t tag;
};

/* How a value moves: base + rate × time since the device's start. */
struct lab_motion {
    uint64_t base;
    double rate; /* per second */
};

struct lab_recording {
    char *name;
    struct lab_record *records;
    size_t count;
    size_t room;
    uint8_t *bytes; /* keys and varbinds */
    size_t used;
    size_t size;
    struct lab_motion *motions;
    size_t motion_count;
};

/* Where on its time line a device is. */
struct lab_age {
    int64_t ns;        /* since its start */
    bool is_restarted; /* counted from 0 then, not from what the recording says */
};

/* Called for each line that cannot be used. */
typedef void lab_recording_complaint(void *context, unsigned line, const char *why);

/* Ends the process when memory is out, as everything here. */
struct lab_recording *lab_recording_new(const char *name);
void lab_recording_free(struct lab_recording *recording);

/* Takes the lines of a text; returns how many were of no use. Then call sort. */
unsigned lab_recording_take(struct lab_recording *recording, const char *text, size_t length,
                            lab_recording_complaint *complain, void *context);
/* As one line of a file. -EINVAL with the reason. */
int lab_recording_take_line(struct lab_recording *recording, const char *line, size_t length,
                            struct lab_error *err);
/* `ber`: the OID. The value is in BER, without tag and length. */
void lab_recording_add(struct lab_recording *recording, const uint8_t *ber, size_t ber_length,
                       uint8_t tag, const uint8_t *value, size_t length);
/* Call once after the last addition; returns how many were second ones of their OID. */
size_t lab_recording_sort(struct lab_recording *recording);

/* On a sorted recording: puts a line in its place, in place of one with that OID if any. */
int lab_recording_set(struct lab_recording *recording, const char *line, size_t length,
                      struct lab_error *err);
/* Removes all at and below; returns how many. */
size_t lab_recording_remove(struct lab_recording *recording, const uint8_t *key, size_t length);
/* Makes all numbers at and below the key move by that much a second; returns how many. What moved
 * before goes on from where a device of age `since_ns` has it. */
size_t lab_recording_move(struct lab_recording *recording, const uint8_t *key, size_t length,
                          double rate, int64_t since_ns);

/* The same for the record that was added last. */
void lab_recording_move_last(struct lab_recording *recording, double rate);

/* The first record at or after the key. `hint`: an index that is likely; any number is allowed. */
size_t lab_recording_seek(const struct lab_recording *recording, const uint8_t *key, size_t length,
                          size_t hint, bool *is_exact);
static inline const uint8_t *lab_record_key(const struct lab_recording *recording, size_t index)
{
    return recording->bytes + recording->records[index].key_at;
}
/* Appends the varbind as it is at that age. */
void lab_recording_put(const struct lab_recording *recording, size_t index,
                       const struct lab_age *age, struct lab_writer *out);
/* The length of what put appends, or a few bytes more. */
size_t lab_recording_room(const struct lab_recording *recording, size_t index);
