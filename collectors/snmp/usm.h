/* What net-snmp keeps for the whole process: its initialisation, the list of version 3 users, and
 * the table of engines' clocks.
 *
 * The list is searched from its head and the table has 23 chains, for every message several times,
 * so with thousands of devices they would cost more than everything else. Here every device has its
 * own user and clock, and the library knows them only between enter and leave: around one call into
 * it. So list and table have one entry at most, whatever the number of devices, and two devices
 * with one engine ID, clones of one image, do not disturb each other's clocks, keys or passphrases;
 * that they are clones is reported all the same, because other programs will be disturbed. What a
 * device was believed to be goes with its user: after a new discovery nothing old is left.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PHU_ENGINE_ID_MAX 32

struct phu_secret;
struct phu_usm;
struct phu_usm_user;

/* Who a device is, and its SNMP clock (RFC 3414, 2.2) as last heard. */
struct phu_usm_engine {
    uint8_t id[PHU_ENGINE_ID_MAX];
    uint8_t length; /* of the id; 0: not known */
    unsigned boots, time_s;
    int64_t local_s; /* when that was, on net-snmp's own clock */
};

/* One at a time in a process. Loads no MIBs, reads no configuration, writes no files. */
int phu_usm_new(struct phu_usm **out);
/* Every user has been dropped. */
void phu_usm_free(struct phu_usm *usm);

/* Whose engine it is. */
struct phu_usm_owner {
    const char *name;               /* for the log */
    const struct sockaddr *address; /* two owners with one address are one device, not clones */
};

/* The user of `secret` at this engine, its keys made for it. All but the secret is copied; no
 * secret is needed afterwards. */
int phu_usm_take(struct phu_usm *usm, const struct phu_usm_engine *engine,
                 const struct phu_secret *secret, const struct phu_usm_owner *owner,
                 struct phu_usm_user **out);
/* NULL is harmless. */
void phu_usm_drop(struct phu_usm *usm, struct phu_usm_user *user);

const struct phu_usm_engine *phu_usm_engine(const struct phu_usm_user *user);

/* Between these two net-snmp knows the user and the clock of its engine, and nobody else's. NULL:
 * it knows nobody, as for discovery. They do not nest. */
void phu_usm_enter(struct phu_usm *usm, struct phu_usm_user *user);
void phu_usm_leave(struct phu_usm *usm, struct phu_usm_user *user);
/* Before that: the clock that net-snmp has learnt of this engine. */
void phu_usm_read_clock(struct phu_usm_engine *engine);
/* After that, when a message named this engine and it is not the user's: the library remembers each
 * that it ever heard of. */
void phu_usm_forget(struct phu_usm *usm, const uint8_t *engine, size_t length);
