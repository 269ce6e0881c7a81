/* One CSV file of the inventory: named columns, rows, and fields of the types that occur. Private
 * to agent/core/inventory*.
 *
 * Every function that reads a field reports what is wrong with it, at its place, and returns
 * something harmless.
 */
#pragma once

#include "phusong/csv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_diags;
struct phu_strings_pool;

#define PHU_COLUMNS_MAX 16
#define PHU_NOT_KNOWN INT32_MIN /* a coordinate; a date that is open to the past */

struct phu_column {
    const char *name;
    bool is_required; /* both the column and a value in each row */
};

struct phu_inventory_table {
    const char *path; /* for messages */
    const struct phu_column *columns;
    size_t column_count;
    struct phu_diags *diags;
    struct phu_strings_pool *strings;
    size_t mistakes;
    int field_of[PHU_COLUMNS_MAX]; /* -1: the file has no such column */
    size_t header_fields;
    struct phu_csv csv;
};

/* Reads the header; -EINVAL when there is no use in going on. */
int phu_table_open(struct phu_inventory_table *table, char *text, size_t length);
/* To the next row that is not empty and has the right number of fields; false at the end. */
bool phu_table_next(struct phu_inventory_table *table);

unsigned phu_table_line(const struct phu_inventory_table *table);
/* Column of the field, for later messages. */
unsigned phu_table_column(const struct phu_inventory_table *table, size_t column);
/* A mistake at the field; at the start of the row when the column is not there. */
__attribute__((format(printf, 3, 4))) void
phu_table_mistake(struct phu_inventory_table *table, size_t column, const char *format, ...);
__attribute__((format(printf, 4, 5))) void phu_table_mistake_at(struct phu_inventory_table *table,
                                                                unsigned line, unsigned column,
                                                                const char *format, ...);

/* Spaces around it cut off; "" where there is none (reported when it is required). */
const char *phu_table_field(struct phu_inventory_table *table, size_t column);
/* Interned, composed (NFC), one line of at most `most` characters. */
uint32_t phu_table_text(struct phu_inventory_table *table, size_t column, size_t most);
/* Interned; letters, digits and . _ : - */
uint32_t phu_table_id(struct phu_inventory_table *table, size_t column);
/* Interned; IPv4, IPv6 or a host name. */
uint32_t phu_table_address(struct phu_inventory_table *table, size_t column);
/* Days since 1970-01-01 of YYYY-MM-DD; `open` when empty. */
int32_t phu_table_date(struct phu_inventory_table *table, size_t column, int32_t open);
/* Millionths of a degree, up to ±limit degrees. */
int32_t phu_table_degrees(struct phu_inventory_table *table, size_t column, int limit);
uint32_t phu_table_count(struct phu_inventory_table *table, size_t column, uint32_t most);
/* Milliseconds, 0 when empty. */
uint32_t phu_table_interval(struct phu_inventory_table *table, size_t column);
/* Index into `words` (ends with NULL), -1 when empty or unknown (reported). */
int phu_table_choice(struct phu_inventory_table *table, size_t column, const char *const *words,
                     const char *what);

/* "2025-07-01" into buffer. */
#define PHU_DAY_TEXT 40
void phu_day_format(int32_t day, char buffer[PHU_DAY_TEXT]);
