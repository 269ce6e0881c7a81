/* Whatever claims to be gzip: at most so much comes out, and no byte is touched beyond it. */
#include "ingest/inflate.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t most[] = {0, 1, 100, 65536, 1 << 20};
    struct phu_inflate inflate = {0};
    size_t limit = most[size % 5];
    char why[160] = "";
    int result = phu_inflate_body(&inflate, (const char *)data, size, limit, why, sizeof why);

    if (result == 0 ? inflate.length > limit : !why[0])
        abort();
    if (inflate.size > limit + 1)
        abort();
    phu_inflate_fini(&inflate);
    return 0;
}
