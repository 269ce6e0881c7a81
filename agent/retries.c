/* Checks that fail. See retries.h. */
#include "retries.h"

#include "phusong/time.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NS (5 * PHU_NS_PER_S)
#define MOST_NS (300 * PHU_NS_PER_S)

struct phu_retries_entry {
    struct phu_retries_entry *next; /* in its bucket */
    uint32_t check, hash;
    int64_t wait_ns; /* of the last failure; 0: the next one is the first */
    char address[];
};

static uint32_t hash_address(const char *address)
{
    uint32_t hash = UINT32_C(2166136261);

    for (; *address; address++)
        hash = (hash ^ (unsigned char)*address) * UINT32_C(16777619);
    return hash ^ hash >> 15;
}

void phu_retries_fini(struct phu_retries *retries)
{
    for (uint32_t i = 0; i < retries->bucket_count; i++) {
        while (retries->buckets[i]) {
            struct phu_retries_entry *entry = retries->buckets[i];

            retries->buckets[i] = entry->next;
            free(entry);
        }
    }
    free(retries->buckets);
    *retries = (struct phu_retries){0};
}

static struct phu_retries_entry **find(struct phu_retries *retries, uint32_t check, uint32_t hash)
{
    struct phu_retries_entry **link;

    if (retries->bucket_count == 0)
        return NULL;
    link = &retries->buckets[hash & (retries->bucket_count - 1)];
    while (*link && (*link)->check != check)
        link = &(*link)->next;
    return *link ? link : NULL;
}

static void insert(struct phu_retries *retries, struct phu_retries_entry *entry)
{
    struct phu_retries_entry **bucket =
        &retries->buckets[entry->hash & (retries->bucket_count - 1)];

    entry->next = *bucket;
    *bucket = entry;
}

static void make_room(struct phu_retries *retries)
{
    struct phu_retries old = *retries;

    if (retries->count < retries->bucket_count)
        return;
    retries->bucket_count = old.bucket_count ? old.bucket_count * 2 : 16;
    retries->buckets = calloc(retries->bucket_count, sizeof(struct phu_retries_entry *));
    if (!retries->buckets)
        abort();
    for (uint32_t i = 0; i < old.bucket_count; i++) {
        while (old.buckets[i]) {
            struct phu_retries_entry *entry = old.buckets[i];

            old.buckets[i] = entry->next;
            insert(retries, entry);
        }
    }
    free(old.buckets);
}

static struct phu_retries_entry *take(struct phu_retries *retries, uint32_t check,
                                      const char *address)
{
    uint32_t hash = hash_address(address);
    struct phu_retries_entry **link = find(retries, check, hash), *entry;
    size_t size = strlen(address) + 1;

    if (link)
        return *link;
    make_room(retries);
    entry = calloc(1, sizeof *entry + size);
    if (!entry)
        abort();
    entry->check = check;
    entry->hash = hash;
    memcpy(entry->address, address, size);
    insert(retries, entry);
    retries->count++;
    return entry;
}

int64_t phu_retries_fail(struct phu_retries *retries, uint32_t check, const char *address)
{
    struct phu_retries_entry *entry = take(retries, check, address);

    entry->wait_ns = entry->wait_ns ? entry->wait_ns * 2 : FIRST_NS;
    if (entry->wait_ns > MOST_NS)
        entry->wait_ns = MOST_NS;
    return entry->wait_ns;
}

int64_t phu_retries_repeat(struct phu_retries *retries, uint32_t check, const char *address)
{
    struct phu_retries_entry *entry = take(retries, check, address);

    return entry->wait_ns ? entry->wait_ns : FIRST_NS;
}

void phu_retries_end(struct phu_retries *retries, uint32_t check, const char *address)
{
    struct phu_retries_entry **link = find(retries, check, hash_address(address)), *entry;

    if (!link)
        return;
    entry = *link;
    *link = entry->next;
    free(entry);
    retries->count--;
}

void phu_retries_wake(struct phu_retries *retries, const char *address,
                      void (*wake)(void *arg, uint32_t check), void *arg)
{
    uint32_t hash = hash_address(address);

    if (retries->bucket_count == 0)
        return;
    for (struct phu_retries_entry *entry = retries->buckets[hash & (retries->bucket_count - 1)];
         entry; entry = entry->next) {
        if (entry->hash != hash || strcmp(entry->address, address) != 0)
            continue;
        entry->wait_ns = 0;
        wake(arg, entry->check);
    }
}
