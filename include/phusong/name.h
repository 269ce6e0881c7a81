/* A host name that is measured again and again: resolved when first needed, asked anew in the
 * background from then on, so that no probe waits for a name server that has become slow.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct phu_name;
struct phu_resolver;
struct phu_sched;

/* status 0, or as of phu_resolve_cb. */
typedef void phu_name_cb(void *arg, int status);

/* `text` is borrowed for the name's life; literal addresses are fine. -EINVAL for a literal of
 * another family than `family` (AF_UNSPEC takes any). */
int phu_name_new(struct phu_sched *sched, struct phu_resolver *resolver, const char *text,
                 int family, phu_name_cb *known, void *arg, struct phu_name **out);
/* No callback afterwards. NULL is harmless. */
void phu_name_free(struct phu_name *name);

/* 0: the address (port 0). -EINPROGRESS: being asked; `known` is called, from the loop, when the
 * answer is there. Other errors: it cannot be asked. The address stays the same while the name
 * keeps it, and stays in use while the servers are silent; it is dropped when the name is gone. */
int phu_name_get(struct phu_name *name, int64_t timeout_ns, struct sockaddr_storage *address);
