/* The part of BER that SNMP uses: definite lengths, small tags. The reader never reads beyond its
 * bytes; the writer grows at both ends, so that headers get the shortest length without moving what
 * they wrap. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum lab_tag {
    LAB_TAG_INTEGER = 0x02,
    LAB_TAG_OCTETS = 0x04,
    LAB_TAG_NULL = 0x05,
    LAB_TAG_OID = 0x06,
    LAB_TAG_SEQUENCE = 0x30,
    LAB_TAG_ADDRESS = 0x40,
    LAB_TAG_COUNTER32 = 0x41,
    LAB_TAG_GAUGE32 = 0x42,
    LAB_TAG_TICKS = 0x43,
    LAB_TAG_OPAQUE = 0x44,
    LAB_TAG_COUNTER64 = 0x46,
    LAB_TAG_NO_OBJECT = 0x80,
    LAB_TAG_NO_INSTANCE = 0x81,
    LAB_TAG_END_OF_VIEW = 0x82,
};

/* What is left to read. After a failed take its place is of no use. */
struct lab_bytes {
    const uint8_t *at;
    size_t length;
};

/* Takes one element: its tag and what is inside. -EBADMSG. */
int lab_ber_take(struct lab_bytes *from, uint8_t *tag, struct lab_bytes *inside);
int lab_ber_take_tag(struct lab_bytes *from, uint8_t tag, struct lab_bytes *inside);
/* An INTEGER within [least, most]. -EBADMSG, -ERANGE. */
int lab_ber_take_integer(struct lab_bytes *from, int64_t least, int64_t most, int64_t *value);

/* Bytes [start, end) of a buffer are written. */
struct lab_writer {
    uint8_t *bytes;
    size_t size;
    size_t start;
    size_t end;
    bool is_full; /* something did not fit and is missing */
};

/* Starts empty with `head` bytes of room in front. */
void lab_writer_init(struct lab_writer *writer, uint8_t *bytes, size_t size, size_t head);
static inline size_t lab_writer_length(const struct lab_writer *writer)
{
    return writer->end - writer->start;
}
static inline void lab_writer_append(struct lab_writer *writer, const void *bytes, size_t length)
{
    if (length > writer->size - writer->end) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->bytes + writer->end, bytes, length);
    writer->end += length;
}
void lab_writer_prepend(struct lab_writer *writer, const void *bytes, size_t length);
/* Puts a tag and the length of all from `start` to `end` in front. */
void lab_writer_wrap(struct lab_writer *writer, uint8_t tag);
/* Puts one element in front. */
void lab_writer_prepend_octets(struct lab_writer *writer, uint8_t tag, const void *bytes,
                               size_t length);
void lab_writer_prepend_integer(struct lab_writer *writer, int64_t value);

/* Elements into plain memory; each returns the bytes written. */
enum { LAB_BER_HEADER = 6, LAB_BER_NUMBER = 9 };
size_t lab_ber_put_header(uint8_t *out, uint8_t tag, size_t length);
/* Without tag and length: the shortest two's complement. */
size_t lab_ber_put_signed(uint8_t out[LAB_BER_NUMBER], int64_t value);
size_t lab_ber_put_unsigned(uint8_t out[LAB_BER_NUMBER], uint64_t value);
