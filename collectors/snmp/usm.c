/* What net-snmp keeps for the whole process. See usm.h. */
#include "usm.h"

#include "phusong/log.h"
#include "secret.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* net-snmp insists on a folder for certificate indexes; here nothing can be created. */
#define NOWHERE "/dev/null/phusong"

#define BUCKETS 256

struct phu_usm_user {
    struct phu_usm_user *next;
    const struct phu_secret *secret;
    struct usmUser *user;
    char *owner;
    unsigned refs, enlisted;
    bool is_shared; /* and that has been said */
};

struct phu_usm {
    struct phu_usm_user *buckets[BUCKETS];
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

int phu_usm_new(struct phu_usm **out)
{
    struct phu_usm *usm = calloc(1, sizeof *usm);

    if (!usm)
        return -ENOMEM;
    start_library();
    *out = usm;
    return 0;
}

void phu_usm_free(struct phu_usm *usm)
{
    if (!usm)
        return;
    snmp_shutdown("phusong");
    free(usm);
}

/* -- Users ----------------------------------------------------------------------------------- */

static struct phu_usm_user **bucket_of(struct phu_usm *usm, const uint8_t *engine, size_t length)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ engine[i]) * 16777619U;
    return &usm->buckets[hash % BUCKETS];
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

static struct usmUser *build_user(const uint8_t *engine, size_t length,
                                  const struct phu_secret *secret)
{
    struct usmUser *user = usm_create_user();

    if (!user)
        return NULL;
    user->engineID = netsnmp_memdup(engine, length);
    user->engineIDLen = length;
    user->name = strdup(secret->user);
    user->secName = strdup(secret->user);
    user->userStorageType = ST_READONLY;
    if (!user->engineID || !user->name || !user->secName || set_keys(user, secret) < 0) {
        usm_free_user(user);
        return NULL;
    }
    return user;
}

int phu_usm_take(struct phu_usm *usm, const uint8_t *engine, size_t length,
                 const struct phu_secret *secret, const char *owner, struct phu_usm_user **out)
{
    struct phu_usm_user **bucket = bucket_of(usm, engine, length);
    struct phu_usm_user *user = *bucket;

    while (user && (user->secret != secret || user->user->engineIDLen != length ||
                    memcmp(user->user->engineID, engine, length) != 0))
        user = user->next;
    if (user && !user->is_shared && strcmp(user->owner, owner) != 0) {
        user->is_shared = true;
        phu_log_warn("snmp", "two devices have the same SNMP engine ID; give one of them another",
                     "device=%s other=%s", owner, user->owner);
    }
    if (!user) {
        user = calloc(1, sizeof *user);
        if (!user)
            return -ENOMEM;
        *user = (struct phu_usm_user){.next = *bucket,
                                      .secret = secret,
                                      .user = build_user(engine, length, secret),
                                      .owner = strdup(owner)};
        if (!user->user || !user->owner) {
            usm_free_user(user->user);
            free(user->owner);
            free(user);
            return -ENOTSUP;
        }
        *bucket = user;
    }
    user->refs++;
    *out = user;
    return 0;
}

void phu_usm_drop(struct phu_usm *usm, struct phu_usm_user *user)
{
    struct phu_usm_user **link;

    if (!user || --user->refs > 0)
        return;
    link = bucket_of(usm, user->user->engineID, user->user->engineIDLen);
    while (*link != user)
        link = &(*link)->next;
    *link = user->next;
    usm_free_user(user->user);
    free(user->owner);
    free(user);
}

const uint8_t *phu_usm_engine(const struct phu_usm_user *user, size_t *length)
{
    *length = user->user->engineIDLen;
    return user->user->engineID;
}

int phu_usm_enlist(struct phu_usm_user *user)
{
    if (user->enlisted++ > 0)
        return 0;
    if (usm_get_user(user->user->engineID, user->user->engineIDLen, user->user->name)) {
        user->enlisted--;
        return -EBUSY;
    }
    usm_add_user(user->user);
    return 0;
}

void phu_usm_delist(struct phu_usm_user *user)
{
    if (--user->enlisted > 0)
        return;
    usm_remove_user(user->user);
    /* The library leaves both pointing into its list, and follows them when freeing. */
    user->user->next = NULL;
    user->user->prev = NULL;
}
