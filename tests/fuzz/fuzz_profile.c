/* A profile's file; what it makes of cells, indexes and identities that are made of the same bytes.
 */
#include "profile.h"

#include "phusong/err.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes for cells, taken from the input over and over. */
struct dice {
    const uint8_t *data;
    size_t size, at;
};

static uint8_t roll(struct dice *dice)
{
    return dice->size ? dice->data[dice->at++ % dice->size] : 0;
}

static void make_cell(struct dice *dice, struct phu_cell *cell)
{
    *cell = (struct phu_cell){.kind = roll(dice) % (PHU_VARBIND_OTHER + 1)};
    if (cell->kind == PHU_VARBIND_TEXT || cell->kind == PHU_VARBIND_OTHER) {
        size_t start = dice->size ? dice->at % dice->size : 0;

        cell->text = dice->data + start;
        cell->text_length = roll(dice);
        if (cell->text_length > dice->size - start)
            cell->text_length = dice->size - start;
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        cell->number = cell->number << 8 | (roll(dice) & (i < 6 ? roll(dice) & 1 : 0xff));
}

static const char *ifname(void *arg, uint32_t ifindex)
{
    (void)arg;
    return ifindex % 2 ? "ge-0/0/1" : NULL;
}

static void check_read(const struct phu_profile_column *column, const struct phu_cell *cell,
                       const struct phu_read *read)
{
    char why[64];

    assert(read->metric >= -1 && read->metric < PHU_SNMP_METRICS);
    assert(memchr(read->text, '\0', sizeof read->text));
    if (read->status == PHU_READ_VALUE)
        assert(isfinite(read->value) && read->value >= column->min && read->value <= column->max);
    if (read->status == PHU_READ_WORD)
        assert(read->word && read->word[0] && read->metric >= 0);
    if (read->status == PHU_READ_TEXT)
        assert(read->text[0]);
    if (read->status == PHU_READ_COUNTER)
        assert(read->bits == 32 || read->bits == 64);
    phu_profile_why(column, read, cell, why, sizeof why);
    assert(strlen(why) < sizeof why);
    assert((read->status <= PHU_READ_COUNTER) == (why[0] == '\0'));
}

static void read_table(const struct phu_profile_table *table, struct dice *dice)
{
    struct phu_cell cells[PHU_PROFILE_COLUMNS_MAX];
    struct phu_read reads[PHU_PROFILE_COLUMNS_MAX];
    uint32_t index[PHU_INDEX_MAX];
    struct phu_row_source source = {
        .table = table, .index = index, .cells = cells, .ifname = ifname};
    char name[PHU_PROFILE_NAME_SIZE];

    assert(table->column_count >= 1 && table->column_count <= PHU_PROFILE_COLUMNS_MAX);
    for (unsigned i = 0; i < table->column_count; i++)
        make_cell(dice, &cells[i]);
    source.index_length = roll(dice) % (PHU_INDEX_MAX + 1);
    for (size_t i = 0; i < source.index_length; i++)
        index[i] = roll(dice);
    phu_profile_row_read(table, cells, reads);
    for (unsigned i = 0; i < table->column_count; i++)
        check_read(&table->columns[i], phu_profile_cell(table, cells, i), &reads[i]);
    if (phu_profile_row_name(table->row, &source, name) == 0)
        assert(memchr(name, '\0', sizeof name));
    if (table->rollup.tag && phu_profile_row_name(table->rollup.name, &source, name) == 0)
        assert(memchr(name, '\0', sizeof name));
}

static void fit(const struct phu_profiles *profiles, struct dice *dice)
{
    struct phu_profile_fit fits[PHU_PROFILE_FITS_MAX];
    struct phu_identity identity = {.sys_object_id = {.length = 7, .part = {1, 3, 6, 1, 4, 1, 9}}};
    char descr[64];
    size_t count;

    for (size_t i = 0; i < sizeof descr; i++)
        descr[i] = (char)roll(dice);
    descr[sizeof descr - 1] = '\0';
    identity.sys_descr = descr;
    count = phu_profiles_fit(profiles, &identity, fits, PHU_PROFILE_FITS_MAX);
    assert(count <= PHU_PROFILE_FITS_MAX);
    for (size_t i = 0; i < count; i++)
        assert(fits[i].profile && fits[i].why[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = {.data = data, .size = size};
    struct phu_profiles *profiles;
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = phu_profiles_load_text("fuzz.yaml", (const char *)data, size, &diags, &profiles);
    assert((result == 0) == (diags.count == 0) && (result == 0) == (profiles != NULL));
    phu_diags_fini(&diags);
    if (result)
        return 0;
    for (size_t i = 0; i < phu_profiles_at(profiles, 0)->table_count; i++) {
        for (unsigned row = 0; row < 4; row++)
            read_table(&phu_profiles_at(profiles, 0)->tables[i], &dice);
    }
    fit(profiles, &dice);
    phu_profiles_free(profiles);
    return 0;
}
