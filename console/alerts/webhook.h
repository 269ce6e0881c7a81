/* One webhook: each change of an alert is a letter, posted once, in order, until it is taken.
 *
 * A letter is the JSON object {"event": "firing" | "changed" | "resolved", "number": …, "alert":
 * {…}}. With a secret it is signed: X-Phusong-Signature: sha256=HEX, the HMAC-SHA256 (RFC 2104) of
 * "TIMESTAMP.BODY", TIMESTAMP being the header X-Phusong-Timestamp, in seconds of UTC. The receiver
 * compares, refuses old timestamps, and knows a letter that comes twice by X-Phusong-Delivery.
 */
#pragma once

#include "entry.h"
#include "outlet.h"

struct phu_webhook_conf {
    struct phu_outlet_conf outlet; /* first */
    char *secret;
    struct phu_strings headers;
    bool sends_resolved;
};
extern const struct phu_option_table phu_webhook_options;

struct phu_webhook;

struct phu_webhook *phu_webhook_new(const struct phu_outlet_env *env,
                                    const struct phu_webhook_conf *conf);
void phu_webhook_free(struct phu_webhook *webhook);
const char *phu_webhook_name(const struct phu_webhook *webhook);

/* A letter about the alert, with a number that is higher than all before it. */
void phu_webhook_put(struct phu_webhook *webhook, const struct phu_entry *entry, const char *event,
                     int64_t number);
/* One that was left from before a restart. */
void phu_webhook_restore(struct phu_webhook *webhook, int64_t number, const char *body);
