/* One Alertmanager (API v2). It is told what stands at once, again every `resend`, and what is over
 * for a quarter of an hour, so that neither a restart of it nor a lost answer leaves anything
 * behind. Telling it something again changes nothing there.
 *
 * A standing alert is sent with an end four times `resend` ahead: if this process dies, the
 * Alertmanager resolves it by itself.
 *
 * https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
 */
#pragma once

#include "outlet.h"

struct phu_alertmanager_conf {
    struct phu_outlet_conf outlet; /* first */
};
extern const struct phu_option_table phu_alertmanager_options;

struct phu_alertmanager;

/* `place`: its number in phu_entry.told. */
struct phu_alertmanager *phu_alertmanager_new(const struct phu_outlet_env *env,
                                              const struct phu_alertmanager_conf *conf,
                                              size_t place, int64_t resend_ns);
void phu_alertmanager_free(struct phu_alertmanager *manager);
/* Something in the ledger has changed. */
void phu_alertmanager_wake(struct phu_alertmanager *manager);

/* Of alerts that are over, so long. */
#define PHU_ALERTMANAGER_TELLS_END_NS (15 * INT64_C(60) * 1000000000)
