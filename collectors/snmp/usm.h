/* The users of version 3 at their engines: whose engine is whose, keys made for each, and the
 * engines' clocks; what RFC 3414 calls the local configuration datastore. And net-snmp, which makes
 * the keys.
 *
 * Every device has its own user and clock, so two devices with one engine ID, clones of one image,
 * do not disturb each other; that they are clones is reported all the same, because other programs
 * will be disturbed. What a device was believed to be goes with its user: after a new discovery
 * nothing old is left.
 */
#pragma once

#include "crypt.h"

#include <stdbool.h>
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
    uint8_t length;    /* of the id; 0: not known */
    bool is_authentic; /* the clock was in a message that only the engine can have made */
    uint32_t boots, time_s;
    int64_t at_ns; /* monotonic: when it was so */
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
const struct phu_crypt_keys *phu_usm_keys(const struct phu_usm_user *user);

/* What the engine's clock shows now. */
struct phu_crypt_moment phu_usm_moment(const struct phu_usm_user *user, int64_t now_ns);
/* The engine has told its clock: sets ours after it where it is ahead. False when the message is
 * out of the time window (RFC 3414, 3.2, 7b): a repetition of something old. What is not authentic
 * sets the clock only as long as nothing authentic has. */
bool phu_usm_heard(struct phu_usm_user *user, const struct phu_crypt_moment *moment,
                   bool is_authentic, int64_t now_ns);
