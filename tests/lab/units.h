/* Quantities as people type them: durations, shares, bytes and rates, each with its unit. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What went wrong, in words that name the text and the remedy. Every parser here fills one. */
struct lab_error {
    char text[240];
};

/* Sets the text and returns -EINVAL, so that a parser can end with `return lab_fail(...)`. */
int lab_fail(struct lab_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

int lab_parse_duration(const char *text, int64_t *ns, struct lab_error *err);
/* "2%", "0.5%": the share of one, 0 to 1. */
int lab_parse_share(const char *text, double *share, struct lab_error *err);
/* "64kB", "1MB", "1MiB", "8Mbit" (eight bits make a byte): bytes, or bytes per second. */
int lab_parse_bytes(const char *text, uint64_t *bytes, struct lab_error *err);
int lab_parse_number(const char *text, uint64_t max, uint64_t *number, struct lab_error *err);

/* The shortest text that parses back to the same value. Returns `out`. */
char *lab_format_duration(int64_t ns, char *out, size_t size);
