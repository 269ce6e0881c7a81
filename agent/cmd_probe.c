/* phusong probe: the command line. Options of a collector's checks become options of the command:
 * they are collected as text and read by the same binder as the configuration file, so that both
 * accept the same values and find the same mistakes.
 */
#include "commands.h"
#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/credential.h"
#include "phusong/log.h"
#include "probe.h"
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MOST 160
#define TARGETS_MOST 100000

struct command_line {
    struct phu_probe probe;
    struct phu_settings check, collector, credential;
    const char **targets;
    size_t target_count;
    char **owned; /* lines of files with targets */
    size_t owned_count;
    struct option long_options[OPTIONS_MOST];
    char *names[OPTIONS_MOST]; /* of the options made from tables */
    struct phu_settings *homes[OPTIONS_MOST];
    size_t option_count;
};

enum {
    OPTION_HELP = 1000,
    OPTION_JSON,
    OPTION_COLLECTOR,
    OPTION_CREDENTIAL,
    OPTION_ROWS,
    OPTION_TABLE, /* and up: long_options[value - OPTION_TABLE] came from a table */
};

static const struct option fixed_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {"count", required_argument, NULL, 'c'},
    {"interval", required_argument, NULL, 'i'},
    {"timeout", required_argument, NULL, 't'},
    {"file", required_argument, NULL, 'f'},
    {"set", required_argument, NULL, 's'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"collector", required_argument, NULL, OPTION_COLLECTOR},
    {"credential", required_argument, NULL, OPTION_CREDENTIAL},
    {"rows", required_argument, NULL, OPTION_ROWS},
};

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("phusong probe: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -EINVAL;
}

static void *must(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

/* -- Options from tables --------------------------------------------------------------------- */

static bool is_taken(const struct command_line *line, const char *name)
{
    for (size_t i = 0; i < line->option_count; i++) {
        if (strcmp(line->long_options[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add_option(struct command_line *line, struct phu_settings *home, char *name,
                       bool is_flag)
{
    size_t i = line->option_count;

    if (is_taken(line, name) || i + 1 == OPTIONS_MOST) {
        free(name);
        return;
    }
    line->names[i] = name;
    line->homes[i] = home;
    line->long_options[i] = (struct option){name, is_flag ? optional_argument : required_argument,
                                            NULL, OPTION_TABLE + (int)i};
    line->option_count++;
}

static void add_table(struct command_line *line, struct phu_settings *home, const char *prefix,
                      const struct phu_option_table *table)
{
    for (size_t i = 0; table && i < table->count; i++) {
        const struct phu_option *option = &table->options[i];
        char name[128];

        snprintf(name, sizeof name, "%s%s", prefix, option->name);
        if (option->type == PHU_OPTION_TABLE) {
            strncat(name, ".", sizeof name - strlen(name) - 1);
            add_table(line, home, name, option->table);
        } else {
            add_option(line, home, must(strdup(name)), option->type == PHU_OPTION_BOOL);
        }
    }
}

static void make_options(struct command_line *line)
{
    line->option_count = sizeof fixed_options / sizeof *fixed_options;
    memcpy(line->long_options, fixed_options, sizeof fixed_options);
    add_table(line, &line->check, "", line->check.table);
    add_table(line, &line->credential, "", line->credential.table);
}

/* -- Help ------------------------------------------------------------------------------------ */

static void print_table_help(const char *title, const struct phu_option_table *table,
                             const char *dashes, const char *prefix)
{
    if (!table)
        return;
    if (title)
        printf("\n%s\n", title);
    for (size_t i = 0; i < table->count; i++) {
        const struct phu_option *option = &table->options[i];
        char name[128];

        snprintf(name, sizeof name, "%s%s", prefix, option->name);
        if (option->type == PHU_OPTION_TABLE) {
            strncat(name, ".", sizeof name - strlen(name) - 1);
            print_table_help(NULL, option->table, dashes, name);
            continue;
        }
        printf("  %s%-24s %s", dashes, name, option->meaning);
        if (option->fallback && *option->fallback)
            printf(" [%s]", option->fallback);
        putchar('\n');
    }
}

/* The agent's, unless --timeout says otherwise. */
static const char *default_timeout(const struct phu_collector *collector)
{
    return collector->timeout ? collector->timeout : "2s";
}

static int print_help(const struct command_line *line)
{
    puts("usage: phusong probe COLLECTOR[:ARGUMENT] [OPTIONS] TARGET...\n"
         "\n"
         "Measures each target as the agent would, and prints what came back. Exit code: 0 all\n"
         "answered, 1 some did not, 2 a name does not resolve, 3 usage, 4 not allowed or broken.\n"
         "\n"
         "collectors:");
    for (size_t i = 0; phu_collectors[i]; i++)
        printf("  %-10s %s\n", phu_collectors[i]->name, phu_collectors[i]->summary);
    puts("\n"
         "options:\n"
         "  -c, --count N              probes per target; 0: until interrupted [5]\n"
         "  -i, --interval DURATION    from one probe of a target to its next, which waits for\n"
         "                             the answer or the timeout of the one before [1s]");
    printf("  -t, --timeout DURATION     how long to wait for an answer [%s]\n",
           line && line->probe.collector ? default_timeout(line->probe.collector)
                                         : "2s; http and snmp 10s");
    puts("  -f, --file FILE            read further targets, one a line; -: standard input\n"
         "  -s, --set KEY=VALUE        an option of the check, as in the configuration's `checks`\n"
         "      --collector KEY=VALUE  an option of the collector, as in `collectors`\n"
         "      --credential KEY=VALUE an entry of `credentials`, for collectors that log in\n"
         "      --rows PATTERNS        which rows of a device, as in devices.csv `interfaces` [*]\n"
         "      --json                 print a JSON array instead of a table\n"
         "  -q, --quiet                no line per result, only the summary\n"
         "  -v, --verbose              say more about what happens\n"
         "      --help                 this; after a collector's name, with its options");
    if (line && line->probe.collector) {
        print_table_help("options of the check (the same as --set):", line->check.table, "--", "");
        print_table_help("options of the collector (--collector KEY=VALUE):", line->collector.table,
                         "", "");
        print_table_help("credentials (the same as --credential; secrets are read from files):",
                         line->credential.table, "--", "");
    }
    return PHU_EXIT_OK;
}

/* -- Targets --------------------------------------------------------------------------------- */

static int add_target(struct command_line *line, const char *target)
{
    if (line->target_count == TARGETS_MOST)
        return complain("more than %d targets", TARGETS_MOST);
    if ((line->target_count & (line->target_count + 1)) == 0) {
        size_t room = (line->target_count + 1) * 2;

        line->targets = must(realloc(line->targets, room * sizeof *line->targets));
    }
    line->targets[line->target_count++] = target;
    return 0;
}

static int read_targets(struct command_line *line, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    int error = 0;

    if (!file)
        return complain("%s: %s", path, strerror(errno));
    while (!error && getline(&text, &size, file) >= 0) {
        char *target = text + strspn(text, " \t");

        target[strcspn(target, " \t\r\n#")] = '\0';
        if (!*target)
            continue;
        line->owned = must(realloc(line->owned, (line->owned_count + 1) * sizeof *line->owned));
        line->owned[line->owned_count] = must(strdup(target));
        error = add_target(line, line->owned[line->owned_count++]);
    }
    free(text);
    if (!is_stdin)
        fclose(file);
    return error;
}

/* -- Reading the command line ---------------------------------------------------------------- */

static const struct phu_collector *find_collector(const char *text)
{
    size_t length = strcspn(text, ":");

    for (size_t i = 0; phu_collectors[i]; i++) {
        if (strncmp(phu_collectors[i]->name, text, length) == 0 && !phu_collectors[i]->name[length])
            return phu_collectors[i];
    }
    return NULL;
}

static int read_collector(struct command_line *line, const char *text)
{
    const struct phu_collector *collector = find_collector(text);
    const char *why;

    if (!collector)
        return complain("no collector \"%.*s\"; phusong probe --help names them",
                        (int)strcspn(text, ":"), text);
    line->probe.collector = collector;
    line->probe.argument = strchr(text, ':') ? strchr(text, ':') + 1 : "";
    line->check.table = collector->check_options;
    line->collector.table = collector->options;
    why = collector->check_argument ? collector->check_argument(line->probe.argument)
          : *line->probe.argument   ? "this collector takes no argument"
                                    : NULL;
    return why ? complain("%s: %s", text, why) : 0;
}

static int read_count(const char *text, int64_t *count)
{
    char *end;

    errno = 0;
    *count = strtoll(text, &end, 10);
    if (errno || *end || end == text || *count < 0)
        return complain("--count: \"%s\" is not a number from 0 on", text);
    return 0;
}

static int read_duration(const char *option, const char *text, int64_t least_ns, int64_t *ns)
{
    if (phu_conf_parse_duration(text, ns))
        return complain("%s: \"%s\" is not a duration; write it as 500ms, 2s or 1m", option, text);
    if (*ns < least_ns || *ns > 3600 * PHU_NS_PER_S)
        return complain("%s: %s is not between %lldms and 1h", option, text,
                        (long long)(least_ns / PHU_NS_PER_MS));
    return 0;
}

static int read_table_option(struct command_line *line, int value)
{
    size_t i = (size_t)(value - OPTION_TABLE);

    return phu_settings_add(line->homes[i], line->names[i], optarg ? optarg : "true");
}

static int read_option(struct command_line *line, int option)
{
    struct phu_probe *probe = &line->probe;

    switch (option) {
    case 'c':
        return read_count(optarg, &probe->count);
    case 'i':
        return read_duration("--interval", optarg, PHU_NS_PER_MS, &probe->interval_ns);
    case 't':
        return read_duration("--timeout", optarg, PHU_NS_PER_MS, &probe->timeout_ns);
    case 'f':
        return read_targets(line, optarg);
    case 's':
        return phu_settings_add_pair(&line->check, optarg);
    case 'q':
        probe->is_quiet = true;
        return 0;
    case 'v':
        probe->is_verbose = true;
        return 0;
    case OPTION_JSON:
        probe->is_json = true;
        return 0;
    case OPTION_COLLECTOR:
        return phu_settings_add_pair(&line->collector, optarg);
    case OPTION_CREDENTIAL:
        return phu_settings_add_pair(&line->credential, optarg);
    case OPTION_ROWS:
        probe->rows = optarg;
        return 0;
    case '?': /* getopt has said what is wrong */
        return -EINVAL;
    }
    return read_table_option(line, option);
}

static int read_options(struct command_line *line, int argc, char **argv, bool *is_help)
{
    int option, error = 0;

    make_options(line);
    phu_conf_parse_duration(default_timeout(line->probe.collector), &line->probe.timeout_ns);
    while (!error &&
           (option = getopt_long(argc, argv, "c:i:t:f:s:qv", line->long_options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            *is_help = true;
            return 0;
        }
        error = read_option(line, option);
    }
    for (int i = optind; !error && i < argc; i++)
        error = add_target(line, argv[i]);
    if (!error && !line->target_count)
        error = complain("no target; phusong probe --help shows how");
    return error;
}

static int read_command_line(struct command_line *line, int argc, char **argv, bool *is_help)
{
    int error;

    if (argc < 2)
        return complain("which collector? phusong probe --help names them");
    if (strcmp(argv[1], "--help") == 0) {
        *is_help = true;
        return 0;
    }
    if (argv[1][0] == '-')
        return complain("the collector comes first, then options: phusong probe icmp %s ...",
                        argv[1]);
    /* For `--help` an argument that is missing yet is no mistake. */
    error = find_collector(argv[1]) && argc > 2 && strcmp(argv[2], "--help") == 0
                ? 0
                : read_collector(line, argv[1]);
    if (error)
        return error;
    if (!line->probe.collector) {
        line->probe.collector = find_collector(argv[1]);
        line->check.table = line->probe.collector->check_options;
        line->collector.table = line->probe.collector->options;
    }
    argv[1] = (char[]){"phusong probe"}; /* for the messages of getopt */
    return read_options(line, argc - 1, argv + 1, is_help);
}

/* -- The command ----------------------------------------------------------------------------- */

static int report(struct phu_probe *probe)
{
    if (probe->is_json) {
        if (phu_probe_print_json(probe, stdout))
            return PHU_EXIT_SYSTEM;
    } else {
        if (probe->is_live)
            putchar('\n');
        phu_probe_print_table(probe, stdout);
    }
    phu_probe_print_missing(probe, stderr);
    if (fflush(stdout) || ferror(stdout)) {
        complain("the result could not be printed to standard output");
        return PHU_EXIT_SYSTEM;
    }
    return phu_probe_exit_code(probe);
}

static int run(struct command_line *line)
{
    struct phu_probe *probe = &line->probe;
    void *options = NULL, *check_options = NULL, *credential = NULL;
    int code = PHU_EXIT_USAGE;

    if (phu_settings_bind(&line->check, "options of the check", &check_options) == 0 &&
        phu_settings_bind(&line->collector, "options of the collector", &options) == 0 &&
        (line->credential.count <= 1 ||
         phu_settings_bind(&line->credential, "credentials", &credential) == 0)) {
        int error;

        probe->options = options;
        probe->check_options = check_options;
        probe->credential = credential;
        probe->target_count = line->target_count;
        probe->targets = must(calloc(line->target_count + 1, sizeof *probe->targets));
        for (size_t i = 0; i < line->target_count; i++)
            probe->targets[i].address = line->targets[i];
        error = phu_probe_run(probe);
        code = error == -EINVAL ? PHU_EXIT_USAGE : error ? PHU_EXIT_SYSTEM : report(probe);
    }
    phu_probe_fini(probe);
    phu_settings_free(&line->check, check_options);
    phu_settings_free(&line->collector, options);
    phu_settings_free(&line->credential, credential);
    return code;
}

int phu_cmd_probe(int argc, char **argv)
{
    struct command_line *line = must(calloc(1, sizeof *line));
    bool is_help = false;
    int code = PHU_EXIT_USAGE;

    line->check.command = line->collector.command = line->credential.command = "phusong probe";
    line->credential.table = &phu_credential_options;
    line->probe.count = 5;
    line->probe.interval_ns = PHU_NS_PER_S;
    line->probe.rows = "*";
    phu_settings_add(&line->credential, "name", "probe");
    if (read_command_line(line, argc, argv, &is_help) == 0) {
        struct phu_probe *probe = &line->probe;

        probe->is_live = isatty(STDOUT_FILENO) && !probe->is_json && !probe->is_quiet;
        phu_log_set_level(probe->is_verbose ? PHU_LOG_DEBUG : PHU_LOG_WARN);
        code = is_help ? print_help(line) : run(line);
    }
    for (size_t i = 0; i < line->option_count; i++)
        free(line->names[i]);
    for (size_t i = 0; i < line->owned_count; i++)
        free(line->owned[i]);
    free(line->owned);
    free(line->targets);
    free(line);
    return code;
}
