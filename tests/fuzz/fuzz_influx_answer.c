/* The body of a server's answer to a write. */
#include "influx_answer.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char text[200];

    for (size_t room = 1; room <= sizeof text; room += 199) {
        phu_influx_reason((const char *)data, size, text, room);
        assert(strlen(text) < room);
        for (const char *c = text; *c; c++)
            assert((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    return 0;
}
