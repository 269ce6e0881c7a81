/* Configuration: each part declares its options in one const table; parsing, checking, the printed
 * default file and docs/configuration.md all come from the tables.
 *
 *     struct web { char *listen; int64_t timeout_ns; bool is_strict; };
 *     static const struct phu_option web_options[] = {
 *         {.name = "listen", .type = PHU_OPTION_STRING, .offset = offsetof(struct web, listen),
 *          .fallback = "127.0.0.1:9100", .meaning = "address and port to listen on"},
 *         {.name = "timeout", .type = PHU_OPTION_DURATION,
 *          .offset = offsetof(struct web, timeout_ns), .fallback = "5s", .min = "100ms",
 *          .max = "1m", .meaning = "how long to wait for an answer"},
 *     };
 *     const struct phu_option_table web_table = PHU_OPTION_TABLE(web_options, struct web);
 */
#pragma once

#include "phusong/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phu_option_type {
    PHU_OPTION_BOOL,     /* bool: true, false */
    PHU_OPTION_INT,      /* int64_t */
    PHU_OPTION_NUMBER,   /* double */
    PHU_OPTION_DURATION, /* int64_t ns; written with a unit: 500ms, 10s, 5m, 1h, 7d */
    PHU_OPTION_SIZE,     /* int64_t bytes; B, KiB, MiB, GiB, kB, MB, GB */
    PHU_OPTION_SHARE,    /* double 0..1; written 5% */
    PHU_OPTION_STRING,   /* char *, never NULL; "" when empty */
    PHU_OPTION_PATH,     /* char *; relative to the folder of the file it stands in */
    PHU_OPTION_CHOICE,   /* int, index into .choices */
    PHU_OPTION_SECRET,   /* char * to a reference, never the secret: a path, or credential:NAME
                            ($CREDENTIALS_DIRECTORY); read with phu_secret_read() */
    PHU_OPTION_STRINGS,  /* struct phu_strings */
    PHU_OPTION_TABLE,    /* the struct of .table, embedded */
    PHU_OPTION_LIST,     /* struct phu_list of structs of .table */
};

struct phu_strings {
    char **items;
    size_t count;
};

struct phu_list {
    void *items; /* count structs of the table's size, contiguous */
    size_t count;
};

struct phu_option_table;

struct phu_option {
    const char *name;
    enum phu_option_type type;
    size_t offset;
    const char *fallback;                 /* default as one would write it; NULL: required */
    const char *min, *max;                /* inclusive, written as in the file; NULL: unbounded */
    const char *const *choices;           /* CHOICE: ends with NULL */
    const struct phu_option_table *table; /* TABLE, LIST */
    size_t most;                          /* LIST, STRINGS: at most so many; 0: 1000 */
    const char *meaning;                  /* one line, lower case, no full stop */
};

struct phu_option_table {
    const struct phu_option *options;
    size_t count;
    size_t size; /* of the struct */
    /* Rules between options, called when each alone is right. Adds what is wrong through
     * phu_conf_mistake(). May be NULL. */
    void (*validate)(const void *conf, void *context);
};

#define PHU_OPTION_TABLE(array, type)                                                              \
    {                                                                                              \
        .options = (array), .count = sizeof(array) / sizeof *(array), .size = sizeof(type)         \
    }

/* From inside validate: a mistake at the place of option `name` (NULL: of the table itself). */
__attribute__((format(printf, 3, 4))) void phu_conf_mistake(void *context, const char *name,
                                                            const char *format, ...);

/* Fills `conf` with the defaults alone; -EINVAL when a required option has none. */
int phu_conf_defaults(const struct phu_option_table *table, void *conf);
void phu_conf_free(const struct phu_option_table *table, void *conf);

/* Text to value for the scalar types, as the file has it; `why` gets a sentence on -EINVAL. */
int phu_conf_parse_duration(const char *text, int64_t *ns);
int phu_conf_parse_size(const char *text, int64_t *bytes);

/* Reads a secret: at most `size` - 1 bytes, one trailing newline cut off. Refuses a file that
 * others may read or write (-EPERM), with the remedy in `why`. */
int phu_secret_read(const char *reference, char *secret, size_t size, char *why, size_t why_size);
