/* The delay queue: what is due first comes out first, and what is due at the same time comes out in
 * the order it went in. A binary heap of small entries; the queue never looks into `item`.
 *
 *     lab_queue_put(q, due_ns, packet);
 *     while (lab_queue_due(q) <= now)
 *         send(lab_queue_take(q));
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct lab_queue;

struct lab_queue *lab_queue_new(void);
/* Items still inside are the caller's to take out first. */
void lab_queue_free(struct lab_queue *queue);
/* -ENOMEM when it cannot grow; the item then stays the caller's. */
int lab_queue_put(struct lab_queue *queue, int64_t due_ns, void *item);
/* When the first item is due, INT64_MAX when there is none. */
int64_t lab_queue_due(const struct lab_queue *queue);
void *lab_queue_take(struct lab_queue *queue);
size_t lab_queue_count(const struct lab_queue *queue);
