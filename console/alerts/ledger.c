#include "ledger.h"

#include "mem.h"

#include <stdlib.h>

#define SIZE_LEAST 64

void phu_ledger_init(struct phu_ledger *ledger)
{
    *ledger = (struct phu_ledger){.buckets = phu_mem_alloc(SIZE_LEAST, sizeof(struct phu_entry *)),
                                  .size = SIZE_LEAST};
}

void phu_ledger_fini(struct phu_ledger *ledger)
{
    phu_ledger_sweep(ledger, NULL, NULL);
    free(ledger->buckets);
}

static struct phu_entry **bucket_of(const struct phu_ledger *ledger, uint64_t fingerprint)
{
    return &ledger->buckets[fingerprint & (ledger->size - 1)];
}

struct phu_entry *phu_ledger_standing(const struct phu_ledger *ledger, const json_t *labels,
                                      uint64_t fingerprint)
{
    struct phu_entry *entry = *bucket_of(ledger, fingerprint);

    while (entry && (entry->fingerprint != fingerprint || entry->resolved_ns != 0 ||
                     !json_equal(entry->labels, labels)))
        entry = entry->next;
    return entry;
}

struct phu_entry *phu_ledger_find(const struct phu_ledger *ledger, uint64_t fingerprint,
                                  int64_t fired_ns)
{
    struct phu_entry *entry = *bucket_of(ledger, fingerprint);

    while (entry && (entry->fingerprint != fingerprint || entry->fired_ns != fired_ns))
        entry = entry->next;
    return entry;
}

static void link_in(struct phu_ledger *ledger, struct phu_entry *entry)
{
    struct phu_entry **bucket = bucket_of(ledger, entry->fingerprint);

    entry->next = *bucket;
    *bucket = entry;
}

static void grow(struct phu_ledger *ledger)
{
    struct phu_ledger wider = {.buckets =
                                   phu_mem_alloc(ledger->size * 2, sizeof(struct phu_entry *)),
                               .size = ledger->size * 2,
                               .count = ledger->count};
    struct phu_entry *next;

    for (size_t i = 0; i < ledger->size; i++) {
        for (struct phu_entry *entry = ledger->buckets[i]; entry; entry = next) {
            next = entry->next;
            link_in(&wider, entry);
        }
    }
    free(ledger->buckets);
    *ledger = wider;
}

void phu_ledger_add(struct phu_ledger *ledger, struct phu_entry *entry)
{
    if (ledger->count == ledger->size)
        grow(ledger);
    link_in(ledger, entry);
    ledger->count++;
}

void phu_ledger_sweep(struct phu_ledger *ledger,
                      bool (*is_over)(void *arg, const struct phu_entry *entry), void *arg)
{
    for (size_t i = 0; i < ledger->size; i++) {
        struct phu_entry **link = &ledger->buckets[i], *entry;

        while ((entry = *link)) {
            if (is_over && !is_over(arg, entry)) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            ledger->count--;
            phu_entry_free(entry);
        }
    }
}

struct phu_entry *phu_ledger_next(const struct phu_ledger *ledger, const struct phu_entry *after)
{
    size_t i = 0;

    if (after) {
        if (after->next)
            return after->next;
        i = (after->fingerprint & (ledger->size - 1)) + 1;
    }
    while (i < ledger->size && !ledger->buckets[i])
        i++;
    return i < ledger->size ? ledger->buckets[i] : NULL;
}
