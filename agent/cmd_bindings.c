/* phusong bindings: what of the devices serves which endpoint, and what matched nothing. */
#include "bindings.h"
#include "commands.h"
#include "config.h"
#include "parts.h"
#include "phusong/err.h"
#include "phusong/log.h"
#include "reload.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void print_usage(FILE *out)
{
    fputs(
        "usage: phusong bindings [OPTIONS]\n"
        "\n"
        "Polls the devices of the inventory once, all their tables included, and reports which\n"
        "rows (ONUs, modems, interfaces) serve which endpoint, which serve nobody, which "
        "endpoints\n"
        "name a row that is not there, and what a pattern names that is no endpoint.\n"
        "\n"
        "  -c, --config FILE  the configuration [/etc/phusong/phusong.yaml]\n"
        "      --device ID    this device only\n"
        "      --all          print all rows that serve nobody, not the first 20 of a device\n"
        "      --json         for programs\n"
        "      --verbose      with the collectors' log\n"
        "      --help         this text\n"
        "\n"
        "Exit code: 0 everything matched, 1 something matched nothing or a device did not answer,\n"
        "2 there is no such device, 3 usage or configuration, 4 the system refused something.\n",
        out);
}

struct settings {
    const char *config, *device;
    bool is_all, is_json, is_verbose;
};

static int report(const struct phu_bindings_job *job, const struct settings *settings)
{
    struct phu_bindings_sums sums = phu_bindings_sum(job);

    if (settings->is_json)
        phu_bindings_print_json(job, stdout);
    else
        phu_bindings_print(job, settings->is_all, stdout);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "phusong bindings: cannot write: %s\n", strerror(errno));
        return PHU_EXIT_SYSTEM;
    }
    if (job->is_interrupted)
        fprintf(stderr, "phusong bindings: interrupted; %zu of %zu devices were not asked\n",
                job->device_count - job->done, job->device_count);
    return sums.missed || sums.stray || sums.answered < sums.devices ? PHU_EXIT_FAILED
                                                                     : PHU_EXIT_OK;
}

static int ask(const struct phu_config *config, const struct phu_inventory *inventory,
               const struct settings *settings)
{
    struct phu_bindings_job job = {
        .config = config, .inventory = inventory, .only = settings->device};
    int code = PHU_EXIT_SYSTEM;

    if (settings->device &&
        phu_inventory_find_device(inventory, settings->device) == PHU_INVENTORY_NONE) {
        fprintf(stderr, "phusong bindings: there is no device \"%s\" in devices.csv\n",
                settings->device);
        return PHU_EXIT_NOT_FOUND;
    }
    if (phu_bindings_ask(&job) == 0)
        code = report(&job, settings);
    phu_bindings_fini(&job);
    return code;
}

static int run(const struct settings *settings)
{
    struct phu_inventory *inventory = NULL;
    struct phu_config *config = NULL;
    struct phu_diags diags;
    int code;

    phu_log_set_level(settings->is_verbose ? PHU_LOG_DEBUG : PHU_LOG_ERROR);
    phu_diags_init(&diags);
    if (phu_reload_read(settings->config, &diags, &config, &inventory)) {
        phu_diags_print(&diags, stderr);
        code = PHU_EXIT_USAGE;
    } else {
        code = ask(config, inventory, settings);
        phu_inventory_free(inventory);
        phu_config_free(config);
    }
    phu_diags_fini(&diags);
    return code;
}

int phu_cmd_bindings(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"device", required_argument, NULL, 'd'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct settings settings = {.config = "/etc/phusong/phusong.yaml"};
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            settings.config = optarg;
            break;
        case 'd':
            settings.device = optarg;
            break;
        case 'a':
            settings.is_all = true;
            break;
        case 'j':
            settings.is_json = true;
            break;
        case 'v':
            settings.is_verbose = true;
            break;
        case 'h':
            print_usage(stdout);
            return PHU_EXIT_OK;
        default:
            fputs("try: phusong bindings --help\n", stderr);
            return PHU_EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "phusong bindings: unexpected \"%s\"; one device: --device %s\n",
                argv[optind], argv[optind]);
        return PHU_EXIT_USAGE;
    }
    return run(&settings);
}
