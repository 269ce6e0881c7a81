/* The parts of an HTTP client that need no socket: pure functions on text. Private to base/net. */
#pragma once

#include "phusong/http.h"
#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a Retry-After header, which is a number of seconds or a date in one of HTTP's three
 * forms (RFC 9110, 5.6.7), as a wait from `now`: 0 for a date gone by, at most a week. -EINVAL when
 * it is neither. */
int phu_http_retry_after(const char *text, struct phu_wall now, int64_t *ns);

/* If `line` (not terminated) is a header called `name`, copies its value without the blanks around
 * it, cut to `size` - 1 bytes. */
bool phu_http_header_value(const char *line, size_t length, const char *name, char *value,
                           size_t size);

struct phu_http_place {
    char scheme[8]; /* "http" or "https" */
    char host[254]; /* lower case, IPv6 without brackets, no scope lost */
    char port[6];
};

/* Where a URL leads: 0, or -EINVAL when it is none of http or https. */
int phu_http_place(const char *url, struct phu_http_place *place);

/* May a redirect go from `from` to `to`? `own` is where the request began. */
bool phu_http_may_follow(const struct phu_http_place *own, const struct phu_http_place *from,
                         const struct phu_http_place *to, const char *const *hosts);

bool phu_http_is_redirect(int status);
/* The method for where such a status leads to: a POST becomes a GET, as in browsers. */
const char *phu_http_redirect_method(const char *method, int status);

/* Adds up a phase over hops; it is -1 where nothing was added. */
void phu_http_add_phase(int64_t *phase, int64_t ns);

/* What a transfer's CURLcode means. `os_errno` is the failed system call's, or 0. */
enum phu_http_error phu_http_error_of(int curl_code, long os_errno);
