/* An alert as the book keeps it: copied, with an identity, and what became of it. */
#pragma once

#include "maintenance.h"
#include "rules/rules.h"

#include <jansson.h>

struct phu_entry {
    struct phu_entry *next;
    uint64_t fingerprint; /* of the labels, as Prometheus and Alertmanager work it out */
    /* Grows with each change; an outlet that has been told generation 3 owes nothing of 1 to 3. */
    int64_t generation;
    json_t *labels, *annotations; /* objects of texts, in the order of names */
    int64_t active_ns, fired_ns;
    int64_t resolved_ns; /* 0: stands */
    double value;
    /* Id of the maintenance that it fired under; "" when it is told. */
    char silenced_by[PHU_MAINTENANCE_ID];
    bool is_known; /* to the rules; scratch of phu_alerts_reconcile() */
    struct phu_entry_told {
        int64_t generation; /* that the Alertmanager has */
        int64_t at_ns;      /* monotonic, when it took it */
    } * told;               /* one for each Alertmanager */
};

/* Has been told of nothing. */
struct phu_entry *phu_entry_new(const struct phu_alert *alert, size_t alertmanagers);
void phu_entry_free(struct phu_entry *entry);
/* Takes over what may change while it stands; true when something has. */
bool phu_entry_update(struct phu_entry *entry, const struct phu_alert *alert);

/* FNV-1a over the sorted labels, each name and value followed by 0xff. */
uint64_t phu_entry_fingerprint(const json_t *labels);
const char *phu_entry_label(const struct phu_entry *entry, const char *name); /* "" if none */

#define PHU_ENTRY_TIME 40
/* "2026-11-23T08:00:00.123Z" */
void phu_entry_time(char text[PHU_ENTRY_TIME], int64_t ns);

/* For POST /api/v2/alerts: labels, annotations, startsAt, endsAt, generatorURL. `ends_ns`: until
 * when a standing alert holds without being sent again. */
json_t *phu_entry_for_alertmanager(const struct phu_entry *entry, int64_t ends_ns,
                                   const char *generator);
/* For people and webhooks: labels, annotations, state, activeAt, firedAt, resolvedAt, value,
 * fingerprint, silencedBy. */
json_t *phu_entry_json(const struct phu_entry *entry);
