/* phusong config: the default file and the reference, from the options' tables. */
#include "commands.h"
#include "conf_file.h"
#include "config_shape.h"
#include "parts.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char default_head[] =
    "# Configuration of the phusong agent. Every option is here with its default, its meaning and\n"
    "# its range; what is left out has its default. Check the file with \"phusong check-config\".\n"
    "#\n"
    "# Durations and sizes carry a unit: 500ms, 10s, 5m, 1h, 7d; 512B, 64KiB, 16MiB, 2GB. Paths\n"
    "# are relative to this file. Secrets are never written here but into files of their own that\n"
    "# only phusong's user can read (chmod 600), or into systemd credentials (credential:NAME).\n"
    "#\n"
    "# More files can be merged in:\n"
    "#include: conf.d/*.yaml\n";

static const char reference_head[] =
    "# Configuration\n"
    "\n"
    "`phusong agent -c FILE` reads one YAML file. This page is printed by `phusong config "
    "reference`\n"
    "from the same tables that the file is checked with; `phusong config default` prints a "
    "complete\n"
    "file to start from, and `phusong check-config -c FILE` checks one: it reports every mistake "
    "with\n"
    "its place and what would be right, and exits with 1 when there was one.\n"
    "\n"
    "- **Strict.** An unknown key, a value without its unit, one outside its range, a key given "
    "twice\n"
    "  or a missing secret file are mistakes. Anchors, aliases, tags, tabs and several documents "
    "are\n"
    "  refused. A file has at most 1 MiB.\n"
    "- **Durations** carry a unit: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`. **Sizes**: `B`, `KiB`, "
    "`MiB`,\n"
    "  `GiB`, `TiB` (powers of 1024), `kB`, `MB`, `GB`, `TB` (powers of 1000). **Shares** are "
    "written\n"
    "  `5%`. Decimals are possible: `1.5s`.\n"
    "- **Paths** are relative to the folder of the file they stand in.\n"
    "- **Secrets** are never in the file. An option that takes a secret takes the path of a file "
    "that\n"
    "  holds nothing else, or `credential:NAME` for a systemd credential "
    "(`LoadCredential=NAME:…`). A\n"
    "  file that its group or others may use is refused: `chmod 600`.\n"
    "- **`include: conf.d/*.yaml`** in the main file (one pattern or a list of them, relative to "
    "it)\n"
    "  merges files in, in order of name: sections are joined, lists are put one after the other, "
    "and a\n"
    "  value that is given twice is a mistake. Included files cannot include others.\n"
    "- **SIGHUP** reads the file and the inventory again. With a mistake in them the old "
    "configuration\n"
    "  goes on, the log says why, and `phusong_config_reload_failed` is 1. Checks that have not "
    "changed\n"
    "  keep their phase, counters and windows.\n"
    "- The inventory's CSV files are described in [inventory.md](inventory.md).\n";

static void print_usage(FILE *out)
{
    fputs("usage: phusong config default | reference\n"
          "\n"
          "  default    a complete configuration file with every option, its default and meaning\n"
          "  reference  the same as documentation, in Markdown\n"
          "  --help     this text\n",
          out);
}

static int print(const char *what)
{
    struct phu_config_shape *shape;
    bool is_default = strcmp(what, "default") == 0;

    if (!is_default && strcmp(what, "reference") != 0) {
        fprintf(stderr, "phusong config: unknown \"%s\"; it is default or reference\n", what);
        return PHU_EXIT_USAGE;
    }
    shape = phu_config_shape_new(&phu_parts);
    fputs(is_default ? default_head : reference_head, stdout);
    if (is_default)
        phu_conf_print_default(&shape->root, stdout);
    else
        phu_conf_print_reference(&shape->root, stdout);
    phu_config_shape_free(shape);
    return fflush(stdout) == 0 ? PHU_EXIT_OK : PHU_EXIT_SYSTEM;
}

int phu_cmd_config(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            print_usage(stdout);
            return PHU_EXIT_OK;
        }
        fputs("try: phusong config --help\n", stderr);
        return PHU_EXIT_USAGE;
    }
    if (argc - optind != 1) {
        print_usage(stderr);
        return PHU_EXIT_USAGE;
    }
    return print(argv[optind]);
}
