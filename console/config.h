/* console.yaml. */
#pragma once

#include "alerts/alerts.h"
#include "store/store.h"

#include "phusong/conf.h"

struct phu_diags;

struct phu_console_tls_conf {
    char *certificate, *key;
};

struct phu_console_limits_conf {
    int64_t max_body, max_bodies;
    int64_t max_connections, max_connections_per_address;
    int64_t header_timeout_ns, body_timeout_ns, idle_timeout_ns;
    int64_t lines_per_second;
    int64_t max_ahead_ns;
    int64_t question_timeout_ns;
    int64_t questions;
};

struct phu_console_log_conf {
    int level; /* enum phu_log_level */
    int journal;
};

enum {
    PHU_CONSOLE_JOURNAL_AUTO,
    PHU_CONSOLE_JOURNAL_YES,
    PHU_CONSOLE_JOURNAL_NO,
};

struct phu_console_conf {
    char *listen;
    char *state_dir;
    char *user;
    int64_t backfill_after_ns;
    struct phu_strings rules;
    struct phu_console_tls_conf tls;
    struct phu_console_limits_conf limits;
    struct phu_console_log_conf log;
    struct phu_store_conf store;
    struct phu_alerts_conf alerts;
};

extern const struct phu_option_table phu_console_options;

/* Every mistake into `diags`. -EINVAL. */
int phu_console_conf_load(const char *file, struct phu_diags *diags, struct phu_console_conf *conf);
void phu_console_conf_free(struct phu_console_conf *conf);
