/* Names to addresses without ever blocking the loop (c-ares underneath). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct phu_resolver;
struct phu_resolve;
struct phu_sched;
struct phu_stats;

/* Asks the servers of /etc/resolv.conf, which is read again when it changes. */
int phu_resolver_new(struct phu_sched *sched, struct phu_resolver **out);
/* Every lookup is done or cancelled; statistics were removed or go before they are next read. */
void phu_resolver_free(struct phu_resolver *resolver);

/* Other servers than resolv.conf's, for names asked from now on: "10.0.0.1", "10.0.0.1:5353",
 * "[fd00::1]:53". None: back to resolv.conf. -EINVAL, changing nothing, when one is not an address;
 * `bad`, if not NULL, is then its place. */
int phu_resolver_set_servers(struct phu_resolver *resolver, const char *const *servers,
                             size_t count, size_t *bad);
/* Is this text such a server? */
bool phu_resolver_is_server(const char *text);
void phu_resolver_add_stats(struct phu_resolver *resolver, struct phu_stats *stats);

/* status 0, or -ENOENT (no such name, or no address of this family), -ETIMEDOUT, -ECONNREFUSED (no
 * server is willing: SERVFAIL or a closed port), -EIO. Addresses are borrowed for the call; port 0.
 * At most 16. */
typedef void phu_resolve_cb(void *arg, int status, const struct sockaddr_storage *addresses,
                            size_t count);

/* family AF_UNSPEC, AF_INET or AF_INET6. A literal address is answered without a query; a name
 * asked before, from memory while its TTL lasts (10 s for one that does not exist). The callback
 * runs later, from the loop, never from inside this call. -EINVAL for a name that can be none,
 * -ENOBUFS when thousands of names are being asked already. */
int phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                      int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                      struct phu_resolve **out);
/* As phu_resolve_start, for those whom an old address serves better than none, such as exporters:
 * when the name servers give no answer (-ENOENT is one), the addresses known before are handed over
 * with status 0 for up to a day after their TTL: after 1.5 s or half of the time limit without an
 * answer, and at once from then on, until a server answers again. */
int phu_resolve_start_tolerant(struct phu_resolver *resolver, const char *name, int family,
                               int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                               struct phu_resolve **out);
/* No callback afterwards. NULL is harmless. */
void phu_resolve_cancel(struct phu_resolve *resolve);

/* "10.0.0.1" or "fe80::1%eth0" to an address: 0, or -EINVAL when it is not a literal. */
int phu_address_parse(const char *text, struct sockaddr_storage *address);
