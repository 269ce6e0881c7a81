/* A CSV file. */
#include "phusong/csv.h"
#include "phusong/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct phu_csv *csv)
{
    assert(csv->field_count >= 1 && csv->field_count <= PHU_CSV_FIELDS_MAX);
    for (size_t i = 0; i < csv->field_count; i++) {
        const struct phu_csv_field *field = &csv->fields[i];

        assert(strlen(field->text) == field->length);
        assert(field->length <= PHU_CSV_FIELD_BYTES_MAX);
        assert(phu_text_valid(field->text, field->length) == field->length);
        assert(field->line >= 1 && field->line <= csv->line && field->column >= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct phu_csv csv;
    size_t rounds = 0;
    int result;

    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    phu_csv_open(&csv, text, size);
    while ((result = phu_csv_next(&csv)) != 0) {
        assert(++rounds <= size);
        if (result > 0)
            check_row(&csv);
        else
            assert(csv.problem && csv.problem_line >= 1 && csv.problem_column >= 1);
    }
    free(text);
    return 0;
}
