/* The event loop of a process: libuv behind the contract of sched.h. Only wiring includes this. */
#pragma once

#include "phusong/sched.h"

struct phu_signal;
struct phu_stats;

int phu_loop_new(struct phu_sched **out);
/* Every timer, watch, piece of work and signal has been closed; work in progress is waited for. */
void phu_loop_free(struct phu_sched *sched);

/* Runs until phu_loop_stop(). */
void phu_loop_run(struct phu_sched *sched);
void phu_loop_stop(struct phu_sched *sched);

int phu_loop_signal_open(struct phu_sched *sched, int number, void (*raised)(void *arg, int number),
                         void *arg, struct phu_signal **out);
void phu_loop_signal_close(struct phu_signal *signal);

/* Registers phusong_loop_lag_seconds (worst of the last 10 s), phusong_loop_lag_max_seconds (since
 * the start) and phusong_loop_wakeups_total. Lag is how much later than its tick a timer fired. */
void phu_loop_add_stats(struct phu_sched *sched, struct phu_stats *stats);
