/* `phusong alerts`: what stands, and what stood, read from the console's book beside it. */
#include "alerts_report.h"
#include "book.h"
#include "console_commands.h"

#include "rfc3339.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: phusong alerts ls [OPTIONS]\n"
    "\n"
    "Lists the alerts that stand, oldest first, from the state folder of the console. It need not\n"
    "be running.\n"
    "\n"
    "options:\n"
    "      --all              alerts that are over, too\n"
    "      --from TIME        with --all: only those that stood at this time or later\n"
    "      --label NAME=VALUE only those with this label; may be given several times\n"
    "      --state-dir DIR    of the console (default " PHU_CONSOLE_STATE_DIR ")\n"
    "      --json             JSON instead of a table\n"
    "  -h, --help             this text\n"
    "\n"
    "TIME is RFC 3339: 2026-11-23T08:00:00Z, 2026-11-23T15:00:00+07:00, or a date (midnight UTC).\n"
    "Exit codes: 0 no matter how many there are, 2 no such folder, 3 usage, 4 it cannot be read.\n";

struct request {
    const char *state_dir;
    struct phu_alerts_report report;
    struct phu_book_filter filter;
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "phusong alerts: %s%s%s%s; see phusong alerts --help\n", what,
            value ? " \"" : "", value ? value : "", value ? "\"" : "");
    return PHU_EXIT_USAGE;
}

static int take_label(struct request *request, char *text)
{
    struct phu_alerts_report *report = &request->report;
    char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return usage_error("--label takes NAME=VALUE, not", text);
    if (report->label_count == PHU_ALERTS_REPORT_LABELS)
        return usage_error("too many --label", NULL);
    *equals = '\0';
    report->labels[report->label_count++] =
        (struct phu_alert_label){.name = text, .value = equals + 1};
    return PHU_EXIT_OK;
}

enum { ALL = 256, FROM, LABEL, STATE, JSON };

static int take_option(struct request *request, int option, char *value)
{
    struct phu_wall from;

    switch (option) {
    case ALL:
        request->filter.is_standing_only = false;
        return PHU_EXIT_OK;
    case FROM:
        if (phu_rfc3339_parse(value, &from) < 0)
            return usage_error("--from takes a time such as 2026-11-23T08:00:00Z, not", value);
        request->filter.from_ns = from.ns;
        return PHU_EXIT_OK;
    case LABEL:
        return take_label(request, value);
    case STATE:
        request->state_dir = value;
        return PHU_EXIT_OK;
    case JSON:
        request->report.is_json = true;
        return PHU_EXIT_OK;
    default:
        fputs("see phusong alerts --help\n", stderr);
        return PHU_EXIT_USAGE;
    }
}

static int list(struct request *request)
{
    struct phu_book_reader *reader;
    char path[4096], why[512];
    int error;

    snprintf(path, sizeof path, "%s/alerts.sqlite", request->state_dir);
    if (access(path, F_OK) < 0) {
        fprintf(stderr,
                "phusong alerts: there is no %s: either --state-dir is not that of a console, or "
                "it has never run\n",
                path);
        return PHU_EXIT_NOT_FOUND;
    }
    if (phu_book_reader_open(path, &reader, why, sizeof why) < 0) {
        fprintf(stderr, "phusong alerts: %s\n", why);
        return PHU_EXIT_SYSTEM;
    }
    error = phu_book_read_alerts(reader, &request->filter, phu_alerts_report_add, &request->report);
    phu_book_reader_close(reader);
    if (error < 0) {
        fprintf(stderr, "phusong alerts: cannot read %s to its end\n", path);
        phu_alerts_report_drop(&request->report);
        return PHU_EXIT_SYSTEM;
    }
    phu_alerts_report_print(&request->report, stdout);
    return PHU_EXIT_OK;
}

int phu_cmd_alerts(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"all", no_argument, NULL, ALL},
        {"from", required_argument, NULL, FROM},
        {"label", required_argument, NULL, LABEL},
        {"state-dir", required_argument, NULL, STATE},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct request request = {.state_dir = PHU_CONSOLE_STATE_DIR,
                              .filter = {.is_standing_only = true}};
    int option, status = PHU_EXIT_OK;

    while (status == PHU_EXIT_OK &&
           (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return PHU_EXIT_OK;
        }
        status = take_option(&request, option, optarg);
    }
    if (status != PHU_EXIT_OK)
        return status;
    if (request.filter.from_ns && request.filter.is_standing_only)
        return usage_error("--from goes with --all", NULL);
    if (optind == argc)
        return usage_error("say what to do: ls", NULL);
    if (strcmp(argv[optind], "ls") != 0)
        return usage_error("unknown verb", argv[optind]);
    if (optind + 1 < argc)
        return usage_error("unexpected", argv[optind + 1]);
    return list(&request);
}
