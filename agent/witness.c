#include "witness.h"

#include "mem.h"
#include "phusong/collector.h"
#include "phusong/sched.h"

#include <stdlib.h>
#include <string.h>

/* What a metric says when it counts something. */
enum word {
    WORD_NONE = 0,
    WORD_ONLINE = 1 << 0,
    WORD_GASP = 1 << 1,
    WORD_LOS = 1 << 2,
    WORD_GONE = 1 << 3, /* without a reason */
    WORD_MAINS = 1 << 4,
    WORD_NO_MAINS = 1 << 5,
};

#define WORDS_OF_LINES (WORD_ONLINE | WORD_GASP | WORD_LOS | WORD_GONE)

static const struct {
    const char *measurement, *name;
    uint8_t word;
} words[] = {
    {"optics", "state_online", WORD_ONLINE},
    {"optics", "state_dying_gasp", WORD_GASP},
    {"optics", "state_los", WORD_LOS},
    {"optics", "state_offline", WORD_GONE},
    {"optics", "cause_power", WORD_GASP},
    {"optics", "cause_fibre", WORD_LOS},
    {"power", "source_mains", WORD_MAINS},
    {"power", "mains_ok", WORD_MAINS},
    {"power", "source_battery", WORD_NO_MAINS},
    {"power", "source_none", WORD_NO_MAINS},
    {"power", "source_generator", WORD_NO_MAINS},
    {"power", "mains_failed", WORD_NO_MAINS},
};

/* The endpoints that the rows of one check serve: handles of their primary checks, by row. */
struct served {
    uint32_t *endpoints;
    uint32_t count;
};

struct phu_witness {
    struct phu_sink sink;
    struct phu_sink *next;
    struct phu_witness_calls calls;
    size_t metric_count;
    struct served *checks; /* by handle */
    uint32_t check_count;
    uint8_t words[]; /* by metric */
};

static void remember(struct phu_witness *witness, uint32_t check, uint32_t row, uint32_t endpoint)
{
    struct served *served;

    if (!endpoint && (check >= witness->check_count || row >= witness->checks[check].count))
        return;
    while (check >= witness->check_count) {
        witness->checks = phu_mem_grow(witness->checks, witness->check_count, sizeof *served);
        witness->checks[witness->check_count++] = (struct served){0};
    }
    served = &witness->checks[check];
    while (row >= served->count) {
        served->endpoints = phu_mem_grow(served->endpoints, served->count, sizeof(uint32_t));
        served->endpoints[served->count++] = 0;
    }
    served->endpoints[row] = endpoint;
}

static int take_row(struct phu_sink *sink, uint32_t check, const struct phu_row *row,
                    uint32_t *handle)
{
    struct phu_witness *witness = phu_container_of(sink, struct phu_witness, sink);
    int result = phu_sink_row(witness->next, check, row, handle);

    if (result == 0)
        remember(witness, check, *handle,
                 row->endpoint ? witness->calls.endpoint(witness->calls.arg, row->endpoint) : 0);
    return result;
}

static unsigned read_words(const struct phu_witness *witness,
                           const struct phu_observation *observation)
{
    unsigned said = 0;

    for (size_t i = 0; i < observation->value_count; i++) {
        const struct phu_value *value = &observation->values[i];

        if (value->metric < witness->metric_count && witness->words[value->metric] && value->i > 0)
            said |= witness->words[value->metric];
    }
    return said;
}

/* A last-down cause is history while the ONU is online. */
static enum phu_line_evidence line_of(unsigned said)
{
    if (said & WORD_ONLINE)
        return PHU_LINE_NOTHING;
    if (said & WORD_GASP)
        return PHU_LINE_GASP;
    return said & WORD_LOS ? PHU_LINE_LOS : PHU_LINE_NOTHING;
}

static void take_values(struct phu_witness *witness, const struct phu_observation *observation)
{
    unsigned said = read_words(witness, observation);
    const struct phu_witness_calls *calls = &witness->calls;

    if (said & (WORD_MAINS | WORD_NO_MAINS))
        calls->power(calls->arg, observation->check, said & WORD_NO_MAINS, observation->completed);
    if (said & WORDS_OF_LINES && observation->check < witness->check_count) {
        const struct served *served = &witness->checks[observation->check];
        uint32_t endpoint =
            observation->row < served->count ? served->endpoints[observation->row] : 0;

        if (endpoint)
            calls->line(calls->arg, endpoint, line_of(said), observation->completed);
    }
}

static void put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct phu_witness *witness = phu_container_of(sink, struct phu_witness, sink);

    /* First: the verdict that follows may ask why. */
    if (observation->row != 0)
        take_values(witness, observation);
    phu_sink_put(witness->next, observation);
}

struct phu_sink *phu_witness_sink(struct phu_witness *witness)
{
    return &witness->sink;
}

void phu_witness_new(const struct phu_collector *collector, struct phu_sink *next,
                     const struct phu_witness_calls *calls, struct phu_witness **out)
{
    struct phu_witness *witness = phu_mem_alloc(1, sizeof *witness + collector->metric_count);

    witness->sink = (struct phu_sink){.put = put, .row = take_row};
    witness->next = next;
    witness->calls = *calls;
    witness->metric_count = collector->metric_count;
    for (size_t i = 0; i < collector->metric_count; i++) {
        const struct phu_metric *metric = &collector->metrics[i];

        for (size_t j = 0; j < sizeof words / sizeof *words; j++) {
            if (strcmp(words[j].name, metric->name) == 0 &&
                strcmp(words[j].measurement, metric->measurement) == 0 &&
                metric->type == PHU_METRIC_INT)
                witness->words[i] = words[j].word;
        }
    }
    *out = witness;
}

void phu_witness_free(struct phu_witness *witness)
{
    if (!witness)
        return;
    for (uint32_t i = 0; i < witness->check_count; i++)
        free(witness->checks[i].endpoints);
    free(witness->checks);
    free(witness);
}
