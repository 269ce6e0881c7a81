/* What `phusong-lab run` can be told, on the command line or in a configuration file. */
#pragma once

#include "child.h"
#include "netns.h"
#include "scenario.h"

#include <stdio.h>

enum { LAB_TEXT_MAX = 64 };

struct lab_options {
    char state[108 - 16]; /* fits a socket's name below it */
    struct lab_net_config net;
    struct lab_serve_config serve;
    struct lab_snmp_config snmp;
    char community[LAB_TEXT_MAX + 1];
    char snmp_user[3 * LAB_TEXT_MAX + 3]; /* split in place into its three parts */
    uint64_t seed;
    uint64_t buffer_bytes;
    uint64_t truth_bytes;
    int64_t spin_ns;
    bool counts_only;
    bool keeps_files;
    bool needs_tun;
    bool is_loopback;
    bool is_background;
    bool dies_with_parent;
    bool no_realtime;
    bool no_stamps;
    bool is_quiet;
    struct lab_steps steps; /* of the configuration, then of the scenario */
};

/* The default state directory: PHUSONG_LAB_STATE, else below XDG_RUNTIME_DIR, /run or /tmp. */
void lab_options_state(char *out, size_t size);
/* `words`: after the verb. Reads the files it names. Release with lab_options_fini in either case.
 * -ECANCELED when help was asked for. */
int lab_options_parse(char *const *words, int count, struct lab_options *options,
                      struct lab_error *err);
void lab_options_fini(struct lab_options *options);
void lab_options_help(FILE *out);
/* Takes the text of a configuration: option lines (without the dashes) and scenario lines. Pure. */
int lab_options_text(struct lab_options *options, char *text, size_t length, struct lab_error *err);
