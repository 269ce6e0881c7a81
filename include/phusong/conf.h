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
    PHU_OPTION_VARIANTS, /* struct phu_list of struct phu_variant, by .variants */
    PHU_OPTION_MAP,      /* struct phu_map: keys that the file chooses, each with a text */
};

struct phu_strings {
    char **items;
    size_t count;
};

struct phu_map_entry {
    char *key, *value; /* "" when empty */
};

/* In the order of the file; no key twice. */
struct phu_map {
    struct phu_map_entry *items;
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
    const char *fallback;  /* default as one would write it ("[]" for no list); NULL: required, but
                              for TABLE, which then is made of its own defaults */
    const char *example;   /* value to show where there is no fallback to show */
    const char *min, *max; /* inclusive, written as in the file; NULL: unbounded */
    const char *const *choices;           /* CHOICE: ends with NULL */
    const struct phu_option_table *table; /* TABLE, LIST */
    const struct phu_variants *variants;  /* VARIANTS */
    const char *unique;                   /* lists: entries must differ in this option, a text */
    size_t most;                          /* lists, STRINGS and MAP: at most so many; 0: 1000 */
    const char *meaning;                  /* one line, lower case, no full stop */
};

struct phu_option_table {
    const struct phu_option *options;
    size_t count;
    size_t size; /* of the struct */
    /* Rules between options, called when each alone is right. Adds what is wrong through
     * phu_conf_mistake(). May be NULL. */
    void (*validate)(const void *conf, void *context);
    /* Of a whole file: where its keys are described, for messages. NULL: phusong config default. */
    const char *manual;
    bool is_alone; /* of a whole file: the key `include` means nothing to it */
};

#define PHU_OPTION_TABLE(array, type)                                                              \
    {                                                                                              \
        .options = (array), .count = sizeof(array) / sizeof *(array), .size = sizeof(type)         \
    }

/* A list whose entries differ in kind: one key of an entry, the selector, names its kind; its other
 * keys are those of `common` and of the kind's tables. */
#define PHU_VARIANT_TABLES 2

struct phu_variant_kind {
    const char *name;
    const char *summary;                                       /* one line */
    const struct phu_option_table *tables[PHU_VARIANT_TABLES]; /* NULL: none */
    const char *const *fallbacks; /* defaults instead of common's: name, value, … NULL; or NULL */
};

struct phu_variant;

struct phu_variants {
    const char *selector; /* "type" */
    const char *meaning;  /* of the selector */
    /* NULL, or an option of `common` that names the kind where the selector is left out. An entry
     * whose value of it is a kind's own name gives that kind's defaults: what other entries of the
     * kind leave out they take from it. */
    const char *alias;
    const struct phu_option_table *common;
    const struct phu_variant_kind *kinds;
    size_t count;
    /* Rules of an entry as a whole, called when all else in it is right; as in a table. May be
     * NULL. */
    void (*validate)(const struct phu_variant *variant, const void *arg, void *context);
    const void *arg;
};

struct phu_variant {
    size_t kind;
    void *common;                      /* struct of variants->common */
    void *options[PHU_VARIANT_TABLES]; /* structs of the kind's tables, NULL where there is none */
};

/* From inside validate: a mistake at the place of option `name` (NULL: of the table itself).
 * Deeper places are written "section.name", "list[3]", "list[3].name", "map[3]" (its key). */
__attribute__((format(printf, 3, 4))) void phu_conf_mistake(void *context, const char *name,
                                                            const char *format, ...);

/* Fills `conf` with the defaults alone; -EINVAL when a required option has none. */
int phu_conf_defaults(const struct phu_option_table *table, void *conf);
void phu_conf_free(const struct phu_option_table *table, void *conf);

/* Do both hold the same values? */
bool phu_conf_equal(const struct phu_option_table *table, const void *a, const void *b);

/* Text to value, as the file has it: 0, -EINVAL, or -ERANGE when it does not fit. */
int phu_conf_parse_duration(const char *text, int64_t *ns);
int phu_conf_parse_size(const char *text, int64_t *bytes);

/* Reads a secret: at most `size` - 1 bytes, one trailing newline cut off. Refuses a file that
 * others may read or write (-EPERM), with the remedy in `why`. */
int phu_secret_read(const char *reference, char *secret, size_t size, char *why, size_t why_size);
