/* Messages of version 3, made safe and opened again: the user-based security model of RFC 3414 from
 * the side of who asks. No sockets, no timers.
 */
#pragma once

#include "encode.h"
#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_crypt;
struct phu_secret;
struct phu_usm_user;

/* Who asks: `user` is NULL to ask who is there, which needs no secret. */
struct phu_secure_asker {
    struct phu_crypt *crypt;
    const struct phu_secret *secret;
    struct phu_usm_user *user;
};

/* Turns the PDU in `to` into a whole message. Behind `to->end` are at least PHU_SECURE_SLACK bytes
 * of the same buffer. False when OpenSSL fails. */
#define PHU_SECURE_SLACK 8
bool phu_secure_seal(const struct phu_secure_asker *asker, struct phu_encoder *to, uint32_t id,
                     int64_t now_ns);

enum phu_secure_verdict {
    PHU_SECURE_GOOD,
    PHU_SECURE_DAMAGED, /* not what is asked for, not readable, or not authentic: to be ignored */
    PHU_SECURE_STRANGE, /* about another engine than the one that was asked */
};

/* Checks a message whose header has been read from `bytes`, decrypts and reads it. A response is
 * good when it is as safe as the question was, and about the same engine and context; a report may
 * be less safe, because a device that does not know a user cannot sign for it. `plain` has room for
 * PHU_MESSAGE_SIZE_MAX, and `message` points into it, `bytes` and `room`. */
enum phu_secure_verdict phu_secure_open(const struct phu_secure_asker *asker, const uint8_t *bytes,
                                        const struct phu_message_header *header, int64_t now_ns,
                                        uint8_t *plain, struct phu_message_room *room,
                                        struct phu_message *message);
