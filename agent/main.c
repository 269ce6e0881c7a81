/* The command line: finds the subcommand and hands over. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("phusong " PHU_VERSION);
    return 0;
}

static const struct command commands[] = {
    {"agent", phu_cmd_agent, "measure the inventory, and send what was found"},
    {"check-config", phu_cmd_check_config, "report every mistake of configuration and inventory"},
    {"config", phu_cmd_config, "print the default configuration, or its reference"},
    {"spool", phu_cmd_spool, "look into the spool, check it, send points again"},
    {"probe", phu_cmd_probe, "measure targets once, by hand"},
    {"catalog", phu_cmd_catalog, "list every measurement and field that an agent sends"},
    {"version", run_version, "print the version"},
};

static void print_help(FILE *out)
{
    fputs("usage: phusong COMMAND [OPTIONS]\n\ncommands:\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 3;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "phusong: unknown command \"%s\"; see phusong --help\n", argv[1]);
    return 3;
}
