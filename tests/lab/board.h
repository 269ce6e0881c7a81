/* The board: the lab's counters, in memory shared with whoever asks. The lab writes plain 64-bit
 * words and never stops for a reader; `phusong-lab stats` maps the board read-only and prints it.
 * A reader sees each word whole, but not all words of the same instant; ask when nothing is under
 * way (`phusong-lab settle`) where sums must fit. */
#pragma once

#include "addr.h"
#include "impair.h"
#include "statement.h"

enum { LAB_LATENESS_US = 2000, LAB_HOSTS_MAX = 262144 };

struct lab_way_stats {
    uint64_t packets; /* that came in */
    uint64_t bytes;
    uint64_t forwarded;
    uint64_t dropped[LAB_CAUSES];
    uint64_t duplicated;
    uint64_t corrupted;
    uint64_t echoes; /* requests on the way there, replies on the way back */
    uint64_t echoes_forwarded;
    uint64_t echoes_dropped;
    uint64_t delay_sum_ns; /* as applied, over `forwarded` */
    uint64_t delay_min_ns;
    uint64_t delay_max_ns;
};

struct lab_host_stats {
    struct lab_addr addr;
    struct lab_way_stats ways[LAB_DIRS];
    /* Each echo request is counted in `sent`, and once it is settled in one of the others. */
    uint64_t sent;
    uint64_t answered;      /* a reply was handed to the agent's side */
    uint64_t lost_request;  /* the lab dropped the request */
    uint64_t lost_reply;    /* the lab dropped the reply */
    uint64_t unanswered;    /* the district had it and did not answer (a corrupted request) */
    uint64_t extra_replies; /* beyond the first of an echo, or of none: duplicates */
};

struct lab_totals {
    uint64_t host_count;
    uint64_t malformed;        /* no IP packet */
    uint64_t foreign;          /* neither from nor to the district's prefixes */
    uint64_t untracked_hosts;  /* packets of addresses beyond LAB_HOSTS_MAX, counted nowhere else */
    uint64_t untracked_echoes; /* echo requests beyond what can be under way at a time */
    uint64_t overrun[LAB_DIRS]; /* packets the kernel dropped because the lab read too slowly */
    uint64_t queued_packets;
    uint64_t queued_bytes;
    uint64_t open_echoes;
    uint64_t truth_records;
    uint64_t truth_lost; /* records not written: the file is full or failed */
    uint64_t spin_ns;
    uint64_t released; /* packets that had to wait in the delay queue */
    uint64_t lateness_max_ns;
    uint64_t lateness_us[LAB_LATENESS_US + 1]; /* how late they left; the last: or more */
};

struct lab_board {
    uint64_t magic;
    uint64_t size;
    struct lab_totals totals;
    struct lab_host_stats hosts[];
};

/* Makes the board; the descriptor is what readers are given. */
int lab_board_open(struct lab_board **board, int *fd);
void lab_board_close(struct lab_board *board, int fd);
/* Maps a board for reading. -EPROTO when the descriptor is none of this version. */
int lab_board_map(int fd, const struct lab_board **board);
void lab_board_unmap(const struct lab_board *board);
/* The lateness (us) that `share` of the released packets did not exceed. */
unsigned lab_board_lateness(const struct lab_totals *totals, double share);
/* Packets that the lab or the kernel lost without having been told to. */
uint64_t lab_board_overruns(const struct lab_board *board);
