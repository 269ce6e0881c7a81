/* Windows of one series packed into a blob, and back.
 *
 * A blob begins with the columns that occur in it and with the sets of them ("shapes") that windows
 * have. A window is its shape, its time as difference from where the one before would put it, one
 * bit for each column that says whether the value differs from the one before, and for those that
 * do the difference. Decimals of up to three places are whole numbers of thousandths; others are as
 * they are. A histogram is a byte for each bucket, as long as the count is small and the next one
 * near. docs/store.md has the format.
 */
#pragma once

#include "bytes.h"
#include "window.h"

#define PHU_PACK_COLUMNS_MAX 4096

/* Working memory, for many blobs one after the other. */
struct phu_packer;

struct phu_packer *phu_packer_new(void);
void phu_packer_free(struct phu_packer *packer);
/* Windows ascending by time, none twice, each with at most PHU_PACK_COLUMNS_MAX different columns
 * among all of them (-E2BIG). The blob is good until the next call. `base_ns` is known when it is
 * read. */
int phu_pack(struct phu_packer *packer, int64_t base_ns, const struct phu_window *windows,
             size_t count, const uint8_t **blob, size_t *size);

/* Adds what the blob holds to `windows`; they may point into it. -EILSEQ: it is damaged. */
int phu_unpack(int64_t base_ns, const uint8_t *blob, size_t size, struct phu_windows *windows);
