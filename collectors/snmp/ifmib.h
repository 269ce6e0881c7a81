/* IF-MIB: which columns to ask for, and what the answers mean. One poll fills one phu_ifmib; the
 * memory of what a device has and has not (habits) lasts from poll to poll. Pure.
 *
 * The name is read on every poll, beside the counters it belongs to: devices renumber ifIndex
 * without saying so, and one column in thirteen is a low price for never mixing two interfaces up.
 */
#pragma once

#include "counter.h"
#include "walk.h"

#define PHU_IFNAME_SIZE 64

enum phu_if_counter {
    PHU_IF_IN_OCTETS,
    PHU_IF_OUT_OCTETS,
    PHU_IF_IN_PACKETS,
    PHU_IF_OUT_PACKETS,
    PHU_IF_IN_ERRORS,
    PHU_IF_OUT_ERRORS,
    PHU_IF_IN_DISCARDS,
    PHU_IF_OUT_DISCARDS,
    PHU_IF_COUNTERS,
};

enum phu_if_status {
    PHU_IF_STATUS_UP = 1, /* 0: not told; 2 down, 3 testing … as in the MIB */
};

struct phu_ifmib_row {
    uint32_t index;
    uint8_t bits[PHU_IF_COUNTERS]; /* as phu_counter_reading.bits */
    uint8_t oper, admin;           /* enum phu_if_status */
    bool has_discontinuity;
    bool has_name_cell;     /* the device told a name, though it may be empty */
    bool has_descr_alone;   /* and that was ifDescr */
    bool is_wanted;         /* for interfaces.c */
    uint32_t discontinuity; /* ticks of sysUpTime */
    uint64_t value[PHU_IF_COUNTERS];
    int64_t at_ns;      /* when its first counter arrived */
    uint64_t speed_bps; /* 0: not told */
    char name[PHU_IFNAME_SIZE];
};

/* What asking taught about a device; all zero for one never asked. */
struct phu_ifmib_habits {
    bool lacks_high;  /* no 64-bit counters at all */
    bool needs_low;   /* some interfaces have only 32-bit counters */
    bool lacks_names; /* no ifName: ifDescr instead */
    bool mixes_names; /* some interfaces have only ifDescr */
    bool needs_speed; /* ifHighSpeed is not enough */
    unsigned rows;    /* how many there were */
};

struct phu_ifmib {
    struct phu_ifmib_row *rows; /* ascending by index */
    size_t row_count, row_capacity, rows_max;
    int64_t now_ns; /* set before each answer: the time its cells get */
    struct phu_uptime uptime;
    bool has_restarted; /* sysUpTime went back during the poll */
    unsigned wrong_types;
    unsigned rows_over_limit;
};

/* The walk's cell callback, with the phu_ifmib as argument. */
void phu_ifmib_cell(void *arg, unsigned column, const struct phu_index *index,
                    const struct phu_varbind *varbind);

/* Empties; keeps the memory for rows. */
void phu_ifmib_reset(struct phu_ifmib *ifmib, size_t rows_max);
void phu_ifmib_fini(struct phu_ifmib *ifmib);

/* The columns to begin with. */
void phu_ifmib_plan(struct phu_walk *walk, const struct phu_ifmib_habits *habits);

/* The clocks alone: of a device whose interfaces are not read. */
void phu_ifmib_plan_clocks(struct phu_walk *walk);

/* When the walk has ended: adds the columns that turned out to be needed for the interfaces that
 * `patterns` wants, and returns true, or notes what was learnt and returns false. */
bool phu_ifmib_extend(struct phu_ifmib *ifmib, struct phu_walk *walk, const char *patterns,
                      struct phu_ifmib_habits *habits);

/* Name of the interface of this index, NULL when it is not known. */
const char *phu_ifmib_name(const struct phu_ifmib *ifmib, uint32_t index);

/* Nothing in the walk was out of order: what was not answered is not there. */
bool phu_ifmib_is_trusted(const struct phu_ifmib *ifmib, const struct phu_walk *walk);

/* The column that this counter is read from. */
const struct phu_oid *phu_ifmib_counter_oid(enum phu_if_counter counter, uint8_t bits);

/* Text of a device: printable UTF-8 without outer spaces, cut at a character. */
void phu_text_clean(const uint8_t *text, size_t length, char *clean, size_t size);
/* The same as a tag value. */
void phu_ifname_clean(const uint8_t *text, size_t length, char name[PHU_IFNAME_SIZE]);
