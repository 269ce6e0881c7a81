/* A strict reader of line protocol for tests: refuses whatever any of our destinations would read
 * in another way, and a few things that we never write (comments, lines without timestamp). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARSED_TAGS 32
#define PARSED_FIELDS 1024

enum parsed_type { PARSED_INT, PARSED_FLOAT, PARSED_BOOL, PARSED_STRING };

struct parsed_tag {
    const char *name, *value;
};

struct parsed_field {
    const char *name;
    enum parsed_type type;
    int64_t i;
    double f;
    const char *s;
};

struct parsed_line {
    const char *measurement;
    struct parsed_tag tags[PARSED_TAGS];
    size_t tag_count;
    struct parsed_field fields[PARSED_FIELDS];
    size_t field_count;
    int64_t timestamp;
    const char *key; /* measurement and tags as written */
    char *text;      /* private: what the strings point into */
};

/* One line with its newline. NULL, or what is wrong with it; then there is nothing to free. */
const char *parse_line(const char *text, size_t length, struct parsed_line *line);
void parsed_line_free(struct parsed_line *line);

/* "" when there is no such tag. */
const char *parsed_tag(const struct parsed_line *line, const char *name);
const struct parsed_field *parsed_field(const struct parsed_line *line, const char *name);
/* An integer field, 0 when there is none. */
int64_t parsed_int(const struct parsed_line *line, const char *name);
