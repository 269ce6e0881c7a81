/* One table of options, from which parser and help come. */
#include "options.h"

#include "tell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name;
    const char *value; /* NULL: takes none */
    const char *help;
    int (*set)(struct lab_snmp_options *options, const char *value, struct lab_error *err);
};

static int set_listen(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    if (options->listen_count == LAB_LISTENERS_MAX)
        return lab_fail(err, "at most %d of them; a prefix takes one", LAB_LISTENERS_MAX);
    return lab_listen_parse(value, &options->listens[options->listen_count++], err);
}

static int set_folder(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)err;
    options->folder = value;
    return 0;
}

static int set_file(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)err;
    options->file = value;
    return 0;
}

static int set_map(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)err;
    options->map = value;
    return 0;
}

static int set_synthetic(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)err;
    options->synthetic = value;
    return 0;
}

static int set_fault(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    if (options->fault_count == LAB_FAULT_OPTIONS_MAX)
        return lab_fail(err, "at most %d of them; more by --control", LAB_FAULT_OPTIONS_MAX);
    options->faults[options->fault_count++] = value;
    return 0;
}

static int set_user(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    if (options->user_count == LAB_USERS_MAX)
        return lab_fail(err, "at most %d of them", LAB_USERS_MAX);
    options->users[options->user_count++] = value;
    return 0;
}

static int set_community(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)err;
    options->server.community = value;
    return 0;
}

int lab_move_parse(const char *text, struct lab_move *move, struct lab_error *err)
{
    const char *equals = strchr(text, '=');
    uint8_t ber[LAB_OID_BYTES];
    char *rest = NULL;
    int length = equals ? lab_oid_parse(text, (size_t)(equals - text), ber) : -EINVAL;

    if (length >= 0)
        move->rate = strtod(equals + 1, &rest);
    if (length < 0 || rest == equals + 1 || *rest || !(move->rate >= 0 && move->rate <= 1e15))
        return lab_fail(err,
                        "\"%.80s\": write OID=NUMBER, 0 to 1e15 a second, as in "
                        "1.3.6.1.2.1.31.1.1.1.6=125000",
                        text);
    move->length = (size_t)lab_oid_key(ber, (size_t)length, move->key);
    return 0;
}

static int set_rate(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    if (options->move_count == LAB_MOVES_MAX)
        return lab_fail(err, "at most %d of them", LAB_MOVES_MAX);
    return lab_move_parse(value, &options->moves[options->move_count++], err);
}

static int set_uptime(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    static const char *const clocks[] = {
        "1.3.6.1.2.1.1.3=100",    /* sysUpTime */
        "1.3.6.1.2.1.25.1.1=100", /* hrSystemUptime */
        "1.3.6.1.6.3.10.2.1.3=1", /* snmpEngineTime */
    };
    int error = 0;

    (void)value;
    for (size_t i = 0; error == 0 && i < sizeof(clocks) / sizeof(*clocks); i++)
        error = set_rate(options, clocks[i], err);
    return error;
}

static int set_spread(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    return lab_parse_duration(value, &options->server.spread_ns, err);
}

static int set_most_bytes(struct lab_snmp_options *options, const char *value,
                          struct lab_error *err)
{
    uint64_t bytes;

    if (lab_parse_number(value, LAB_DATAGRAM_MAX, &bytes, err) < 0)
        return -EINVAL;
    if (bytes < 484) /* RFC 3417, 3.2 */
        return lab_fail(err, "484 to %d bytes", LAB_DATAGRAM_MAX);
    options->server.most_bytes = bytes;
    return 0;
}

static int set_seed(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    return lab_parse_number(value, UINT64_MAX, &options->server.seed, err);
}

static int set_control(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)err;
    options->control = value;
    return 0;
}

static int set_parent(struct lab_snmp_options *options, const char *value, struct lab_error *err)
{
    (void)value;
    (void)err;
    options->dies_with_parent = true;
    return 0;
}

static const struct option options_table[] = {
    {"listen", "ADDRESS:PORT", "or PREFIX:PORT: every address of it is a device; may be repeated",
     set_listen},
    {"recordings", "FOLDER", "loads every *.snmprec; the community is the name without .snmprec",
     set_folder},
    {"recording", "FILE", "the one for every community that is no recording's name", set_file},
    {"synthetic", "SHAPE", "a made-up device, interfaces=4,rate=125000, for every community",
     set_synthetic},
    {"map", "FILE", "lines of PREFIX NAME: those devices answer from that recording", set_map},
    {"community", "TEXT", "the only one for --recording, --synthetic and --map (default: any)",
     set_community},
    {"user", "NAME:SHA:PASS:AES:PASS",
     "of version 3; without the last two or four, at a lower level. May be repeated", set_user},
    {"rate", "OID=N", "numbers at and below move by N a second; may be repeated", set_rate},
    {"uptime", NULL, "sysUpTime, hrSystemUptime and snmpEngineTime advance", set_uptime},
    {"spread", "DURATION", "devices have been up by up to so much longer than --rate began",
     set_spread},
    {"fault", "WORDS", "\"PREFIX FAULT [VALUE]\", see below; may be repeated", set_fault},
    {"max-bytes", "N", "the largest answer (65507)", set_most_bytes},
    {"seed", "N", "of all that differs between devices (27)", set_seed},
    {"control", "PATH", "a socket that takes the words of `tell`", set_control},
    {"die-with-parent", NULL, "ends when the process that started it does", set_parent},
};

enum { OPTIONS = sizeof(options_table) / sizeof(*options_table) };

static const struct option *find_option(const char *word)
{
    if (strncmp(word, "--", 2) == 0)
        for (size_t i = 0; i < OPTIONS; i++)
            if (strcmp(options_table[i].name, word + 2) == 0)
                return &options_table[i];
    return NULL;
}

void lab_snmp_options_help(FILE *out)
{
    fprintf(out, "Usage: phusong-lab-snmp --listen ADDRESS:PORT [OPTION]...\n\n"
                 "Answers SNMP from recordings (OID|TYPE|VALUE a line), as one device or as "
                 "thousands.\nPrints \"ready\" and where it listens; at the end, what it did.\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[48];

        snprintf(left, sizeof(left), "--%s %s", options_table[i].name,
                 options_table[i].value ? options_table[i].value : "");
        fprintf(out, "  %-31s %s\n", left, options_table[i].help);
    }
    fprintf(out, "\nFaults: PREFIX|all FAULT [VALUE] [--share P%%] [--after DURATION] "
                 "[--for DURATION]\n");
    lab_faults_help(out);
    fprintf(out, "\nphusong-lab-snmp tell PATH WORD...: PATH as in --control, and one of\n");
    lab_tell_help(out);
}

static int complete(const struct lab_snmp_options *options, struct lab_error *err)
{
    if (options->listen_count == 0)
        return lab_fail(err, "nothing to listen on: give --listen ADDRESS:PORT");
    if (!options->folder && !options->file && !options->synthetic)
        return lab_fail(err, "nothing to answer: give --recordings FOLDER, --recording FILE or "
                             "--synthetic interfaces=4");
    if (options->file && options->synthetic)
        return lab_fail(err, "--recording and --synthetic both want to be the default: leave one");
    return 0;
}

int lab_snmp_options_parse(char *const *words, int count, struct lab_snmp_options *options,
                           struct lab_error *err)
{
    *options = (struct lab_snmp_options){
        .server = {.seed = 27, .most_bytes = LAB_DATAGRAM_MAX},
    };
    for (int i = 0; i < count; i++) {
        const struct option *option = find_option(words[i]);
        struct lab_error why;

        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return -ECANCELED;
        if (!option)
            return lab_fail(err, "unknown option \"%.60s\": see phusong-lab-snmp --help", words[i]);
        if (option->value && i + 1 == count)
            return lab_fail(err, "%s needs %s after it", words[i], option->value);
        if (option->set(options, option->value ? words[++i] : NULL, &why) < 0)
            return lab_fail(err, "--%s: %.200s", option->name, why.text);
    }
    return complete(options, err);
}
