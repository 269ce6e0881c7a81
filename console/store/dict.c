#include "dict.h"

#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

struct field {
    uint32_t column;
    uint32_t next; /* the one that followed it last time */
};

struct measurement {
    enum phu_class class;
    uint32_t id;
    struct phu_names names; /* of fields */
    struct field *fields;
    size_t capacity;
    uint32_t first; /* the field that came first last time */
};

struct hash {
    uint64_t a, b;
};

struct slot {
    struct hash hash;
    uint32_t series; /* 0: free */
};

/* By series id. */
struct info {
    uint32_t measurement, agent;
};

struct phu_dict {
    struct phu_db *db;
    struct hash key[2];
    struct phu_names measurement_names;
    struct measurement *measurements;
    size_t measurement_capacity;
    uint32_t last_field;
    size_t field_count;
    struct slot *slots;
    size_t slot_count, series_count;
    struct info *infos;
    size_t info_capacity;
    uint32_t last_series;
    struct phu_names agent_names;
    struct phu_dict_agent *agents;
    size_t agent_capacity;
    int64_t max_series;
    bool has_news; /* added since the last commit */
};

/* -- Hash of a series' key -------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 wide;

static uint64_t mix(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word_at(const char *at, size_t length)
{
    uint64_t word = 0;

    if (length >= sizeof word)
        memcpy(&word, at, sizeof word);
    else
        memcpy(&word, at, length);
    return word;
}

static struct hash hash_of(const struct phu_dict *dict, const char *at, size_t length)
{
    struct hash hash = {dict->key[0].a ^ length, dict->key[0].b};

    for (;;) {
        uint64_t one = word_at(at, length), two = length > 8 ? word_at(at + 8, length - 8) : 0;

        hash.a = mix(one ^ dict->key[1].a, two ^ hash.a);
        hash.b = mix(two ^ dict->key[1].b, one ^ hash.b);
        if (length <= 16)
            break;
        at += 16;
        length -= 16;
    }
    hash.a = mix(hash.a ^ dict->key[0].b, dict->key[1].a);
    hash.b = mix(hash.b ^ dict->key[0].a, dict->key[1].b);
    return hash;
}

static struct slot *slot_of(const struct phu_dict *dict, struct hash hash)
{
    size_t place = hash.a & (dict->slot_count - 1);

    while (dict->slots[place].series &&
           (dict->slots[place].hash.a != hash.a || dict->slots[place].hash.b != hash.b))
        place = (place + 1) & (dict->slot_count - 1);
    return &dict->slots[place];
}

static void grow_slots(struct phu_dict *dict)
{
    struct slot *old = dict->slots;
    size_t count = dict->slot_count;

    dict->slot_count = count ? count * 2 : 1024;
    dict->slots = calloc(dict->slot_count, sizeof *dict->slots);
    if (!dict->slots)
        abort();
    for (size_t i = 0; i < count; i++)
        if (old[i].series)
            *slot_of(dict, old[i].hash) = old[i];
    free(old);
}

static void remember_series(struct phu_dict *dict, struct hash hash, uint32_t series,
                            uint32_t measurement, uint32_t agent)
{
    if (dict->series_count * 4 >= dict->slot_count * 3)
        grow_slots(dict);
    *slot_of(dict, hash) = (struct slot){.hash = hash, .series = series};
    dict->series_count++;
    if (series >= dict->info_capacity) {
        size_t capacity = dict->info_capacity ? dict->info_capacity : 1024;

        while (capacity <= series)
            capacity *= 2;
        dict->infos = reallocarray(dict->infos, capacity, sizeof *dict->infos);
        if (!dict->infos)
            abort();
        memset(dict->infos + dict->info_capacity, 0xff,
               (capacity - dict->info_capacity) * sizeof *dict->infos);
        dict->info_capacity = capacity;
    }
    dict->infos[series] = (struct info){.measurement = measurement, .agent = agent};
    if (series > dict->last_series)
        dict->last_series = series;
}

/* -- Measurements, fields, agents in memory --------------------------------------------------- */

static void *room(void *at, size_t *capacity, size_t index, size_t each)
{
    size_t old = *capacity;

    if (index < old)
        return at;
    *capacity = old ? old * 2 : 16;
    at = reallocarray(at, *capacity, each);
    if (!at)
        abort();
    memset((char *)at + old * each, 0, (*capacity - old) * each);
    return at;
}

static uint32_t remember_measurement(struct phu_dict *dict, const char *name, size_t length,
                                     uint32_t id)
{
    uint32_t index = phu_names_add(&dict->measurement_names, name, length);
    struct phu_slice slice = {.at = name, .length = length};

    dict->measurements =
        room(dict->measurements, &dict->measurement_capacity, index, sizeof *dict->measurements);
    dict->measurements[index] = (struct measurement){.class = phu_class_of(slice), .id = id};
    return index;
}

static uint32_t remember_field(struct phu_dict *dict, struct measurement *measurement,
                               const char *name, size_t length, uint32_t column)
{
    uint32_t index = phu_names_add(&measurement->names, name, length);

    measurement->fields =
        room(measurement->fields, &measurement->capacity, index, sizeof *measurement->fields);
    measurement->fields[index] = (struct field){.column = column};
    dict->field_count++;
    if (PHU_COLUMN_FIELD(column) > dict->last_field)
        dict->last_field = PHU_COLUMN_FIELD(column);
    return index;
}

static uint32_t remember_agent(struct phu_dict *dict, const char *id, size_t length)
{
    uint32_t index = phu_names_find(&dict->agent_names, id, length);

    if (index != PHU_NAMES_NONE)
        return index;
    index = phu_names_add(&dict->agent_names, id, length);
    dict->agents = room(dict->agents, &dict->agent_capacity, index, sizeof *dict->agents);
    dict->agents[index] = (struct phu_dict_agent){.id = dict->agent_names.at[index].text};
    return index;
}

/* -- Reading the file ------------------------------------------------------------------------- */

static int load_fields(struct phu_dict *dict, uint32_t index)
{
    struct measurement *measurement = &dict->measurements[index];
    sqlite3_stmt *query = phu_db_take(dict->db, "SELECT id, name, type, how FROM field"
                                                " WHERE measurement = ? ORDER BY id");
    int result;

    if (!query)
        return phu_db_error(dict->db);
    sqlite3_bind_int64(query, 1, measurement->id);
    while ((result = sqlite3_step(query)) == SQLITE_ROW)
        remember_field(dict, measurement, phu_db_text(query, 1),
                       (size_t)sqlite3_column_bytes(query, 1),
                       PHU_COLUMN(sqlite3_column_int64(query, 0), sqlite3_column_int(query, 3),
                                  sqlite3_column_int(query, 2)));
    sqlite3_reset(query);
    return phu_db_errno(result);
}

static int load_measurements(struct phu_dict *dict)
{
    sqlite3_stmt *query = phu_db_take(dict->db, "SELECT id, name FROM measurement ORDER BY id");
    int result, err = 0;

    if (!query)
        return phu_db_error(dict->db);
    while ((result = sqlite3_step(query)) == SQLITE_ROW)
        remember_measurement(dict, phu_db_text(query, 1), (size_t)sqlite3_column_bytes(query, 1),
                             (uint32_t)sqlite3_column_int64(query, 0));
    sqlite3_reset(query);
    err = phu_db_errno(result);
    for (size_t i = 0; i < dict->measurement_names.count && !err; i++)
        err = load_fields(dict, (uint32_t)i);
    return err;
}

static int load_agents(struct phu_dict *dict)
{
    sqlite3_stmt *query = phu_db_take(dict->db, "SELECT id, seen_ns, sample_ns FROM agent");
    int result;

    if (!query)
        return phu_db_error(dict->db);
    while ((result = sqlite3_step(query)) == SQLITE_ROW) {
        uint32_t agent =
            remember_agent(dict, phu_db_text(query, 0), (size_t)sqlite3_column_bytes(query, 0));

        dict->agents[agent].seen_ns = sqlite3_column_int64(query, 1);
        dict->agents[agent].sample_ns = sqlite3_column_int64(query, 2);
    }
    sqlite3_reset(query);
    return phu_db_errno(result);
}

/* measurement ids are given in the order of their indices, without gaps */
static int load_series(struct phu_dict *dict)
{
    sqlite3_stmt *query = phu_db_take(dict->db, "SELECT id, measurement, agent, key FROM series");
    int result;

    if (!query)
        return phu_db_error(dict->db);
    while ((result = sqlite3_step(query)) == SQLITE_ROW) {
        uint32_t id = (uint32_t)sqlite3_column_int64(query, 0), agent = UINT32_MAX;
        int64_t measurement = sqlite3_column_int64(query, 1) - 1;
        const char *name = phu_db_text(query, 2);
        const char *key = phu_db_text(query, 3);
        size_t length = (size_t)sqlite3_column_bytes(query, 3);

        if (measurement < 0 || measurement >= (int64_t)dict->measurement_names.count || !id) {
            sqlite3_reset(query);
            return -EILSEQ;
        }
        if (*name)
            agent = remember_agent(dict, name, strlen(name));
        remember_series(dict, hash_of(dict, key, length), id, (uint32_t)measurement, agent);
    }
    sqlite3_reset(query);
    return phu_db_errno(result);
}

static void forget(struct phu_dict *dict)
{
    for (size_t i = 0; i < dict->measurement_names.count; i++) {
        phu_names_fini(&dict->measurements[i].names);
        free(dict->measurements[i].fields);
    }
    phu_names_fini(&dict->measurement_names);
    phu_names_fini(&dict->agent_names);
    free(dict->measurements);
    free(dict->agents);
    free(dict->slots);
    free(dict->infos);
    dict->measurements = NULL;
    dict->agents = NULL;
    dict->slots = NULL;
    dict->infos = NULL;
    dict->measurement_capacity = dict->agent_capacity = dict->info_capacity = 0;
    dict->slot_count = dict->series_count = dict->field_count = 0;
    dict->last_field = dict->last_series = 0;
    dict->has_news = false;
}

static int load(struct phu_dict *dict)
{
    int err;

    grow_slots(dict);
    err = load_measurements(dict);
    if (!err)
        err = load_agents(dict);
    if (!err)
        err = load_series(dict);
    return err;
}

int phu_dict_open(struct phu_db *db, int64_t max_series, struct phu_dict **out)
{
    struct phu_dict *dict = calloc(1, sizeof *dict);
    int err;

    if (!dict)
        abort();
    dict->db = db;
    dict->max_series = max_series;
    if (getrandom(dict->key, sizeof dict->key, 0) != sizeof dict->key) {
        free(dict);
        return -EIO;
    }
    err = load(dict);
    if (err) {
        phu_dict_close(dict);
        return err;
    }
    *out = dict;
    return 0;
}

void phu_dict_close(struct phu_dict *dict)
{
    if (!dict)
        return;
    forget(dict);
    free(dict);
}

int phu_dict_reload(struct phu_dict *dict)
{
    if (!dict->has_news)
        return 0;
    forget(dict);
    return load(dict);
}

void phu_dict_commit(struct phu_dict *dict)
{
    dict->has_news = false;
}

/* -- Fields ----------------------------------------------------------------------------------- */

static enum phu_cell_type cell_type_of(enum phu_field_type type)
{
    switch (type) {
    case PHU_FIELD_FLOAT:
        return PHU_CELL_FLOAT;
    case PHU_FIELD_INT:
        return PHU_CELL_INT;
    case PHU_FIELD_BOOL:
        return PHU_CELL_BOOL;
    case PHU_FIELD_STRING:
        return PHU_CELL_TEXT;
    }
    return PHU_CELL_INT;
}

/* `guess` is the place where the field before says that the next one stands. */
static uint32_t find_field(const struct measurement *measurement, struct phu_slice name,
                           uint32_t guess)
{
    if (guess < measurement->names.count &&
        phu_name_is(&measurement->names.at[guess], name.at, name.length))
        return guess;
    return phu_names_find(&measurement->names, name.at, name.length);
}

static int add_field(struct phu_dict *dict, struct measurement *measurement, struct phu_slice name,
                     enum phu_cell_type type, uint32_t *index)
{
    enum phu_how how =
        type == PHU_CELL_HIST ? PHU_HOW_SUM : phu_how_of(measurement->class, name, type);
    sqlite3_stmt *insert = phu_db_take(dict->db, "INSERT INTO field (id, measurement, name, type,"
                                                 " how) VALUES (?, ?, ?, ?, ?)");
    uint32_t id = dict->last_field + 1;
    int err;

    if (!insert)
        return phu_db_error(dict->db);
    dict->has_news = true;
    sqlite3_bind_int64(insert, 1, id);
    sqlite3_bind_int64(insert, 2, measurement->id);
    phu_db_bind_text(insert, 3, name.at, name.length);
    sqlite3_bind_int(insert, 4, (int)type);
    sqlite3_bind_int(insert, 5, (int)how);
    err = phu_db_finish(dict->db, insert);
    if (!err)
        *index = remember_field(dict, measurement, name.at, name.length, PHU_COLUMN(id, how, type));
    return err;
}

struct wanted {
    struct phu_slice name;
    enum phu_cell_type type;
    uint32_t bucket; /* UINT32_MAX: none */
};

static struct wanted wanted_of(enum phu_class class, const struct phu_field *field)
{
    struct wanted wanted = {
        .name = field->name, .type = cell_type_of(field->type), .bucket = UINT32_MAX};
    char last = field->name.length ? field->name.at[field->name.length - 1] : 0;

    if (last >= '0' && last <= '9' &&
        phu_field_is_bucket(class, field, &wanted.name, &wanted.bucket))
        wanted.type = PHU_CELL_HIST;
    else
        wanted.bucket = UINT32_MAX;
    return wanted;
}

/* Those that are new, once it is known that none is refused. */
static int add_fields(struct phu_dict *dict, const struct phu_sample *sample,
                      struct measurement *measurement, uint32_t *columns)
{
    int err = 0;

    for (size_t i = 0; i < sample->field_count && !err; i++) {
        struct wanted wanted;
        uint32_t index;

        if (columns[i] != UINT32_MAX)
            continue;
        wanted = wanted_of(measurement->class, &sample->fields[i]);
        index = phu_names_find(&measurement->names, wanted.name.at, wanted.name.length);
        if (index == PHU_NAMES_NONE)
            err = add_field(dict, measurement, wanted.name, wanted.type, &index);
        if (!err)
            columns[i] = measurement->fields[index].column;
    }
    return err;
}

int phu_dict_columns(struct phu_dict *dict, const struct phu_sample *sample, uint32_t measurement,
                     uint32_t *columns, uint32_t *buckets, size_t *wrong)
{
    struct measurement *in = &dict->measurements[measurement];
    size_t news = 0;
    uint32_t *link = &in->first;

    for (size_t i = 0; i < sample->field_count; i++) {
        struct wanted wanted = wanted_of(in->class, &sample->fields[i]);
        uint32_t index = find_field(in, wanted.name, *link);

        buckets[i] = wanted.bucket;
        columns[i] = UINT32_MAX;
        if (wanted.name.length > PHU_DICT_NAME_MAX)
            return -E2BIG;
        if (index == PHU_NAMES_NONE) {
            news++;
            continue;
        }
        if (PHU_COLUMN_TYPE(in->fields[index].column) != wanted.type) {
            *wrong = i;
            return -EEXIST;
        }
        columns[i] = in->fields[index].column;
        *link = index;
        link = &in->fields[index].next;
    }
    if (!news)
        return 0;
    if (in->names.count + news > PHU_DICT_FIELDS_MAX || dict->last_field + news > PHU_FIELD_ID_MAX)
        return -E2BIG;
    return add_fields(dict, sample, in, columns);
}

/* -- Series ----------------------------------------------------------------------------------- */

void phu_dict_find(struct phu_dict *dict, const struct phu_sample *sample,
                   struct phu_dict_series *series)
{
    const struct slot *slot = slot_of(dict, hash_of(dict, sample->key.at, sample->key.length));

    *series = (struct phu_dict_series){.id = UINT32_MAX};
    if (!slot->series)
        return;
    series->id = slot->series;
    series->measurement = dict->infos[slot->series].measurement;
    series->agent = dict->infos[slot->series].agent;
}

int phu_dict_measurement(struct phu_dict *dict, struct phu_slice name, uint32_t *measurement)
{
    sqlite3_stmt *insert;
    uint32_t id = (uint32_t)dict->measurement_names.count + 1;
    int err;

    *measurement = phu_names_find(&dict->measurement_names, name.at, name.length);
    if (*measurement != PHU_NAMES_NONE)
        return 0;
    if (id > PHU_DICT_MEASUREMENTS_MAX || name.length > PHU_DICT_NAME_MAX)
        return -E2BIG;
    insert = phu_db_take(dict->db, "INSERT INTO measurement (id, name) VALUES (?, ?)");
    if (!insert)
        return phu_db_error(dict->db);
    dict->has_news = true;
    sqlite3_bind_int64(insert, 1, id);
    phu_db_bind_text(insert, 2, name.at, name.length);
    err = phu_db_finish(dict->db, insert);
    if (!err)
        *measurement = remember_measurement(dict, name.at, name.length, id);
    return err;
}

static struct phu_slice tag_of(const struct phu_sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->tag_count; i++)
        if (sample->tags[i].name.length == strlen(name) &&
            memcmp(sample->tags[i].name.at, name, strlen(name)) == 0)
            return sample->tags[i].value;
    return (struct phu_slice){.at = "", .length = 0};
}

/* Whom it is about: the endpoint, else the device, else a node of the tree. */
static struct phu_slice subject_of(const struct phu_sample *sample, const char **kind)
{
    static const char *const kinds[] = {"endpoint", "device", "node"};

    for (size_t i = 0; i < 3; i++) {
        struct phu_slice value = tag_of(sample, kinds[i]);

        *kind = kinds[i];
        if (value.length)
            return value;
    }
    *kind = "";
    return (struct phu_slice){.at = "", .length = 0};
}

static int insert_series(struct phu_dict *dict, const struct phu_sample *sample, uint32_t id,
                         uint32_t measurement)
{
    static const char *const tags[] = {"agent",    "hamlet", "commune", "technology",
                                       "operator", "site",   "device"};
    sqlite3_stmt *insert =
        phu_db_take(dict->db, "INSERT INTO series (id, measurement, kind, subject, key, agent,"
                              " hamlet, commune, technology, operator, site, device)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const char *kind;
    struct phu_slice value = subject_of(sample, &kind);

    if (!insert)
        return phu_db_error(dict->db);
    sqlite3_bind_int64(insert, 1, id);
    sqlite3_bind_int64(insert, 2, dict->measurements[measurement].id);
    phu_db_bind_text(insert, 3, kind, strlen(kind));
    phu_db_bind_text(insert, 4, value.at, value.length);
    phu_db_bind_text(insert, 5, sample->key.at, sample->key.length);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        value = tag_of(sample, tags[i]);
        phu_db_bind_text(insert, 6 + (int)i, value.at, value.length);
    }
    return phu_db_finish(dict->db, insert);
}

int phu_dict_add(struct phu_dict *dict, const struct phu_sample *sample, uint32_t measurement,
                 struct phu_dict_series *series)
{
    struct phu_slice agent = tag_of(sample, "agent");
    uint32_t id = dict->last_series + 1;
    int err;

    if ((int64_t)dict->series_count >= dict->max_series ||
        sample->key.length > PHU_DICT_NAME_MAX * 16)
        return -E2BIG;
    dict->has_news = true;
    err = insert_series(dict, sample, id, measurement);
    if (err)
        return err;
    series->id = id;
    series->measurement = measurement;
    series->agent = agent.length ? remember_agent(dict, agent.at, agent.length) : UINT32_MAX;
    remember_series(dict, hash_of(dict, sample->key.at, sample->key.length), id, measurement,
                    series->agent);
    return 0;
}

/* -- What it knows ---------------------------------------------------------------------------- */

enum phu_class phu_dict_class(const struct phu_dict *dict, uint32_t measurement)
{
    return dict->measurements[measurement].class;
}

bool phu_dict_is_rolled(const struct phu_dict *dict, uint32_t series)
{
    uint32_t measurement =
        series < dict->info_capacity ? dict->infos[series].measurement : UINT32_MAX;

    return measurement < dict->measurement_names.count &&
           phu_class_is_rolled(dict->measurements[measurement].class);
}

struct phu_dict_agent *phu_dict_agents(struct phu_dict *dict, size_t *count)
{
    *count = dict->agent_names.count;
    return dict->agents;
}

uint32_t phu_dict_last_series(const struct phu_dict *dict)
{
    return dict->last_series;
}

void phu_dict_sizes(const struct phu_dict *dict, int64_t *series, int64_t *fields, int64_t *bytes)
{
    size_t sum = phu_names_bytes(&dict->measurement_names) + phu_names_bytes(&dict->agent_names) +
                 dict->measurement_capacity * sizeof *dict->measurements +
                 dict->agent_capacity * sizeof *dict->agents +
                 dict->slot_count * sizeof *dict->slots + dict->info_capacity * sizeof *dict->infos;

    for (size_t i = 0; i < dict->measurement_names.count; i++)
        sum += phu_names_bytes(&dict->measurements[i].names) +
               dict->measurements[i].capacity * sizeof *dict->measurements[i].fields;
    *series = (int64_t)dict->series_count;
    *fields = (int64_t)dict->field_count;
    *bytes = (int64_t)sum;
}
