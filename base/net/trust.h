/* Certificates of authorities, read once and off the loop: parsing the system's takes some 60 ms,
 * and libcurl would do it on the loop. Private to base/net. */
#pragma once

#include <openssl/ossl_typ.h>

struct phu_sched;
struct phu_trust;

/* `ready` is called from the loop whenever a file has been read, well or not. */
struct phu_trust *phu_trust_new(struct phu_sched *sched, void (*ready)(void *arg), void *arg);
void phu_trust_free(struct phu_trust *trust);

/* The authorities of `file` (NULL: the system's), borrowed: take a reference to
 * keep them. -EAGAIN while it
 * is being read: ask again when `ready` is called. -ENOENT when it cannot be read or holds none; it
 * is then tried again on a later call. A file that changes is read again within a minute. */
int phu_trust_get(struct phu_trust *trust, const char *file, X509_STORE **store);
/* The name of what NULL stands for. */
const char *phu_trust_system_file(void);
