/* What a server sends that phusong takes apart itself: Retry-After, header lines, Location. */
#include "http_rules.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct phu_wall now = {INT64_C(1795000000) * PHU_NS_PER_S};
    char *text = malloc(size + 1);
    char value[64];
    struct phu_http_place place;
    int64_t ns;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (phu_http_header_value(text, size, "Retry-After", value, sizeof value))
        assert(strlen(value) < sizeof value);
    if (!phu_http_retry_after(text, now, &ns))
        assert(ns >= 0 && ns <= INT64_C(604800) * PHU_NS_PER_S);
    if (!phu_http_place(text, &place)) {
        assert(*place.host && !strchr(place.host, '/'));
        assert(!phu_http_check_url(text));
        phu_http_may_follow(&place, &place, &place, NULL);
    }
    free(text);
    return 0;
}
