#include "ingest/inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

enum { GZIP_ONLY = 16 + MAX_WBITS, KEEP_MOST = 4 << 20, FIRST_SIZE = 64 << 10 };

static bool grow(struct phu_inflate *own, size_t most)
{
    size_t size = own->size ? 2 * own->size : FIRST_SIZE;
    char *text;

    if (size > most + 1)
        size = most + 1; /* one more tells that there is more */
    if (size <= own->size)
        return true;
    text = realloc(own->text, size);
    if (!text)
        return false;
    own->text = text;
    own->size = size;
    return true;
}

static int refuse(int error, char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return error;
}

static int run(z_stream *stream, struct phu_inflate *own, size_t most, char *why, size_t why_size)
{
    for (;;) {
        size_t room;
        int result;

        if (own->length == own->size && !grow(own, most))
            return refuse(-ENOMEM, why, why_size, "out of memory");
        room = own->size - own->length;
        stream->next_out = (unsigned char *)own->text + own->length;
        stream->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
        result = inflate(stream, Z_NO_FLUSH);
        own->length = (size_t)((char *)stream->next_out - own->text);
        if (own->length > most)
            return refuse(-EMSGSIZE, why, why_size, "");
        if (result == Z_STREAM_END) {
            if (!stream->avail_in)
                return 0;
            result = inflateReset(stream);
        }
        if (result == Z_BUF_ERROR && stream->avail_out)
            return refuse(-EBADMSG, why, why_size, "the gzip body is cut off: unexpected EOF");
        if (result != Z_OK && result != Z_BUF_ERROR)
            return refuse(-EBADMSG, why, why_size,
                          own->length ? "the gzip body is damaged"
                                      : "the body is not gzip: gzip: invalid header");
    }
}

int phu_inflate_body(struct phu_inflate *own, const char *body, size_t length, size_t most,
                     char *why, size_t why_size)
{
    z_stream stream = {.next_in = (const unsigned char *)body, .avail_in = (uInt)length};
    int result;

    own->length = 0;
    if (length > UINT_MAX)
        return -EMSGSIZE;
    if (inflateInit2(&stream, GZIP_ONLY) != Z_OK)
        return refuse(-ENOMEM, why, why_size, "out of memory");
    result = run(&stream, own, most, why, why_size);
    inflateEnd(&stream);
    if (result == -EMSGSIZE)
        snprintf(why, why_size, "the gzip body holds more than %zu bytes; send less at a time",
                 most);
    return result;
}

void phu_inflate_settle(struct phu_inflate *own)
{
    if (own->size > KEEP_MOST)
        phu_inflate_fini(own);
}

void phu_inflate_fini(struct phu_inflate *own)
{
    free(own->text);
    *own = (struct phu_inflate){0};
}
