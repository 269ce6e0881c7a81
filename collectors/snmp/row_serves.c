/* Whom a row serves, and its handle in the sink. See taking.h and table_row.h. */
#include "table_row.h"
#include "taking.h"
#include "tell.h"

#include "phusong/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* -- Whom it serves ---------------------------------------------------------------------------- */

static void find_text(const struct phu_taking *taking, enum phu_profile_use use,
                      char text[PHU_TAKING_TEXT_SIZE])
{
    text[0] = '\0';
    for (unsigned i = 0; i < taking->table->column_count && !text[0]; i++) {
        const struct phu_profile_column *column = &taking->table->columns[i];
        const struct phu_cell *cell = &taking->row->cells[column->of >= 0 ? column->of : (int)i];

        if (column->use == use && cell->kind == PHU_VARBIND_TEXT)
            phu_text_clean(cell->text, cell->text_length, text, PHU_TAKING_TEXT_SIZE);
    }
}

static bool is_quality(const struct phu_profile_table *table)
{
    return strcmp(table->measurement, "signal") == 0 || strcmp(table->measurement, "optics") == 0 ||
           strcmp(table->measurement, "radio") == 0;
}

static uint32_t remembered(const struct phu_tables *tables, uint64_t key)
{
    const struct phu_row_memory *memory = phu_rows_find(&tables->rows, key);

    return memory ? memory->endpoint : 0;
}

static void remember(struct phu_taking *taking, uint32_t whom)
{
    struct phu_row_memory *memory = phu_rows_take(&taking->tables->rows, taking->key);

    if (memory->handle && memory->endpoint && !memory->has_no_endpoint)
        taking->tables->serving->bound--;
    memory->endpoint = whom;
    memory->handle = 0; /* the sink is told anew whom the row serves */
    memory->seen_s = (uint32_t)(taking->now.ns / PHU_NS_PER_S);
}

/* An OLT's ONUs are many, and those that nobody claims are not all one endpoint's. */
static bool may_be_the_rest(const struct phu_profile_table *table)
{
    return is_quality(table) && table->emit != PHU_EMIT_NONE &&
           !(table->tag && strcmp(table->tag, "onu") == 0);
}

/* Bindings by text last: they are known from the table that has the texts on. */
static uint32_t find_whom(struct phu_taking *taking, const struct phu_claim_row *row)
{
    struct phu_claims *claims = &taking->tables->serving->claims;
    uint32_t before = remembered(taking->tables, taking->key);
    uint32_t whom = phu_claims_find(claims, row);

    if (!whom && row->description[0])
        whom = phu_claims_make(claims, &taking->device->snmp->serves, row->description, before);
    if (!whom && !taking->state->has_texts)
        whom = before;
    if (!whom && may_be_the_rest(taking->table))
        whom = phu_claims_rest(claims);
    if (whom != before)
        remember(taking, whom);
    return whom;
}

static void note_unmatched(struct phu_taking *taking, const char *description)
{
    char note[PHU_TAKING_TEXT_SIZE + 2 * PHU_PROFILE_NAME_SIZE];

    if (!taking->device->spec->trace || !description[0] || !taking->device->snmp->serves.count)
        return;
    snprintf(note, sizeof note, "%s %s: no pattern of serves matches \"%s\"",
             taking->table->tag ? taking->table->tag : "row", taking->name, description);
    phu_tell_note(taking->device, note);
}

uint32_t phu_taking_bind(struct phu_taking *taking, char text[PHU_TAKING_TEXT_SIZE])
{
    char description[PHU_TAKING_TEXT_SIZE], serial[PHU_TAKING_TEXT_SIZE],
        index[PHU_INDEX_TEXT_SIZE];
    struct phu_claim_row row = {.is_interface = taking->table->tag &&
                                                strcmp(taking->table->tag, "interface") == 0,
                                .name = taking->name,
                                .index = index,
                                .description = description,
                                .serial = serial};
    uint32_t whom = 0;

    text[0] = '\0';
    if (!taking->tables->serving && !taking->device->spec->trace)
        return 0;
    phu_index_print(&taking->row->index, index, sizeof index);
    find_text(taking, PHU_USE_DESCRIPTION, description);
    find_text(taking, PHU_USE_SERIAL, serial);
    snprintf(text, PHU_TAKING_TEXT_SIZE, "%s", description[0] ? description : serial);
    if (taking->tables->serving)
        whom = find_whom(taking, &row);
    if (!whom)
        note_unmatched(taking, description);
    return whom;
}

/* -- Its handle -------------------------------------------------------------------------------- */

static void note_stranger(struct phu_snmp_device *device, const char *tag, const char *name,
                          const char *endpoint)
{
    char text[PHU_TAKING_TEXT_SIZE + PHU_PROFILE_NAME_SIZE];

    snprintf(text, sizeof text, "%s %s names %s", tag, name, endpoint);
    phu_table_examples_add(&device->tables->serving->strangers, text);
    if (device->spec->trace) {
        char note[sizeof text + 40];

        snprintf(note, sizeof note, "%s, which the inventory does not have", text);
        phu_tell_note(device, note);
    }
}

/* Asks the sink; a row that serves an unknown endpoint stays one that serves nobody. */
static int ask_sink(struct phu_snmp_device *device, const struct phu_row *wanted, bool *is_stranger,
                    uint32_t *handle)
{
    const struct phu_collector_env *env = &device->snmp->env;
    struct phu_row row = *wanted;
    int error = phu_sink_row(env->sink, device->spec->check, &row, handle);

    *is_stranger = error == -ENOENT && row.endpoint;
    if (!*is_stranger) {
        if (!error && row.endpoint)
            device->tables->serving->bound++;
        return error;
    }
    note_stranger(device, row.tag, row.name, row.endpoint);
    row.endpoint = NULL;
    return phu_sink_row(env->sink, device->spec->check, &row, handle);
}

bool phu_taking_handle(struct phu_taking *taking, const char *tag, const char *name, uint64_t key,
                       uint32_t whom, uint32_t *handle)
{
    struct phu_tables *tables = taking->tables;
    struct phu_row_memory *memory = phu_rows_take(&tables->rows, key);
    struct phu_row wanted = {
        .tag = tag, .name = name, .endpoint = whom ? phu_tables_endpoint(tables, whom) : NULL};

    memory->seen_s = (uint32_t)(taking->now.ns / PHU_NS_PER_S);
    if (!memory->handle && !memory->is_refused) {
        memory->is_refused =
            ask_sink(taking->device, &wanted, &memory->has_no_endpoint, &memory->handle) < 0;
        taking->device->snmp->rows_refused += memory->is_refused;
    }
    *handle = memory->handle;
    return memory->handle != 0;
}

/* As the inventory or the interface's alias says. */
static uint32_t find_interface(const struct phu_tables *tables, const char *name)
{
    struct phu_claim_row row = {
        .is_interface = true, .name = name, .index = "", .description = "", .serial = ""};
    uint32_t whom;

    if (!tables || !tables->serving)
        return 0;
    whom = phu_claims_find(&tables->serving->claims, &row);
    return whom ? whom : remembered(tables, phu_rows_key("interface", name));
}

int phu_table_interface_row(struct phu_snmp_device *device, const char *name, uint32_t *handle)
{
    struct phu_row wanted = {.tag = "interface", .name = name};
    uint32_t whom = find_interface(device->tables, name);
    bool is_stranger;

    if (whom)
        wanted.endpoint = phu_tables_endpoint(device->tables, whom);
    return ask_sink(device, &wanted, &is_stranger, handle);
}

const char *phu_table_interface_serves(const struct phu_snmp_device *device, const char *name)
{
    uint32_t whom = find_interface(device->tables, name);

    return whom ? phu_tables_endpoint(device->tables, whom) : "";
}
