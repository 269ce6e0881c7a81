/* SNMPv3 with the User-based Security Model (RFC 3412, 3414, 3826, 7860), the side of an agent that
 * is ten thousand engines: users are the same for all, keys are localised when an engine is first
 * spoken to, and kept. AES-192 and AES-256 extend short keys as draft-blumenthal-aes-usm-04 says,
 * which is what net-snmp calls AES-192 and AES-256. */
#pragma once

#include "ber.h"
#include "units.h"

enum { LAB_ENGINE_MAX = 32, LAB_USERNAME_MAX = 32 };

/* Flags of a message, and the level of a user. */
enum { LAB_FLAG_AUTH = 1, LAB_FLAG_PRIV = 2, LAB_FLAG_REPORTABLE = 4 };

/* Why a request is answered with a report. In the order of usm_reports in usm.c. */
enum lab_report {
    LAB_REPORT_NONE,
    LAB_REPORT_LEVEL,
    LAB_REPORT_TIME,
    LAB_REPORT_USER,
    LAB_REPORT_ENGINE,
    LAB_REPORT_DIGEST,
    LAB_REPORT_DECRYPTION,
    LAB_REPORT_CONTEXT,
    LAB_REPORT_HANDLER,
    LAB_REPORTS,
};

struct lab_engine {
    uint8_t id[LAB_ENGINE_MAX];
    size_t length;
    uint32_t boots;
    uint32_t time;
};

/* A version 3 message with its pointers into it. */
struct lab_v3 {
    struct lab_bytes whole;
    int64_t id;
    int64_t most; /* bytes that the sender can take */
    uint8_t flags;
    struct lab_bytes engine;
    int64_t boots;
    int64_t time;
    struct lab_bytes user;
    struct lab_bytes digest;
    struct lab_bytes salt;
    struct lab_bytes data; /* what follows the security parameters */
};

struct lab_usm;

struct lab_usm *lab_usm_new(void);
void lab_usm_free(struct lab_usm *usm);
/* "NAME", "NAME:SHA-256:PASSWORD" or "NAME:SHA-256:PASSWORD:AES:PASSWORD". Takes some milliseconds:
 * a password is a million bytes of hashing. */
int lab_usm_add_user(struct lab_usm *usm, const char *text, struct lab_error *err);

/* `whole` is the message, `inside` what follows its version. -EBADMSG. */
int lab_v3_parse(struct lab_bytes whole, struct lab_bytes inside, struct lab_v3 *message);
/* Checks and decrypts: gives the scoped PDU, which holds until the next call. */
enum lab_report lab_usm_open(struct lab_usm *usm, const struct lab_v3 *message,
                             const struct lab_engine *engine, struct lab_bytes *scoped);
/* The level that the user was made for. */
unsigned lab_usm_level(const struct lab_usm *usm, const struct lab_v3 *message);
/* Makes a whole message of the PDU in `out`. `level`: flags of the answer. */
void lab_usm_seal(struct lab_usm *usm, const struct lab_v3 *request,
                  const struct lab_engine *engine, unsigned level, struct lab_bytes context,
                  struct lab_writer *out);
/* The object that counts this kind of report, in BER. */
struct lab_bytes lab_report_name(enum lab_report report);
/* The level that a report of that kind may have when the request has `flags`. */
unsigned lab_report_level(enum lab_report report, unsigned flags);
