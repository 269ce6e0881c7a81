/* The little of HTTP/1.1 that a scraper speaks: bytes to a request, as a pure function. Private to
 * the prometheus exporter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PHU_SCRAPE_REQUEST_MAX 8192

enum phu_scrape_method {
    PHU_SCRAPE_GET,
    PHU_SCRAPE_HEAD,
    PHU_SCRAPE_OTHER,
};

struct phu_scrape_request {
    enum phu_scrape_method method;
    char path[128]; /* without the query */
};

/* Of the first `length` bytes of a connection: the status to answer with. 200: `request` is filled.
 * 0: it is not complete yet. 400, 414, 431, 501, 505: what HTTP says about such a request. */
int phu_scrape_parse(const char *bytes, size_t length, struct phu_scrape_request *request);
