/* The options of one entry of `credentials`, and what has to agree between them. */
#include "phusong/credential.h"

#include <string.h>

static const char *const versions[] = {"1", "2c", "3", NULL};
static const char *const auths[] = {"none",   "md5",    "sha1",   "sha224",
                                    "sha256", "sha384", "sha512", NULL};
static const char *const privacies[] = {"none",   "des",     "aes128",  "aes192",
                                        "aes256", "aes192c", "aes256c", NULL};

static const struct phu_option options[] = {
    {.name = "name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_credential, name),
     .example = "switches",
     .meaning = "what devices.csv calls it in the column credential"},
    {.name = "version",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct phu_credential, version),
     .fallback = "2c",
     .choices = versions,
     .meaning = "SNMP version; 1 only for devices that know no other, it has no 64-bit counters"},
    {.name = "community",
     .type = PHU_OPTION_SECRET,
     .offset = offsetof(struct phu_credential, community),
     .fallback = "",
     .meaning = "versions 1 and 2c: where the community is read from"},
    {.name = "user",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_credential, user),
     .fallback = "",
     .meaning = "version 3: user name, at most 32 bytes"},
    {.name = "auth",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct phu_credential, auth),
     .fallback = "none",
     .choices = auths,
     .meaning = "version 3: how messages are authenticated"},
    {.name = "auth_secret",
     .type = PHU_OPTION_SECRET,
     .offset = offsetof(struct phu_credential, auth_secret),
     .fallback = "",
     .meaning = "version 3: where the authentication passphrase is read from"},
    {.name = "privacy",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct phu_credential, privacy),
     .fallback = "none",
     .choices = privacies,
     .meaning = "version 3: how messages are encrypted; needs auth. aes192c and aes256c lengthen "
                "keys as Cisco does"},
    {.name = "privacy_secret",
     .type = PHU_OPTION_SECRET,
     .offset = offsetof(struct phu_credential, privacy_secret),
     .fallback = "",
     .meaning = "version 3: where the encryption passphrase is read from"},
    {.name = "context",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_credential, context),
     .fallback = "",
     .meaning = "version 3: context name; empty on nearly all devices"},
};

static void refuse_user_options(const struct phu_credential *credential, void *context)
{
    const struct {
        const char *name;
        bool is_given;
    } given[] = {
        {"user", credential->user[0] != '\0'},
        {"auth", credential->auth != PHU_SNMP_AUTH_NONE},
        {"auth_secret", credential->auth_secret[0] != '\0'},
        {"privacy", credential->privacy != PHU_SNMP_PRIVACY_NONE},
        {"privacy_secret", credential->privacy_secret[0] != '\0'},
        {"context", credential->context[0] != '\0'},
    };

    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (given[i].is_given)
            phu_conf_mistake(context, given[i].name,
                             "`%s` belongs to version 3, this entry has version %s; set "
                             "`version: 3` or remove it",
                             given[i].name, versions[credential->version]);
    }
}

static void validate_community(const struct phu_credential *credential, void *context)
{
    if (!credential->community[0])
        phu_conf_mistake(context, "community",
                         "version %s needs `community`, the file that holds the community",
                         versions[credential->version]);
    refuse_user_options(credential, context);
}

static void validate_secret(void *context, const char *what, bool is_wanted, const char *reference)
{
    if (is_wanted && !reference[0])
        phu_conf_mistake(context, what,
                         "`%s` needs `%s_secret`, the file that holds its passphrase", what, what);
    if (!is_wanted && reference[0])
        phu_conf_mistake(context, what,
                         "`%s_secret` is given but `%s` is none; choose a protocol or remove it",
                         what, what);
}

static void validate_user(const struct phu_credential *credential, void *context)
{
    bool has_auth = credential->auth != PHU_SNMP_AUTH_NONE;
    bool has_privacy = credential->privacy != PHU_SNMP_PRIVACY_NONE;

    if (!credential->user[0])
        phu_conf_mistake(context, "user", "version 3 needs `user`");
    else if (strlen(credential->user) > 32)
        phu_conf_mistake(context, "user", "an SNMP user name has at most 32 bytes, this has %zu",
                         strlen(credential->user));
    if (credential->community[0])
        phu_conf_mistake(context, "community",
                         "`community` belongs to versions 1 and 2c, this entry has version 3");
    validate_secret(context, "auth", has_auth, credential->auth_secret);
    validate_secret(context, "privacy", has_privacy, credential->privacy_secret);
    if (has_privacy && !has_auth)
        phu_conf_mistake(context, "privacy",
                         "SNMPv3 encrypts only authenticated messages; set "
                         "`auth` as well");
    if (strlen(credential->context) > 32)
        phu_conf_mistake(context, "context", "a context name has at most 32 bytes, this has %zu",
                         strlen(credential->context));
}

static void validate(const void *conf, void *context)
{
    const struct phu_credential *credential = conf;

    if (!credential->name[0])
        phu_conf_mistake(context, "name", "a credential needs a name for devices.csv to refer to");
    if (credential->version == PHU_SNMP_V3)
        validate_user(credential, context);
    else
        validate_community(credential, context);
}

const struct phu_option_table phu_credential_options = {
    .options = options,
    .count = sizeof options / sizeof *options,
    .size = sizeof(struct phu_credential),
    .validate = validate,
};
