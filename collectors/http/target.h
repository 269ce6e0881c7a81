/* What an http check asks for, as text: its argument, its URL, the statuses it expects. Pure
 * functions; private to collectors/http. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PHU_TARGET_URL_MAX 2048

/* Of "8080", "/path", "8080/path" or a whole URL. Points into the text. */
struct phu_target_argument {
    const char *url;  /* NULL unless it was one */
    unsigned port;    /* 0 if none */
    const char *path; /* NULL if none */
};

/* NULL, or what is wrong, as a sentence. */
const char *phu_target_argument_parse(const char *text, struct phu_target_argument *argument);

/* Is this the text of an http or https URL, as far as one can tell without taking it apart? It may
 * hold "{address}". NULL, or what is wrong. */
const char *phu_target_url_fault(const char *url);

/* NULL, or what is wrong: a path begins with "/" and holds no blanks. */
const char *phu_target_path_fault(const char *path);

struct phu_target {
    const char *url; /* "" or with "{address}"; goes before the rest */
    const char *scheme;
    unsigned port; /* 0: the scheme's */
    const char *path;
    const char *address;
};

/* Writes the URL; IPv6 addresses get their brackets. -ENAMETOOLONG beyond `size`. */
int phu_target_url(const struct phu_target *target, char *url, size_t size);

struct phu_status_range {
    int first, last;
};

/* "200" or "200-299", within 100 to 599. */
int phu_target_range_parse(const char *text, struct phu_status_range *range);
