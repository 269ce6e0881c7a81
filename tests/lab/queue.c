/* A binary heap ordered by due time, then by arrival. Owns its array, not the items. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
    int64_t due_ns;
    uint64_t order;
    void *item;
};

struct lab_queue {
    struct entry *entries;
    size_t count;
    size_t room;
    uint64_t next_order;
};

struct lab_queue *lab_queue_new(void)
{
    return calloc(1, sizeof(struct lab_queue));
}

void lab_queue_free(struct lab_queue *queue)
{
    if (!queue)
        return;
    free(queue->entries);
    free(queue);
}

static int is_before(const struct entry *a, const struct entry *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static int grow(struct lab_queue *queue)
{
    size_t room = queue->room ? queue->room * 2 : 1024;
    struct entry *entries = realloc(queue->entries, room * sizeof(*entries));

    if (!entries)
        return -ENOMEM;
    queue->entries = entries;
    queue->room = room;
    return 0;
}

int lab_queue_put(struct lab_queue *queue, int64_t due_ns, void *item)
{
    struct entry entry = {.due_ns = due_ns, .order = queue->next_order, .item = item};
    size_t hole;

    if (queue->count == queue->room && grow(queue) < 0)
        return -ENOMEM;
    queue->next_order++;
    hole = queue->count++;
    while (hole > 0 && is_before(&entry, &queue->entries[(hole - 1) / 2])) {
        queue->entries[hole] = queue->entries[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    queue->entries[hole] = entry;
    return 0;
}

int64_t lab_queue_due(const struct lab_queue *queue)
{
    return queue->count ? queue->entries[0].due_ns : INT64_MAX;
}

static void sift_down(struct lab_queue *queue, struct entry last)
{
    size_t hole = 0;
    size_t child = 1;

    while (child < queue->count) {
        if (child + 1 < queue->count &&
            is_before(&queue->entries[child + 1], &queue->entries[child]))
            child++;
        if (!is_before(&queue->entries[child], &last))
            break;
        queue->entries[hole] = queue->entries[child];
        hole = child;
        child = 2 * hole + 1;
    }
    queue->entries[hole] = last;
}

void *lab_queue_take(struct lab_queue *queue)
{
    void *item;

    if (queue->count == 0)
        return NULL;
    item = queue->entries[0].item;
    queue->count--;
    if (queue->count > 0)
        sift_down(queue, queue->entries[queue->count]);
    return item;
}

size_t lab_queue_count(const struct lab_queue *queue)
{
    return queue->count;
}
