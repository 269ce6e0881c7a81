/* What net-snmp keeps for the whole process: its initialisation, and the list of version 3 users.
 *
 * That list is searched from its head for every message, so with thousands of devices it would cost
 * more than everything else. A user is therefore on it only while one of its devices is being
 * polled. Users are kept by (engine, secret): two devices with one engine ID, clones of one image,
 * share a user, and that is reported because their clocks disturb each other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PHU_ENGINE_ID_MAX 32

struct phu_secret;
struct phu_usm;
struct phu_usm_user;

/* One at a time in a process. Loads no MIBs, reads no configuration, writes no files. */
int phu_usm_new(struct phu_usm **out);
/* Every user has been dropped. */
void phu_usm_free(struct phu_usm *usm);

/* The user of `secret` at this engine, its keys made for it. `owner` is copied, for the log. The
 * secret outlives the user. */
int phu_usm_take(struct phu_usm *usm, const uint8_t *engine, size_t engine_length,
                 const struct phu_secret *secret, const char *owner, struct phu_usm_user **out);
/* NULL is harmless. Not enlisted. */
void phu_usm_drop(struct phu_usm *usm, struct phu_usm_user *user);

const uint8_t *phu_usm_engine(const struct phu_usm_user *user, size_t *length);

/* Between these two net-snmp knows the user. -EBUSY while another user of the same name and engine
 * but with other keys is enlisted. */
int phu_usm_enlist(struct phu_usm_user *user);
void phu_usm_delist(struct phu_usm_user *user);
