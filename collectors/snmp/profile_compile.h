/* Compiling a profile, as its files share it: where a mistake stands, and looking up what a file
 * refers to. Private to profile*.c.
 */
#pragma once

#include "profile_set.h"

#define PHU_COMPILE_SMALL "abcdefghijklmnopqrstuvwxyz"
#define PHU_COMPILE_DIGITS "0123456789"

enum { PHU_COMPILE_PLACE = 128, PHU_COMPILE_ADVICE = 160 };

struct phu_diags;
struct phu_guess;

struct phu_compile {
    const struct phu_conf_source *source;
    struct phu_diags *diags;
    struct phu_profile_memory *memory;
    char place[PHU_COMPILE_PLACE]; /* of the entry looked at; "" or with a point at its end */
    size_t mistakes;
    const struct phu_profile_table_conf *table_conf;
    struct phu_profile_table *table;
};

/* A mistake at an option of the entry that is looked at; "" for the entry itself. */
__attribute__((format(printf, 3, 4))) void
phu_compile_wrong(struct phu_compile *compile, const char *option, const char *format, ...);
/* "did you mean "x"?", or `otherwise`. */
const char *phu_compile_advice(const struct phu_guess *guess, const char *otherwise,
                               char text[PHU_COMPILE_ADVICE]);

bool phu_compile_consists_of(const char *text, const char *bytes, size_t most);
/* Small letters, digits and _, no digit first. */
bool phu_compile_is_word(const char *text);

/* Each of these tells what is wrong with what stands at `option`. */
void phu_compile_oid(struct phu_compile *compile, const char *option, const char *text,
                     struct phu_oid *oid);
void phu_compile_tag(struct phu_compile *compile, const char *option, const char *measurement,
                     const char *tag);
/* Column of the table; -1: there is none. */
int phu_compile_find_column(struct phu_compile *compile, const char *option, const char *name);
void phu_compile_template(struct phu_compile *compile, const char *option, const char *pattern);
/* NULL for "", and when it is wrong. */
const regex_t *phu_compile_expression(struct phu_compile *compile, const char *option,
                                      const char *expression);

/* A metric that numbers or texts may feed; -1 when it is none. */
int phu_compile_metric(struct phu_compile *compile, const char *option, const char *name);
/* Is it of the table's measurement? */
bool phu_compile_measurement(struct phu_compile *compile, const char *option, const char *name);
/* Counts of polls are what states are counted in; no device has a counter of them. */
bool phu_compile_counts_polls(int metric);
void phu_compile_unknown_metric(struct phu_compile *compile, const char *option, const char *name);
void phu_compile_unknown_word(struct phu_compile *compile, const char *option, const char *family,
                              const char *word);

/* A column of compile->table. */
void phu_compile_column(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column);
