/* What is told to somebody who watches. See tell.h. */
#include "tell.h"

#include "device.h"

#include "phusong/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RAW_SIZE 256

/* -- Texts ------------------------------------------------------------------------------------- */

void phu_index_print(const struct phu_index *index, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < index->length && used + 12 < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? ".%" PRIu32 : "%" PRIu32,
                                 index->part[i]);
}

static void print_oid(const struct phu_oid *oid, const char *index, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < oid->length && used + 12 < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, i ? ".%" PRIu32 : "%" PRIu32, oid->part[i]);
    if (oid->length)
        snprintf(text + used, size - used, ".%s", index[0] ? index : "0");
}

static bool is_printable(const struct phu_cell *cell)
{
    for (size_t i = 0; i < cell->text_length; i++) {
        if (cell->text[i] < 0x20 || cell->text[i] == 0x7f)
            return i + 1 == cell->text_length && cell->text[i] == 0;
    }
    return true;
}

static void print_hex(const struct phu_cell *cell, char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < cell->text_length && used + 4 < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? " %02x" : "%02x", cell->text[i]);
}

static void print_raw(const struct phu_cell *cell, char *text, size_t size)
{
    text[0] = '\0';
    switch (cell->kind) {
    case PHU_VARBIND_INTEGER:
        snprintf(text, size, "%" PRId64, (int64_t)cell->number);
        return;
    case PHU_VARBIND_COUNTER32:
    case PHU_VARBIND_COUNTER64:
    case PHU_VARBIND_GAUGE:
    case PHU_VARBIND_TICKS:
        snprintf(text, size, "%" PRIu64, cell->number);
        return;
    case PHU_VARBIND_TEXT:
    case PHU_VARBIND_OTHER:
        if (is_printable(cell))
            phu_text_clean(cell->text, cell->text_length, text, size);
        else
            print_hex(cell, text, size);
        return;
    case PHU_VARBIND_OBJECT_ID:
    case PHU_VARBIND_ADDRESS:
    case PHU_VARBIND_REAL:
    case PHU_VARBIND_MISSING:
    case PHU_VARBIND_END:
        return;
    }
}

/* -- Items ------------------------------------------------------------------------------------- */

static void put(const struct phu_snmp_device *device, struct phu_trace_item item)
{
    const char **texts[] = {&item.name, &item.table, &item.row,   &item.column, &item.index,
                            &item.oid,  &item.raw,   &item.value, &item.unit,   &item.why};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!*texts[i])
            *texts[i] = "";
    }
    phu_trace_put(device->spec->trace, &item);
}

void phu_tell_fact(const struct phu_snmp_device *device, const char *name, const char *value)
{
    if (device->spec->trace)
        put(device, (struct phu_trace_item){.kind = PHU_TRACE_FACT, .name = name, .value = value});
}

void phu_tell_note(const struct phu_snmp_device *device, const char *note)
{
    if (device->spec->trace)
        put(device, (struct phu_trace_item){.kind = PHU_TRACE_NOTE, .why = note});
}

static void print_metric(int metric, char *text, size_t size)
{
    if (metric >= 0)
        snprintf(text, size, "%s.%s", phu_snmp_metrics[metric].measurement,
                 phu_snmp_metrics[metric].name);
}

static void print_value(const struct phu_read *read, char *text, size_t size)
{
    switch (read->status) {
    case PHU_READ_VALUE:
        snprintf(text, size, "%.10g", read->value);
        return;
    case PHU_READ_WORD:
        snprintf(text, size, "%s", read->word);
        return;
    case PHU_READ_TEXT:
        snprintf(text, size, "%s", read->text);
        return;
    case PHU_READ_COUNTER:
        snprintf(text, size, "%" PRIu64, read->number);
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

static bool has_value(const struct phu_read *read)
{
    return read->status <= PHU_READ_COUNTER;
}

static void tell_cell(const struct phu_snmp_device *device, const struct phu_told_row *row,
                      const char *index, unsigned i)
{
    const struct phu_profile_column *column = &row->table->columns[i];
    const struct phu_read *read = &row->reads[i];
    unsigned own = column->of >= 0 ? (unsigned)column->of : i;
    const struct phu_oid *prefix = &row->table->columns[own].oid;
    char name[96] = "", oid[PHU_OID_MAX * 11 + PHU_INDEX_TEXT_SIZE + 1], raw[RAW_SIZE];
    char value[PHU_METRIC_TEXT_MAX + 32] = "", why[160] = "";

    if (row->cells[own].kind == PHU_VARBIND_MISSING && read->status == PHU_READ_HELP)
        return;
    print_oid(prefix, index, oid, sizeof oid);
    print_raw(&row->cells[own], raw, sizeof raw);
    print_value(read, value, sizeof value);
    if (column->family)
        snprintf(name, sizeof name, "%s", column->family);
    else
        print_metric(read->metric >= 0 ? read->metric : column->metric, name, sizeof name);
    put(device, (struct phu_trace_item){
                    .kind = PHU_TRACE_VALUE,
                    .name = name,
                    .table = row->table->name,
                    .row = row->name,
                    .column = column->name,
                    .index = index,
                    .oid = oid,
                    .raw = raw,
                    .value = value,
                    .unit = read->status == PHU_READ_VALUE || read->status == PHU_READ_COUNTER
                                ? phu_snmp_metrics[read->metric >= 0 ? read->metric : 0].unit
                                : "",
                    .why = has_value(read) || read->status == PHU_READ_HELP
                               ? ""
                               : phu_profile_why(column, read, &row->cells[own], why, sizeof why),
                });
}

void phu_tell_row(const struct phu_snmp_device *device, const struct phu_told_row *row)
{
    char index[PHU_INDEX_TEXT_SIZE];

    if (!device->spec->trace)
        return;
    phu_index_print(row->index, index, sizeof index);
    put(device, (struct phu_trace_item){.kind = PHU_TRACE_ROW,
                                        .name = row->table->tag,
                                        .table = row->table->name,
                                        .row = row->name,
                                        .index = index,
                                        .raw = row->text,
                                        .value = row->endpoint});
    for (unsigned i = 0; i < row->table->column_count; i++)
        tell_cell(device, row, index, i);
}

void phu_tell_number(const struct phu_snmp_device *device, const char *table, const char *row,
                     int metric, double value)
{
    char name[96] = "", text[32];

    if (!device->spec->trace)
        return;
    print_metric(metric, name, sizeof name);
    snprintf(text, sizeof text, "%.10g", value);
    put(device, (struct phu_trace_item){.kind = PHU_TRACE_VALUE,
                                        .name = name,
                                        .table = table,
                                        .row = row,
                                        .value = text,
                                        .unit = phu_snmp_metrics[metric].unit});
}

/* -- Interfaces -------------------------------------------------------------------------------- */

struct told_interface {
    const struct phu_snmp_device *device;
    const char *name, *index;
};

static void tell_amount(const struct told_interface *interface, int metric,
                        const struct phu_oid *prefix, uint64_t raw, const char *value)
{
    char name[96] = "", text[32], oid[PHU_OID_MAX * 11 + 16] = "";

    if (prefix)
        print_oid(prefix, interface->index, oid, sizeof oid);
    print_metric(metric, name, sizeof name);
    snprintf(text, sizeof text, "%" PRIu64, raw);
    put(interface->device, (struct phu_trace_item){.kind = PHU_TRACE_VALUE,
                                                   .name = name,
                                                   .table = "interfaces",
                                                   .row = interface->name,
                                                   .column = phu_snmp_metrics[metric].name,
                                                   .index = interface->index,
                                                   .oid = oid,
                                                   .raw = text,
                                                   .value = value ? value : text,
                                                   .unit = phu_snmp_metrics[metric].unit});
}

static void tell_status(const struct told_interface *interface, int metric, uint8_t status)
{
    static const char *const words[] = {"",        "up",      "down",       "testing",
                                        "unknown", "dormant", "notPresent", "lowerLayerDown"};

    if (status && status < sizeof words / sizeof *words)
        tell_amount(interface, metric, NULL, status, words[status]);
}

void phu_tell_interface(const struct phu_snmp_device *device,
                        const struct phu_interface_report *report, const char *endpoint)
{
    const struct phu_ifmib_row *row = report->reading;
    char index[16];
    struct told_interface interface = {device, row->name, index};

    if (!device->spec->trace)
        return;
    snprintf(index, sizeof index, "%" PRIu32, row->index);
    put(device, (struct phu_trace_item){.kind = PHU_TRACE_ROW,
                                        .name = "interface",
                                        .table = "interfaces",
                                        .row = row->name,
                                        .index = index,
                                        .value = endpoint});
    tell_status(&interface, PHU_SNMP_IF_OPER_UP, row->oper);
    tell_status(&interface, PHU_SNMP_IF_ADMIN_UP, row->admin);
    if (row->speed_bps)
        tell_amount(&interface, PHU_SNMP_IF_SPEED_BPS, NULL, row->speed_bps, NULL);
    for (int i = 0; i < PHU_IF_COUNTERS; i++) {
        if (row->bits[i])
            tell_amount(&interface, PHU_SNMP_IF_COUNTERS + i,
                        phu_ifmib_counter_oid(i, row->bits[i]), row->value[i], NULL);
    }
}
