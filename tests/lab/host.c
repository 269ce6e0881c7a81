/* A chained hash table; hosts live as long as the table. Borrows the board and the rules. */
#include "host.h"

#include <stdlib.h>

enum { BUCKETS = 65536 };

struct lab_hosts {
    struct lab_board *board;
    struct lab_rules *rules;
    uint64_t seed;
    struct lab_host *buckets[BUCKETS];
};

struct lab_hosts *lab_hosts_new(struct lab_board *board, struct lab_rules *rules, uint64_t seed)
{
    struct lab_hosts *hosts = calloc(1, sizeof(*hosts));

    if (!hosts)
        return NULL;
    hosts->board = board;
    hosts->rules = rules;
    hosts->seed = seed;
    return hosts;
}

void lab_hosts_free(struct lab_hosts *hosts)
{
    if (!hosts)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (hosts->buckets[i]) {
            struct lab_host *host = hosts->buckets[i];

            hosts->buckets[i] = host->next_in_bucket;
            free(host);
        }
    free(hosts);
}

static struct lab_host *add_host(struct lab_hosts *hosts, const struct lab_addr *addr,
                                 uint64_t hash)
{
    uint64_t index = hosts->board->totals.host_count;
    struct lab_host *host;

    if (index >= LAB_HOSTS_MAX || !(host = calloc(1, sizeof(*host))))
        return NULL;
    host->addr = *addr;
    host->stats = &hosts->board->hosts[index];
    host->stats->addr = *addr;
    host->generation = UINT64_MAX;
    for (unsigned kind = 0; kind < LAB_KINDS; kind++)
        for (unsigned dir = 0; dir < LAB_DIRS; dir++)
            host->dice[kind][dir] = lab_dice_flow(hosts->seed, hash, kind * LAB_DIRS + dir);
    host->next_in_bucket = hosts->buckets[hash % BUCKETS];
    hosts->buckets[hash % BUCKETS] = host;
    hosts->board->totals.host_count = index + 1;
    return host;
}

struct lab_host *lab_hosts_get(struct lab_hosts *hosts, const struct lab_addr *addr)
{
    uint64_t hash = lab_addr_hash(addr);
    uint64_t generation = lab_rules_generation(hosts->rules);
    struct lab_host *host = hosts->buckets[hash % BUCKETS];

    while (host && !lab_addr_equal(&host->addr, addr))
        host = host->next_in_bucket;
    if (!host && !(host = add_host(hosts, addr, hash)))
        return NULL;
    if (host->generation != generation) {
        lab_rules_resolve(hosts->rules, addr, host->profiles);
        host->generation = generation;
    }
    return host;
}
