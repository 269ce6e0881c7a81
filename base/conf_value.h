/* One scalar option: its text to its value and back. Private to base/conf*. */
#pragma once

#include "phusong/conf.h"

union phu_conf_value {
    bool b;
    int64_t i;
    double d;
    int choice;
};

/* Is it a bool, number or choice, parsed by the function below? */
bool phu_conf_is_number(enum phu_option_type type);

/* 0 with *value, or -EINVAL with `why`: what is wrong and what would be right. Checks the range,
 * too. `is_quoted` matters to those types that are never text. */
int phu_conf_value_parse(const struct phu_option *option, const char *text, bool is_quoted,
                         union phu_conf_value *value, char *why, size_t size);

/* "true or false", "a duration, such as 10s": what the type takes. */
const char *phu_conf_type_words(enum phu_option_type type);
/* "duration": one word for tables in the documentation. */
const char *phu_conf_type_name(enum phu_option_type type);
