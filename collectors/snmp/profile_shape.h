/* A profile's file as the option tables fill it, before it is checked as a whole. Private to
 * profile*.c.
 */
#pragma once

#include "phusong/conf.h"

struct phu_profile_match_conf {
    char *sys_object_id, *sys_descr, *has;
};

struct phu_profile_cpu_conf {
    char *oid;
    double scale, offset, limit;
};

struct phu_profile_care_conf {
    double pdus_per_second;
    int64_t max_repetitions;
    struct phu_profile_cpu_conf cpu;
};

struct phu_profile_when_conf {
    char *column;
    struct phu_strings is, is_not;
};

struct phu_profile_choice_conf {
    char *column;
    struct phu_map is;
};

struct phu_profile_column_conf {
    char *name, *oid, *of, *metric, *extract, *si_scale, *decimals;
    int use, bits, convert;
    int64_t mask;
    double scale, offset, or_scale;
    struct phu_strings none, range, share_of;
    struct phu_map words;
    struct phu_list when; /* struct phu_profile_when_conf */
    struct phu_profile_choice_conf metric_by;
};

struct phu_profile_sum_conf {
    char *column, *to;
};

struct phu_profile_rollup_conf {
    char *tag, *row;
    struct phu_list sums; /* struct phu_profile_sum_conf */
};

struct phu_profile_table_conf {
    char *name, *tag, *row, *every;
    bool is_scalar, is_exact;
    int measurement, emit;
    struct phu_profile_rollup_conf rollup;
    struct phu_list columns; /* struct phu_profile_column_conf */
};

struct phu_profile_conf {
    char *name, *summary;
    bool has_interfaces;
    struct phu_list match; /* struct phu_profile_match_conf */
    struct phu_strings includes;
    struct phu_profile_care_conf care;
    struct phu_list tables; /* struct phu_profile_table_conf */
};

extern const char *const phu_profile_measurements[]; /* by phu_profile_table_conf.measurement */
