/* One table of options, from which the command line, the configuration file and the help come. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4 << 20 };

struct option {
    const char *name;
    const char *value; /* NULL: takes none */
    const char *help;
    int (*set)(struct lab_options *options, const char *value, struct lab_error *err);
};

static int load_file(struct lab_options *options, const char *path, bool is_scenario,
                     struct lab_error *err);

static int set_config(struct lab_options *options, const char *value, struct lab_error *err)
{
    return load_file(options, value, false, err);
}

static int set_scenario(struct lab_options *options, const char *value, struct lab_error *err)
{
    return load_file(options, value, true, err);
}

static int set_state(struct lab_options *options, const char *value, struct lab_error *err)
{
    if (strlen(value) >= sizeof(options->state))
        return lab_fail(err, "--state: longer than %zu bytes, too long for a socket's name",
                        sizeof(options->state) - 1);
    snprintf(options->state, sizeof(options->state), "%s", value);
    return 0;
}

static int set_prefix(struct lab_options *options, const char *value, struct lab_error *err)
{
    struct lab_net_config *net = &options->net;

    if (net->prefix_count == LAB_PREFIXES_MAX)
        return lab_fail(err, "at most %d prefixes", LAB_PREFIXES_MAX);
    return lab_prefix_parse(value, &net->prefixes[net->prefix_count++], err);
}

static int set_agent(struct lab_options *options, const char *value, struct lab_error *err)
{
    struct lab_net_config *net = &options->net;
    struct lab_prefix prefix;

    if (net->agent_count == LAB_PREFIXES_MAX)
        return lab_fail(err, "at most %d agent addresses", LAB_PREFIXES_MAX);
    if (lab_prefix_parse(value, &prefix, err) < 0)
        return -EINVAL;
    if (prefix.length != 128)
        return lab_fail(err, "--agent-address takes one address, not the prefix %.50s", value);
    net->agents[net->agent_count++] = prefix.addr;
    return 0;
}

static int set_agent_netns(struct lab_options *options, const char *value, struct lab_error *err)
{
    (void)value;
    (void)err;
    options->net.own_agent_ns = true;
    return 0;
}

static int set_seed(struct lab_options *options, const char *value, struct lab_error *err)
{
    return lab_parse_number(value, UINT64_MAX, &options->seed, err);
}

static int set_mtu(struct lab_options *options, const char *value, struct lab_error *err)
{
    uint64_t mtu;

    if (lab_parse_number(value, 65535, &mtu, err) < 0)
        return -EINVAL;
    if (mtu < 1280)
        return lab_fail(err, "--mtu: 1280 to 65535, for IPv6 needs 1280");
    options->net.mtu = (unsigned)mtu;
    return 0;
}

static int set_queue(struct lab_options *options, const char *value, struct lab_error *err)
{
    uint64_t queue;

    if (lab_parse_number(value, 1000000, &queue, err) < 0)
        return -EINVAL;
    if (queue < 16)
        return lab_fail(err, "--queue: 16 packets or more");
    options->net.queue = (unsigned)queue;
    return 0;
}

static int set_buffer(struct lab_options *options, const char *value, struct lab_error *err)
{
    return lab_parse_bytes(value, &options->buffer_bytes, err);
}

static int set_serve(struct lab_options *options, const char *value, struct lab_error *err)
{
    return lab_ports_parse(value, &options->serve, err);
}

/* snmpd's file has no way to write everything; these bytes need none. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (!isgraph((unsigned char)*text) || strchr("\"'\\#:", *text))
            return false;
    return true;
}

static int set_snmpd(struct lab_options *options, const char *value, struct lab_error *err)
{
    if (!*value || strlen(value) > LAB_TEXT_MAX || !is_plain(value))
        return lab_fail(err,
                        "--snmpd: a community of 1 to %d printable characters, none of "
                        "\" ' \\ # :",
                        LAB_TEXT_MAX);
    snprintf(options->community, sizeof(options->community), "%s", value);
    options->snmp.community = options->community;
    return 0;
}

static int set_snmp_user(struct lab_options *options, const char *value, struct lab_error *err)
{
    char *auth;
    char *priv;

    snprintf(options->snmp_user, sizeof(options->snmp_user), "%s", value);
    auth = strchr(options->snmp_user, ':');
    priv = auth ? strchr(auth + 1, ':') : NULL;
    if (!priv || strlen(value) >= sizeof(options->snmp_user) || auth == options->snmp_user)
        return lab_fail(err, "--snmp-user takes NAME:AUTHPASS:PRIVPASS");
    *auth++ = '\0';
    *priv++ = '\0';
    if (!is_plain(options->snmp_user) || !is_plain(auth) || !is_plain(priv) || strlen(auth) < 8 ||
        strlen(priv) < 8)
        return lab_fail(err, "--snmp-user: passphrases of 8 or more printable characters, none of "
                             "\" ' \\ # :");
    options->snmp.user = options->snmp_user;
    options->snmp.auth_pass = auth;
    options->snmp.priv_pass = priv;
    return 0;
}

static int set_snmp_port(struct lab_options *options, const char *value, struct lab_error *err)
{
    uint64_t port;

    if (lab_parse_number(value, 65535, &port, err) < 0)
        return -EINVAL;
    options->snmp.port = (uint16_t)port;
    return port ? 0 : lab_fail(err, "--snmp-port: 1 to 65535");
}

static int set_truth(struct lab_options *options, const char *value, struct lab_error *err)
{
    options->counts_only = strcmp(value, "counts") == 0;
    if (!options->counts_only && strcmp(value, "full") != 0)
        return lab_fail(err, "--truth takes full or counts, not \"%.40s\"", value);
    return 0;
}

static int set_truth_max(struct lab_options *options, const char *value, struct lab_error *err)
{
    return lab_parse_bytes(value, &options->truth_bytes, err);
}

static int set_spin(struct lab_options *options, const char *value, struct lab_error *err)
{
    return lab_parse_duration(value, &options->spin_ns, err);
}

#define FLAG(name)                                                                                 \
    static int set_##name(struct lab_options *options, const char *value, struct lab_error *err)   \
    {                                                                                              \
        (void)value;                                                                               \
        (void)err;                                                                                 \
        options->name = true;                                                                      \
        return 0;                                                                                  \
    }
FLAG(keeps_files)
FLAG(needs_tun)
FLAG(is_loopback)
FLAG(is_background)
FLAG(dies_with_parent)
FLAG(no_realtime)
FLAG(no_stamps)
FLAG(is_quiet)
#undef FLAG

static const struct option options_table[] = {
    {"config", "FILE", "settings and rules: these options without dashes, and scenario lines",
     set_config},
    {"scenario", "FILE", "rules with times, such as `at 30s down 10.27.3.0/24 for 20s`",
     set_scenario},
    {"state", "DIR", "socket, truth and log go there; one lab for each (PHUSONG_LAB_STATE)",
     set_state},
    {"prefix", "PREFIX", "a prefix of the district, repeatable (10.27.0.0/16 and fd27::/48)",
     set_prefix},
    {"agent-address", "ADDRESS", "of the agent's side, repeatable (198.18.27.1 and fd27:0:1::1)",
     set_agent},
    {"agent-netns", NULL,
     "put the agent's side into a namespace of its own, for `exec --side agent`", set_agent_netns},
    {"seed", "NUMBER", "of all chance in the lab (27)", set_seed},
    {"serve", "PORTS", "answer TCP and HTTP on these ports of every address, as in 80,443",
     set_serve},
    {"snmpd", "COMMUNITY", "run snmpd for every IPv4 address of the district", set_snmpd},
    {"snmp-user", "N:A:P", "with a v3 user: NAME:AUTHPASS:PRIVPASS (SHA-256, AES)", set_snmp_user},
    {"snmp-port", "PORT", "instead of 161", set_snmp_port},
    {"truth", "full|counts", "a record for each echo (full), or counters alone", set_truth},
    {"truth-max", "SIZE", "bound of the records' file (1GB); what is beyond is counted",
     set_truth_max},
    {"keep", NULL, "leave truth.bin and events.log in the state directory at exit",
     set_keeps_files},
    {"mtu", "BYTES", "of both interfaces (1500)", set_mtu},
    {"queue", "PACKETS", "of both interfaces (20000)", set_queue},
    {"buffer", "SIZE", "bound of the packets that wait for their delay (256MiB)", set_buffer},
    {"spin", "DURATION", "busy-wait this long before a packet is due (100us)", set_spin},
    {"no-realtime", NULL, "do not ask for real-time priority", set_no_realtime},
    {"no-stamps", NULL, "count delays from when the lab read a request, not from when it left",
     set_no_stamps},
    {"require-tun", NULL, "exit with 77 where impairments are not possible", set_needs_tun},
    {"loopback", NULL, "do not even try TUN: 127.27.0.0/16, no impairments", set_is_loopback},
    {"background", NULL, "return when the lab is ready, and leave it running", set_is_background},
    {"die-with-parent", NULL, "stop when the parent process ends", set_dies_with_parent},
    {"quiet", NULL, "say nothing but errors", set_is_quiet},
};

enum { OPTIONS = sizeof(options_table) / sizeof(*options_table) };

static const struct option *find_option(const char *name)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strcmp(options_table[i].name, name) == 0)
            return &options_table[i];
    return NULL;
}

void lab_options_help(FILE *out)
{
    for (int i = 0; i < OPTIONS; i++) {
        char left[40];

        snprintf(left, sizeof(left), "--%s %s", options_table[i].name,
                 options_table[i].value ? options_table[i].value : "");
        fprintf(out, "  %-26s %s\n", left, options_table[i].help);
    }
}

/* An option's line loses its words, so that what remains of the text are the scenario's lines, at
 * their old numbers. */
static int take_option_line(struct lab_options *options, char *line, size_t length,
                            struct lab_error *err)
{
    char copy[LAB_LINE_MAX + 1];
    char *words[LAB_WORDS_MAX + 1];
    const struct option *option;
    int count;

    if (length > LAB_LINE_MAX || memchr(line, '\0', length))
        return 0; /* the scenario's parser says what is wrong */
    memcpy(copy, line, length);
    copy[length] = '\0';
    if (lab_words_split(copy, words, &count, err) < 0)
        return -EINVAL;
    option = count ? find_option(words[0]) : NULL;
    if (!option)
        return 0;
    if (option->set == set_config || option->set == set_scenario)
        return lab_fail(err, "%s does not belong into a file", words[0]);
    if (count != (option->value ? 2 : 1))
        return lab_fail(err, "%s takes %s", words[0], option->value ? "one value" : "no value");
    memset(line, ' ', length);
    return option->set(options, words[1], err);
}

static int take_option_lines(struct lab_options *options, char *text, size_t length,
                             struct lab_error *err)
{
    char *end = text + length;
    unsigned number = 0;

    while (text < end) {
        char *stop = memchr(text, '\n', (size_t)(end - text));
        struct lab_error why;

        if (!stop)
            stop = end;
        number++;
        if (take_option_line(options, text, (size_t)(stop - text), &why) < 0)
            return lab_fail(err, "line %u: %.200s", number, why.text);
        text = stop + 1;
    }
    return 0;
}

static int append_steps(struct lab_options *options, const struct lab_steps *more,
                        struct lab_error *err)
{
    struct lab_steps *steps = &options->steps;
    struct lab_step *items =
        realloc(steps->items, (steps->count + more->count + 1) * sizeof(*items));

    if (!items)
        return lab_fail(err, "out of memory");
    if (more->count)
        memcpy(items + steps->count, more->items, more->count * sizeof(*items));
    steps->items = items;
    steps->count += more->count;
    return 0;
}

static int take_steps(struct lab_options *options, const char *text, size_t length,
                      struct lab_error *err)
{
    struct lab_steps steps;
    int error = lab_steps_parse(text, length, &steps, err);

    if (error == 0)
        error = append_steps(options, &steps, err);
    lab_steps_fini(&steps);
    return error;
}

int lab_options_text(struct lab_options *options, char *text, size_t length, struct lab_error *err)
{
    if (take_option_lines(options, text, length, err) < 0)
        return -EINVAL;
    return take_steps(options, text, length, err);
}

static int load_file(struct lab_options *options, const char *path, bool is_scenario,
                     struct lab_error *err)
{
    struct lab_error why;
    FILE *file = fopen(path, "re");
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length;
    int error;

    if (!file || !text) {
        error = lab_fail(err, "%.120s: %s", path, strerror(errno));
        goto done;
    }
    length = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file) || length > FILE_BYTES_MAX) {
        error = lab_fail(err, "%.120s: cannot be read, or is larger than %d bytes", path,
                         FILE_BYTES_MAX);
        goto done;
    }
    error = is_scenario ? take_steps(options, text, length, &why)
                        : lab_options_text(options, text, length, &why);
    if (error < 0)
        lab_fail(err, "%.80s: %.150s", path, why.text);

done:
    free(text);
    if (file)
        fclose(file);
    return error;
}

void lab_options_state(char *out, size_t size)
{
    const char *chosen = getenv("PHUSONG_LAB_STATE");
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (chosen && *chosen)
        snprintf(out, size, "%s", chosen);
    else if (geteuid() == 0 && access("/run", W_OK) == 0)
        snprintf(out, size, "/run/phusong-lab");
    else if (runtime && *runtime)
        snprintf(out, size, "%s/phusong-lab", runtime);
    else
        snprintf(out, size, "/tmp/phusong-lab-%u", (unsigned)geteuid());
}

static void set_defaults(struct lab_options *options)
{
    *options = (struct lab_options){
        .net = {.mtu = 1500, .queue = 20000},
        .snmp = {.port = 161},
        .seed = 27,
        .buffer_bytes = (uint64_t)256 << 20,
        .truth_bytes = 1000000000,
        .spin_ns = 100000,
    };
    lab_options_state(options->state, sizeof(options->state));
}

/* What was not given, and what only together makes sense. */
static int complete(struct lab_options *options, struct lab_error *err)
{
    if (options->net.prefix_count == 0) {
        set_prefix(options, "10.27.0.0/16", err);
        set_prefix(options, "fd27::/48", err);
    }
    if (options->net.agent_count == 0) {
        set_agent(options, "198.18.27.1", err);
        set_agent(options, "fd27:0:1::1", err);
    }
    for (size_t i = 0; i < options->net.agent_count; i++)
        for (size_t j = 0; j < options->net.prefix_count; j++)
            if (lab_prefix_covers(&options->net.prefixes[j], &options->net.agents[i]))
                return lab_fail(err,
                                "an agent address lies inside the district: choose one outside "
                                "with --agent-address");
    if (options->snmp.user && !options->snmp.community)
        return lab_fail(err, "--snmp-user needs --snmpd COMMUNITY");
    if (options->is_loopback && options->needs_tun)
        return lab_fail(err, "--loopback and --require-tun contradict each other");
    if (options->is_background && options->dies_with_parent)
        return lab_fail(err, "--background and --die-with-parent contradict each other");
    return 0;
}

int lab_options_parse(char *const *words, int count, struct lab_options *options,
                      struct lab_error *err)
{
    set_defaults(options);
    for (int i = 0; i < count; i++) {
        const struct option *option;
        struct lab_error why;

        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return -ECANCELED;
        option = strncmp(words[i], "--", 2) == 0 ? find_option(words[i] + 2) : NULL;
        if (!option)
            return lab_fail(err, "unknown option \"%.60s\": see phusong-lab run --help", words[i]);
        if (option->value && i + 1 == count)
            return lab_fail(err, "%s needs a %s after it", words[i], option->value);
        if (option->set(options, option->value ? words[++i] : NULL, &why) < 0)
            return lab_fail(err, "--%s: %.200s", option->name, why.text);
    }
    return complete(options, err);
}

void lab_options_fini(struct lab_options *options)
{
    lab_steps_fini(&options->steps);
}
