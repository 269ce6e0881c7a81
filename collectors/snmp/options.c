/* Options of the collector and of its checks. */
#include "snmp.h"

#include <string.h>

static const struct phu_option serves_options[] = {
    {.name = "text",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_serves_option, text),
     .example = "'^(bn-[0-9]+)'",
     .meaning = "POSIX extended expression over the description of an ONU or the alias of an "
                "interface, case ignored"},
    {.name = "endpoint",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_serves_option, endpoint),
     .example = "'\\1-fibre'",
     .meaning = "id of the endpoint; \\1 is what the first group of text matched"},
};

static void validate_serves(const void *conf, void *context)
{
    char why[256];
    const char *mistake = phu_serves_mistake(conf, why, sizeof why);

    if (mistake)
        phu_conf_mistake(context, strncmp(mistake, "text", 4) == 0 ? "text" : "endpoint", "%s",
                         mistake);
}

static const struct phu_option_table serves_table = {
    .options = serves_options,
    .count = sizeof serves_options / sizeof *serves_options,
    .size = sizeof(struct phu_serves_option),
    .validate = validate_serves,
};

static const struct phu_option options[] = {
    {.name = "concurrency",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_options, concurrency),
     .fallback = "256",
     .min = "1",
     .max = "10000",
     .meaning = "questions to all devices at the same time; each device that is polled takes a "
                "place for one"},
    {.name = "max_interfaces",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_options, max_interfaces),
     .fallback = "4096",
     .min = "1",
     .max = "65536",
     .meaning = "interfaces read of one device; what comes after them is left out and reported"},
    {.name = "max_rows",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_options, max_rows),
     .fallback = "16384",
     .min = "1",
     .max = "262144",
     .meaning = "rows read of one table of a profile; what comes after them is left out and "
                "reported"},
    {.name = "profiles",
     .type = PHU_OPTION_PATH,
     .offset = offsetof(struct phu_snmp_options, profiles),
     .fallback = "/etc/phusong/profiles",
     .meaning = "folder of your own profiles (*.yaml), each in place of the one of its name that "
                "comes with phusong, or beside those; need not exist"},
    {.name = "serves",
     .type = PHU_OPTION_LIST,
     .offset = offsetof(struct phu_snmp_options, serves),
     .fallback = "[]",
     .table = &serves_table,
     .meaning = "which endpoint a row serves, by its description"},
    {.name = "receive_buffer",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_snmp_options, receive_buffer),
     .fallback = "8MiB",
     .min = "64KiB",
     .max = "256MiB",
     .meaning = "of the socket of each address family; beyond net.core.rmem_max only with "
                "CAP_NET_ADMIN"},
};
const struct phu_option_table phu_snmp_options = PHU_OPTION_TABLE(options, struct phu_snmp_options);

static const struct phu_option check_options[] = {
    {.name = "port",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, port),
     .fallback = "161",
     .min = "1",
     .max = "65535",
     .meaning = "UDP port of the device"},
    {.name = "pdu_timeout",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_snmp_check_options, pdu_timeout_ns),
     .fallback = "1500ms",
     .min = "50ms",
     .max = "1m",
     .meaning = "how long to wait for the answer to one message; `timeout` bounds the whole poll"},
    {.name = "retries",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, retries),
     .fallback = "2",
     .min = "0",
     .max = "10",
     .meaning = "how often a message without an answer is repeated"},
    {.name = "max_repetitions",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, max_repetitions),
     .fallback = "12",
     .min = "1",
     .max = "100",
     .meaning = "rows asked for at once (GETBULK); fewer for devices that choke on large answers"},
    {.name = "in_flight",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, in_flight),
     .fallback = "1",
     .min = "1",
     .max = "8",
     .meaning = "questions to one device at the same time; tables then go side by side"},
    {.name = "pdus_per_second",
     .type = PHU_OPTION_NUMBER,
     .offset = offsetof(struct phu_snmp_check_options, pdus_per_second),
     .fallback = "0",
     .min = "0",
     .max = "1000",
     .meaning = "messages to one device in a second, at most; 0: what its profile says"},
    {.name = "cpu_limit",
     .type = PHU_OPTION_NUMBER,
     .offset = offsetof(struct phu_snmp_check_options, cpu_limit),
     .fallback = "0",
     .min = "0",
     .max = "100",
     .meaning = "percent of the device's own processor above which slow tables wait; 0: what its "
                "profile says, or 80"},
    {.name = "slow",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_snmp_check_options, slow_ns),
     .fallback = "1h",
     .min = "0s",
     .max = "7d",
     .meaning = "how often slow tables are read, such as the optics of each ONU; 0s: never"},
    {.name = "static",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_snmp_check_options, static_ns),
     .fallback = "6h",
     .min = "0s",
     .max = "7d",
     .meaning = "how often names and descriptions are read; 0s: never"},
};
const struct phu_option_table phu_snmp_check_options =
    PHU_OPTION_TABLE(check_options, struct phu_snmp_check_options);
