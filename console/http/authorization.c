/* RFC 7235, RFC 7617, and InfluxDB's own word "Token". */
#include "private.h"

#include <string.h>
#include <strings.h>

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Returns false when it is too long or not base64. */
static bool decode_base64(const char *text, char *out, size_t size, size_t *length)
{
    unsigned bits = 0, count = 0;

    *length = 0;
    for (; *text && *text != '='; text++) {
        int digit = base64_digit(*text);

        if (digit < 0)
            return false;
        bits = bits << 6 | (unsigned)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (*length == size)
            return false;
        out[(*length)++] = (char)(bits >> count & 0xff);
    }
    return strspn(text, "=") == strlen(text);
}

bool phu_authorization_secret(const char *header, char *secret, size_t size, size_t *length)
{
    size_t word = strcspn(header, " ");
    const char *rest = header + word + strspn(header + word, " ");
    const char *colon;
    bool is_basic = word == 5 && strncasecmp(header, "Basic", word) == 0;

    if (is_basic) {
        if (!decode_base64(rest, secret, size, length))
            return false;
        colon = memchr(secret, ':', *length);
        if (!colon)
            return false;
        *length -= (size_t)(colon + 1 - secret);
        memmove(secret, colon + 1, *length);
        return *length > 0;
    }
    if (!(word == 5 && strncasecmp(header, "Token", word) == 0) &&
        !(word == 6 && strncasecmp(header, "Bearer", word) == 0))
        return false;
    *length = strcspn(rest, " ");
    if (!*length || *length > size || rest[*length])
        return false;
    memcpy(secret, rest, *length);
    return true;
}
