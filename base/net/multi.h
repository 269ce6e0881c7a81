/* libcurl's multi interface on the loop: its sockets and its timer. Private to base/net. */
#pragma once

#include <curl/curl.h>

#include <stdint.h>

struct phu_multi;
struct phu_sched;

/* Called from inside phu_multi's turn on the loop, where other transfers may be added and removed,
 * but the multi not freed. */
struct phu_multi_events {
    /* A transfer is over; `owner` is its CURLOPT_PRIVATE. It is still to be removed. */
    void (*ended)(void *owner, CURLcode code);
    /* So long has libcurl worked in this turn; comes before `ended`. */
    void (*worked)(void *arg, int64_t ns);
    void *arg;
};

struct phu_multi *phu_multi_new(struct phu_sched *sched, const struct phu_multi_events *events);
/* Every transfer has been removed. NULL is harmless. */
void phu_multi_free(struct phu_multi *multi);

CURLMcode phu_multi_add(struct phu_multi *multi, CURL *easy);
/* Harmless when it was never added. */
void phu_multi_remove(struct phu_multi *multi, CURL *easy);
