/* What the store has names for: measurements, their fields, and series, with the numbers that
 * stand for them in the file.
 *
 * A series is found by a keyed hash of 128 bits of its key; the key itself stands in the file
 * alone. So a series costs PHU_DICT_SERIES_BYTES of memory, whatever its tags.
 */
#pragma once

#include "db.h"
#include "sample.h"
#include "window.h"

#define PHU_DICT_FIELDS_MAX 1000 /* of a measurement */
#define PHU_DICT_MEASUREMENTS_MAX 4096
#define PHU_DICT_NAME_MAX 1024   /* bytes of a name, or of a tag's value that we look at */
#define PHU_DICT_BUCKETS 7135    /* of a histogram */
#define PHU_DICT_SERIES_BYTES 80 /* at most: a slot of the hash, when it has just grown */

/* What a measurement is decides how unknown fields of it add up. */
enum phu_class {
    PHU_CLASS_WINDOW, /* of the catalogue: by the field's name */
    PHU_CLASS_AGENT,  /* gauges and counters: latest and largest */
    PHU_CLASS_STATE,
    PHU_CLASS_EVENT,
    PHU_CLASS_OTHER, /* numbers: sum, count, smallest, largest */
};

enum phu_class phu_class_of(struct phu_slice measurement);
/* Are its windows rolled up? */
static inline bool phu_class_is_rolled(enum phu_class class)
{
    return class != PHU_CLASS_STATE && class != PHU_CLASS_EVENT;
}
enum phu_how phu_how_of(enum phu_class class, struct phu_slice field, enum phu_cell_type type);
/* Is it NAME_b<number> of a histogram? Then *base (NAME_b) and *index. */
bool phu_field_is_bucket(enum phu_class class, const struct phu_field *field,
                         struct phu_slice *base, uint32_t *index);

struct phu_dict;

struct phu_dict_series {
    uint32_t id;
    uint32_t measurement; /* index for phu_dict_measurement */
    uint32_t agent;       /* index for phu_dict_agent; UINT32_MAX: no such tag */
};

struct phu_dict_agent {
    char *id;
    int64_t seen_ns, sample_ns;
    bool is_changed; /* since the last commit */
};

/* `max_series` bounds the memory. */
int phu_dict_open(struct phu_db *db, int64_t max_series, struct phu_dict **out);
void phu_dict_close(struct phu_dict *dict);
/* After a rollback: forgets what this transaction had added. */
int phu_dict_reload(struct phu_dict *dict);
/* The transaction is kept. */
void phu_dict_commit(struct phu_dict *dict);

/* Columns for the sample's fields, of a histogram several fields' one: columns[i] for fields[i],
 * and buckets[i], its index or UINT32_MAX. -EEXIST with *wrong: another type; -E2BIG. Adds new
 * fields and measurements only when all is well. `measurement`: index, as in a series. */
int phu_dict_columns(struct phu_dict *dict, const struct phu_sample *sample, uint32_t measurement,
                     uint32_t *columns, uint32_t *buckets, size_t *wrong);
/* The series of a sample, UINT32_MAX as id when it is not known. */
void phu_dict_find(struct phu_dict *dict, const struct phu_sample *sample,
                   struct phu_dict_series *series);
int phu_dict_measurement(struct phu_dict *dict, struct phu_slice name, uint32_t *measurement);
int phu_dict_add(struct phu_dict *dict, const struct phu_sample *sample, uint32_t measurement,
                 struct phu_dict_series *series);
enum phu_class phu_dict_class(const struct phu_dict *dict, uint32_t measurement);
/* May a series be rolled up? false too for ids that do not exist. */
bool phu_dict_is_rolled(const struct phu_dict *dict, uint32_t series);
struct phu_dict_agent *phu_dict_agents(struct phu_dict *dict, size_t *count);

uint32_t phu_dict_last_series(const struct phu_dict *dict); /* ids are 1 … */
void phu_dict_sizes(const struct phu_dict *dict, int64_t *series, int64_t *fields, int64_t *bytes);
