/* phusong discover: the command line. */
#include "commands.h"
#include "config.h"
#include "discover.h"
#include "discover_merge.h"
#include "mem.h"
#include "parts.h"
#include "phusong/credential.h"
#include "phusong/err.h"
#include "phusong/log.h"
#include "replace_file.h"
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (64 * 1024 * 1024)
#define CREDENTIALS_MOST 64
#define RATE_MOST 10000
#define DEFAULT_CONFIG "/etc/phusong/phusong.yaml"

enum format { TABLE, JSON, CSV };

struct command_line {
    const char *config_file; /* NULL: not given */
    struct phu_targets targets;
    const char *credentials[CREDENTIALS_MOST];
    size_t credential_count;
    struct phu_settings by_hand, check, collector;
    struct phu_settings ping_check, ping_collector; /* always the defaults */
    enum format format;
    bool is_writing, skips_ping, is_verbose;
    unsigned rate;

    struct phu_config *config;
    struct phu_inventory *inventory;
    void *hand_made;              /* struct phu_credential */
    void *check_made, *ping_made; /* options of the checks */
    void *snmp_made, *icmp_made;  /* options of the collectors, where there is no configuration */
};

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("phusong discover: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -EINVAL;
}

/* -- Help ----------------------------------------------------------------------------------------
 */

static void print_credential_help(FILE *out)
{
    fputs("\na credential by hand, as phusong probe snmp takes it; secrets are read from files:\n",
          out);
    for (size_t i = 0; i < phu_credential_options.count; i++) {
        const struct phu_option *option = &phu_credential_options.options[i];

        if (strcmp(option->name, "name") != 0)
            fprintf(out, "      --%-16s %s\n", option->name, option->meaning);
    }
}

static void print_usage(FILE *out)
{
    fputs("usage: phusong discover [OPTIONS] ADDRESS|PREFIX...\n"
          "\n"
          "Asks every address whether it answers ping, and those that do for SNMP with one\n"
          "credential after the other; says what each device is, what it tells, and which rows\n"
          "(ONUs, modems) could serve an endpoint. At most 65536 addresses at a time.\n"
          "\n"
          "  -c, --config FILE      the configuration, for its credentials and inventory; with\n"
          "                         --credential or --write [/etc/phusong/phusong.yaml]\n"
          "      --credential NAME  of the configuration; may be repeated [all of them]\n"
          "      --from FILE        further addresses and prefixes, one a line; -: standard input\n"
          "      --rate N           questions begun a second, 1 to 10000 [100]\n"
          "      --no-ping          ask for SNMP whether an address answers ping or not\n"
          "  -s, --set KEY=VALUE    an option of the check snmp, such as port=1161\n"
          "      --collector KEY=VALUE  an option of the collector snmp\n"
          "      --json             everything that was found, for programs\n"
          "      --csv              rows for devices.csv, of the new devices\n"
          "      --write            add the new devices to devices.csv of the inventory; what is\n"
          "                         in there stays as it is\n"
          "  -v, --verbose          with the collectors' log\n"
          "      --help             this text\n",
          out);
    print_credential_help(out);
    fputs("\nExit code: 0 a device answered SNMP, 1 none did or it was interrupted, 3 usage or\n"
          "configuration, 4 the system refused something.\n",
          out);
}

/* -- Reading the command line --------------------------------------------------------------------
 */

static int add_target(struct command_line *line, const char *text)
{
    char why[200];

    return phu_targets_add(&line->targets, text, why, sizeof why) ? complain("%s", why) : 0;
}

static int read_targets(struct command_line *line, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    char *text = NULL, why[200];
    unsigned number = 0;
    size_t size = 0;
    int error = 0;

    if (!file)
        return complain("--from: %s: %s", path, strerror(errno));
    while (!error && getline(&text, &size, file) >= 0) {
        char *target = text + strspn(text, " \t");

        number++;
        target[strcspn(target, " \t\r\n#,;")] = '\0';
        if (*target && phu_targets_add(&line->targets, target, why, sizeof why))
            error = complain("%s:%u: %s", is_stdin ? "standard input" : path, number, why);
    }
    if (!error && ferror(file))
        error = complain("--from: %s: %s", path, strerror(errno));
    free(text);
    if (!is_stdin)
        fclose(file);
    return error;
}

static int read_rate(const char *text, unsigned *rate)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || value < 1 || value > RATE_MOST)
        return complain("--rate: \"%s\" is not a number from 1 to %d", text, RATE_MOST);
    *rate = (unsigned)value;
    return 0;
}

static int add_credential(struct command_line *line, const char *name)
{
    if (line->credential_count == CREDENTIALS_MOST)
        return complain("more than %d credentials", CREDENTIALS_MOST);
    line->credentials[line->credential_count++] = name;
    return 0;
}

enum {
    OPTION_HELP = 1000,
    OPTION_CREDENTIAL,
    OPTION_FROM,
    OPTION_RATE,
    OPTION_NO_PING,
    OPTION_COLLECTOR,
    OPTION_JSON,
    OPTION_CSV,
    OPTION_WRITE,
    OPTION_TABLE, /* and up: of phu_credential_options */
};

static int read_option(struct command_line *line, int option)
{
    switch (option) {
    case 'c':
        line->config_file = optarg;
        return 0;
    case 's':
        return phu_settings_add_pair(&line->check, optarg);
    case 'v':
        line->is_verbose = true;
        return 0;
    case OPTION_CREDENTIAL:
        return add_credential(line, optarg);
    case OPTION_FROM:
        return read_targets(line, optarg);
    case OPTION_RATE:
        return read_rate(optarg, &line->rate);
    case OPTION_NO_PING:
        line->skips_ping = true;
        return 0;
    case OPTION_COLLECTOR:
        return phu_settings_add_pair(&line->collector, optarg);
    case OPTION_JSON:
        line->format = JSON;
        return 0;
    case OPTION_CSV:
        line->format = CSV;
        return 0;
    case OPTION_WRITE:
        line->is_writing = true;
        return 0;
    case '?': /* getopt has said what is wrong */
        return -EINVAL;
    }
    return phu_settings_add(&line->by_hand,
                            phu_credential_options.options[option - OPTION_TABLE].name, optarg);
}

static const struct option fixed_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {"config", required_argument, NULL, 'c'},
    {"credential", required_argument, NULL, OPTION_CREDENTIAL},
    {"from", required_argument, NULL, OPTION_FROM},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"no-ping", no_argument, NULL, OPTION_NO_PING},
    {"set", required_argument, NULL, 's'},
    {"collector", required_argument, NULL, OPTION_COLLECTOR},
    {"json", no_argument, NULL, OPTION_JSON},
    {"csv", no_argument, NULL, OPTION_CSV},
    {"write", no_argument, NULL, OPTION_WRITE},
    {"verbose", no_argument, NULL, 'v'},
};
#define FIXED_OPTIONS (sizeof fixed_options / sizeof *fixed_options)

static struct option *make_options(void)
{
    struct option *options =
        phu_mem_alloc(FIXED_OPTIONS + phu_credential_options.count + 1, sizeof *options);
    size_t count = FIXED_OPTIONS;

    memcpy(options, fixed_options, sizeof fixed_options);
    for (size_t i = 0; i < phu_credential_options.count; i++) {
        const char *name = phu_credential_options.options[i].name;

        if (strcmp(name, "name") != 0)
            options[count++] =
                (struct option){name, required_argument, NULL, OPTION_TABLE + (int)i};
    }
    return options;
}

static int read_command_line(struct command_line *line, int argc, char **argv, bool *is_help)
{
    struct option *options = make_options();
    int option, error = 0;

    while (!error && (option = getopt_long(argc, argv, "c:s:v", options, NULL)) != -1) {
        *is_help = option == OPTION_HELP;
        if (*is_help)
            break;
        error = read_option(line, option);
    }
    free(options);
    if (error || *is_help)
        return error;
    for (int i = optind; !error && i < argc; i++)
        error = add_target(line, argv[i]);
    if (!error && !line->targets.count)
        error = complain("no address; phusong discover --help shows how");
    return error;
}

/* -- Configuration -------------------------------------------------------------------------------
 */

static void print_diags(struct phu_diags *diags)
{
    phu_diags_print(diags, stderr);
    phu_diags_fini(diags);
}

static int load_config(struct command_line *line)
{
    const char *file = line->config_file;
    struct phu_diags diags;
    int error;

    if (!file && (line->is_writing || line->credential_count))
        file = DEFAULT_CONFIG;
    if (!file)
        return 0;
    phu_diags_init(&diags);
    error = phu_config_load(&phu_parts, file, &diags, &line->config);
    if (!error) /* else checks of devices that name a profile could not be judged */
        error = phu_config_read_files(line->config, &diags);
    print_diags(&diags);
    return error;
}

/* Also right before devices.csv is written: somebody may have edited it meanwhile. */
static int load_inventory(struct command_line *line)
{
    struct phu_diags diags;
    int error;

    phu_inventory_free(line->inventory);
    line->inventory = NULL;
    if (!line->config)
        return 0;
    phu_diags_init(&diags);
    error = phu_config_load_inventory(line->config, &diags, &line->inventory);
    if (error && !line->is_writing) {
        phu_diags_fini(&diags);
        fputs("phusong discover: the inventory has mistakes (phusong check-config lists them), so "
              "nothing is compared with it\n",
              stderr);
        return 0;
    }
    print_diags(&diags);
    return error ? complain("devices.csv is not touched while the inventory has mistakes") : 0;
}

/* By hand first, then those named, otherwise all of the configuration. */
static int choose_credentials(struct command_line *line)
{
    bool has_named = line->credential_count > 0;

    for (size_t i = 0; i < line->credential_count; i++) {
        if (!phu_config_find_credential(line->config, line->credentials[i]))
            return complain("there is no credential \"%s\" in the configuration",
                            line->credentials[i]);
    }
    if (line->by_hand.count > 1) {
        if (phu_settings_bind(&line->by_hand, "credentials", &line->hand_made))
            return -EINVAL;
        memmove(line->credentials + 1, line->credentials,
                (CREDENTIALS_MOST - 1) * sizeof *line->credentials);
        line->credentials[0] = PHU_BY_HAND;
        line->credential_count += line->credential_count < CREDENTIALS_MOST;
    }
    for (size_t i = 0; !has_named && !line->hand_made && line->config &&
                       i < line->config->credential_count && i < CREDENTIALS_MOST;
         i++)
        line->credentials[line->credential_count++] = line->config->credentials[i].name;
    if (!line->credential_count)
        return complain("no credential; name one with --credential, or give one by hand with "
                        "--community FILE");
    return 0;
}

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    const struct command_line *line = arg;

    if (strcmp(name, PHU_BY_HAND) == 0)
        return line->hand_made;
    return line->config ? phu_config_find_credential(line->config, name) : NULL;
}

static const struct phu_collector *find_collector(const char *name, size_t *index)
{
    for (*index = 0; phu_collectors[*index]; ++*index) {
        if (strcmp(phu_collectors[*index]->name, name) == 0)
            return phu_collectors[*index];
    }
    return NULL;
}

/* Options by hand, else those of the configuration, else defaults. */
static int choose_part(struct command_line *line, const char *name, struct phu_settings *collector,
                       struct phu_settings *check, struct phu_survey_part *part, void **made,
                       void **made_check, const void **check_options)
{
    size_t index;
    int found;

    part->collector = find_collector(name, &index);
    if (!part->collector)
        return complain("this program was built without the collector %s", name);
    collector->table = part->collector->options;
    check->table = part->collector->check_options;
    if (phu_settings_bind(collector, "options of the collector", made) ||
        phu_settings_bind(check, "options of the check", made_check))
        return -EINVAL;
    part->options =
        line->config && !collector->count ? line->config->collector_options[index] : *made;
    found = line->config && !check->count ? phu_config_find_check(line->config, name) : -ENOENT;
    *check_options = found >= 0 ? line->config->checks[found].options : *made_check;
    return 0;
}

/* -- Writing -------------------------------------------------------------------------------------
 */

static int write_merged(const char *path, const struct phu_merge *merge, const struct stat *before)
{
    int error = phu_file_replace(path, before, merge->text, merge->length);

    if (error == -ESTALE)
        return complain("%s was changed meanwhile and is not touched; try again", path);
    if (error)
        return complain("%s cannot be written: %s", path, strerror(-error));
    return 0;
}

static int merge_file(const char *path, const struct phu_device_row *rows, size_t count)
{
    enum phu_merge_fate *fates = phu_mem_alloc(count + 1, sizeof *fates);
    struct stat before;
    struct phu_merge merge = {0};
    size_t length;
    char *old;
    int error = phu_file_read(path, FILE_MAX_BYTES, &old, &length, &before);

    if (error)
        complain("%s cannot be read: %s", path, strerror(-error));
    else if (phu_devices_merge(old, length, rows, count, fates, &merge))
        error = complain("%s: %s; the file is not touched", path, merge.problem);
    else if (merge.added)
        error = write_merged(path, &merge, old ? &before : NULL);
    if (!error && merge.lacks_credential)
        complain("%s has no column credential; add it and fill it in", path);
    if (!error)
        fprintf(stderr, "phusong discover: %zu device%s added to %s%s\n", merge.added,
                merge.added == 1 ? "" : "s", path,
                merge.added ? "; SIGHUP makes the agent read it" : "");
    phu_merge_fini(&merge);
    free(fates);
    free(old);
    return error;
}

static int write_devices(struct command_line *line, const struct phu_discovery *discovery)
{
    struct phu_device_row *rows;
    size_t count;
    char *path;
    int error = load_inventory(line);

    if (error)
        return error;
    if (asprintf(&path, "%s/devices.csv", line->config->agent.inventory) < 0)
        abort();
    rows = phu_discovery_rows(discovery, &count);
    error = merge_file(path, rows, count);
    free(rows);
    free(path);
    return error;
}

/* -- The command ---------------------------------------------------------------------------------
 */

static void print_csv(const struct phu_discovery *discovery)
{
    size_t count;
    struct phu_device_row *rows = phu_discovery_rows(discovery, &count);
    char *text = phu_devices_format(rows, count);

    fputs(text, stdout);
    free(text);
    free(rows);
}

static int report(struct command_line *line, struct phu_discovery *discovery)
{
    int error = 0;

    if (line->format == JSON)
        phu_discovery_print_json(discovery, stdout);
    else if (line->format == CSV)
        print_csv(discovery);
    else
        phu_discovery_print(discovery, stdout);
    if (line->format == TABLE)
        putchar('\n');
    fflush(stdout);
    phu_discovery_print_summary(discovery, line->format == TABLE ? stdout : stderr);
    if (fflush(stdout) || ferror(stdout)) {
        complain("cannot write to standard output: %s", strerror(errno));
        return PHU_EXIT_SYSTEM;
    }
    if (discovery->is_interrupted) {
        complain("interrupted; %zu addresses were not asked%s", discovery->count - discovery->done,
                 line->is_writing ? ", and nothing is written" : "");
        return PHU_EXIT_FAILED;
    }
    if (line->is_writing)
        error = write_devices(line, discovery);
    if (error)
        return PHU_EXIT_SYSTEM;
    return discovery->answered ? PHU_EXIT_OK : PHU_EXIT_FAILED;
}

static int run(struct command_line *line)
{
    struct phu_discovery discovery = {
        .targets = &line->targets,
        .credentials = line->credentials,
        .credential = find_credential,
        .credential_arg = line,
        .skips_ping = line->skips_ping,
        .per_second = line->rate,
    };
    int code;

    if (load_config(line) || load_inventory(line) || choose_credentials(line) ||
        choose_part(line, "snmp", &line->collector, &line->check, &discovery.snmp, &line->snmp_made,
                    &line->check_made, &discovery.snmp_check) ||
        choose_part(line, "icmp", &line->ping_collector, &line->ping_check, &discovery.ping,
                    &line->icmp_made, &line->ping_made, &discovery.ping_check))
        return PHU_EXIT_USAGE;
    discovery.credential_count = line->credential_count;
    discovery.inventory = line->inventory;
    if (phu_discovery_run(&discovery)) {
        code = PHU_EXIT_SYSTEM;
    } else {
        phu_discovery_name(&discovery);
        code = report(line, &discovery);
    }
    phu_discovery_fini(&discovery);
    return code;
}

static void close_command(struct command_line *line)
{
    phu_settings_free(&line->by_hand, line->hand_made);
    phu_settings_free(&line->collector, line->snmp_made);
    phu_settings_free(&line->check, line->check_made);
    phu_settings_free(&line->ping_collector, line->icmp_made);
    phu_settings_free(&line->ping_check, line->ping_made);
    phu_inventory_free(line->inventory);
    phu_config_free(line->config);
    phu_targets_fini(&line->targets);
    free(line);
}

int phu_cmd_discover(int argc, char **argv)
{
    struct command_line *line = phu_mem_alloc(1, sizeof *line);
    bool is_help = false;
    int code = PHU_EXIT_USAGE;

    line->rate = 100;
    line->by_hand.command = line->check.command = line->collector.command = "phusong discover";
    line->by_hand.table = &phu_credential_options;
    phu_settings_add(&line->by_hand, "name", "by-hand");
    if (read_command_line(line, argc, argv, &is_help) == 0) {
        phu_log_set_level(line->is_verbose ? PHU_LOG_DEBUG : PHU_LOG_ERROR);
        if (is_help)
            print_usage(stdout);
        code = is_help ? PHU_EXIT_OK : run(line);
    }
    close_command(line);
    return code;
}
