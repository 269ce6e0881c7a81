#include "options.h"

#include "phusong/http.h"
#include "phusong/route.h"
#include "target.h"

#include <regex.h>
#include <stddef.h>
#include <string.h>

const char *const phu_http_schemes[] = {"http", "https", NULL};
const char *const phu_http_methods[] = {"GET", "HEAD", "OPTIONS", NULL};

static const struct phu_option http_options[] = {
    {.name = "max_concurrent",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_http_conf, max_concurrent),
     .fallback = "256",
     .min = "1",
     .max = "4096",
     .meaning = "so many requests at most are under way; one that has to wait 0.9 s is skipped"},
};

const struct phu_option_table phu_http_options =
    PHU_OPTION_TABLE(http_options, struct phu_http_conf);

static const struct phu_option check_options[] = {
    {.name = "url",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_check_conf, url),
     .fallback = "",
     .meaning = "what to fetch, instead of scheme, port and path; {address} in it stands for the "
                "endpoint's address"},
    {.name = "scheme",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct phu_http_check_conf, scheme),
     .fallback = "http",
     .choices = phu_http_schemes,
     .meaning = "http or https"},
    {.name = "port",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_http_check_conf, port),
     .fallback = "0",
     .min = "0",
     .max = "65535",
     .meaning = "port; 0: the scheme's own, 80 or 443"},
    {.name = "path",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_check_conf, path),
     .fallback = "/",
     .meaning = "path to ask for, with its query if any"},
    {.name = "method",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct phu_http_check_conf, method),
     .fallback = "GET",
     .choices = phu_http_methods,
     .meaning = "method of the request"},
    {.name = "expect_status",
     .type = PHU_OPTION_STRINGS,
     .offset = offsetof(struct phu_http_check_conf, expect_status),
     .fallback = "[200-399]",
     .most = PHU_STATUS_RANGES_MAX,
     .meaning = "statuses that are right, each one or a range: [200-299, 401]"},
    {.name = "expect_body",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_check_conf, expect_body),
     .fallback = "",
     .meaning = "text that the first max_body bytes of the page must hold"},
    {.name = "expect_regex",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_check_conf, expect_regex),
     .fallback = "",
     .meaning = "extended regular expression (POSIX) that they must match"},
    {.name = "headers",
     .type = PHU_OPTION_STRINGS,
     .offset = offsetof(struct phu_http_check_conf, headers),
     .fallback = "",
     .most = 16,
     .meaning = "further request headers, each \"Name: value\""},
    {.name = "user_agent",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_check_conf, user_agent),
     .fallback = "phusong",
     .meaning = "what we call ourselves"},
    {.name = "max_body",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_http_check_conf, max_body),
     .fallback = "1MiB",
     .min = "1KiB",
     .max = "64MiB",
     .meaning = "reading stops after so much of the page (counted as truncated)"},
    {.name = "max_redirects",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_http_check_conf, max_redirects),
     .fallback = "0",
     .min = "0",
     .max = "20",
     .meaning = "so many redirects are followed; 0: a redirect is the answer"},
    {.name = "redirect_hosts",
     .type = PHU_OPTION_STRINGS,
     .offset = offsetof(struct phu_http_check_conf, redirect_hosts),
     .fallback = "",
     .most = 32,
     .meaning = "hosts that redirects may lead to, besides the one asked"},
    {.name = "family",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct phu_http_check_conf, family),
     .fallback = "any",
     .choices = phu_family_choices,
     .meaning = "addresses that a host name may resolve to"},
    {.name = "interface",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_check_conf, interface),
     .fallback = "",
     .meaning = "network interface or source address to send from; empty: as the routes say"},
    {.name = "tls",
     .type = PHU_OPTION_TABLE,
     .offset = offsetof(struct phu_http_check_conf, tls),
     .table = &phu_http_tls_options,
     .meaning = "certificates, for https"},
};

static bool is_header(const char *text)
{
    size_t name = strcspn(text, ": \t\r\n");

    return name > 0 && text[name] == ':' && !strpbrk(text, "\r\n");
}

static void validate_texts(const struct phu_http_check_conf *conf, void *context)
{
    const char *fault = *conf->url ? phu_target_url_fault(conf->url) : NULL;

    if (fault)
        phu_conf_mistake(context, "url", "%s", fault);
    fault = phu_target_path_fault(conf->path);
    if (fault)
        phu_conf_mistake(context, "path", "%s", fault);
    if (strpbrk(conf->user_agent, "\r\n"))
        phu_conf_mistake(context, "user_agent", "user_agent must be a single line");
    for (size_t i = 0; i < conf->headers.count; i++) {
        if (!is_header(conf->headers.items[i]))
            phu_conf_mistake(context, "headers", "\"%s\" is not of the form \"Name: value\"",
                             conf->headers.items[i]);
    }
}

static void validate_regex(const struct phu_http_check_conf *conf, void *context)
{
    char why[128];
    regex_t regex;
    int error;

    if (!*conf->expect_regex)
        return;
    error = regcomp(&regex, conf->expect_regex, REG_EXTENDED | REG_NOSUB);
    if (!error) {
        regfree(&regex);
        return;
    }
    regerror(error, &regex, why, sizeof why);
    phu_conf_mistake(context, "expect_regex", "not a regular expression: %s", why);
}

static void validate_check(const void *pointer, void *context)
{
    const struct phu_http_check_conf *conf = pointer;
    struct phu_status_range range;

    validate_texts(conf, context);
    validate_regex(conf, context);
    if (conf->expect_status.count == 0)
        phu_conf_mistake(
            context, "expect_status",
            "an empty list accepts no answer at all: name statuses, [100-599] for any");
    for (size_t i = 0; i < conf->expect_status.count; i++) {
        if (phu_target_range_parse(conf->expect_status.items[i], &range))
            phu_conf_mistake(
                context, "expect_status",
                "\"%s\" is not a status (100 to 599) or a range of them: 200 or 200-299",
                conf->expect_status.items[i]);
    }
    if (conf->redirect_hosts.count && !conf->max_redirects)
        phu_conf_mistake(context, "redirect_hosts",
                         "no redirect is followed while max_redirects is 0: set it, too");
    if ((*conf->expect_body || *conf->expect_regex) &&
        strcmp(phu_http_methods[conf->method], "HEAD") == 0)
        phu_conf_mistake(context, "method", "the answer to HEAD has no body to expect anything of");
}

const struct phu_option_table phu_http_check_options = {
    .options = check_options,
    .count = sizeof check_options / sizeof *check_options,
    .size = sizeof(struct phu_http_check_conf),
    .validate = validate_check,
};
