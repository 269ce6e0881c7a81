/* Line protocol from standard input as the console reads it, as JSON: one object for each line.
 *
 *     lines_read NOW_NS UNIT_NS
 *     {"line":1,"measurement":"m","tags":{"a":"b"},"fields":{"x":1.5,"n":"3i"},"time":…}
 *     {"line":2,"wrong":"missing fields"}
 *
 * Integers are texts that end with i, so that none is mistaken for a float.
 */
#include "ingest/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 32 << 20 };

static void put(struct phu_slice text, const char *suffix)
{
    putchar('"');
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    printf("%s\"", suffix);
}

static void put_field(const struct phu_field *field)
{
    put(field->name, "");
    putchar(':');
    switch (field->type) {
    case PHU_FIELD_FLOAT:
        printf("%.17g", field->f);
        break;
    case PHU_FIELD_INT:
        printf("\"%" PRId64 "i\"", field->i);
        break;
    case PHU_FIELD_BOOL:
        fputs(field->b ? "true" : "false", stdout);
        break;
    case PHU_FIELD_STRING:
        put(field->text, "s");
        break;
    }
}

static void put_sample(const struct phu_sample *sample)
{
    fputs(",\"measurement\":", stdout);
    put(sample->measurement, "");
    fputs(",\"tags\":{", stdout);
    for (size_t i = 0; i < sample->tag_count; i++) {
        fputs(i ? "," : "", stdout);
        put(sample->tags[i].name, "");
        putchar(':');
        put(sample->tags[i].value, "");
    }
    fputs("},\"fields\":{", stdout);
    for (size_t i = 0; i < sample->field_count; i++) {
        fputs(i ? "," : "", stdout);
        put_field(&sample->fields[i]);
    }
    printf("},\"time\":%" PRId64, sample->time_ns);
}

int main(int argc, char **argv)
{
    struct phu_lines *lines = phu_lines_new();
    char *body = malloc(BODY_MAX);
    size_t length = body ? fread(body, 1, BODY_MAX, stdin) : 0;
    enum phu_lines_result result;
    struct phu_sample sample;

    if (argc != 3) {
        fputs("usage: lines_read NOW_NS UNIT_NS <BODY\n", stderr);
        return 3;
    }
    phu_lines_begin(lines, body, length, strtoll(argv[1], NULL, 10), strtoll(argv[2], NULL, 10));
    while ((result = phu_lines_next(lines, &sample)) != PHU_LINES_END) {
        printf("{\"line\":%zu", phu_lines_number(lines));
        if (result == PHU_LINES_SAMPLE) {
            put_sample(&sample);
        } else {
            const char *fault = phu_lines_fault(lines);

            fputs(",\"wrong\":", stdout);
            put((struct phu_slice){fault, strlen(fault)}, "");
        }
        puts("}");
    }
    phu_lines_free(lines);
    free(body);
    return 0;
}
