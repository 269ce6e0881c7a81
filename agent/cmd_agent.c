/* phusong agent */
#include "agent.h"
#include "commands.h"

#include <getopt.h>
#include <stdio.h>

static void print_usage(FILE *out)
{
    fputs(
        "usage: phusong agent -c FILE [--once]\n"
        "\n"
        "Measures the endpoints and devices of the inventory and sends what it finds to the\n"
        "exporters of the configuration, until SIGINT or SIGTERM.\n"
        "\n"
        "  -c, --config FILE  the configuration (/etc/phusong/phusong.yaml)\n"
        "      --once         run every check once, print the points as line protocol, send\n"
        "                     and keep nothing, and end\n"
        "      --help         this text\n"
        "\n"
        "signals: HUP reads configuration, inventory and profiles of devices again; USR1 ends the\n"
        "windows now and sends them.\n",
        out);
}

int phu_cmd_agent(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"once", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct phu_agent_args args = {.config = "/etc/phusong/phusong.yaml"};
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            args.config = optarg;
            break;
        case 'o':
            args.is_once = true;
            break;
        case 'h':
            print_usage(stdout);
            return PHU_EXIT_OK;
        default:
            fputs("try: phusong agent --help\n", stderr);
            return PHU_EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "phusong agent: unexpected \"%s\"; try: phusong agent --help\n",
                argv[optind]);
        return PHU_EXIT_USAGE;
    }
    return phu_agent_run(&args);
}
