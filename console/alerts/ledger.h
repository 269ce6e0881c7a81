/* The ledger: every alert that stands, and those that ended and are still being told of. */
#pragma once

#include "entry.h"

#include <stddef.h>

struct phu_ledger {
    struct phu_entry **buckets; /* a power of two */
    size_t size, count;
};

void phu_ledger_init(struct phu_ledger *ledger);
void phu_ledger_fini(struct phu_ledger *ledger); /* and all entries */
/* The one that stands with these labels, or NULL. */
struct phu_entry *phu_ledger_standing(const struct phu_ledger *ledger, const json_t *labels,
                                      uint64_t fingerprint);
/* This very one, or NULL. */
struct phu_entry *phu_ledger_find(const struct phu_ledger *ledger, uint64_t fingerprint,
                                  int64_t fired_ns);
void phu_ledger_add(struct phu_ledger *ledger, struct phu_entry *entry);
/* Frees those for which `is_over` is true. */
void phu_ledger_sweep(struct phu_ledger *ledger,
                      bool (*is_over)(void *arg, const struct phu_entry *entry), void *arg);
/* In no order. Begin with NULL. The entry returned may not be removed before the next call. */
struct phu_entry *phu_ledger_next(const struct phu_ledger *ledger, const struct phu_entry *after);
