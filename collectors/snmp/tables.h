/* What a device keeps of its profile's tables from poll to poll: when each is due, how far it has
 * been read, its rows, and whom they serve.
 *
 * Reading a table from its first row to its last is a pass. A pass that a poll could not finish
 * keeps its place and goes on in the next one.
 */
#pragma once

#include "binding.h"
#include "lanes.h"
#include "profile.h"
#include "rollup.h"
#include "rows.h"

#include <assert.h>

struct phu_snmp_device;

struct phu_pass {
    struct phu_pass *next; /* of the device: passes are few at any time */
    unsigned table;
    int64_t started_ns;
    struct phu_index place; /* the last row that is done with */
    unsigned rows;
    struct phu_rollup rollup;
    struct phu_rows told; /* metrics of rows, by their names: twins are recognised by them */
};

#define PHU_TABLE_ROWS_MAX UINT16_MAX /* how many are remembered as a table's size */
#define PHU_TABLE_FAILURES_MAX 15

/* There are as many of these as devices have tables: 24 bytes each. */
struct phu_table_state {
    int64_t due_ns;
    int64_t started_ns;    /* 0: never */
    uint32_t last_poll;    /* number of the poll in which it had its turn */
    uint16_t rows;         /* that it had last time */
    uint16_t failures : 4; /* passes in a row that broke off without getting further */
    uint16_t empties : 3;  /* passes in a row that found no row */
    bool is_read : 1;      /* it has been read whole at least once */
    bool has_texts : 1;    /* descriptions or serials, which bindings look into */
    bool needs_names : 1;  /* its rows are named after interfaces */
    bool is_off : 1;       /* its lane is switched off */
    bool has_twins : 1;    /* rows of the same name, which have got their index as well */
};

static_assert(sizeof(struct phu_table_state) == 24, "there are too many of them for more");

struct phu_table_examples {
    unsigned count;
    char *text; /* a few of them; NULL: none. Most devices have nothing to tell */
};

/* Whom rows serve. */
struct phu_serving {
    struct phu_claims claims;
    struct phu_table_examples strangers; /* descriptions that name an endpoint nobody knows */
    unsigned bound;
    unsigned told_bound, told_strangers, told_missing; /* as last logged */
    bool needs_texts; /* claims cannot be judged before descriptions are read */
    bool has_told;
};

struct phu_tables {
    const struct phu_profile *profile;
    struct phu_rows rows;
    struct phu_serving *serving; /* NULL: the device serves nobody, and there are no patterns */
    struct phu_pass *passes;     /* under way */
    uint32_t forgot_s;           /* monotonic */
    uint16_t count;              /* the profile's tables, and the one of interface aliases */
    struct phu_table_state states[];
};

/* NULL when the device needs none: a profile of interfaces alone that serve nobody. */
struct phu_tables *phu_tables_new(const struct phu_snmp_device *device,
                                  const struct phu_profile *profile);
/* Drops those of the device; harmless when it has none. */
void phu_tables_drop(struct phu_snmp_device *device);

/* The pass under way, or NULL. */
struct phu_pass *phu_tables_pass(const struct phu_tables *tables, unsigned index);
/* As binding.h says it; "" for nobody. */
const char *phu_tables_endpoint(const struct phu_tables *tables, uint32_t whom);

const struct phu_profile_table *phu_tables_at(const struct phu_tables *tables, unsigned index);

/* The table to read now: what each poll reads comes first. False when there is none.
 * `is_fast_only`: what may wait is not looked at. */
bool phu_tables_next(const struct phu_snmp_device *device, bool is_fast_only, unsigned *index);
/* Is the table one that need not be read in each poll? */
bool phu_tables_is_slow(const struct phu_snmp_device *device, unsigned index);

/* Its turn begins; returns the pass, under way or new. */
struct phu_pass *phu_tables_begin(struct phu_snmp_device *device, unsigned index);
/* It has been read to its end. */
void phu_tables_finish(struct phu_snmp_device *device, unsigned index);
/* Its turn is over before its end: it goes on at the pass's place. `has_failed`: the device did not
 * answer. */
void phu_tables_pause(struct phu_snmp_device *device, unsigned index, bool has_failed);

/* The device has restarted or is another one: nothing goes on. */
void phu_tables_reset(struct phu_tables *tables, int64_t now_ns);

/* May rows get points before descriptions are read? */
bool phu_tables_may_bind(const struct phu_tables *tables);
/* Tells the log whom rows serve, and what serves nobody, when that has changed. */
void phu_tables_tell(struct phu_snmp_device *device);
/* Notes which tables this poll did not read to their end, for somebody who watches. */
void phu_tables_tell_rest(const struct phu_snmp_device *device);
void phu_table_examples_add(struct phu_table_examples *examples, const char *text);
void phu_table_examples_fini(struct phu_table_examples *examples);
