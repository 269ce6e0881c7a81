/* The command line: finds the subcommand and hands over. */
#include "commands.h"
#include "console_commands.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static int run_version(int argc, char **argv)
{
    bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1 && !is_help) {
        fprintf(stderr, "phusong version: unexpected \"%s\"; it takes nothing\n", argv[1]);
        return PHU_EXIT_USAGE;
    }
    puts(is_help ? "usage: phusong version\n\nPrints the version." : "phusong " PHU_VERSION);
    return PHU_EXIT_OK;
}

static const struct command commands[] = {
    {"agent", phu_cmd_agent, "measure the inventory, and send what was found"},
    {"check-config", phu_cmd_check_config, "report every mistake of configuration and inventory"},
    {"config", phu_cmd_config, "print the default configuration, or its reference"},
    {"spool", phu_cmd_spool, "look into the spool, check it, send points again"},
    {"probe", phu_cmd_probe, "measure targets once, by hand"},
    {"bindings", phu_cmd_bindings, "report what of the devices serves which endpoint"},
    {"discover", phu_cmd_discover, "find devices by ping and SNMP, and add them to devices.csv"},
    {"catalog", phu_cmd_catalog, "list every measurement and field that an agent sends"},
    {"console", phu_cmd_console, "the centre: store what agents send, and tell alerts"},
    {"alerts", phu_cmd_alerts, "list the alerts that stand at this centre, or stood"},
    {"rules", phu_cmd_rules, "check, test, replay and export alert rules"},
    {"version", run_version, "print the version"},
};

static void print_help(FILE *out)
{
    fputs("usage: phusong COMMAND [OPTIONS]\n\ncommands:\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fputs("\nphusong COMMAND --help tells more.\n", out);
}

int main(int argc, char **argv)
{
    char name[64];

    if (argc < 2) {
        print_help(stderr);
        return PHU_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return PHU_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = "version";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        snprintf(name, sizeof name, "phusong %s", commands[i].name);
        argv[1] = name;
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "phusong: unknown command \"%s\"; see phusong --help\n", argv[1]);
    return PHU_EXIT_USAGE;
}
