/* What a device answers to a PDU: RFC 3416 (and RFC 1157 for version 1), or what its quirks make of
 * it. */
#pragma once

#include "pdu.h"
#include "recording.h"

enum { LAB_SICK_MAX = 4 };

/* What a device does wrong; all zero for a good one. */
struct lab_quirks {
    uint32_t too_big_over;  /* variables from which on it says tooBig; 0: never */
    uint32_t most_varbinds; /* in the answer to a GETBULK; 0: as many as fit */
    bool is_backwards;      /* the next object is the one before */
    bool is_stuck;          /* the next object is the same again */
    bool is_reversed;       /* varbinds in the opposite order */
    bool has_wrong_id;
    size_t sick_count; /* genErr for what is at or below these keys */
    struct {
        const uint8_t *key;
        size_t length;
    } sick[LAB_SICK_MAX];
};

/* Where the walk of one variable of a GETNEXT or GETBULK is. */
struct lab_column {
    size_t index;        /* the record that is next */
    const uint8_t *name; /* of the last varbind, in BER */
    size_t name_length;
    bool is_over; /* the view has ended */
};

struct lab_device {
    const struct lab_recording *recording;
    struct lab_age age;
    struct lab_quirks quirks;
    size_t hint;                /* where the last search ended; any number to start with */
    struct lab_column *columns; /* LAB_NAMES_MAX, to work with */
};

struct lab_answer {
    enum lab_error_status status;
    uint32_t index;
    size_t varbinds;
};

/* Writes the response PDU, at most `most` bytes long, into an empty writer. Returns 0, or -EBADMSG
 * for what a device ignores (a GETBULK in version 1). */
int lab_answer_write(const struct lab_pdu *request, enum lab_version version,
                     struct lab_device *device, size_t most, struct lab_writer *out,
                     struct lab_answer *answer);
/* An error in place of an answer. */
void lab_answer_refuse(const struct lab_pdu *request, enum lab_error_status status,
                       struct lab_writer *out);
/* A report with one counter (RFC 3412, 7.1). */
void lab_answer_report(int32_t id, struct lab_bytes name, uint64_t count, struct lab_writer *out);
