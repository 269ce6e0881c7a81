/* From rows to values. See table_row.h. */
#include "table_row.h"

#include "taking.h"
#include "tell.h"

#include "phusong/sched.h"
#include "phusong/sink.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The most that a counter of 32 bits is believed to grow in a second: without a bound none that
 * shrank could be told from a reset. Bytes of a modem: 320 Mbit/s; errors and the like. */
#define MODEM_BYTES_PER_S UINT64_C(40000000)
#define EVENTS_PER_S UINT64_C(10000000)

/* -- Names ------------------------------------------------------------------------------------- */

static const char *ifname(void *arg, uint32_t ifindex)
{
    const struct phu_snmp_device *device = arg;

    return phu_ifmib_name(&device->work->ifmib, ifindex);
}

static int fill_name(const struct phu_taking *taking, const char *pattern,
                     char name[PHU_PROFILE_NAME_SIZE])
{
    struct phu_row_source source = {.table = taking->table,
                                    .index = taking->row->index.part,
                                    .index_length = taking->row->index.length,
                                    .cells = taking->row->cells,
                                    .ifname = ifname,
                                    .arg = taking->device};

    return phu_profile_row_name(pattern, &source, name);
}

static bool is_device_itself(const struct phu_profile_table *table)
{
    return strcmp(table->measurement, "device") == 0 && !table->tag;
}

static int name_row(struct phu_taking *taking)
{
    const struct phu_profile_table *table = taking->table;

    taking->name[0] = '\0';
    if (table->tag) {
        int error = fill_name(taking, table->row, taking->name);

        if (error)
            return error;
        if (!taking->name[0])
            return -EINVAL;
    }
    taking->key = phu_rows_key(table->tag ? table->tag : "", taking->name);
    return 0;
}

/* -- Rows of the same name --------------------------------------------------------------------- */

/* Rows of one name are one row as long as each tells something else of it: the temperature and the
 * light of a port. Where a second one tells the same, it is another row, and gets its index. The
 * first keeps the plain name; the other keeps its own when the first has gone. */

static bool is_told(const struct phu_read *read)
{
    return read->metric >= 0 && (read->status == PHU_READ_VALUE || read->status == PHU_READ_WORD ||
                                 read->status == PHU_READ_TEXT || read->status == PHU_READ_COUNTER);
}

static uint64_t key_of_metric(const struct phu_taking *taking, int metric)
{
    return taking->key ^ ((uint64_t)metric + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_twin(const struct phu_taking *taking)
{
    for (unsigned i = 0; i < taking->table->column_count; i++) {
        const struct phu_read *read = &taking->reads[i];

        if (is_told(read) &&
            phu_rows_find(&taking->pass->told, key_of_metric(taking, read->metric)))
            return true;
    }
    return false;
}

static void add_index(const struct phu_taking *taking, char name[PHU_PROFILE_NAME_SIZE])
{
    char index[PHU_INDEX_TEXT_SIZE];
    size_t keep = strlen(taking->name), room;

    phu_index_print(&taking->row->index, index, sizeof index);
    room = PHU_PROFILE_NAME_SIZE - 2 - strnlen(index, PHU_PROFILE_NAME_SIZE / 2);
    if (keep > room)
        keep = room;
    while (keep > 0 && (taking->name[keep] & 0xc0) == 0x80)
        keep--;
    snprintf(name, PHU_PROFILE_NAME_SIZE, "%.*s#%.*s", (int)keep, taking->name,
             PHU_PROFILE_NAME_SIZE / 2, index);
}

static void part_twins(struct phu_taking *taking)
{
    char name[PHU_PROFILE_NAME_SIZE];
    bool must_part;

    if (!taking->table->tag || taking->table->emit != PHU_EMIT_ALL)
        return; /* ONUs are many, and named by where they are */
    must_part = is_twin(taking);
    if (must_part || taking->state->has_twins) {
        uint64_t key;

        add_index(taking, name);
        key = phu_rows_key(taking->table->tag, name);
        if (must_part || phu_rows_find(&taking->tables->rows, key)) {
            memcpy(taking->name, name, sizeof name);
            taking->key = key;
            taking->state->has_twins = true;
        }
    }
    for (unsigned i = 0; i < taking->table->column_count; i++) {
        if (is_told(&taking->reads[i]))
            phu_rows_take(&taking->pass->told, key_of_metric(taking, taking->reads[i].metric));
    }
}

/* -- Values ------------------------------------------------------------------------------------ */

static void add_number(struct phu_taking *taking, int metric, double number)
{
    struct phu_value *value = &taking->values[taking->value_count++];

    *value = (struct phu_value){.metric = (uint32_t)metric};
    if (phu_snmp_metrics[metric].type == PHU_METRIC_FLOAT)
        value->f = number;
    else
        value->i = llround(number);
}

static uint64_t rate_max(int metric)
{
    if (strcmp(phu_snmp_metrics[metric].unit, "bytes") != 0)
        return EVENTS_PER_S;
    return strcmp(phu_snmp_metrics[metric].measurement, "signal") == 0 ? MODEM_BYTES_PER_S : 0;
}

static void add_growth(struct phu_taking *taking, const struct phu_read *read)
{
    struct phu_counter *counter =
        phu_rows_counter(&taking->tables->rows, taking->key, (unsigned)read->metric);
    struct phu_counter_reading reading = {.value = read->bits == 64 ? read->number
                                                                    : read->number & UINT32_MAX,
                                          .at_ns = taking->device->work->ifmib.now_ns,
                                          .bits = read->bits};
    struct phu_counter_terms terms = {.is_wrap_believed =
                                          taking->device->work->uptime == PHU_UPTIME_CONTINUES,
                                      .rate_max = rate_max(read->metric)};
    struct phu_counter_delta delta = {0};

    if (phu_counter_update(counter, &reading, &terms, &delta) == PHU_COUNTER_DELTA)
        taking->values[taking->value_count++] =
            (struct phu_value){.metric = (uint32_t)read->metric, .i = delta.growth};
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = UINT32_C(2166136261);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
    return hash ? hash : 1;
}

static void note_cell(struct phu_taking *taking, const char *cell)
{
    struct phu_row_memory *memory = phu_rows_take(&taking->tables->rows, taking->key);
    uint32_t hash = hash_text(cell);

    if (memory->cell && memory->cell != hash)
        add_number(taking, taking->device->snmp->cell_changes_metric, 1);
    memory->cell = hash;
}

static void add_value(struct phu_taking *taking, const struct phu_read *read)
{
    switch (read->status) {
    case PHU_READ_VALUE:
        if (read->metric >= 0)
            add_number(taking, read->metric, read->value);
        return;
    case PHU_READ_WORD:
        if (read->metric >= 0)
            add_number(taking, read->metric, 1);
        return;
    case PHU_READ_TEXT:
        if (read->metric < 0)
            return;
        taking->values[taking->value_count++] =
            (struct phu_value){.metric = (uint32_t)read->metric, .text = read->text};
        if (read->metric == taking->device->snmp->cell_metric)
            note_cell(taking, read->text);
        return;
    case PHU_READ_COUNTER:
        if (read->metric >= 0)
            add_growth(taking, read);
        return;
    case PHU_READ_ABSENT:
    case PHU_READ_NONE:
    case PHU_READ_IMPLAUSIBLE:
    case PHU_READ_UNFIT:
    case PHU_READ_CONDITION:
    case PHU_READ_HELP:
        return;
    }
}

/* Once in a poll, however many tables have the row. */
static void count_poll(struct phu_taking *taking)
{
    struct phu_row_memory *memory = phu_rows_find(&taking->tables->rows, taking->key);

    if (taking->table->polls_metric < 0 || !memory || memory->polled == taking->device->poll)
        return;
    memory->polled = taking->device->poll;
    add_number(taking, taking->table->polls_metric, 1);
}

static void put(const struct phu_taking *taking, uint32_t handle, const struct phu_value *values,
                size_t count)
{
    const struct phu_snmp_device *device = taking->device;

    if (count == 0)
        return;
    phu_sink_put(device->snmp->env.sink,
                 &(struct phu_observation){.check = device->spec->check,
                                           .row = handle,
                                           .result = handle ? PHU_RESULT_OK : PHU_RESULT_NONE,
                                           .started = device->started,
                                           .completed = taking->now,
                                           .values = values,
                                           .value_count = count});
}

static bool is_emitted(const struct phu_taking *taking, uint32_t whom)
{
    const struct phu_row_memory *memory;

    switch (taking->table->emit) {
    case PHU_EMIT_NONE:
        return false;
    case PHU_EMIT_ALL:
        return phu_tables_may_bind(taking->tables) || !taking->table->tag;
    case PHU_EMIT_BOUND:
        if (!whom || !phu_tables_may_bind(taking->tables))
            return false;
        memory = phu_rows_find(&taking->tables->rows, taking->key);
        return !memory || !memory->has_no_endpoint;
    }
    return false;
}

/* A row that only has a name is no row of this table: ENTITY-MIB names every screw. And a sensor
 * without a value says nothing, while a modem or an ONU without one says a lot. */
static bool is_there(const struct phu_taking *taking)
{
    const struct phu_profile_table *table = taking->table;
    bool is_sensor = strcmp(table->measurement, "sensor") == 0;

    for (unsigned i = 0; i < table->column_count; i++) {
        switch (taking->reads[i].status) {
        case PHU_READ_VALUE:
        case PHU_READ_WORD:
        case PHU_READ_TEXT:
        case PHU_READ_COUNTER:
            return true;
        case PHU_READ_ABSENT:
        case PHU_READ_HELP:
            break;
        case PHU_READ_NONE:
        case PHU_READ_IMPLAUSIBLE:
        case PHU_READ_UNFIT:
        case PHU_READ_CONDITION:
            if (!is_sensor)
                return true;
        }
    }
    return false;
}

static void emit(struct phu_taking *taking, uint32_t whom)
{
    const char *tag = taking->table->tag ? taking->table->tag : "";
    uint32_t handle = 0;

    if (!is_there(taking))
        return;
    if (!is_device_itself(taking->table)) {
        if (!phu_taking_handle(taking, tag, taking->name, taking->key, whom, &handle))
            return;
        if (whom && taking->table->emit == PHU_EMIT_BOUND &&
            phu_rows_find(&taking->tables->rows, taking->key)->has_no_endpoint)
            return;
    }
    for (unsigned i = 0; i < taking->table->column_count; i++)
        add_value(taking, &taking->reads[i]);
    count_poll(taking);
    put(taking, handle, taking->values, taking->value_count);
}

/* -- What it adds to others -------------------------------------------------------------------- */

/* Numbers go at once to the row that they are added to. */
static void put_sums(struct phu_taking *taking, const char *name, uint64_t key)
{
    const struct phu_profile_rollup *rollup = &taking->table->rollup;
    struct phu_value values[PHU_PROFILE_COLUMNS_MAX];
    size_t count = 0;
    uint32_t handle;

    for (size_t i = 0; i < rollup->sum_count && count < PHU_PROFILE_COLUMNS_MAX; i++) {
        const struct phu_read *read = &taking->reads[rollup->sums[i].column];
        int metric = rollup->sums[i].metric;

        if (rollup->sums[i].family || metric < 0 || read->status != PHU_READ_VALUE)
            continue;
        values[count] = (struct phu_value){.metric = (uint32_t)metric};
        if (phu_snmp_metrics[metric].type == PHU_METRIC_FLOAT)
            values[count++].f = read->value;
        else
            values[count++].i = llround(read->value);
    }
    if (count && phu_taking_handle(taking, rollup->tag, name, key, 0, &handle))
        put(taking, handle, values, count);
}

static void roll_up(struct phu_taking *taking)
{
    const struct phu_profile_rollup *rollup = &taking->table->rollup;
    char name[PHU_PROFILE_NAME_SIZE];
    uint64_t key;

    if (!rollup->tag || fill_name(taking, rollup->name, name) < 0 || !name[0])
        return;
    key = phu_rows_key(rollup->tag, name);
    phu_rollup_add(&taking->pass->rollup, key, name, taking->reads);
    put_sums(taking, name, key);
}

static void begin(struct phu_taking *taking, struct phu_snmp_device *device, unsigned table)
{
    taking->device = device;
    taking->tables = device->tables;
    taking->state = &device->tables->states[table];
    taking->pass = phu_tables_pass(device->tables, table);
    taking->table = phu_tables_at(device->tables, table);
    taking->now = phu_sched_now(device->snmp->env.sched);
    taking->value_count = 0;
}

void phu_table_row_take(struct phu_snmp_device *device, unsigned table,
                        const struct phu_gather_row *row)
{
    char text[PHU_TAKING_TEXT_SIZE];
    struct phu_taking taking;
    uint32_t whom;

    begin(&taking, device, table);
    taking.row = row;
    phu_profile_row_read(taking.table, row->cells, taking.reads);
    if (name_row(&taking) < 0) {
        device->work->wrong_cells++;
        return;
    }
    part_twins(&taking);
    device->work->has_rows = true;
    roll_up(&taking);
    whom = phu_taking_bind(&taking, text);
    phu_tell_row(device,
                 &(struct phu_told_row){.table = taking.table,
                                        .name = taking.name,
                                        .index = &row->index,
                                        .cells = row->cells,
                                        .reads = taking.reads,
                                        .endpoint = phu_tables_endpoint(taking.tables, whom),
                                        .text = text});
    if (is_emitted(&taking, whom))
        emit(&taking, whom);
}

void phu_table_rollup_put(struct phu_snmp_device *device, unsigned table)
{
    const struct phu_rollup *rollup = &phu_tables_pass(device->tables, table)->rollup;
    struct phu_taking taking;

    begin(&taking, device, table);
    for (size_t i = 0; i < rollup->capacity; i++) {
        const struct phu_rollup_row *row = &rollup->rows[i];
        uint32_t handle;

        if (!row->key || rollup->count_count == 0 ||
            !phu_taking_handle(&taking, taking.table->rollup.tag, row->name, row->key, 0, &handle))
            continue;
        taking.value_count = 0;
        for (unsigned k = 0; k < rollup->count_count; k++) {
            add_number(&taking, rollup->counts[k].metric, row->counts[k]);
            phu_tell_number(device, taking.table->name, row->name, rollup->counts[k].metric,
                            row->counts[k]);
        }
        put(&taking, handle, taking.values, taking.value_count);
    }
}
