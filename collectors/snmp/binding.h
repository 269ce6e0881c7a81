/* Whom a row serves: which endpoint an interface, an ONU or a modem belongs to. Pure.
 *
 * Three ways, in this order: the inventory names the row (endpoints.csv); a pattern of
 * `collectors.snmp.serves` over the row's description makes the endpoint's id; an endpoint of the
 * device that names no row has all rows with signal, optics or radio that nobody else claims.
 *
 * Whom a row serves is a small number: 0 nobody, then the inventory's entries from 1 on, then those
 * that patterns made.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_list;
struct phu_served;

#define PHU_ENDPOINT_ID_SIZE 65

/* -- Patterns, shared by all devices ----------------------------------------------------------- */

/* An entry of `collectors.snmp.serves`. */
struct phu_serves_option {
    char *text, *endpoint;
};

struct phu_serves_rule {
    regex_t text;
    const char *endpoint; /* borrowed from the options */
};

struct phu_serves {
    struct phu_serves_rule *rules;
    size_t count;
};

/* NULL, or what is wrong with the entry, for a person. */
const char *phu_serves_mistake(const struct phu_serves_option *option, char *why, size_t size);
/* The list holds struct phu_serves_option; entries with a mistake are left out. */
void phu_serves_init(struct phu_serves *serves, const struct phu_list *list);
void phu_serves_fini(struct phu_serves *serves);
/* The endpoint that the first matching rule makes of a description; false when none does, or when
 * what it makes is no id. */
bool phu_serves_match(const struct phu_serves *serves, const char *description,
                      char id[PHU_ENDPOINT_ID_SIZE]);

/* -- One device -------------------------------------------------------------------------------- */

struct phu_claim_row {
    bool is_interface;
    const char *name, *index;         /* "0/1/3:5", "4194312192.5" */
    const char *description, *serial; /* "" when not known */
};

struct phu_claims {
    const struct phu_served *served; /* borrowed */
    size_t served_count;
    uint32_t *slots; /* of served, by what they name; 0: free */
    size_t slot_count;
    uint32_t fallback; /* the entry that names no row; 0: none */
    bool has_texts;    /* an entry looks for a description or serial */
    bool *found;       /* by entry */
    size_t found_count;
    char **made; /* by patterns */
    size_t made_count, made_capacity;
};

void phu_claims_init(struct phu_claims *bindings, const struct phu_served *served, size_t count);
void phu_claims_fini(struct phu_claims *bindings);

/* What the inventory says of this row. */
uint32_t phu_claims_find(struct phu_claims *bindings, const struct phu_claim_row *row);
/* Whom rows with signal, optics or radio serve that nobody else claims. */
uint32_t phu_claims_rest(struct phu_claims *bindings);
/* What the patterns say of a description; `whom` is what they said of the row before. */
uint32_t phu_claims_make(struct phu_claims *bindings, const struct phu_serves *serves,
                         const char *description, uint32_t whom);
/* "" for 0. */
const char *phu_claims_endpoint(const struct phu_claims *bindings, uint32_t whom);
