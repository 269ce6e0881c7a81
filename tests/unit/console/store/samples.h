/* Samples for tests, from lines without escapes; and a store in a folder of its own. */
#pragma once

#include "sample.h"
#include "store/store.h"

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define ZONE (7 * HOUR)
/* 2026-03-10 00:00 in Vietnam */
#define MIDNIGHT (INT64_C(1773075600) * SECOND)

struct line {
    char text[4096];
    struct phu_tag tags[32];
    struct phu_field fields[512];
    struct phu_sample sample;
};

static inline struct phu_slice slice_of(const char *from, const char *to)
{
    return (struct phu_slice){.at = from, .length = (size_t)(to - from)};
}

static inline void read_value(struct phu_field *field, struct phu_slice value)
{
    char last = value.at[value.length - 1];

    if (*value.at == '"') {
        field->type = PHU_FIELD_STRING;
        field->text = (struct phu_slice){.at = value.at + 1, .length = value.length - 2};
    } else if (last == 'i') {
        field->type = PHU_FIELD_INT;
        field->i = strtoll(value.at, NULL, 10);
    } else if (*value.at == 't' || *value.at == 'f') {
        field->type = PHU_FIELD_BOOL;
        field->b = *value.at == 't';
    } else {
        field->type = PHU_FIELD_FLOAT;
        field->f = strtod(value.at, NULL);
    }
}

/* "measurement,tag=value field=1i,other=2", tags sorted; nothing escaped, texts without commas. */
static inline const struct phu_sample *line_read(struct line *line, int64_t time_ns,
                                                 const char *text)
{
    struct phu_sample *sample = &line->sample;
    const char *at = line->text, *space;

    assert_true(strlen(text) < sizeof line->text);
    strcpy(line->text, text);
    *sample = (struct phu_sample){.tags = line->tags, .fields = line->fields, .time_ns = time_ns};
    space = strchr(line->text, ' ');
    assert_non_null(space);
    sample->key = slice_of(line->text, space);
    at += strcspn(at, ", ");
    sample->measurement = slice_of(line->text, at);
    while (*at == ',') {
        const char *equals = strchr(++at, '=');
        const char *end = equals + strcspn(equals, ", ");

        line->tags[sample->tag_count].name = slice_of(at, equals);
        line->tags[sample->tag_count++].value = slice_of(equals + 1, end);
        at = end;
    }
    while (*at) {
        const char *equals = strchr(++at, '=');
        const char *end = equals + strcspn(equals, ",");

        line->fields[sample->field_count].name = slice_of(at, equals);
        read_value(&line->fields[sample->field_count++], slice_of(equals + 1, end));
        at = end;
    }
    return sample;
}

struct fixture {
    char folder[64], path[96], why[512];
    struct phu_store_conf conf;
    struct phu_store *store;
    struct line line;
    size_t field;
};

static inline struct phu_store_conf conf_for(char *path)
{
    return (struct phu_store_conf){.path = path,
                                   .keep_minute_ns = 7 * DAY,
                                   .keep_five_minutes_ns = 90 * DAY,
                                   .keep_hour_ns = 400 * DAY,
                                   .zone_offset_ns = ZONE,
                                   .max_journal_bytes = 48 << 20,
                                   .max_series = 100000};
}

static inline void fixture_open(struct fixture *fixture)
{
    int err = phu_store_open(&fixture->conf, &fixture->store, fixture->why, sizeof fixture->why);

    if (err)
        fail_msg("%d: %s", err, fixture->why);
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    /* In memory where that can be had: syncs of a real disk are slow. */
    strcpy(fixture->folder, "/dev/shm/phusong-store-XXXXXX");
    if (!mkdtemp(fixture->folder)) {
        strcpy(fixture->folder, "/tmp/phusong-store-XXXXXX");
        assert_non_null(mkdtemp(fixture->folder));
    }
    snprintf(fixture->path, sizeof fixture->path, "%s/store.db", fixture->folder);
    fixture->conf = conf_for(fixture->path);
    fixture_open(fixture);
    return fixture;
}

static inline int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void fixture_free(struct fixture *fixture)
{
    phu_store_close(fixture->store);
    nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

static inline int fixture_put(struct fixture *fixture, int64_t time_ns, int64_t now_ns,
                              const char *text)
{
    return phu_store_put(fixture->store, line_read(&fixture->line, time_ns, text), now_ns,
                         &fixture->field);
}

/* In a transaction of its own. */
static inline void fixture_store(struct fixture *fixture, int64_t time_ns, int64_t now_ns,
                                 const char *text)
{
    assert_int_equal(phu_store_begin(fixture->store), 0);
    assert_int_equal(fixture_put(fixture, time_ns, now_ns, text), 0);
    assert_int_equal(phu_store_commit(fixture->store), 0);
}

static inline void fixture_tend(struct fixture *fixture, int64_t now_ns)
{
    struct phu_store_figures figures;

    while (phu_store_tend(fixture->store, now_ns, 50 * 1000 * 1000))
        continue;
    phu_store_figures(fixture->store, &figures);
    assert_int_equal(figures.last_error, 0);
}
