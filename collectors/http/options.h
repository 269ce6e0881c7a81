/* The options of the http collector and of its checks. Private to collectors/http. */
#pragma once

#include "phusong/conf.h"
#include "phusong/http.h"

#include <stdbool.h>
#include <stdint.h>

#define PHU_STATUS_RANGES_MAX 32

extern const struct phu_option_table phu_http_options;
extern const struct phu_option_table phu_http_check_options;

/* Choices are places in these. */
extern const char *const phu_http_schemes[], *const phu_http_methods[];

struct phu_http_conf {
    int64_t max_concurrent;
};

struct phu_http_check_conf {
    char *url;
    int scheme;
    int64_t port;
    char *path;
    int method;
    struct phu_strings expect_status;
    char *expect_body, *expect_regex;
    struct phu_strings headers;
    char *user_agent;
    int64_t max_body, max_redirects;
    struct phu_strings redirect_hosts;
    int family; /* 0 any, 1 IPv4, 2 IPv6 */
    char *interface;
    struct phu_http_tls_conf tls;
};
