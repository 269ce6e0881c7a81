/* `phusong console maintenance`: windows in which alerts are written down but not told. Works on
 * the file of the state folder; a running console notices within seconds. */
#include "console_commands.h"
#include "maintenance.h"
#include "mem.h"

#include "phusong/conf.h"
#include "phusong/time.h"
#include "rfc3339.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: phusong console maintenance ls [--json] [OPTIONS]\n"
    "       phusong console maintenance add --for LABEL=VALUE[,…] [--from TIME]\n"
    "                                       (--to TIME | --duration TIME) [OPTIONS]\n"
    "       phusong console maintenance rm ID [OPTIONS]\n"
    "\n"
    "While a window lasts, alerts that begin under it are kept and shown, but nobody is told, "
    "unless\n"
    "they outlive it. Measuring goes on as ever.\n"
    "\n"
    "options:\n"
    "      --for LABELS       what it covers: alerts that have all of these labels, such as\n"
    "                         hamlet=bn-0412, commune=09169, site=site-09169, device=olt-1,\n"
    "                         operator=vnpt\n"
    "      --from TIME        when it begins (default: now)\n"
    "      --to TIME          when it ends\n"
    "      --duration SPAN    or how long it lasts: 90m, 2h, 1d\n"
    "      --comment TEXT     why\n"
    "      --all              ls: what is over, too\n"
    "      --json             ls: JSON instead of a table\n"
    "      --state-dir DIR    of the console (default " PHU_CONSOLE_STATE_DIR ")\n"
    "  -h, --help             this text\n"
    "\n"
    "TIME is RFC 3339: 2026-11-23T08:00:00Z, 2026-11-23T15:00:00+07:00, or a date (midnight "
    "UTC).\n";

struct request {
    const char *state_dir, *labels, *comment;
    int64_t from_ns, to_ns, duration_ns;
    bool is_json, is_all;
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr,
            "phusong console maintenance: %s%s%s%s; see phusong console maintenance --help\n", what,
            value ? " \"" : "", value ? value : "", value ? "\"" : "");
    return PHU_EXIT_USAGE;
}

static int failed(const char *why, int error)
{
    fprintf(stderr, "phusong console maintenance: %s\n", why);
    return error == -ENOENT   ? PHU_EXIT_NOT_FOUND
           : error == -EINVAL ? PHU_EXIT_USAGE
                              : PHU_EXIT_SYSTEM;
}

static int open_file(const struct request *request, struct phu_maintenance *maintenance)
{
    char path[4096], why[512];
    int error;

    snprintf(path, sizeof path, "%s/maintenance.json", request->state_dir);
    error = phu_maintenance_open(path, maintenance, why, sizeof why);
    return error < 0 ? failed(why, error) : PHU_EXIT_OK;
}

/* -- Verbs ------------------------------------------------------------------------------------ */

static void print_row(const struct phu_maintenance_window *window, int64_t now_ns)
{
    char from[PHU_RFC3339_SIZE], to[PHU_RFC3339_SIZE];

    phu_rfc3339_format(from, (struct phu_wall){window->from_ns});
    phu_rfc3339_format(to, (struct phu_wall){window->to_ns});
    printf("%-13s %-8s %-21s %-21s ", window->id,
           now_ns < window->from_ns ? "planned"
           : now_ns < window->to_ns ? "active"
                                    : "over",
           from, to);
    for (size_t i = 0; i < window->match_count; i++)
        printf("%s%s=%s", i ? "," : "", window->matches[i].label, window->matches[i].value);
    printf("%s%s\n", *window->comment ? "  " : "", window->comment);
}

static int run_ls(const struct request *request)
{
    struct phu_maintenance maintenance;
    int64_t now_ns = phu_wall_now().ns;
    json_t *list = json_array();
    size_t shown = 0;
    int status = open_file(request, &maintenance);

    for (size_t i = 0; status == PHU_EXIT_OK && i < maintenance.count; i++) {
        const struct phu_maintenance_window *window = &maintenance.windows[i];

        if (!request->is_all && window->to_ns <= now_ns)
            continue;
        if (request->is_json)
            json_array_append_new(list, phu_maintenance_json(window, now_ns));
        else if (shown++ == 0)
            printf("%-13s %-8s %-21s %-21s %s\n", "ID", "STATE", "FROM", "TO", "COVERS");
        if (!request->is_json)
            print_row(window, now_ns);
    }
    if (status == PHU_EXIT_OK) {
        if (request->is_json) {
            json_dumpf(list, stdout, JSON_INDENT(1));
            putchar('\n');
        } else if (shown == 0) {
            puts("no maintenance");
        }
        phu_maintenance_fini(&maintenance);
    }
    json_decref(list);
    return status;
}

static int fill(const struct request *request, struct phu_maintenance_window *window,
                int64_t now_ns)
{
    char why[256];

    if (!request->labels)
        return usage_error("add needs --for LABEL=VALUE", NULL);
    if (!request->to_ns == !request->duration_ns)
        return usage_error("add needs either --to or --duration", NULL);
    window->from_ns = request->from_ns ? request->from_ns : now_ns;
    window->to_ns = request->to_ns ? request->to_ns : window->from_ns + request->duration_ns;
    if (window->to_ns <= window->from_ns)
        return usage_error("it must end after it begins", NULL);
    if (window->to_ns <= now_ns)
        return usage_error("it would be over already", NULL);
    if (phu_maintenance_parse_matches(request->labels, window, why, sizeof why) < 0)
        return usage_error(why, NULL);
    window->comment = phu_mem_strdup(request->comment);
    return PHU_EXIT_OK;
}

static int run_add(const struct request *request)
{
    struct phu_maintenance maintenance;
    struct phu_maintenance_window window = {0};
    int64_t now_ns = phu_wall_now().ns;
    char why[512];
    int status = fill(request, &window, now_ns), error;

    if (status == PHU_EXIT_OK)
        status = open_file(request, &maintenance);
    if (status != PHU_EXIT_OK) {
        phu_maintenance_window_fini(&window);
        return status;
    }
    error = phu_maintenance_add(&maintenance, &window, now_ns, why, sizeof why);
    if (error < 0)
        status = failed(why, error);
    else
        puts(window.id);
    phu_maintenance_fini(&maintenance);
    return status;
}

static int run_rm(const struct request *request, const char *id)
{
    struct phu_maintenance maintenance;
    char why[512];
    int status = open_file(request, &maintenance), error;

    if (status != PHU_EXIT_OK)
        return status;
    error = phu_maintenance_remove(&maintenance, id, why, sizeof why);
    if (error < 0)
        status = failed(why, error);
    phu_maintenance_fini(&maintenance);
    return status;
}

/* -- Options ---------------------------------------------------------------------------------- */

enum { FOR = 256, FROM, TO, DURATION, COMMENT, ALL, STATE, JSON };

static const struct option long_options[] = {
    {"for", required_argument, NULL, FOR},
    {"from", required_argument, NULL, FROM},
    {"to", required_argument, NULL, TO},
    {"duration", required_argument, NULL, DURATION},
    {"comment", required_argument, NULL, COMMENT},
    {"all", no_argument, NULL, ALL},
    {"json", no_argument, NULL, JSON},
    {"state-dir", required_argument, NULL, STATE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int take_time(const char *text, int64_t *ns)
{
    struct phu_wall at;

    if (phu_rfc3339_parse(text, &at) < 0)
        return usage_error("not a time such as 2026-11-23T22:00:00+07:00:", text);
    *ns = at.ns;
    return PHU_EXIT_OK;
}

static int take_option(struct request *request, int option, char *value)
{
    switch (option) {
    case FOR:
        request->labels = value;
        return PHU_EXIT_OK;
    case FROM:
        return take_time(value, &request->from_ns);
    case TO:
        return take_time(value, &request->to_ns);
    case DURATION:
        if (phu_conf_parse_duration(value, &request->duration_ns) < 0 || request->duration_ns <= 0)
            return usage_error("--duration takes a span such as 2h, not", value);
        return PHU_EXIT_OK;
    case COMMENT:
        request->comment = value;
        return PHU_EXIT_OK;
    case ALL:
        request->is_all = true;
        return PHU_EXIT_OK;
    case STATE:
        request->state_dir = value;
        return PHU_EXIT_OK;
    case JSON:
        request->is_json = true;
        return PHU_EXIT_OK;
    default:
        fputs("see phusong console maintenance --help\n", stderr);
        return PHU_EXIT_USAGE;
    }
}

static int run_verb(const struct request *request, int argc, char **argv)
{
    const char *verb = argv[optind];
    bool is_rm = verb && strcmp(verb, "rm") == 0;

    if (!verb)
        return usage_error("say what to do: ls, add or rm", NULL);
    if (is_rm && optind + 1 == argc)
        return usage_error("rm needs an id; ls shows them", NULL);
    if (argc > optind + 1 + is_rm)
        return usage_error("unexpected", argv[optind + 1 + is_rm]);
    if (is_rm)
        return run_rm(request, argv[optind + 1]);
    if (strcmp(verb, "ls") == 0)
        return run_ls(request);
    if (strcmp(verb, "add") == 0)
        return run_add(request);
    return usage_error("unknown verb", verb);
}

int phu_cmd_maintenance(int argc, char **argv)
{
    struct request request = {.state_dir = PHU_CONSOLE_STATE_DIR, .comment = ""};
    int option, status = PHU_EXIT_OK;

    optind = 1;
    while (status == PHU_EXIT_OK &&
           (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return PHU_EXIT_OK;
        }
        status = take_option(&request, option, optarg);
    }
    return status == PHU_EXIT_OK ? run_verb(&request, argc, argv) : status;
}
