#include "ingest/rates.h"

#include "mem.h"
#include "phusong/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAVED_S = 10, TOKEN_MAX = 65 };

/* In the order of their ids. */
struct rate {
    char token[TOKEN_MAX];
    double lines; /* that may be sent at once; negative: overdrawn */
    int64_t at_ns;
};

struct phu_rates {
    struct rate *rates;
    size_t count;
};

struct phu_rates *phu_rates_new(void)
{
    return phu_mem_alloc(1, sizeof(struct phu_rates));
}

void phu_rates_free(struct phu_rates *rates)
{
    if (!rates)
        return;
    free(rates->rates);
    free(rates);
}

/* Where the token is, or would stand. */
static size_t place_of(const struct phu_rates *rates, const char *token)
{
    size_t low = 0, high = rates->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(rates->rates[middle].token, token) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct rate *find(struct phu_rates *rates, const char *token)
{
    size_t place = place_of(rates, token);

    if (place == rates->count || strcmp(rates->rates[place].token, token) != 0)
        return NULL;
    return &rates->rates[place];
}

static struct rate *add(struct phu_rates *rates, const char *token)
{
    size_t place = place_of(rates, token);

    rates->rates = phu_mem_grow(rates->rates, rates->count, sizeof *rates->rates);
    memmove(&rates->rates[place + 1], &rates->rates[place],
            (rates->count - place) * sizeof *rates->rates);
    rates->count++;
    memset(&rates->rates[place], 0, sizeof *rates->rates);
    snprintf(rates->rates[place].token, TOKEN_MAX, "%s", token);
    return &rates->rates[place];
}

int64_t phu_rates_wait(struct phu_rates *rates, const char *token, int64_t now_ns,
                       int64_t per_second)
{
    double most = (double)(per_second * SAVED_S);
    struct rate *rate;

    if (!per_second)
        return 0;
    rate = find(rates, token);
    if (!rate) {
        rate = add(rates, token);
        rate->lines = most;
    } else {
        rate->lines += (double)per_second * (double)(now_ns - rate->at_ns) / (double)PHU_NS_PER_S;
    }
    rate->at_ns = now_ns;
    if (rate->lines > most)
        rate->lines = most;
    return rate->lines >= 0 ? 0 : (int64_t)(-rate->lines / (double)per_second) + 1;
}

void phu_rates_charge(struct phu_rates *rates, const char *token, int64_t lines)
{
    struct rate *rate = find(rates, token);

    if (rate)
        rate->lines -= (double)lines;
}
