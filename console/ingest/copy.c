#include "ingest/copy.h"

#include "mem.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 256 << 10 };

struct phu_copies_block {
    struct phu_copies_block *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

static size_t text_size(const struct phu_sample *sample)
{
    size_t size = sample->measurement.length + sample->key.length;

    for (size_t i = 0; i < sample->tag_count; i++)
        size += sample->tags[i].name.length + sample->tags[i].value.length;
    for (size_t i = 0; i < sample->field_count; i++) {
        size += sample->fields[i].name.length;
        if (sample->fields[i].type == PHU_FIELD_STRING)
            size += sample->fields[i].text.length;
    }
    return size;
}

static char *take(struct phu_copies *copies, size_t size)
{
    struct phu_copies_block *block = copies->blocks;

    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = malloc(sizeof *block + room);
        if (!block)
            return NULL;
        *block = (struct phu_copies_block){.next = copies->blocks, .size = room};
        copies->blocks = block;
        copies->bytes += room;
    }
    block->used += size;
    return block->bytes + block->used - size;
}

static struct phu_slice put(char **to, struct phu_slice text)
{
    struct phu_slice copy = {*to, text.length};

    if (text.length)
        memcpy(*to, text.at, text.length);
    *to += text.length;
    return copy;
}

int phu_copies_add(struct phu_copies *copies, const struct phu_sample *sample)
{
    size_t tags = sample->tag_count * sizeof *sample->tags;
    size_t fields = sample->field_count * sizeof *sample->fields;
    char *memory = take(copies, tags + fields + text_size(sample)), *text;
    struct phu_sample *copy;
    struct phu_tag *tag;
    struct phu_field *field;

    if (!memory)
        return -ENOMEM;
    copies->samples = phu_mem_grow(copies->samples, copies->count, sizeof *copies->samples);
    copy = &copies->samples[copies->count++];
    field = (struct phu_field *)(void *)memory;
    tag = (struct phu_tag *)(void *)(memory + fields);
    text = memory + fields + tags;
    *copy = *sample;
    copy->measurement = put(&text, sample->measurement);
    copy->key = put(&text, sample->key);
    copy->tags = tag;
    copy->fields = field;
    for (size_t i = 0; i < sample->tag_count; i++, tag++) {
        tag->name = put(&text, sample->tags[i].name);
        tag->value = put(&text, sample->tags[i].value);
    }
    for (size_t i = 0; i < sample->field_count; i++, field++) {
        *field = sample->fields[i];
        field->name = put(&text, field->name);
        if (field->type == PHU_FIELD_STRING)
            field->text = put(&text, field->text);
    }
    return 0;
}

void phu_copies_cut(struct phu_copies *copies, size_t count)
{
    if (count < copies->count)
        copies->count = count;
}

void phu_copies_fini(struct phu_copies *copies)
{
    struct phu_copies_block *next;

    for (struct phu_copies_block *block = copies->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    free(copies->samples);
    *copies = (struct phu_copies){0};
}
