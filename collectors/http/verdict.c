/* From an answer to a verdict and its metrics.
 *
 * Times are read when the loop runs. When it ran too late to be trusted during a probe, the verdict
 * counts and the times are left out (`timing_unsure`).
 */
#include "verdict.h"

#include "phusong/collector.h"
#include "phusong/time.h"

#include <stdint.h>
#include <string.h>

#define LAG_TRUSTED_NS (5 * PHU_NS_PER_MS)

/* -- Metrics --------------------------------------------------------------------------------- */

enum {
    TOTAL,
    LOOKUP,
    CONNECT,
    TLS,
    FIRST_BYTE,
    BODY,
    STATUS_1XX,
    STATUS_2XX,
    STATUS_3XX,
    STATUS_4XX,
    STATUS_5XX,
    STATUS_MISMATCH,
    BODY_MISMATCH,
    TRUNCATED,
    CERTIFICATE,
    DNS_ERRORS,
    REFUSED,
    UNREACHABLE,
    TIMEOUTS,
    TLS_ERRORS,
    PROTOCOL_ERRORS,
    REDIRECT_ERRORS,
    TIMING_UNSURE,
    METRIC_COUNT,
};

_Static_assert((int)TOTAL == PHU_HTTP_METRIC_TOTAL, "the header says otherwise");
_Static_assert((int)METRIC_COUNT == PHU_HTTP_METRIC_COUNT, "the header says otherwise");

#define SPREAD_US PHU_METRIC_SPREAD, PHU_METRIC_INT
#define COUNTED "1", PHU_METRIC_COUNT, PHU_METRIC_INT

const struct phu_metric phu_http_metrics[METRIC_COUNT] = {
    [TOTAL] = {"http", "total_us", "us", PHU_METRIC_SKETCH, PHU_METRIC_INT,
               "from the start of the name lookup to the last byte, of answers that came whole"},
    [LOOKUP] = {"http", "lookup_us", "us", SPREAD_US,
                "name lookup; near 0 while the name is remembered"},
    [CONNECT] = {"http", "connect_us", "us", SPREAD_US, "TCP handshake"},
    [TLS] = {"http", "tls_us", "us", SPREAD_US, "TLS handshake"},
    [FIRST_BYTE] = {"http", "first_byte_us", "us", SPREAD_US,
                    "from the request sent to the first byte of the answer"},
    [BODY] = {"http", "body_bytes", "bytes", PHU_METRIC_SPREAD, PHU_METRIC_INT,
              "size of the page, as far as it was read"},
    [STATUS_1XX] = {"http", "status_1xx", COUNTED, "answers with status 100 to 199"},
    [STATUS_2XX] = {"http", "status_2xx", COUNTED, "answers with status 200 to 299"},
    [STATUS_3XX] = {"http", "status_3xx", COUNTED, "answers with status 300 to 399"},
    [STATUS_4XX] = {"http", "status_4xx", COUNTED, "answers with status 400 to 499"},
    [STATUS_5XX] = {"http", "status_5xx", COUNTED, "answers with status 500 to 599"},
    [STATUS_MISMATCH] = {"http", "status_mismatch", COUNTED,
                         "answers whose status is not in expect_status"},
    [BODY_MISMATCH] = {"http", "body_mismatch", COUNTED,
                       "answers without what expect_body or expect_regex asks for"},
    [TRUNCATED] = {"http", "truncated", COUNTED, "pages larger than max_body, cut off there"},
    [CERTIFICATE] = {"http", "certificate_expires_days", "days", PHU_METRIC_SPREAD, PHU_METRIC_INT,
                     "whole days until the server's certificate expires, negative afterwards"},
    [DNS_ERRORS] = {"http", "dns_errors", COUNTED, "names that did not resolve"},
    [REFUSED] = {"http", "refused", COUNTED, "connections refused"},
    [UNREACHABLE] = {"http", "unreachable", COUNTED, "connections answered by an ICMP error"},
    [TIMEOUTS] = {"http", "timeouts", COUNTED, "requests not answered whole in time"},
    [TLS_ERRORS] = {"http", "tls_errors", COUNTED, "handshakes failed or certificates refused"},
    [PROTOCOL_ERRORS] = {"http", "protocol_errors", COUNTED,
                         "answers cut off, or not HTTP, or with endless headers"},
    [REDIRECT_ERRORS] = {"http", "redirect_errors", COUNTED,
                         "redirects to a host not on the list, or too many"},
    [TIMING_UNSURE] = {"http", "timing_unsure", COUNTED,
                       "probes whose times were left out because the agent itself ran late"},
};

/* -- What is expected ------------------------------------------------------------------------ */

void phu_http_expected_init(struct phu_http_expected *expected,
                            const struct phu_http_check_conf *conf)
{
    *expected = (struct phu_http_expected){.body = conf->expect_body};
    for (size_t i = 0; i < conf->expect_status.count && i < PHU_STATUS_RANGES_MAX; i++) {
        if (!phu_target_range_parse(conf->expect_status.items[i],
                                    &expected->statuses[expected->status_count]))
            expected->status_count++;
    }
    expected->has_regex = *conf->expect_regex && regcomp(&expected->regex, conf->expect_regex,
                                                         REG_EXTENDED | REG_NEWLINE) == 0;
}

void phu_http_expected_fini(struct phu_http_expected *expected)
{
    if (expected->has_regex)
        regfree(&expected->regex);
}

static bool is_expected_status(const struct phu_http_expected *expected, int status)
{
    for (size_t i = 0; i < expected->status_count; i++) {
        if (status >= expected->statuses[i].first && status <= expected->statuses[i].last)
            return true;
    }
    return false;
}

static bool is_expected_body(const struct phu_http_expected *expected,
                             const struct phu_http_result *result)
{
    const char *text = expected->body;
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)result->body_length};

    if (*text && !memmem(result->body, result->body_length, text, strlen(text)))
        return false;
    return !expected->has_regex ||
           regexec(&expected->regex, result->body, 1, &range, REG_STARTEND) == 0;
}

/* -- What was found -------------------------------------------------------------------------- */

static void add(struct phu_http_findings *found, uint32_t metric, int64_t value)
{
    found->values[found->count++] = (struct phu_value){.metric = metric, .i = value};
}

static void add_time(struct phu_http_findings *found, uint32_t metric, int64_t ns)
{
    if (ns >= 0)
        add(found, metric, (ns + PHU_NS_PER_US / 2) / PHU_NS_PER_US);
}

static void add_times(struct phu_http_findings *found, const struct phu_http_result *result)
{
    if (result->lag_ns > LAG_TRUSTED_NS && result->lag_ns > result->total_ns / 10) {
        add(found, TIMING_UNSURE, 1);
        return;
    }
    if (result->error == PHU_HTTP_OK)
        add_time(found, TOTAL, result->total_ns);
    add_time(found, LOOKUP, result->lookup_ns);
    add_time(found, CONNECT, result->connect_ns);
    add_time(found, TLS, result->tls_ns);
    add_time(found, FIRST_BYTE, result->first_byte_ns);
}

static void add_certificate(struct phu_http_findings *found, const struct phu_http_result *result,
                            struct phu_wall now)
{
    const int64_t day = 24 * 3600;
    int64_t left;

    if (!result->certificate_expires)
        return;
    left = result->certificate_expires - now.ns / PHU_NS_PER_S;
    add(found, CERTIFICATE, left >= 0 ? left / day : -((day - 1 - left) / day));
}

static enum phu_result judge_answer(const struct phu_http_expected *expected,
                                    const struct phu_http_result *result,
                                    struct phu_http_findings *found)
{
    bool is_right = true;

    add(found, BODY, (int64_t)result->bytes_received);
    if (result->is_truncated)
        add(found, TRUNCATED, 1);
    if (!is_expected_status(expected, result->status)) {
        add(found, STATUS_MISMATCH, 1);
        is_right = false;
    }
    if (!is_expected_body(expected, result)) {
        add(found, BODY_MISMATCH, 1);
        is_right = false;
    }
    return is_right ? PHU_RESULT_OK : PHU_RESULT_MISMATCH;
}

static enum phu_result judge_result(const struct phu_http_expected *expected,
                                    const struct phu_http_result *result,
                                    struct phu_http_findings *found)
{
    switch (result->error) {
    case PHU_HTTP_OK:
        return judge_answer(expected, result, found);
    case PHU_HTTP_DNS:
        add(found, DNS_ERRORS, 1);
        return PHU_RESULT_DNS;
    case PHU_HTTP_REFUSED:
        add(found, REFUSED, 1);
        return PHU_RESULT_REFUSED;
    case PHU_HTTP_UNREACHABLE:
        add(found, UNREACHABLE, 1);
        return PHU_RESULT_UNREACHABLE;
    case PHU_HTTP_TIMEOUT:
        add(found, TIMEOUTS, 1);
        return PHU_RESULT_TIMEOUT;
    case PHU_HTTP_TLS:
        add(found, TLS_ERRORS, 1);
        return PHU_RESULT_TLS;
    case PHU_HTTP_BROKEN:
        add(found, PROTOCOL_ERRORS, 1);
        return PHU_RESULT_MISMATCH;
    case PHU_HTTP_REDIRECT:
        add(found, REDIRECT_ERRORS, 1);
        return PHU_RESULT_MISMATCH;
    case PHU_HTTP_LOCAL:
        break;
    }
    return PHU_RESULT_LOCAL_ERROR;
}

enum phu_result phu_http_judge(const struct phu_http_expected *expected,
                               const struct phu_http_result *result, struct phu_wall now,
                               struct phu_http_findings *found)
{
    enum phu_result verdict;

    found->count = 0;
    verdict = judge_result(expected, result, found);
    if (result->status >= 100 && result->status <= 599)
        add(found, STATUS_1XX + (uint32_t)(result->status / 100 - 1), 1);
    add_times(found, result);
    add_certificate(found, result, now);
    return verdict;
}
