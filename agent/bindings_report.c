#include "bindings.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define ROWS_SHOWN 20 /* of those that serve nobody, unless all are asked for */

bool phu_bound_device_answered(const struct phu_bound_device *device)
{
    return device->is_done &&
           (device->result == PHU_RESULT_OK || device->result == PHU_RESULT_PARTIAL);
}

static bool is_bound(const struct phu_found_row *row)
{
    return row->is_known_endpoint;
}

bool phu_bound_row_is_stray(const struct phu_found_row *row)
{
    return row->endpoint[0] && !row->is_known_endpoint;
}

bool phu_bound_row_is_free(const struct phu_found_row *row)
{
    return !row->endpoint[0] && phu_found_tag_may_serve(row->tag);
}

static bool names_a_row(const struct phu_bound_claim *claim)
{
    return claim->ifname[0] || claim->index[0];
}

bool phu_bound_claim_is_missed(const struct phu_bound_claim *claim)
{
    return !claim->is_found && names_a_row(claim);
}

static bool claim_is_idle(const struct phu_bound_claim *claim)
{
    return !claim->is_found && !names_a_row(claim);
}

struct phu_bindings_sums phu_bindings_sum(const struct phu_bindings_job *job)
{
    struct phu_bindings_sums sums = {.devices = job->device_count};

    for (size_t i = 0; i < job->device_count; i++) {
        const struct phu_bound_device *device = &job->devices[i];

        if (!phu_bound_device_answered(device))
            continue;
        sums.answered++;
        for (size_t row = 0; row < device->rows.count; row++) {
            sums.bound += is_bound(&device->rows.items[row]);
            sums.unbound += phu_bound_row_is_free(&device->rows.items[row]);
            sums.stray += phu_bound_row_is_stray(&device->rows.items[row]);
        }
        for (size_t claim = 0; claim < device->claim_count; claim++) {
            sums.missed += phu_bound_claim_is_missed(&device->claims[claim]);
            sums.idle += claim_is_idle(&device->claims[claim]);
        }
    }
    return sums;
}

/* -- For people -------------------------------------------------------------------------------- */

static void print_row(const struct phu_found_row *row, FILE *out)
{
    if (row->tag[0])
        fprintf(out, "    %s=%s", row->tag, row->name);
    else
        fputs("    the device itself", out);
    if (row->endpoint[0])
        fprintf(out, " -> %s", row->endpoint);
    if (row->text[0])
        fprintf(out, "  (%s)", row->text);
    fputc('\n', out);
}

/* At most `most` of the rows for which `is_one` holds, under a title. */
static void print_rows(const struct phu_bound_device *device, const char *title,
                       bool (*is_one)(const struct phu_found_row *row), size_t most, FILE *out)
{
    size_t count = 0;

    for (size_t i = 0; i < device->rows.count; i++) {
        if (!is_one(&device->rows.items[i]))
            continue;
        if (count++ == 0)
            fprintf(out, "  %s:\n", title);
        if (count <= most)
            print_row(&device->rows.items[i], out);
    }
    if (count > most)
        fprintf(out, "    and %zu more; --all prints them\n", count - most);
}

static void print_claims(const struct phu_bound_device *device, const char *title,
                         bool (*is_one)(const struct phu_bound_claim *claim), FILE *out)
{
    bool has_title = false;

    for (size_t i = 0; i < device->claim_count; i++) {
        const struct phu_bound_claim *claim = &device->claims[i];

        if (!is_one(claim))
            continue;
        if (!has_title)
            fprintf(out, "  %s:\n", title);
        has_title = true;
        fprintf(out, "    %s", claim->endpoint);
        if (names_a_row(claim))
            fprintf(out, "  %s %s", claim->ifname[0] ? "ifname" : "index",
                    claim->ifname[0] ? claim->ifname : claim->index);
        fputc('\n', out);
    }
}

static const char *text_of(const struct phu_bound_device *device, uint32_t text)
{
    return phu_inventory_text(device->owner->inventory, text);
}

static void print_device(const struct phu_bound_device *device, bool is_all, FILE *out)
{
    const struct phu_device *record = &device->owner->inventory->devices[device->device];

    fprintf(out, "%s (%s)", text_of(device, record->id), text_of(device, record->address));
    if (!phu_bound_device_answered(device)) {
        fprintf(out, ": %s%s\n",
                device->is_done ? "no answer, so nothing is known of its rows: " : "was not asked",
                device->is_done ? phu_result_name(device->result) : "");
    } else {
        fputc('\n', out);
        print_rows(device, "serve an endpoint", is_bound, SIZE_MAX, out);
        print_rows(device, "serve nobody", phu_bound_row_is_free, is_all ? SIZE_MAX : ROWS_SHOWN,
                   out);
        print_claims(device, "endpoints whose row the device does not have",
                     phu_bound_claim_is_missed, out);
        print_rows(device, "a pattern names an endpoint that the inventory does not have",
                   phu_bound_row_is_stray, SIZE_MAX, out);
        print_claims(device, "endpoints that name no row, and none was left for them",
                     claim_is_idle, out);
    }
    for (size_t i = 0; i < device->note_count; i++)
        fprintf(out, "  remark: %s\n", device->notes[i]);
}

void phu_bindings_print(const struct phu_bindings_job *job, bool is_all, FILE *out)
{
    struct phu_bindings_sums sums = phu_bindings_sum(job);

    for (size_t i = 0; i < job->device_count; i++)
        print_device(&job->devices[i], is_all, out);
    fprintf(out,
            "%s%zu of %zu devices answered; rows that serve an endpoint: %zu, that serve nobody: "
            "%zu; endpoints whose row is missing: %zu; unknown endpoints: %zu\n",
            job->device_count ? "\n" : "", sums.answered, sums.devices, sums.bound, sums.unbound,
            sums.missed, sums.stray);
}

/* -- For programs ------------------------------------------------------------------------------ */

static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_string("?"); /* not UTF-8 */
}

static json_t *json_rows(const struct phu_bound_device *device,
                         bool (*is_one)(const struct phu_found_row *row))
{
    json_t *list = json_array();

    for (size_t i = 0; i < device->rows.count; i++) {
        const struct phu_found_row *row = &device->rows.items[i];

        if (is_one(row))
            json_array_append_new(
                list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "tag", json_text(row->tag), "row",
                                json_text(row->name), "index", json_text(row->index), "text",
                                json_text(row->text), "endpoint", json_text(row->endpoint)));
    }
    return list;
}

static json_t *json_claims(const struct phu_bound_device *device,
                           bool (*is_one)(const struct phu_bound_claim *claim))
{
    json_t *list = json_array();

    for (size_t i = 0; i < device->claim_count; i++) {
        const struct phu_bound_claim *claim = &device->claims[i];

        if (is_one(claim))
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "endpoint", claim->endpoint,
                                                  "ifname", claim->ifname, "index", claim->index));
    }
    return list;
}

static json_t *json_device(const struct phu_bound_device *device)
{
    const struct phu_device *record = &device->owner->inventory->devices[device->device];
    json_t *notes = json_array();
    json_t *object = json_pack("{s:s, s:s, s:s}", "device", text_of(device, record->id), "address",
                               text_of(device, record->address), "result",
                               device->is_done ? phu_result_name(device->result) : "not asked");

    for (size_t i = 0; i < device->note_count; i++)
        json_array_append_new(notes, json_text(device->notes[i]));
    json_object_set_new(object, "notes", notes);
    if (!phu_bound_device_answered(device))
        return object;
    json_object_set_new(object, "bound", json_rows(device, is_bound));
    json_object_set_new(object, "not_bound", json_rows(device, phu_bound_row_is_free));
    json_object_set_new(object, "unknown_endpoints", json_rows(device, phu_bound_row_is_stray));
    json_object_set_new(object, "missed", json_claims(device, phu_bound_claim_is_missed));
    json_object_set_new(object, "idle", json_claims(device, claim_is_idle));
    return object;
}

int phu_bindings_print_json(const struct phu_bindings_job *job, FILE *out)
{
    struct phu_bindings_sums sums = phu_bindings_sum(job);
    json_t *devices = json_array(), *all;
    int result;

    for (size_t i = 0; i < job->device_count; i++)
        json_array_append_new(devices, json_device(&job->devices[i]));
    all = json_pack("{s:o, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "devices", devices,
                    "interrupted", job->is_interrupted, "summary", "devices",
                    (json_int_t)sums.devices, "answered", (json_int_t)sums.answered, "bound",
                    (json_int_t)sums.bound, "not_bound", (json_int_t)sums.unbound, "missed",
                    (json_int_t)sums.missed, "unknown_endpoints", (json_int_t)sums.stray, "idle",
                    (json_int_t)sums.idle);
    result = json_dumpf(all, out, JSON_INDENT(1)) || fputc('\n', out) == EOF;
    json_decref(all);
    return result ? -EIO : 0;
}
