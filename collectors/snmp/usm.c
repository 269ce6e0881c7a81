/* See usm.h. net-snmp is here for its ways to make keys, of which there are two for long ones. */
#include "usm.h"

#include "phusong/log.h"
#include "secret.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* net-snmp insists on a folder for certificate indexes; here nothing can be created. */
#define NOWHERE "/dev/null/phusong"

/* Of engines; a chain is walked when a device has been discovered, and no further than to a clone.
 */
#define BUCKETS 4096

/* So many clones are named, each once; a province of them would fill the journal. */
#define CLONES_NAMED_MAX 256

/* RFC 3414, 2.2.3: how far clocks may be apart, and where boots stop for good. */
#define TIME_WINDOW_S 150
#define BOOTS_MAX INT32_MAX

#define NS_PER_S INT64_C(1000000000)

struct phu_usm_user {
    struct phu_usm_user *next;
    struct phu_usm_engine engine;
    struct phu_crypt_keys keys;
    char *owner;
    struct sockaddr_in6 address; /* or sockaddr_in */
};

struct phu_usm {
    struct phu_usm_user *buckets[BUCKETS];
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

static void copy_keys(const struct usmUser *user, const struct phu_secret *secret,
                      struct phu_crypt_keys *keys)
{
    *keys =
        (struct phu_crypt_keys){.auth = (uint8_t)secret->auth, .privacy = (uint8_t)secret->privacy};
    if (user->authKey) {
        keys->auth_length = (uint8_t)user->authKeyLen;
        memcpy(keys->auth_key, user->authKey, user->authKeyLen);
    }
    if (user->privKey)
        memcpy(keys->privacy_key, user->privKey, user->privKeyLen);
}

/* By way of a user of net-snmp's, to whom its functions belong. */
static int make_keys(const struct phu_usm_engine *engine, const struct phu_secret *secret,
                     struct phu_crypt_keys *keys)
{
    struct usmUser *user = usm_create_user();
    int error = -ENOTSUP;

    if (!user)
        return -ENOMEM;
    user->engineID = netsnmp_memdup(engine->id, engine->length);
    user->engineIDLen = engine->length;
    if (user->engineID)
        error = set_keys(user, secret);
    if (!error)
        copy_keys(user, secret, keys);
    usm_free_user(user);
    return error;
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
    free(user->owner);
    explicit_bzero(&user->keys, sizeof user->keys);
    free(user);
}

int phu_usm_take(struct phu_usm *usm, const struct phu_usm_engine *engine,
                 const struct phu_secret *secret, const struct phu_usm_owner *owner,
                 struct phu_usm_user **out)
{
    struct phu_usm_user *user = calloc(1, sizeof *user), **bucket = bucket_of(usm, engine);

    if (!user)
        return -ENOMEM;
    user->engine = *engine;
    user->owner = strdup(owner->name);
    if (!user->owner || make_keys(engine, secret, &user->keys) < 0) {
        free_user(user);
        return -ENOTSUP;
    }
    memcpy(&user->address, owner->address,
           owner->address->sa_family == AF_INET6 ? sizeof user->address
                                                 : sizeof(struct sockaddr_in));
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

const struct phu_crypt_keys *phu_usm_keys(const struct phu_usm_user *user)
{
    return &user->keys;
}

/* -- Clocks ---------------------------------------------------------------------------------- */

struct phu_crypt_moment phu_usm_moment(const struct phu_usm_user *user, int64_t now_ns)
{
    const struct phu_usm_engine *engine = &user->engine;
    int64_t time_s = engine->time_s;

    /* Before the engine has told its time, we would only guess. */
    if (engine->boots || engine->time_s)
        time_s += (now_ns - engine->at_ns) / NS_PER_S;
    return (struct phu_crypt_moment){engine->boots,
                                     time_s > INT32_MAX ? INT32_MAX : (uint32_t)time_s};
}

bool phu_usm_heard(struct phu_usm_user *user, const struct phu_crypt_moment *moment,
                   bool is_authentic, int64_t now_ns)
{
    struct phu_usm_engine *engine = &user->engine;
    struct phu_crypt_moment ours = phu_usm_moment(user, now_ns);
    bool is_ahead = moment->boots > engine->boots ||
                    (moment->boots == engine->boots && moment->time_s > engine->time_s);
    bool is_in_window = is_ahead || (moment->boots == engine->boots &&
                                     moment->time_s + TIME_WINDOW_S >= ours.time_s);

    if (is_authentic ? is_ahead || !engine->is_authentic : is_ahead && !engine->is_authentic) {
        is_in_window = true;
        engine->is_authentic = is_authentic;
        engine->boots = moment->boots;
        engine->time_s = moment->time_s;
        engine->at_ns = now_ns;
    }
    return !is_authentic || (is_in_window && moment->boots != BOOTS_MAX);
}
