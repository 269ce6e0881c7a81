/* From an answer to a verdict and its metrics: pure functions. Private to collectors/http. */
#pragma once

#include "options.h"
#include "target.h"

#include "phusong/http.h"
#include "phusong/observation.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct phu_metric;

#define PHU_HTTP_METRIC_TOTAL 0 /* the time that stands for the whole */
#define PHU_HTTP_METRIC_COUNT 23

extern const struct phu_metric phu_http_metrics[PHU_HTTP_METRIC_COUNT];

/* What an answer must be. */
struct phu_http_expected {
    struct phu_status_range statuses[PHU_STATUS_RANGES_MAX];
    size_t status_count;
    const char *body; /* "" for any; the options' */
    regex_t regex;
    bool has_regex;
};

void phu_http_expected_init(struct phu_http_expected *expected,
                            const struct phu_http_check_conf *conf);
void phu_http_expected_fini(struct phu_http_expected *expected);

struct phu_http_findings {
    struct phu_value values[PHU_HTTP_METRIC_COUNT];
    size_t count;
};

/* Fills in what was found; at most one value for each metric. */
enum phu_result phu_http_judge(const struct phu_http_expected *expected,
                               const struct phu_http_result *result, struct phu_wall now,
                               struct phu_http_findings *found);
