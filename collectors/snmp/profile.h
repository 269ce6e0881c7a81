/* Profiles: what a kind of device can tell about itself, as data. A profile is a YAML file
 * (docs/profiles.md); this is what is left of it after loading: checked, compact, immutable.
 *
 *     phu_profiles_load(folders, count, &diags, &profiles);
 *     count = phu_profiles_fit(profiles, &identity, fits, PHU_PROFILE_FITS_MAX);   best first
 *     … the first fit whose `has` answers, or that has none, is the device's …
 *     for each table that is due: walk its columns, and for each row
 *         phu_profile_row_read(table, &cells, …);
 *
 * Pure: no sockets, no net-snmp, no clock. Shared by all devices, about 200 bytes per column.
 */
#pragma once

#include "metrics.h"
#include "walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_diags;
struct phu_option_table;
struct phu_profiles;

#define PHU_PROFILE_GENERIC "generic" /* the profile that fits what no other fits */
#define PHU_PROFILE_COLUMNS_MAX 24    /* of one table; a walk holds them and the clocks */
#define PHU_PROFILE_FITS_MAX 16
#define PHU_PROFILE_NAME_SIZE 64 /* of a row, with its zero */

/* -- What a profile says ---------------------------------------------------------------------- */

enum phu_profile_lane {
    PHU_LANE_FAST,   /* each poll */
    PHU_LANE_SLOW,   /* the check's `slow`, an hour by default: optics */
    PHU_LANE_STATIC, /* the check's `static`, six hours by default: names, descriptions */
};

enum phu_profile_emit {
    PHU_EMIT_ALL,   /* each row has points of its own */
    PHU_EMIT_BOUND, /* only rows that serve an endpoint; the others go into the roll-up alone */
    PHU_EMIT_NONE,  /* help for other tables (descriptions), or roll-up alone */
};

/* What a column is for, besides or instead of its metric. */
enum phu_profile_use {
    PHU_USE_VALUE,
    PHU_USE_DESCRIPTION, /* text that bindings look into: ONU description, alias */
    PHU_USE_SERIAL,
    PHU_USE_HELP, /* only read by other columns of the table, or by the row's name */
};

enum phu_profile_convert {
    PHU_CONVERT_NONE,
    PHU_CONVERT_MW_TO_DBM,      /* 10·log10(x); 0 is no light: no value */
    PHU_CONVERT_UW_TO_DBM,      /* the same of x / 1000 */
    PHU_CONVERT_UW_IF_POSITIVE, /* raw > 0: uW to dBm; raw < 0: as scaled */
    PHU_CONVERT_F_TO_C,
    PHU_CONVERT_HMS_TO_S, /* text "hh:mm:ss" */
};

/* A raw value and what it means: a word of a family, or no value at all. */
struct phu_profile_word {
    const char *raw; /* "13", or a text; texts match without regard to case, a final * any rest */
    const char *word;
    int metric; /* the count of the family; -1 where the column feeds none */
};

/* "This column means something only where that one …" */
struct phu_profile_when {
    unsigned column;          /* of the same table */
    const char *const *words; /* its word or raw value is one of these; ends with NULL. None: it has
                                 any value */
    bool is_not;              /* it is none of these, or the device has no such object */
};

/* "This column's metric is chosen by that one" (ENTITY-SENSOR-MIB, technologies). */
struct phu_profile_choice {
    const char *word; /* word or raw value of the choosing column */
    int metric;       /* -1: no metric for this one */
};

struct phu_profile_column {
    const char *name;
    struct phu_oid oid; /* of the column, or of a scalar without its final 0; length 0 with `of` */
    int of; /* the column whose cell this one reads; it is not walked itself. -1: its own */
    enum phu_profile_use use;
    int metric;               /* enum phu_snmp_metric; -1: none, or chosen */
    const char *family;       /* "optics.state", or NULL */
    bool is_counter, is_text; /* a COUNT fed by differences; a LATEST fed by the text itself */
    uint32_t mask;            /* only these bits of raw count; 0: all */
    uint8_t bits;             /* 8, 16, 32: raw is two's complement of so many; 0: as it is */
    double scale, offset;     /* value = raw · scale + offset */
    double other_scale;       /* tried when the first gives a value out of range; 0: none */
    enum phu_profile_convert convert;
    double min, max;         /* plausible, inclusive; outside: no value */
    const char *extract;     /* POSIX extended expression over texts; group 1 is the number */
    const char *const *none; /* raw values that mean "no value"; ends with NULL */
    const struct phu_profile_word *words;
    size_t word_count;
    const struct phu_profile_when *when;
    size_t when_count;
    int chooser; /* column that chooses the metric; -1: none */
    const struct phu_profile_choice *choices;
    size_t choice_count;
    const unsigned *share_of; /* raw becomes percent of the sum of these columns */
    size_t share_count;
    int si_scale;  /* column with SnmpSensorScale (9 units, 8 milli, 10 kilo …); -1: none */
    int decimals;  /* column with the number of decimals (EntitySensorPrecision); -1: none */
    void *private; /* compiled expression */
};

/* Adds up the rows of a table into rows of another kind: ONUs into their PON port. */
struct phu_profile_sum {
    unsigned column;    /* a state: each of its words is counted; a number: each value goes in */
    int metric;         /* numbers: a SPREAD */
    const char *family; /* states: "pon.onus" gives pon.onus_online … and pon.onus_total */
};

struct phu_profile_rollup {
    const char *tag;  /* "pon"; NULL: there is none */
    const char *name; /* template of the row's name */
    const struct phu_profile_sum *sums;
    size_t sum_count;
};

struct phu_profile_table {
    const char *name;        /* "onu_optics"; unique in a profile with what it includes */
    const char *measurement; /* "optics" */
    const char *tag;         /* "onu": rows with the same tag and name are one row of the device,
                                whichever tables they come from */
    const char *row;         /* template of the row's name; "" with is_scalar: the measurement's one
                                row without tag, or the device itself */
    bool is_scalar;          /* columns are scalars: one row */
    bool is_exact;           /* what stands behind a column must not even be sent (walk.h) */
    enum phu_profile_lane lane;
    int64_t every_ns; /* 0: the lane's */
    enum phu_profile_emit emit;
    struct phu_profile_column *columns;
    unsigned column_count;
    struct phu_profile_rollup rollup;
    int polls_metric; /* COUNT `polls` of the measurement, or -1 */
};

struct phu_profile_care {
    double pdus_per_second;       /* 0: the check's own */
    unsigned max_repetitions;     /* 0: the check's own */
    struct phu_oid cpu;           /* column or scalar; length 0: none */
    double cpu_scale, cpu_offset; /* percent = raw * scale + offset */
    double cpu_limit;             /* slow tables stop above it; 0: the check's own */
};

struct phu_profile {
    const char *name, *summary, *file;
    bool has_interfaces; /* IF-MIB is walked as well */
    struct phu_profile_care care;
    const struct phu_profile_table *tables; /* its own and those of what it includes */
    size_t table_count;
};

/* -- Loading ---------------------------------------------------------------------------------- */

/* Reads *.yaml of each folder; a profile of a later folder replaces one of the same name. A folder
 * that does not exist is passed over. Every mistake goes into `diags`; -EINVAL when there was one,
 * and then *out is NULL. */
int phu_profiles_load(const char *const *folders, size_t count, struct phu_diags *diags,
                      struct phu_profiles **out);
/* One profile from a text that calls itself `file`, and nothing to include but what is in it: for
 * tests and fuzzing. */
int phu_profiles_load_text(const char *file, const char *text, size_t length,
                           struct phu_diags *diags, struct phu_profiles **out);
/* One user fewer; the last one's call frees. NULL is harmless. */
void phu_profiles_free(struct phu_profiles *profiles);
/* One user more: for whoever holds a profile while a reload may bring another set. Not from another
 * thread. */
struct phu_profiles *phu_profiles_share(struct phu_profiles *profiles);

/* Were both read from the same files, as far as their names, sizes and times tell? */
bool phu_profiles_are_same(const struct phu_profiles *a, const struct phu_profiles *b);

size_t phu_profiles_count(const struct phu_profiles *profiles);
const struct phu_profile *phu_profiles_at(const struct phu_profiles *profiles, size_t index);
const struct phu_profile *phu_profiles_find(const struct phu_profiles *profiles, const char *name);
extern const struct phu_option_table phu_profile_options; /* the file's shape, for the reference */

/* -- Choosing --------------------------------------------------------------------------------- */

struct phu_identity {
    struct phu_oid sys_object_id; /* length 0: not told */
    const char *sys_descr;        /* "" if not told */
};

struct phu_profile_fit {
    const struct phu_profile *profile;
    struct phu_oid has; /* must have an object below it; length 0: nothing to ask */
    char why[256]; /* "sysObjectID 1.3.6.1.4.1.2011.2.80.8 begins with 1.3.6.1.4.1.2011.2.80" */
};

/* Candidates, best first; the last one is always `generic`, which fits everything. The order: a
 * longer sysObjectID, then one with a sysDescr expression, then one with `has`, then by name. What
 * comes behind one with nothing to ask is left out, since it is never chosen. */
size_t phu_profiles_fit(const struct phu_profiles *profiles, const struct phu_identity *identity,
                        struct phu_profile_fit *fits, size_t max);

/* -- Reading a row ---------------------------------------------------------------------------- */

/* A cell as it came. Text is kept by whoever collects the row. */
struct phu_cell {
    enum phu_varbind_kind kind; /* PHU_VARBIND_MISSING: the row has none */
    uint64_t number;
    const uint8_t *text; /* also of OTHER kinds that are told as text: object ids, addresses */
    size_t text_length;
};

enum phu_read_status {
    PHU_READ_VALUE,
    PHU_READ_WORD, /* a state: `word`, and `metric` is its count */
    PHU_READ_TEXT,
    PHU_READ_COUNTER,     /* `number` is the counter; the caller works out the difference */
    PHU_READ_ABSENT,      /* the device has no such cell */
    PHU_READ_NONE,        /* a raw value that means "no value" */
    PHU_READ_IMPLAUSIBLE, /* out of range */
    PHU_READ_UNFIT,       /* not a number, no such word, or the wrong type */
    PHU_READ_CONDITION,   /* `when` does not hold */
    PHU_READ_HELP,        /* nothing to report: help for others; `word` or NULL, `value` or NAN */
};

struct phu_read {
    enum phu_read_status status;
    int metric; /* index into phu_snmp_metrics, or -1 */
    double value;
    uint64_t number;                    /* COUNTER */
    uint8_t bits;                       /* COUNTER: 32 or 64 */
    const char *word;                   /* WORD */
    char text[PHU_METRIC_TEXT_MAX + 1]; /* TEXT, cleaned to printable UTF-8 */
};

/* The cell that column `at` reads: its own, or that of another column (`of`). */
static inline const struct phu_cell *phu_profile_cell(const struct phu_profile_table *table,
                                                      const struct phu_cell *cells, unsigned at)
{
    int of = table->columns[at].of;

    return &cells[of < 0 ? (int)at : of];
}

/* Reads all cells of a row together, because some depend on others. `cells` and `reads` have
 * table->column_count entries. */
void phu_profile_row_read(const struct phu_profile_table *table, const struct phu_cell *cells,
                          struct phu_read *reads);

/* "2147483647 means no value", "-60 is outside -50 to 10": why a read has no value, for a person;
 * "" when it has one. `cell` is phu_profile_cell()'s. */
const char *phu_profile_why(const struct phu_profile_column *column, const struct phu_read *read,
                            const struct phu_cell *cell, char *why, size_t size);

/* -- Names of rows ---------------------------------------------------------------------------- */

struct phu_row_source {
    const struct phu_profile_table *table;
    const uint32_t *index; /* what follows the column's object identifier */
    size_t index_length;
    const struct phu_cell *cells; /* of the row; may be NULL */
    /* Name of the interface with this ifIndex, or NULL. */
    const char *(*ifname)(void *arg, uint32_t ifindex);
    void *arg;
};

/* Fills a template: {1} the first part of the index, {2>>8&0xff} bits of one, {2..} all from there
 * on joined by points, {text:1} a text of which part 1 is the length, {ifname:1} the interface's
 * name (its index where it has none), {COLUMN} the text of another column (the index where it has
 * none), {1>>24&0xf+1} bits and one more. -EINVAL when the index
 * is too short. */
int phu_profile_row_name(const char *pattern, const struct phu_row_source *source,
                         char name[PHU_PROFILE_NAME_SIZE]);
