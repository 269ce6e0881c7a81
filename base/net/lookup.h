/* Names that are being asked, and the answers remembered: the resolver without those who wait.
 * Private to base/net. */
#pragma once

#include "dns.h"
#include "phusong/time.h"

struct phu_lookups;
struct phu_resolve;
struct phu_sched;
struct phu_stats;

enum phu_lookup_state {
    PHU_LOOKUP_QUEUED,
    PHU_LOOKUP_FLYING,
    PHU_LOOKUP_KNOWN,
};

/* One (name, family). Only `waiters` is for others to write. */
struct phu_lookup {
    struct phu_lookup *next;   /* of the bucket */
    struct phu_lookup *queued; /* behind it in the queue */
    struct phu_lookups *lookups;
    struct phu_dns_query query;
    enum phu_lookup_state state;
    int family;
    int status; /* of the last answer, as in phusong/resolve.h */
    struct phu_mono expires;
    struct sockaddr_storage *addresses; /* last known; they outlive their TTL */
    size_t count;
    struct phu_mono good_until;  /* the TTL's end of those addresses */
    bool is_standing_in;         /* they were used past it, and no answer has come since */
    struct phu_resolve *waiters; /* while there are any, the lookup stays */
    char name[PHU_DNS_NAME_MAX + 1];
};

/* `known` is called when an answer has come, or there will be none; maybe from inside c-ares: it
 * must not call back into anything. */
struct phu_lookups *phu_lookups_new(struct phu_sched *sched, struct phu_dns *dns,
                                    void (*known)(struct phu_lookup *lookup));
/* Calls `drop` for each lookup that has waiters, to take them off. */
void phu_lookups_free(struct phu_lookups *lookups, void (*drop)(struct phu_lookup *lookup));

/* The lookup for this name (in lower case), asked anew unless its answer is still good; NULL when
 * there is no room. PHU_LOOKUP_KNOWN: the answer is there, and `known` will not be called. */
struct phu_lookup *phu_lookup_get(struct phu_lookups *lookups, const char *name, int family);

/* Old addresses that may stand in for an answer that does not come: known, and at most a day past
 * their TTL. A name that is answered not to exist has none. */
bool phu_lookup_has_old(const struct phu_lookup *lookup);
/* They are about to be used: counted, and logged when it is the first time. */
void phu_lookup_stand_in(struct phu_lookup *lookup);

void phu_lookups_add_stats(struct phu_lookups *lookups, struct phu_stats *stats);
