/* Names to addresses without ever blocking the loop (c-ares underneath). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct phu_resolver;
struct phu_resolve;
struct phu_sched;

int phu_resolver_new(struct phu_sched *sched, struct phu_resolver **out);
void phu_resolver_free(struct phu_resolver *resolver);

/* status 0, or -ENOENT (no such name), -ETIMEDOUT, -ECONNREFUSED, -EIO. Addresses are borrowed for
 * the call; port 0. At most 16. */
typedef void phu_resolve_cb(void *arg, int status, const struct sockaddr_storage *addresses,
                            size_t count);

/* family AF_UNSPEC, AF_INET or AF_INET6. A literal address is answered without a query. The
 * callback runs later, from the loop, never from inside this call. */
int phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                      int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                      struct phu_resolve **out);
/* No callback afterwards. NULL is harmless. */
void phu_resolve_cancel(struct phu_resolve *resolve);

/* "10.0.0.1" or "fe80::1%eth0" to an address: 0, or -EINVAL when it is not a literal. */
int phu_address_parse(const char *text, struct sockaddr_storage *address);
