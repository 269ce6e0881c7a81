/* Reads and writes BER. Pure: owns nothing. */
#include "ber.h"

#include <errno.h>
#include <string.h>

int lab_ber_take(struct lab_bytes *from, uint8_t *tag, struct lab_bytes *inside)
{
    size_t header = 2;
    size_t length;

    if (from->length < 2)
        return -EBADMSG;
    *tag = from->at[0];
    length = from->at[1];
    if (length & 0x80) {
        size_t count = length & 0x7f;

        if (count == 0 || count > 4 || from->length < 2 + count)
            return -EBADMSG;
        length = 0;
        for (size_t i = 0; i < count; i++)
            length = length << 8 | from->at[2 + i];
        header += count;
    }
    if (length > from->length - header)
        return -EBADMSG;
    *inside = (struct lab_bytes){from->at + header, length};
    from->at += header + length;
    from->length -= header + length;
    return 0;
}

int lab_ber_take_tag(struct lab_bytes *from, uint8_t tag, struct lab_bytes *inside)
{
    uint8_t found;
    int error = lab_ber_take(from, &found, inside);

    return error < 0 || found == tag ? error : -EBADMSG;
}

int lab_ber_take_integer(struct lab_bytes *from, int64_t least, int64_t most, int64_t *value)
{
    struct lab_bytes inside;
    uint64_t bits;
    int error = lab_ber_take_tag(from, LAB_TAG_INTEGER, &inside);

    if (error < 0)
        return error;
    if (inside.length == 0 || inside.length > 8)
        return -EBADMSG;
    bits = inside.at[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < inside.length; i++)
        bits = bits << 8 | inside.at[i];
    *value = (int64_t)bits;
    return *value < least || *value > most ? -ERANGE : 0;
}

void lab_writer_init(struct lab_writer *writer, uint8_t *bytes, size_t size, size_t head)
{
    *writer = (struct lab_writer){.bytes = bytes, .size = size, .start = head, .end = head};
}

void lab_writer_prepend(struct lab_writer *writer, const void *bytes, size_t length)
{
    if (length > writer->start) {
        writer->is_full = true;
        return;
    }
    writer->start -= length;
    memcpy(writer->bytes + writer->start, bytes, length);
}

void lab_writer_wrap(struct lab_writer *writer, uint8_t tag)
{
    uint8_t header[LAB_BER_HEADER];
    size_t length = lab_ber_put_header(header, tag, lab_writer_length(writer));

    lab_writer_prepend(writer, header, length);
}

void lab_writer_prepend_octets(struct lab_writer *writer, uint8_t tag, const void *bytes,
                               size_t length)
{
    uint8_t header[LAB_BER_HEADER];
    size_t header_length = lab_ber_put_header(header, tag, length);

    if (length)
        lab_writer_prepend(writer, bytes, length);
    lab_writer_prepend(writer, header, header_length);
}

void lab_writer_prepend_integer(struct lab_writer *writer, int64_t value)
{
    uint8_t number[LAB_BER_NUMBER];
    size_t length = lab_ber_put_signed(number, value);

    lab_writer_prepend_octets(writer, LAB_TAG_INTEGER, number, length);
}

size_t lab_ber_put_header(uint8_t *out, uint8_t tag, size_t length)
{
    size_t count = 1;

    out[0] = tag;
    if (length < 0x80) {
        out[1] = (uint8_t)length;
        return 2;
    }
    while (count < 4 && length >> (8 * count))
        count++;
    out[1] = (uint8_t)(0x80 | count);
    for (size_t i = 0; i < count; i++)
        out[2 + i] = (uint8_t)(length >> (8 * (count - 1 - i)));
    return 2 + count;
}

size_t lab_ber_put_signed(uint8_t out[LAB_BER_NUMBER], int64_t value)
{
    uint64_t bits = (uint64_t)value;
    size_t count = 1;

    /* As many bytes as it takes for the rest to be copies of the sign. */
    while (count < 8 && (value >> (8 * count - 1)) != (value < 0 ? -1 : 0))
        count++;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(bits >> (8 * (count - 1 - i)));
    return count;
}

size_t lab_ber_put_unsigned(uint8_t out[LAB_BER_NUMBER], uint64_t value)
{
    if (value <= INT64_MAX)
        return lab_ber_put_signed(out, (int64_t)value);
    out[0] = 0;
    for (size_t i = 0; i < 8; i++)
        out[1 + i] = (uint8_t)(value >> (8 * (7 - i)));
    return 9;
}
