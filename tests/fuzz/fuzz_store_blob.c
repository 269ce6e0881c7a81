/* Packed windows of a damaged file: the first byte says whether a blob or the journal is read. What
 * is read is packed again, and must come back the same. */
#include "pack.h"
#include "record.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_journal(const uint8_t *data, size_t size, struct phu_windows *windows)
{
    struct phu_cut cut = {.at = data, .end = data + size};
    struct phu_record record;

    while (phu_record_next(&cut, &record))
        if (phu_record_read(&record, windows))
            break;
    for (size_t i = 1; i < windows->count; i++) /* a broken one is not added */
        assert(windows->at[i].count <= size);
    phu_windows_settle(windows);
}

static void pack_again(const struct phu_windows *windows)
{
    static struct phu_packer *packer;
    struct phu_windows back = {0};
    const uint8_t *blob;
    size_t size;

    if (!packer)
        packer = phu_packer_new();
    for (size_t i = 1; i < windows->count; i++)
        if (windows->at[i].time_ns <= windows->at[i - 1].time_ns)
            return; /* never packed so */
    if (!phu_pack(packer, 0, windows->at, windows->count, &blob, &size)) {
        assert(phu_unpack(0, blob, size, &back) == 0);
        assert(back.count == windows->count);
        for (size_t i = 0; i < back.count; i++) {
            assert(back.at[i].time_ns == windows->at[i].time_ns);
            assert(back.at[i].count == windows->at[i].count);
        }
    }
    phu_windows_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phu_windows windows = {0};

    if (size && data[0] & 1)
        read_journal(data + 1, size - 1, &windows);
    else if (size && phu_unpack(0, data + 1, size - 1, &windows))
        windows.count = 0;
    pack_again(&windows);
    phu_windows_fini(&windows);
    return 0;
}
