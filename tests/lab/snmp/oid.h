/* Object identifiers in three forms: dotted text, BER, and keys, whose byte order is the order of
 * the identifiers (memcmp, and a prefix goes first). Keys are what recordings are sorted by: BER
 * itself does not sort, since a number of three bytes may begin with a smaller byte than one of
 * two. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    LAB_OID_PARTS = 128,               /* RFC 3416, 4.1 */
    LAB_OID_BYTES = LAB_OID_PARTS * 5, /* at most, of BER and of a key */
    LAB_OID_TEXT = LAB_OID_PARTS * 11, /* with the final zero */
};

/* "1.3.6.1", with or without a leading dot, at least two numbers: writes BER without tag and
 * length. Returns its length, or -EINVAL. */
int lab_oid_parse(const char *text, size_t length, uint8_t ber[LAB_OID_BYTES]);
/* Returns the key's length, or -EBADMSG when the bytes are no identifier. */
int lab_oid_key(const uint8_t *ber, size_t length, uint8_t key[LAB_OID_BYTES]);
/* As dotted text; "?" when the bytes are no identifier. Returns `out`. */
char *lab_oid_format(const uint8_t *ber, size_t length, char out[LAB_OID_TEXT]);
/* Of two keys: how the first sorts before the second, as memcmp. */
int lab_oid_compare(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length);
/* How many numbers the keys have in common at their beginning. */
unsigned lab_oid_common(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length);
unsigned lab_oid_parts(const uint8_t *key, size_t length);
