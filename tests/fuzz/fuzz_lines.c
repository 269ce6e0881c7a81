/* Whatever comes as line protocol: nothing outside the body is touched, and what is read makes
 * sense: tags in order and none twice, no field twice, a key that names the same series again. */
#include "ingest/lines.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static int compare(struct phu_slice a, struct phu_slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.at, b.at, shorter);

    return order ? order : a.length < b.length ? -1 : a.length > b.length;
}

static void check_sample(const struct phu_sample *sample)
{
    require(sample->measurement.length > 0, "no measurement");
    require(sample->field_count > 0, "no field");
    for (size_t i = 0; i < sample->tag_count; i++) {
        require(sample->tags[i].name.length && sample->tags[i].value.length, "an empty tag");
        require(!i || compare(sample->tags[i - 1].name, sample->tags[i].name) < 0, "tags");
    }
    for (size_t i = 0; i < sample->field_count; i++) {
        require(sample->fields[i].name.length > 0, "a field without a name");
        for (size_t j = 0; j < i; j++)
            require(compare(sample->fields[i].name, sample->fields[j].name) != 0, "fields");
    }
}

/* The key with a field behind it is a line of the same series. */
static void check_key(struct phu_slice key, struct phu_lines *again)
{
    size_t length = key.length + 6;
    char *line = malloc(length), *copy = malloc(key.length);
    struct phu_sample sample;
    enum phu_lines_result result;

    memcpy(copy, key.at, key.length);
    memcpy(line, copy, key.length);
    memcpy(line + key.length, " v=1 1", 6);
    phu_lines_begin(again, line, length, 0, 1);
    result = phu_lines_next(again, &sample);
    if (result == PHU_LINES_SAMPLE)
        require(sample.key.length == key.length && memcmp(sample.key.at, copy, key.length) == 0,
                "another key");
    free(line);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct phu_lines *lines, *again;
    static const int64_t units[] = {1, 1000, 1000000, 1000000000};
    enum phu_lines_result result;
    struct phu_sample sample;
    size_t number = 0;

    if (!lines) {
        lines = phu_lines_new();
        again = phu_lines_new();
    }
    phu_lines_begin(lines, (const char *)data, size, 1700000000000000000, units[size % 4]);
    while ((result = phu_lines_next(lines, &sample)) != PHU_LINES_END) {
        require(phu_lines_number(lines) > number, "line numbers grow");
        number = phu_lines_number(lines);
        if (result != PHU_LINES_SAMPLE) {
            require(*phu_lines_fault(lines), "no fault said");
            continue;
        }
        check_sample(&sample);
        check_key(sample.key, again);
    }
    return 0;
}
