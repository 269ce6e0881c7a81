/* What a device wants to know before it answers: SNMP communities and users. They stand in the
 * section `credentials` of the configuration and are named in devices.csv; collectors look them up
 * by that name and never see the file.
 *
 * The fields marked "secret" hold references as PHU_OPTION_SECRET does (a path, or
 * credential:NAME); whoever needs the secret itself calls phu_secret_read() and wipes it after use.
 */
#pragma once

#include "phusong/conf.h"

enum phu_snmp_version {
    PHU_SNMP_V1,
    PHU_SNMP_V2C,
    PHU_SNMP_V3,
};

enum phu_snmp_auth {
    PHU_SNMP_AUTH_NONE,
    PHU_SNMP_AUTH_MD5,
    PHU_SNMP_AUTH_SHA1,
    PHU_SNMP_AUTH_SHA224,
    PHU_SNMP_AUTH_SHA256,
    PHU_SNMP_AUTH_SHA384,
    PHU_SNMP_AUTH_SHA512,
};

enum phu_snmp_privacy {
    PHU_SNMP_PRIVACY_NONE,
    PHU_SNMP_PRIVACY_DES,
    PHU_SNMP_PRIVACY_AES128,
    PHU_SNMP_PRIVACY_AES192,
    PHU_SNMP_PRIVACY_AES256,
    /* Keys lengthened in the other of the two ways in use, as Cisco and others do. */
    PHU_SNMP_PRIVACY_AES192C,
    PHU_SNMP_PRIVACY_AES256C,
};

struct phu_credential {
    char *name;
    int version;          /* enum phu_snmp_version */
    char *community;      /* secret; versions 1 and 2c */
    char *user;           /* version 3, from here on */
    int auth;             /* enum phu_snmp_auth */
    char *auth_secret;    /* secret; at least 8 characters */
    int privacy;          /* enum phu_snmp_privacy */
    char *privacy_secret; /* secret; at least 8 characters */
    char *context;        /* "" is the default context */
};

/* One entry of `credentials`, rules between its options included. */
extern const struct phu_option_table phu_credential_options;
