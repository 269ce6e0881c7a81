/* A running lab: its parts, as run.c opens them and verbs.c tells them what to do. */
#pragma once

#include "control.h"
#include "forward.h"
#include "netns.h"
#include "options.h"
#include "state.h"

enum lab_child_index { LAB_CHILD_SERVE, LAB_CHILD_SNMPD, LAB_CHILDREN };

struct lab {
    struct lab_options options;
    struct lab_state state;
    struct lab_net net; /* only when has_net */
    bool has_net;
    struct lab_board *board;
    int board_fd;
    struct lab_rules *rules;
    struct lab_truth *truth; /* NULL with --truth counts */
    struct lab_forward *forward;
    struct lab_player *player;
    struct lab_control *control;
    struct lab_child children[LAB_CHILDREN];
    FILE *events;
    int epoll_fd;
    int signal_fd;
    int64_t started_ns;
    int64_t started_wall_ns;
    int64_t tidied_ns;
    int64_t looped_ns;
    int64_t spin_left_ns;
    uint64_t told_overruns;
    bool was_spinning;
    bool is_realtime;
    bool is_stopping;
};

/* Appends a line to the log of events, and to standard error unless quiet. */
void lab_event(struct lab *lab, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Refuses a statement about addresses that the district does not have. */
int lab_check_target(const struct lab *lab, const struct lab_statement *statement,
                     struct lab_error *err);
void lab_count_overruns(struct lab *lab);
lab_control_handler lab_handle;

/* `phusong-lab run`: returns the exit status. */
int lab_run(char *const *words, int count);
