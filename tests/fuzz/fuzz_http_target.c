/* What people write as the argument and options of an http check. */
#include "target.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_url(const struct phu_target *target)
{
    char url[PHU_TARGET_URL_MAX], small[24];

    if (!phu_target_url(target, url, sizeof url))
        assert(strlen(url) < sizeof url);
    if (!phu_target_url(target, small, sizeof small))
        assert(strlen(small) < sizeof small && strcmp(small, url) == 0);
}

/* An argument, a newline, an address. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char *address;
    struct phu_target_argument argument;
    struct phu_status_range range;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    address = strchr(text, '\n');
    if (address)
        *address++ = '\0';
    if (!phu_target_range_parse(text, &range))
        assert(range.first >= 100 && range.first <= range.last && range.last <= 599);
    if (!phu_target_argument_parse(text, &argument)) {
        assert(argument.port <= 65535);
        make_url(&(struct phu_target){argument.url ? argument.url : "", "https", argument.port,
                                      argument.path ? argument.path : "/",
                                      address ? address : "10.0.0.1"});
    }
    free(text);
    return 0;
}
