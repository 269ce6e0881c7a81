/* Questions to name servers: c-ares on the loop, and nothing of it beyond dns.c. Private to
 * base/net. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PHU_DNS_ADDRESSES_MAX 16
#define PHU_DNS_NAME_MAX 253

struct phu_dns;
struct phu_dns_channel;
struct phu_sched;

/* One question; lives inside its owner. Addresses are borrowed for the call, without their port;
 * status and family are those of phusong/resolve.h, and `ttl_s` is the smallest of the answers'. */
struct phu_dns_query {
    struct phu_dns_channel *channel; /* private */
    void (*done)(struct phu_dns_query *query, int status, const struct sockaddr_storage *addresses,
                 size_t count, int64_t ttl_s);
};

/* Asks the servers of /etc/resolv.conf. */
int phu_dns_new(struct phu_sched *sched, struct phu_dns **out);
/* Questions still under way are dropped without a callback. NULL is harmless. */
void phu_dns_free(struct phu_dns *dns);

/* Other servers for questions from now on, in c-ares' form, separated by commas; takes the string
 * over. NULL: those of resolv.conf. */
void phu_dns_set_servers(struct phu_dns *dns, char *servers);

/* Looks, at most once a second, whether resolv.conf has changed. */
void phu_dns_notice_change(struct phu_dns *dns);

/* Calls `done` exactly once, maybe before it returns, and maybe from inside c-ares: `done` must
 * neither ask nor free the dns. The query stays where it is until then. -EIO when nothing can be
 * asked: no callback then. */
int phu_dns_ask(struct phu_dns *dns, const char *name, int family, struct phu_dns_query *query);
