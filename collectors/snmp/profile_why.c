/* Why a cell has no value, for a person. */
#include "profile_cell.h"

#include <stdio.h>

static void say_cell(const struct phu_cell *cell, char *text, size_t size)
{
    char clean[PHU_IFNAME_SIZE];

    if (phu_cell_is_text(cell)) {
        phu_ifname_clean(cell->text, cell->text_length, clean);
        snprintf(text, size, "\"%s\"", clean);
    } else if (cell->kind == PHU_VARBIND_INTEGER) {
        snprintf(text, size, "%lld", (long long)cell->number);
    } else {
        snprintf(text, size, "%llu", (unsigned long long)cell->number);
    }
}

static void say_condition(const struct phu_profile_column *column, char *why, size_t size)
{
    const struct phu_profile_plan *plan = column->private;
    size_t used = 0;

    for (size_t i = 0; i < column->when_count && used < size; i++) {
        const struct phu_profile_when *when = &column->when[i];

        used += (size_t)snprintf(why + used, size - used, "%s%s", i ? " and " : "only when ",
                                 plan->table->columns[when->column].name);
        for (size_t j = 0; when->words && when->words[j] && used < size; j++)
            used += (size_t)snprintf(why + used, size - used, "%s%s",
                                     j              ? " or "
                                     : when->is_not ? " is not "
                                                    : " is ",
                                     when->words[j]);
        if (used < size && !(when->words && when->words[0]))
            used += (size_t)snprintf(why + used, size - used, " has a value");
    }
    if (column->chooser >= 0 && used < size)
        snprintf(why + used, size - used, "%s%s chooses no metric", used ? ", or " : "",
                 plan->table->columns[column->chooser].name);
}

static void say_unfit(const struct phu_profile_column *column, const char *raw, char *why,
                      size_t size)
{
    const struct phu_profile_plan *plan = column->private;

    if (plan->extract)
        snprintf(why, size, "%s does not fit the expression, or what it finds does not", raw);
    else if (column->word_count)
        snprintf(why, size, "no word for %s", raw);
    else if (column->convert == PHU_CONVERT_HMS_TO_S)
        snprintf(why, size, "%s is no hh:mm:ss", raw);
    else if (column->share_count)
        snprintf(why, size, "%s is no number, or what it is a share of is not", raw);
    else if (column->si_scale >= 0 || column->decimals >= 0)
        snprintf(why, size, "%s is no number, or its scale or decimals make no sense", raw);
    else
        snprintf(why, size, "%s is no %s", raw, column->is_counter ? "counter" : "number");
}

const char *phu_profile_why(const struct phu_profile_column *column, const struct phu_read *read,
                            const struct phu_cell *cell, char *why, size_t size)
{
    char raw[96];

    why[0] = '\0';
    say_cell(cell, raw, sizeof raw);
    switch (read->status) {
    case PHU_READ_ABSENT:
        snprintf(why, size, "the device has no such object");
        break;
    case PHU_READ_NONE:
        snprintf(why, size, "%s means no value", raw);
        break;
    case PHU_READ_IMPLAUSIBLE:
        snprintf(why, size, "%.6g is outside %g to %g", read->value, column->min, column->max);
        break;
    case PHU_READ_UNFIT:
        say_unfit(column, raw, why, size);
        break;
    case PHU_READ_CONDITION:
        say_condition(column, why, size);
        break;
    case PHU_READ_HELP:
        snprintf(why, size, "read by other columns or the row's name only");
        break;
    case PHU_READ_VALUE:
    case PHU_READ_WORD:
    case PHU_READ_TEXT:
    case PHU_READ_COUNTER:
        break;
    }
    return why;
}
