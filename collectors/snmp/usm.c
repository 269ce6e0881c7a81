/* What net-snmp keeps for the whole process. See usm.h.
 *
 * The table of clocks cannot be reached from outside, but its entries can. So each of its chains
 * gets one entry that stays, and behind that one the clock of whoever is being served is hung in
 * and taken off again; the library finds it there and keeps it up to date. To have the library do
 * this itself would cost six digests of the engine ID for every message, a third of everything.
 */
#include "usm.h"

#include "phusong/log.h"
#include "secret.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/library/lcd_time.h>

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* net-snmp insists on a folder for certificate indexes; here nothing can be created. */
#define NOWHERE "/dev/null/phusong"

/* Of engines; a chain is walked when a device has been discovered, and no further than to a clone.
 */
#define BUCKETS 4096

/* So many clones are named, each once; a province of them would fill the journal. */
#define CLONES_NAMED_MAX 256

#define ANCHOR_SIZE 8

struct phu_usm_user {
    struct phu_usm_user *next;
    struct phu_usm_engine engine;
    struct usmUser *user;
    struct enginetime_struct clock; /* kept up to date by the library while it is in its table */
    size_t chain;                   /* of that table, for this engine */
    char *owner;
    struct sockaddr_in6 address; /* or sockaddr_in */
};

struct phu_usm {
    struct phu_usm_user *buckets[BUCKETS];
    /* An entry of each chain of the library's table, of an engine that does not exist; it stays. */
    struct enginetime_struct *anchors[ETIMELIST_SIZE];
    uint8_t anchor_ids[ETIMELIST_SIZE][ANCHOR_SIZE];
    char *clones[CLONES_NAMED_MAX]; /* owners that have been named */
    size_t clone_count;
};

/* -- The library ----------------------------------------------------------------------------- */

static int forward_log(int major, int minor, void *message, void *arg)
{
    const struct snmp_log_message *line = message;

    (void)major;
    (void)minor;
    (void)arg;
    /* It logs what single packets are like; anyone on the network could fill the journal so. */
    phu_log_debug("snmp", "net-snmp", "text=\"%.*s\"", (int)strcspn(line->msg, "\n"), line->msg);
    return 0;
}

static void start_library(void)
{
    setenv("MIBS", "", 1);
    setenv("MIBDIRS", NOWHERE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_NO_DISCOVERY, 1);
    netsnmp_ds_set_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_OID_OUTPUT_FORMAT,
                       NETSNMP_OID_OUTPUT_NUMERIC);
    set_persistent_directory(NOWHERE);
    snmp_disable_log();
    netsnmp_register_loghandler(NETSNMP_LOGHANDLER_CALLBACK, LOG_DEBUG);
    init_snmp("phusong");
    snmp_register_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, forward_log, NULL);
}

static void drop_anchor(struct phu_usm *usm, size_t chain)
{
    const uint8_t *id = usm->anchor_ids[chain];

    set_enginetime(id, ANCHOR_SIZE, 0, 0, FALSE);
    usm->anchors[chain] = search_enginetime_list(id, ANCHOR_SIZE);
    if (!usm->anchors[chain])
        abort();
}

/* Which chain an engine belongs to is found by trying. */
static void drop_anchors(struct phu_usm *usm)
{
    uint8_t id[ANCHOR_SIZE] = {0x80, 0, 0, 0, 5};
    size_t dropped = 0;

    while (dropped < ETIMELIST_SIZE) {
        int chain;

        if (++id[ANCHOR_SIZE - 1] == 0)
            id[ANCHOR_SIZE - 2]++;
        chain = hash_engineID(id, ANCHOR_SIZE);
        if (chain < 0 || chain >= ETIMELIST_SIZE)
            abort();
        if (usm->anchors[chain])
            continue;
        memcpy(usm->anchor_ids[chain], id, ANCHOR_SIZE);
        drop_anchor(usm, (size_t)chain);
        dropped++;
    }
}

int phu_usm_new(struct phu_usm **out)
{
    struct phu_usm *usm = calloc(1, sizeof *usm);

    if (!usm)
        return -ENOMEM;
    start_library();
    drop_anchors(usm);
    *out = usm;
    return 0;
}

void phu_usm_free(struct phu_usm *usm)
{
    if (!usm)
        return;
    snmp_shutdown("phusong");
    while (usm->clone_count)
        free(usm->clones[--usm->clone_count]);
    free(usm);
}

/* -- Users ----------------------------------------------------------------------------------- */

static struct phu_usm_user **bucket_of(struct phu_usm *usm, const struct phu_usm_engine *engine)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < engine->length; i++)
        hash = (hash ^ engine->id[i]) * 16777619U;
    return &usm->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static uint8_t *localise(const struct usmUser *user, const uint8_t *key, size_t key_length,
                         size_t *length)
{
    uint8_t *local = calloc(1, PHU_SECRET_KEY_MAX);

    *length = PHU_SECRET_KEY_MAX;
    if (local &&
        generate_kul(user->authProtocol, (u_int)user->authProtocolLen, user->engineID,
                     user->engineIDLen, key, key_length, local, length) != SNMPERR_SUCCESS) {
        free(local);
        local = NULL;
    }
    return local;
}

static int set_protocol(struct phu_secret_protocol protocol, oid **name, size_t *length)
{
    oid *copy = snmp_duplicate_objid(protocol.oid, protocol.length);

    if (!copy)
        return -ENOTSUP;
    free(*name);
    *name = copy;
    *length = protocol.length;
    return 0;
}

static int set_keys(struct usmUser *user, const struct phu_secret *secret)
{
    if (secret->auth == PHU_SNMP_AUTH_NONE)
        return 0;
    if (set_protocol(phu_secret_auth(secret), &user->authProtocol, &user->authProtocolLen) < 0)
        return -ENOTSUP;
    user->authKey = localise(user, secret->auth_key, secret->auth_key_length, &user->authKeyLen);
    if (!user->authKey)
        return -ENOTSUP;
    if (secret->privacy == PHU_SNMP_PRIVACY_NONE)
        return 0;
    if (set_protocol(phu_secret_privacy(secret), &user->privProtocol, &user->privProtocolLen) < 0)
        return -ENOTSUP;
    user->privKey =
        localise(user, secret->privacy_key, secret->privacy_key_length, &user->privKeyLen);
    if (!user->privKey || usm_extend_user_kul(user, PHU_SECRET_KEY_MAX) != SNMPERR_SUCCESS)
        return -ENOTSUP;
    return 0;
}

static struct usmUser *build_user(const struct phu_usm_engine *engine,
                                  const struct phu_secret *secret)
{
    struct usmUser *user = usm_create_user();

    if (!user)
        return NULL;
    user->engineID = netsnmp_memdup(engine->id, engine->length);
    user->engineIDLen = engine->length;
    user->name = strdup(secret->user);
    user->secName = strdup(secret->user);
    user->userStorageType = ST_READONLY;
    if (!user->engineID || !user->name || !user->secName || set_keys(user, secret) < 0) {
        usm_free_user(user);
        return NULL;
    }
    return user;
}

static bool is_named(const struct phu_usm *usm, const char *owner)
{
    for (size_t i = 0; i < usm->clone_count; i++) {
        if (!strcmp(usm->clones[i], owner))
            return true;
    }
    return false;
}

static bool is_at_one_place(const struct phu_usm_user *a, const struct phu_usm_user *b)
{
    return memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

/* Is another device known by this engine ID? */
static void look_for_clone(struct phu_usm *usm, const struct phu_usm_user *user)
{
    const struct phu_usm_user *other = *bucket_of(usm, &user->engine);

    while (other && (other->engine.length != user->engine.length ||
                     memcmp(other->engine.id, user->engine.id, user->engine.length) != 0 ||
                     is_at_one_place(other, user)))
        other = other->next;
    if (!other || usm->clone_count == CLONES_NAMED_MAX || is_named(usm, user->owner))
        return;
    usm->clones[usm->clone_count] = strdup(user->owner);
    if (usm->clones[usm->clone_count])
        usm->clone_count++;
    phu_log_warn("snmp", "two devices have the same SNMP engine ID; give one of them another",
                 "device=%s other=%s", user->owner, other->owner);
}

static void free_user(struct phu_usm_user *user)
{
    if (user->user)
        usm_free_user(user->user);
    free(user->owner);
    free(user);
}

static void start_clock(struct phu_usm_user *user)
{
    const struct phu_usm_engine *engine = &user->engine;
    int chain = hash_engineID(engine->id, engine->length);

    if (chain < 0 || chain >= ETIMELIST_SIZE)
        abort();
    user->chain = (size_t)chain;
    user->clock = (struct enginetime_struct){.engineID = user->engine.id,
                                             .engineID_len = engine->length,
                                             .engineBoot = engine->boots,
                                             .engineTime = engine->time_s,
                                             .lastReceivedEngineTime = engine->local_s};
}

int phu_usm_take(struct phu_usm *usm, const struct phu_usm_engine *engine,
                 const struct phu_secret *secret, const struct phu_usm_owner *owner,
                 struct phu_usm_user **out)
{
    struct phu_usm_user *user = calloc(1, sizeof *user), **bucket = bucket_of(usm, engine);

    if (!user)
        return -ENOMEM;
    *user = (struct phu_usm_user){
        .engine = *engine, .user = build_user(engine, secret), .owner = strdup(owner->name)};
    if (!user->user || !user->owner) {
        free_user(user);
        return -ENOTSUP;
    }
    memcpy(&user->address, owner->address,
           owner->address->sa_family == AF_INET6 ? sizeof user->address
                                                 : sizeof(struct sockaddr_in));
    start_clock(user);
    look_for_clone(usm, user);
    user->next = *bucket;
    *bucket = user;
    *out = user;
    return 0;
}

void phu_usm_drop(struct phu_usm *usm, struct phu_usm_user *user)
{
    struct phu_usm_user **link;

    if (!user)
        return;
    link = bucket_of(usm, &user->engine);
    while (*link != user)
        link = &(*link)->next;
    *link = user->next;
    free_user(user);
}

const struct phu_usm_engine *phu_usm_engine(const struct phu_usm_user *user)
{
    return &user->engine;
}

/* -- What the library knows ------------------------------------------------------------------ */

void phu_usm_enter(struct phu_usm *usm, struct phu_usm_user *user)
{
    if (!user)
        return;
    usm_add_user(user->user);
    user->clock.next = usm->anchors[user->chain]->next;
    usm->anchors[user->chain]->next = &user->clock;
}

void phu_usm_leave(struct phu_usm *usm, struct phu_usm_user *user)
{
    if (!user)
        return;
    usm->anchors[user->chain]->next = user->clock.next;
    usm_remove_user(user->user);
    /* The library leaves both pointing into its list, and follows them when freeing. */
    user->user->next = NULL;
    user->user->prev = NULL;
}

void phu_usm_read_clock(struct phu_usm_engine *engine)
{
    const struct enginetime_struct *found = search_enginetime_list(engine->id, engine->length);

    if (!found)
        return;
    engine->boots = found->engineBoot;
    engine->time_s = found->engineTime;
    engine->local_s = found->lastReceivedEngineTime;
}

void phu_usm_forget(struct phu_usm *usm, const uint8_t *engine, size_t length)
{
    int chain = length > 0 && length <= UINT_MAX ? hash_engineID(engine, (u_int)length) : -1;

    if (chain < 0 || !search_enginetime_list(engine, (u_int)length))
        return;
    free_enginetime((u_char *)engine, length); /* and all others of its chain */
    drop_anchor(usm, (size_t)chain);
}
