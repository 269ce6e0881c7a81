/* A tally: one check, what it has added up since its window began, and how that becomes points.
 *
 * It lies in one allocation (its own fields, state and round trips of a primary check, its tags
 * ready for the line) and owns a window for the collector's other metrics and one for each row.
 *
 * The primary check of an endpoint gives `coverage`, that of a device `device`: sent, lost, round
 * trips, and the time in each state, and metrics that the collector itself puts there. Whatever
 * else a collector measures goes to other measurements, with the tag `check`; for a check that is
 * not primary, sent, lost and round trips as well.
 */
#pragma once

#include "phusong/observation.h"
#include "phusong/point.h"
#include "phusong/sink.h"
#include "quality.h"
#include "state.h"
#include "window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_collector;

enum phu_subject_kind {
    PHU_SUBJECT_ENDPOINT,  /* measurement coverage */
    PHU_SUBJECT_DEVICE,    /* measurement device */
    PHU_SUBJECT_REFERENCE, /* measurement reference: what tells that our own uplink works */
};

/* Who is measured: becomes tags. NULL and "" are left out. */
struct phu_subject {
    enum phu_subject_kind kind;
    const char *id;
    const char *hamlet, *commune;
    const char *technology, *operator; /* endpoints */
    const char *site;                  /* devices */
};

struct phu_monitor_check {
    struct phu_subject subject;
    const char *check; /* as in the inventory: "icmp", "tcp:443"; becomes tag check= */
    const struct phu_collector *collector; /* outlives the check */
    const struct phu_quality *quality;     /* NULL: phu_quality_default */
    int64_t interval_ns;
    bool is_primary; /* the subject's first check: gives coverage and state */
};

/* Where lines are made and where they go. */
struct phu_tally_writer {
    const char *tags; /* of every line: ",agent=bn-1" */
    size_t tags_length;
    char *buffer;
    size_t buffer_size;
    void (*emit)(void *arg, const char *line, size_t length, struct phu_wall at);
    void *emit_arg;
    int64_t points, dropped; /* counted here; dropped: longer than the buffer */
};

struct phu_tally_primary {
    struct phu_state_track track;
    struct phu_trips trips;
    uint16_t confirm_sent, confirm_lost;
    bool is_5g;    /* only what is heard of NR is about it */
    uint16_t told; /* what the last line of `state` said: see phu_tally_tell_state() */
};

struct phu_tally {
    const struct phu_window_plan *plan; /* of the collector */
    struct phu_window *window;
    struct phu_tally_rows *rows;       /* NULL until there is one */
    struct phu_tally_primary *primary; /* NULL when it is not */
    char *key;                         /* ",check=icmp,commune=…": tags of the lines */
    int64_t begin_ns;                  /* monotonic, of the window */
    uint32_t segment;                  /* of the timeline, in which it began */
    uint32_t sent, lost;
    uint16_t key_length, check_length; /* the latter: of the tag check= with its comma */
    int16_t own_group; /* of the plan: what goes into the primary line; -1: nothing */
    uint8_t kind;      /* enum phu_subject_kind */
};

/* -EINVAL when the tags are longer than 4 KiB. `rules` outlive the tally; they are those of a
 * primary check. */
int phu_tally_new(const struct phu_monitor_check *check, const struct phu_window_plan *plan,
                  const struct phu_state_rules *rules, struct phu_mono begin, uint32_t segment,
                  struct phu_tally **out);
void phu_tally_free(struct phu_tally *tally);

/* As phu_sink_row(). `endpoint` is the one that `wanted` names, or NULL when there is none. A row
 * that serves an endpoint has the endpoint's hamlet and commune instead of the device's. -EINVAL
 * when its tag has the name of one that all lines of the check have. */
int phu_tally_row(struct phu_tally *tally, const struct phu_row *wanted,
                  const struct phu_subject *endpoint, uint32_t max_rows, uint32_t *row);
/* Are the tags of all rows that serve an endpoint still those of that endpoint? `describe` tells of
 * endpoints, and is false for one that is gone. */
bool phu_tally_is_current(const struct phu_tally *tally,
                          bool (*describe)(void *arg, const char *id, struct phu_subject *subject),
                          void *arg);
/* The endpoint that a row serves; false when there is none. The row exists. */
bool phu_tally_row_endpoint(const struct phu_tally *tally, uint32_t row, char *id, size_t size);
uint32_t phu_tally_row_count(const struct phu_tally *tally);

/* Returns how many values it refused: of no such metric or row, or not finite. */
size_t phu_tally_put(struct phu_tally *tally, const struct phu_observation *observation);

/* A confirmation: evidence for the state, apart from sent and lost, so that these stay a fair
 * sample. */
void phu_tally_put_confirmation(struct phu_tally *tally, enum phu_success success);

/* Emits a line of `state` when the last one said something else. */
void phu_tally_tell_state(struct phu_tally *tally, struct phu_tally_writer *writer,
                          struct phu_wall stamp);

/* Emits the window, which ends now, and the state at its end, and begins the next one. A window
 * without length and content says nothing. Returns whether it was emitted. */
bool phu_tally_finish(struct phu_tally *tally, struct phu_tally_writer *writer, struct phu_mono end,
                      struct phu_wall stamp);
