/* Whatever bytes come as names, tags and strings (interfaces of devices have any), the line is one
 * that every store reads in the same way, and numbers come back as they were. */
#include "parse_line.h"
#include "phusong/point.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 6, TEXT_MAX = 200 };

struct input {
    char texts[TEXTS][TEXT_MAX + 2]; /* each begins with a letter of its own */
    double number;
    int64_t integer;
};

/* Sixteen bytes of numbers, then texts ended by a zero byte each. */
static void read_input(const uint8_t *data, size_t size, struct input *input)
{
    memset(input, 0, sizeof *input);
    if (size >= 16) {
        memcpy(&input->number, data, 8);
        memcpy(&input->integer, data + 8, 8);
        data += 16;
        size -= 16;
    }
    for (int i = 0; i < TEXTS; i++) {
        const uint8_t *end = size ? memchr(data, 0, size) : NULL;
        size_t length = end ? (size_t)(end - data) : size, taken;

        taken = length < TEXT_MAX ? length : TEXT_MAX;
        input->texts[i][0] = (char)('m' + i);
        if (taken)
            memcpy(input->texts[i] + 1, data, taken);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
}

static void require(bool is_true, const char *what, const char *line, size_t length)
{
    if (is_true)
        return;
    fprintf(stderr, "%s: %.*s\n", what, (int)length, line);
    abort();
}

static void check(const struct input *input, const char *text, size_t length)
{
    static struct parsed_line parsed;
    const char *wrong = parse_line(text, length, &parsed);
    const struct parsed_field *field;

    require(!wrong, wrong ? wrong : "", text, length);
    require(parsed.tag_count == (input->texts[2][1] ? 3u : 2u), "tags", text, length);
    require(parsed.field_count == (isfinite(input->number) ? 4u : 3u), "fields", text, length);
    require(parsed.fields[0].i == input->integer, "integer", text, length);
    field = &parsed.fields[parsed.field_count - 1];
    require(field->type == PARSED_INT && strcmp(field->name, "b-5") == 0, "bucket", text, length);
    if (isfinite(input->number))
        require(parsed.fields[2].f == input->number, "number", text, length);
    require(parsed.timestamp == input->integer, "timestamp", text, length);
    parsed_line_free(&parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char buffer[4 * TEXTS * TEXT_MAX];
    struct input input;
    struct phu_line line;
    ssize_t length;

    read_input(data, size, &input);
    for (size_t room = sizeof buffer;; room = (size_t)length - 1) {
        phu_line_begin(&line, buffer, room, input.texts[0]);
        phu_line_tag(&line, input.texts[1], input.texts[2]);
        phu_line_tag(&line, "plain", input.texts[2] + 1);
        phu_line_tag(&line, "zone", "x");
        phu_line_int(&line, input.texts[3], input.integer);
        phu_line_string(&line, input.texts[4], input.texts[5] + 1);
        phu_line_float(&line, "number", input.number);
        phu_line_bucket(&line, "b", -5, 1);
        length = phu_line_end(&line, (struct phu_wall){input.integer});
        if (room < sizeof buffer) {
            require(length < 0, "too long for its buffer", buffer, room);
            return 0;
        }
        require(length > 0, "no line", buffer, 0);
        check(&input, buffer, (size_t)length);
    }
}
