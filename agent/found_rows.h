/* Rows that a device was found to have, each once, whichever of its tables told of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are never NULL. */
struct phu_found_row {
    char *tag, *name;       /* "onu", "0/1/3:5" */
    char *index;            /* "4194312192.5"; "" when not told */
    char *text;             /* its description or serial; "" when not told */
    char *endpoint;         /* that it serves; "" if none */
    bool is_known_endpoint; /* the inventory has it */
};

struct phu_found_rows {
    struct phu_found_row *items;
    size_t count;
    uint32_t *slots; /* private: by tag and name; 0: free, else 1 + number */
    size_t slot_count;
};

/* The row, which is added if need be. Good until the next call. */
struct phu_found_row *phu_found_rows_take(struct phu_found_rows *rows, const char *tag,
                                          const char *name);
void phu_found_rows_fini(struct phu_found_rows *rows);

/* Keeps a copy of `text`; what was known stays when nothing is told (NULL or ""). */
void phu_found_learn(char **kept, const char *text);

/* Are rows with this tag ONUs, modems or radios: what may serve an endpoint without being told to,
 * as interfaces, sensors and ports do not? */
bool phu_found_tag_may_serve(const char *tag);
