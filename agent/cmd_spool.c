/* `phusong spool VERB`: looks into a spool, beside a running agent too; replay and forget change it
 * and need the agent stopped.
 */
#include "commands.h"
#include "config.h"
#include "inspect.h"
#include "parts.h"
#include "rfc3339.h"
#include "spool_conf.h"
#include "spool_report.h"

#include "phusong/err.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    char *dir;
    const char *config_file, *reader;
    struct phu_wall from, to;
    bool is_json, has_from;
    char given[8]; /* of --from, --to, --reader, --json: their letters below */
};

static const char help[] =
    "usage: phusong spool VERB [OPTIONS]\n"
    "\n"
    "verbs:\n"
    "  stat                 size, time range, and how far each exporter is behind\n"
    "  ls                   the segments, oldest first\n"
    "  verify               check every record; exit 1 and say where when one is damaged\n"
    "  export               print the points as line protocol, oldest first\n"
    "  replay               make an exporter send points again that are still there\n"
    "  forget READER        remove an exporter's cursor, so that nothing is kept for it\n"
    "\n"
    "options:\n"
    "  -c, --config FILE    take the folder from this configuration\n"
    "                       (default /etc/phusong/phusong.yaml)\n"
    "      --dir DIR        the folder itself\n"
    "      --from TIME      export, replay: points from this time on\n"
    "      --to TIME        export: points before this time\n"
    "      --reader NAME    replay: the exporter's name in the configuration\n"
    "      --json           stat, ls, verify: JSON instead of a table\n"
    "  -h, --help           this text\n"
    "\n"
    "TIME is RFC 3339: 2026-11-23T08:00:00Z, 2026-11-23T15:00:00+07:00, or a date (midnight UTC).\n"
    "stat, ls, verify and export may run beside the agent. replay and forget need it stopped.\n";

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "phusong spool: %s%s%s%s; see phusong spool --help\n", what, value ? " \"" : "",
            value ? value : "", value ? "\"" : "");
    return PHU_EXIT_USAGE;
}

static int cannot(const struct request *request, const char *what, int error)
{
    if (error == -EBUSY)
        fprintf(stderr,
                "phusong spool: an agent uses %s; stop it first (systemctl stop phusong), then "
                "try again\n",
                request->dir);
    else if (error == -ENOENT && request->reader)
        fprintf(stderr,
                "phusong spool: no exporter \"%s\" has a cursor in %s; phusong spool stat lists "
                "them\n",
                request->reader, request->dir);
    else
        fprintf(stderr, "phusong spool: cannot %s %s: %s\n", what, request->dir, strerror(-error));
    return error == -ENOENT ? PHU_EXIT_NOT_FOUND : PHU_EXIT_SYSTEM;
}

/* -- Verbs ------------------------------------------------------------------------------------ */

static int run_stat(struct phu_view *view, const struct request *request)
{
    return phu_spool_report_stat(view, request->dir, request->is_json);
}

static int run_ls(struct phu_view *view, const struct request *request)
{
    return phu_spool_report_ls(view, request->is_json);
}

static int run_verify(struct phu_view *view, const struct request *request)
{
    return phu_spool_walk_verify(view, request->is_json);
}

static int run_export(struct phu_view *view, const struct request *request)
{
    return phu_spool_walk_export(view, request->from, request->to);
}

static int run_replay(struct phu_view *view, const struct request *request)
{
    char size[PHU_SIZE_TEXT], oldest[PHU_RFC3339_SIZE];
    uint64_t again;
    int error;

    if (!request->reader || !request->has_from)
        return usage_error("replay needs --reader NAME and --from TIME", NULL);
    error = phu_view_replay(view, request->reader, request->from, &again);
    if (error)
        return cannot(request, "change", error);
    if (!again) {
        printf("%s: every point from that time on that is still here has yet to be sent anyway\n",
               request->reader);
        return PHU_EXIT_OK;
    }
    phu_spool_format_size(size, again);
    phu_rfc3339_format(oldest, view->table.items[0].first);
    printf("%s: %s will be sent again beside live data (the oldest point here is of %s)\n",
           request->reader, size, oldest);
    return PHU_EXIT_OK;
}

static int run_forget(struct phu_view *view, const struct request *request)
{
    int error;

    if (!request->reader)
        return usage_error("forget needs the exporter's name", NULL);
    error = phu_view_forget(view, request->reader);
    if (error)
        return cannot(request, "change", error);
    printf("%s: forgotten; nothing is kept for it any more\n", request->reader);
    return PHU_EXIT_OK;
}

static const struct verb {
    const char *name;
    int (*run)(struct phu_view *view, const struct request *request);
    const char *takes; /* letters of the options that mean something to it */
} verbs[] = {
    {"stat", run_stat, "j"},      {"ls", run_ls, "j"},          {"verify", run_verify, "j"},
    {"export", run_export, "ft"}, {"replay", run_replay, "fr"}, {"forget", run_forget, ""},
};

/* -- Command line ----------------------------------------------------------------------------- */

static int take_time(const char *option, const char *text, struct phu_wall *at)
{
    if (phu_rfc3339_parse(text, at) == 0)
        return 0;
    fprintf(stderr,
            "phusong spool: %s \"%s\" is not a time; write it like 2026-11-23T08:00:00Z or "
            "2026-11-23\n",
            option, text);
    return PHU_EXIT_USAGE;
}

static void note_given(struct request *request, int option)
{
    size_t count = strlen(request->given);

    if (strchr("ftrj", option) && !strchr(request->given, option))
        request->given[count] = (char)option;
}

/* Better than to export or replay more than was asked for. */
static int refuse_meaningless(const struct verb *verb, const struct request *request)
{
    const char *meaningless = request->given + strspn(request->given, verb->takes);

    if (!*meaningless)
        return 0;
    fprintf(stderr, "phusong spool: %s has no --%s; see phusong spool --help\n", verb->name,
            *meaningless == 'f'   ? "from"
            : *meaningless == 't' ? "to"
            : *meaningless == 'r' ? "reader"
                                  : "json");
    return PHU_EXIT_USAGE;
}

static int parse_options(int argc, char **argv, struct request *request)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"dir", required_argument, NULL, 'd'},
        {"from", required_argument, NULL, 'f'},   {"to", required_argument, NULL, 't'},
        {"reader", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {0}};
    int option, status = 0;

    while (!status && (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        note_given(request, option);
        switch (option) {
        case 'c':
            request->config_file = optarg;
            break;
        case 'd':
            free(request->dir);
            request->dir = strdup(optarg);
            break;
        case 'f':
            request->has_from = true;
            status = take_time("--from", optarg, &request->from);
            break;
        case 't':
            status = take_time("--to", optarg, &request->to);
            break;
        case 'r':
            request->reader = optarg;
            break;
        case 'j':
            request->is_json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return -1;
        default:
            fputs("see phusong spool --help\n", stderr);
            return PHU_EXIT_USAGE;
        }
    }
    return status;
}

static int find_folder(struct request *request)
{
    struct phu_config *config;
    struct phu_diags diags;
    int error;

    if (request->dir)
        return 0;
    phu_diags_init(&diags);
    error = phu_config_load(&phu_parts, request->config_file, &diags, &config);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    if (error) {
        fprintf(stderr, "phusong spool: name the folder with --dir, or mend the configuration\n");
        return PHU_EXIT_USAGE;
    }
    request->dir = phu_spool_conf_dir(config);
    phu_config_free(config);
    return 0;
}

static int run_verb(const struct verb *verb, struct request *request)
{
    struct phu_view view;
    int status = find_folder(request);
    int error;

    if (status)
        return status;
    error = phu_view_open(request->dir, &view);
    if (error) {
        bool is_missing = error == -ENOENT || error == -ENOTDIR;

        fprintf(stderr, "phusong spool: %s %s: %s\n", is_missing ? "no spool in" : "cannot read",
                request->dir, strerror(-error));
        return is_missing ? PHU_EXIT_NOT_FOUND : PHU_EXIT_SYSTEM;
    }
    status = verb->run(&view, request);
    phu_view_close(&view);
    return status;
}

int phu_cmd_spool(int argc, char **argv)
{
    struct request request = {
        .config_file = "/etc/phusong/phusong.yaml", .from.ns = INT64_MIN, .to.ns = INT64_MAX};
    const struct verb *verb = NULL;
    int status = parse_options(argc, argv, &request);

    for (size_t i = 0; !status && optind < argc && i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[optind], verbs[i].name) == 0)
            verb = &verbs[i];
    }
    if (!status && !verb)
        status = usage_error(optind < argc ? "no verb" : "a verb is missing",
                             optind < argc ? argv[optind] : NULL);
    if (!status)
        status = refuse_meaningless(verb, &request);
    if (!status && verb->run == run_forget && optind + 2 == argc)
        request.reader = argv[++optind];
    if (!status && optind + 1 < argc)
        status = usage_error("too much on the command line:", argv[optind + 1]);
    if (!status)
        status = run_verb(verb, &request);
    free(request.dir);
    return status < 0 ? PHU_EXIT_OK : status;
}
