/* What the files of the loader share: the set, its memory, and what loading adds to the structs of
 * profile.h. Private to profile*.c.
 */
#pragma once

#include "profile.h"
#include "profile_shape.h"

#include <regex.h>

struct phu_conf_source;

/* A text that raw values are compared with. */
struct phu_profile_pattern {
    const char *text;
    size_t length;  /* without the star of a prefix */
    int64_t number; /* where it is one */
    bool is_number, is_prefix;
};

/* Behind phu_profile_column.private: what reading a cell needs, worked out once. */
struct phu_profile_plan {
    const struct phu_profile_table *table; /* whose column it is, as it was compiled */
    const regex_t *extract;
    double divisor, other_divisor; /* instead of a scale that is one part of a whole number; or 0 */
    const struct phu_profile_pattern *none, *words, *choices; /* as many as the column has */
    const struct phu_profile_pattern *const *when;            /* for each condition, its words */
    size_t none_count;
};

struct phu_profile_match {
    struct phu_oid sys_object_id, has; /* length 0: none */
    const char *sys_descr;             /* as written; NULL: none */
    const regex_t *expression;         /* of it */
};

struct phu_profile_entry {
    struct phu_profile profile;
    const struct phu_profile_match *matches;
    size_t match_count;
};

struct phu_profile_memory {
    struct phu_profile_chunk *chunks;
    struct phu_profile_regex *regexes;
};

struct phu_profiles {
    struct phu_profile_entry *entries; /* by name */
    size_t count, users;
    uint64_t stamp; /* of its files: names, sizes, times */
    struct phu_profile_memory memory;
};

/* -- Memory ----------------------------------------------------------------------------------- */

void *phu_profile_take(struct phu_profile_memory *memory, size_t count, size_t size); /* zeroed */
const char *phu_profile_take_text(struct phu_profile_memory *memory, const char *text);
/* NULL with `why` when the expression is wrong, or too costly to be tried on what devices say. */
const regex_t *phu_profile_take_regex(struct phu_profile_memory *memory, const char *expression,
                                      char *why, size_t size);
void phu_profile_memory_fini(struct phu_profile_memory *memory);

/* -- From the file's struct to the profile ---------------------------------------------------- */

/* Fills all of the entry but what comes from includes. Adds mistakes; returns how many. */
size_t phu_profile_compile(const struct phu_profile_conf *conf,
                           const struct phu_conf_source *source, struct phu_diags *diags,
                           struct phu_profile_memory *memory, struct phu_profile_entry *entry);

/* -- Templates -------------------------------------------------------------------------------- */

enum phu_template_kind {
    PHU_TEMPLATE_LITERAL,
    PHU_TEMPLATE_PART,   /* {1}, {2>>8&0xff}, {2>>8&0xf+1} */
    PHU_TEMPLATE_REST,   /* {2..} */
    PHU_TEMPLATE_TEXT,   /* {text:1} */
    PHU_TEMPLATE_IFNAME, /* {ifname:1}, {ifname:1>>8&0xff+1} */
    PHU_TEMPLATE_COLUMN, /* {NAME} */
};

struct phu_template_piece {
    enum phu_template_kind kind;
    const char *text; /* LITERAL, COLUMN; borrowed of the pattern */
    size_t length;
    unsigned part; /* counts from 1 */
    unsigned shift;
    uint32_t mask;
    uint32_t plus;
};

/* The next piece of a template: 1, 0 at its end, -EINVAL with *pattern at the piece that is wrong.
 */
int phu_template_next(const char **pattern, struct phu_template_piece *piece);

/* -- Raw values ------------------------------------------------------------------------------- */

void phu_profile_pattern_init(struct phu_profile_pattern *pattern, const char *text);
/* The whole of `text` as a number; false when it is none. */
bool phu_profile_is_number(const char *text, int64_t *number);
/* The word that the cell stands for; NULL when there is none. */
const struct phu_profile_word *phu_profile_cell_word(const struct phu_profile_column *column,
                                                     const struct phu_cell *cell);
