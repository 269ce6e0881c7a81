/* phusong check-config: every mistake of the configuration and the inventory, or what there is to
 * measure.
 */
#include "commands.h"
#include "config.h"
#include "core/inventory.h"
#include "parts.h"
#include "reload.h"

#include "phusong/collector.h"
#include "phusong/err.h"

#include <getopt.h>
#include <stdio.h>

static void print_usage(FILE *out)
{
    fputs("usage: phusong check-config [-c FILE]\n"
          "\n"
          "Reads the configuration, what it includes, the inventory, the secret files and the\n"
          "profiles of devices. Prints all mistakes to stderr, each as FILE:LINE:COLUMN: MESSAGE,\n"
          "or a summary of what would be measured.\n"
          "\n"
          "  -c, --config FILE  the configuration (/etc/phusong/phusong.yaml)\n"
          "      --help         this text\n"
          "\n"
          "exit status: 0 all right, 1 mistakes, 3 wrong usage\n",
          out);
}

static void print_technologies(const struct phu_inventory *inventory)
{
    uint32_t counts[PHU_TECHNOLOGY_COUNT] = {0};
    const char *separator = " (";

    for (uint32_t i = 0; i < inventory->endpoint_count; i++)
        counts[inventory->endpoints[i].technology]++;
    for (int i = 0; i < PHU_TECHNOLOGY_COUNT; i++) {
        if (!counts[i])
            continue;
        printf("%s%s %u", separator, phu_technology_name((enum phu_technology)i), counts[i]);
        separator = ", ";
    }
    puts(separator[0] == ',' ? ")" : "");
}

static void print_checks(const struct phu_config *config, const struct phu_inventory *inventory)
{
    double per_second = 0;
    const char *separator = " (";

    printf("checks     %u", inventory->check_count);
    for (size_t collector = 0; collector < config->collector_count; collector++) {
        uint32_t count = 0;

        for (uint32_t i = 0; i < inventory->check_count; i++) {
            const struct phu_inventory_check *check = &inventory->checks[i];
            const struct phu_config_check *kind = &config->checks[check->kind];

            if (kind->collector_index != collector)
                continue;
            count++;
            per_second +=
                check->interval_ms ? 1e3 / check->interval_ms : 1e9 / (double)kind->interval_ns;
        }
        if (count) {
            printf("%s%s %u", separator, phu_parts.collectors[collector]->name, count);
            separator = ", ";
        }
    }
    printf("%s\nprobes/s   %.1f\n", separator[0] == ',' ? ")" : "", per_second);
}

static void print_summary(const char *file, const struct phu_config *config,
                          const struct phu_inventory *inventory)
{
    printf("%s is in order\n", file);
    printf("areas      %u (hamlets in force %u)\n", inventory->area_count, inventory->hamlet_count);
    printf("sites      %u\n", inventory->site_count);
    printf("devices    %u\n", inventory->device_count);
    printf("endpoints  %u", inventory->endpoint_count);
    print_technologies(inventory);
    print_checks(config, inventory);
    printf("exporters  %zu", config->exporter_count);
    for (size_t i = 0; i < config->exporter_count; i++)
        printf("%s%s", i ? ", " : " (", config->exporters[i].name);
    puts(config->exporter_count ? ")" : "");
}

static int check(const char *file)
{
    struct phu_config *config = NULL;
    struct phu_inventory *inventory = NULL;
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = phu_reload_read(file, &diags, &config, &inventory);
    if (result == 0) {
        print_summary(file, config, inventory);
    } else {
        phu_diags_print(&diags, stderr);
        fprintf(stderr, "%zu mistake%s\n", diags.count + diags.suppressed,
                diags.count + diags.suppressed == 1 ? "" : "s");
    }
    phu_inventory_free(inventory);
    phu_config_free(config);
    phu_diags_fini(&diags);
    return result == 0 ? PHU_EXIT_OK : PHU_EXIT_FAILED;
}

int phu_cmd_check_config(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *file = "/etc/phusong/phusong.yaml";
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            file = optarg;
            break;
        case 'h':
            print_usage(stdout);
            return PHU_EXIT_OK;
        default:
            fputs("try: phusong check-config --help\n", stderr);
            return PHU_EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr,
                "phusong check-config: unexpected \"%s\"; try: phusong check-config -c %s\n",
                argv[optind], argv[optind]);
        return PHU_EXIT_USAGE;
    }
    return check(file);
}
