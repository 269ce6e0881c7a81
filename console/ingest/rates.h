/* How fast each token sends. A token may send `per_second` lines for each second since it was last
 * heard of, saves up at most ten seconds' worth, and may overdraw with one body: what that was too
 * much it waits for. */
#pragma once

#include <stdint.h>

struct phu_rates;

struct phu_rates *phu_rates_new(void);
void phu_rates_free(struct phu_rates *rates);
/* Seconds until the token may send again, rounded up; 0: now. `per_second` 0: no limit. */
int64_t phu_rates_wait(struct phu_rates *rates, const char *token, int64_t now_ns,
                       int64_t per_second);
void phu_rates_charge(struct phu_rates *rates, const char *token, int64_t lines);
