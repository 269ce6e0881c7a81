/* `phusong rules VERB`: checks rules, tests them with scenarios, tries them on what a console
 * has stored, and writes them for Prometheus.
 */
#include "rules/replay.h"
#include "rules/rules.h"
#include "rules/scenario.h"

#include "console_commands.h"
#include "rfc3339.h"

#include "phusong/err.h"

#include <jansson.h>

#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in section store of console.yaml. */
#define DEFAULT_STORE "/var/lib/phusong/console/store.db"
#define RULES_OF_THE_SYSTEM "/etc/phusong/rules/*.yaml"

static const char help[] =
    "usage: phusong rules VERB [OPTIONS] [FILE...]\n"
    "\n"
    "verbs:\n"
    "  check                report every mistake of rules, or list them\n"
    "  test FILE...         run scenarios (docs/rules.md); exit 1 when one is not as expected\n"
    "  replay               what would have fired over the data that a console has stored\n"
    "  export --prometheus  print the same rules for Prometheus and vmalert\n"
    "\n"
    "FILE is a file of rules, by default " RULES_OF_THE_SYSTEM "; of test, a file of scenarios.\n"
    "\n"
    "options:\n"
    "      --json           check, test, replay: JSON\n"
    "      --promtool DIR   test: write each scenario and its rules into this folder as well, for\n"
    "                       promtool test rules DIR/*.yaml\n"
    "      --from TIME      replay: begin here (default: an hour ago)\n"
    "      --to TIME        replay: end here (default: now)\n"
    "      --store FILE     replay: the console's store (default " DEFAULT_STORE ")\n"
    "      --prometheus     export: the format, so far the only one\n"
    "  -h, --help           this text\n"
    "\n"
    "TIME is RFC 3339: 2026-11-23T08:00:00Z, 2026-11-23T15:00:00+07:00, or a date (midnight UTC).\n"
    "Exit codes: 0 all is well, 1 mistakes or failed tests, 2 no such file or store, 3 usage,\n"
    "4 something cannot be read or written.\n";

struct request {
    bool is_json, is_prometheus;
    const char *promtool, *store;
    struct phu_wall from, to;
    char **files;
    size_t file_count;
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "phusong rules: %s%s%s%s; see phusong rules --help\n", what, value ? " \"" : "",
            value ? value : "", value ? "\"" : "");
    return PHU_EXIT_USAGE;
}

static int load(const struct request *request, struct phu_rules **out)
{
    char system[] = RULES_OF_THE_SYSTEM, *fallback[] = {system};
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = phu_rules_load(request->file_count ? request->files : fallback,
                            request->file_count ? request->file_count : 1, &diags, out);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    return result < 0 ? PHU_EXIT_FAILED : PHU_EXIT_OK;
}

/* -- check ------------------------------------------------------------------------------------ */

static void print_rules_json(const struct phu_rules *rules)
{
    json_t *list = json_array();

    for (size_t i = 0; i < phu_rules_count(rules); i++) {
        struct phu_rule_info info = phu_rules_info(rules, i);

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:s}", "alert", info.alert,
                            "group", info.group, "file", info.file, "line", (int)info.line,
                            "interval_s", (double)info.interval_ns / 1e9, "for_s",
                            (double)info.for_ns / 1e9, "keep_firing_for_s",
                            (double)info.keep_firing_for_ns / 1e9, "promql", info.condition));
    }
    json_dumpf(list, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(list);
}

static int run_check(const struct request *request)
{
    struct phu_rules *rules;
    int result = load(request, &rules);

    if (result != PHU_EXIT_OK)
        return result;
    if (request->is_json) {
        print_rules_json(rules);
    } else {
        for (size_t i = 0; i < phu_rules_count(rules); i++) {
            struct phu_rule_info info = phu_rules_info(rules, i);

            printf("%-24s %s:%u\n", info.alert, info.file, info.line);
        }
        printf("%zu rules, no mistakes\n", phu_rules_count(rules));
    }
    phu_rules_free(rules);
    return PHU_EXIT_OK;
}

/* -- test ------------------------------------------------------------------------------------- */

struct tally {
    size_t tests, failed;
};

static int test_file(const struct request *request, const char *file, bool is_first,
                     struct tally *tally)
{
    struct phu_scenario *scenario;
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = phu_scenario_load(file, &diags, &scenario);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    if (request->is_json && !is_first)
        fputs(",\n", stdout);
    if (result < 0) {
        if (request->is_json)
            fputs("null\n", stdout);
        tally->failed++;
        return PHU_EXIT_FAILED;
    }
    tally->failed += phu_scenario_run(scenario);
    tally->tests += phu_scenario_test_count(scenario);
    if (request->is_json)
        phu_scenario_print_json(scenario, stdout);
    else
        phu_scenario_print(scenario, stdout);
    result = request->promtool ? phu_scenario_write(scenario, request->promtool) : 0;
    phu_scenario_free(scenario);
    if (result == 0)
        return PHU_EXIT_OK;
    fprintf(stderr, "phusong rules: cannot write into %s: %s\n", request->promtool,
            strerror(-result));
    return PHU_EXIT_SYSTEM;
}

static int run_test(const struct request *request)
{
    struct tally tally = {0};
    int result = PHU_EXIT_OK;

    if (!request->file_count)
        return usage_error("test needs a file of scenarios", NULL);
    if (request->is_json)
        fputs("[\n", stdout);
    for (size_t i = 0; i < request->file_count && result != PHU_EXIT_SYSTEM; i++)
        result = test_file(request, request->files[i], i == 0, &tally);
    if (request->is_json)
        fputs("]\n", stdout);
    else
        printf("%zu tests, %zu failed\n", tally.tests, tally.failed);
    if (result == PHU_EXIT_SYSTEM)
        return result;
    return tally.failed ? PHU_EXIT_FAILED : PHU_EXIT_OK;
}

/* -- replay and export
 * ----------------------------------------------------------------------------------- */

static int run_replay(const struct request *request)
{
    struct phu_replay replay = {.store = request->store,
                                .from_ns = request->from.ns,
                                .to_ns = request->to.ns,
                                .is_json = request->is_json};
    struct phu_rules *rules;
    int result;

    if (request->from.ns >= request->to.ns)
        return usage_error("--from must lie before --to", NULL);
    result = load(request, &rules);
    if (result != PHU_EXIT_OK)
        return result;
    result = phu_rules_replay(rules, &replay, stdout);
    phu_rules_free(rules);
    return result;
}

static int run_export(const struct request *request)
{
    struct phu_rules *rules;
    int result;

    if (!request->is_prometheus)
        return usage_error("export needs the format: --prometheus", NULL);
    result = load(request, &rules);
    if (result != PHU_EXIT_OK)
        return result;
    result =
        phu_rules_export(rules, stdout) < 0 || fflush(stdout) != 0 ? PHU_EXIT_SYSTEM : PHU_EXIT_OK;
    phu_rules_free(rules);
    return result;
}

static const struct verb {
    const char *name;
    int (*run)(const struct request *request);
    const char *takes; /* letters of the options that mean something to it */
} verbs[] = {
    {"check", run_check, "j"},
    {"test", run_test, "jp"},
    {"replay", run_replay, "jfts"},
    {"export", run_export, "P"},
};

/* -- Command line ----------------------------------------------------------------------------- */

static int take_time(const char *option, const char *text, struct phu_wall *at)
{
    if (phu_rfc3339_parse(text, at) == 0)
        return PHU_EXIT_OK;
    fprintf(stderr, "phusong rules: %s \"%s\" is no time; write 2026-11-23T08:00:00Z\n", option,
            text);
    return PHU_EXIT_USAGE;
}

static int take_option(struct request *request, int option)
{
    switch (option) {
    case 'j':
        request->is_json = true;
        return PHU_EXIT_OK;
    case 'P':
        request->is_prometheus = true;
        return PHU_EXIT_OK;
    case 'p':
        request->promtool = optarg;
        return PHU_EXIT_OK;
    case 's':
        request->store = optarg;
        return PHU_EXIT_OK;
    case 'f':
        return take_time("--from", optarg, &request->from);
    case 't':
        return take_time("--to", optarg, &request->to);
    default:
        fputs("try: phusong rules --help\n", stderr);
        return PHU_EXIT_USAGE;
    }
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

int phu_cmd_rules(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},           {"prometheus", no_argument, NULL, 'P'},
        {"promtool", required_argument, NULL, 'p'}, {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},       {"store", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},           {0}};
    struct phu_wall now = phu_wall_now();
    struct request request = {
        .store = DEFAULT_STORE, .from = {now.ns - INT64_C(3600) * PHU_NS_PER_S}, .to = now};
    const struct verb *verb;
    char given[64] = "";
    int option, result;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return PHU_EXIT_OK;
        }
        result = take_option(&request, option);
        if (result != PHU_EXIT_OK)
            return result;
        if (strlen(given) + 1 < sizeof given && !strchr(given, option))
            given[strlen(given)] = (char)option;
    }
    if (optind == argc)
        return usage_error("which verb? check, test, replay or export", NULL);
    verb = find_verb(argv[optind]);
    if (!verb)
        return usage_error("unknown verb", argv[optind]);
    if (given[strspn(given, verb->takes)])
        return usage_error("an option means nothing to", verb->name);
    request.files = argv + optind + 1;
    request.file_count = (size_t)(argc - optind - 1);
    return verb->run(&request);
}
