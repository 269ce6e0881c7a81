/* The keys of a profile's file. docs/profiles.md says more about each. */
#include "profile_shape.h"

#include "profile.h"

#define OPTION(struct_type, field, option_name)                                                    \
    .name = (option_name), .offset = offsetof(struct struct_type, field)
#define TEXT(struct_type, field, option_name)                                                      \
    OPTION(struct_type, field, option_name), .type = PHU_OPTION_STRING

/* -- match ------------------------------------------------------------------------------------ */

static const struct phu_option match_options[] = {
    {TEXT(phu_profile_match_conf, sys_object_id, "sys_object_id"), .fallback = "",
     .meaning = "the device's sysObjectID is this or lies below it"},
    {TEXT(phu_profile_match_conf, sys_descr, "sys_descr"), .fallback = "",
     .meaning = "and this POSIX extended expression, case ignored, is found in its sysDescr"},
    {TEXT(phu_profile_match_conf, has, "has"), .fallback = "",
     .meaning = "and it has an object below this"},
};
static const struct phu_option_table match_table =
    PHU_OPTION_TABLE(match_options, struct phu_profile_match_conf);

/* -- care ------------------------------------------------------------------------------------- */

static const struct phu_option cpu_options[] = {
    {TEXT(phu_profile_cpu_conf, oid, "oid"), .fallback = "",
     .meaning = "column, or scalar without its final .0, with the load of a processor"},
    {OPTION(phu_profile_cpu_conf, scale, "scale"), .type = PHU_OPTION_NUMBER, .fallback = "1",
     .meaning = "per cent = raw * scale + offset; a share that is idle has -1 and 100"},
    {OPTION(phu_profile_cpu_conf, offset, "offset"), .type = PHU_OPTION_NUMBER, .fallback = "0",
     .meaning = "per cent = raw * scale + offset"},
    {OPTION(phu_profile_cpu_conf, limit, "limit"), .type = PHU_OPTION_NUMBER, .fallback = "0",
     .min = "0", .max = "100",
     .meaning = "per cent, above which slow tables wait, where the check says none; 0: 80"},
};
static const struct phu_option_table cpu_table =
    PHU_OPTION_TABLE(cpu_options, struct phu_profile_cpu_conf);

static const struct phu_option care_options[] = {
    {OPTION(phu_profile_care_conf, pdus_per_second, "pdus_per_second"), .type = PHU_OPTION_NUMBER,
     .fallback = "0", .min = "0", .max = "10000",
     .meaning = "at most so many messages to one device, where the check says none; 0: any number"},
    {OPTION(phu_profile_care_conf, max_repetitions, "max_repetitions"), .type = PHU_OPTION_INT,
     .fallback = "0", .min = "0", .max = "100",
     .meaning =
         "at most so many rows in one message, if the check allows as many; 0: what it says"},
    {OPTION(phu_profile_care_conf, cpu, "cpu"), .type = PHU_OPTION_TABLE, .table = &cpu_table,
     .meaning = "where the device tells how busy it is"},
};
static const struct phu_option_table care_table =
    PHU_OPTION_TABLE(care_options, struct phu_profile_care_conf);

/* -- columns ---------------------------------------------------------------------------------- */

static const char *const uses[] = {
    [PHU_USE_VALUE] = "value",
    [PHU_USE_DESCRIPTION] = "description",
    [PHU_USE_SERIAL] = "serial",
    [PHU_USE_HELP] = "help",
    NULL,
};
static const char *const converts[] = {
    [PHU_CONVERT_NONE] = "none",
    [PHU_CONVERT_MW_TO_DBM] = "mw_to_dbm",
    [PHU_CONVERT_UW_TO_DBM] = "uw_to_dbm",
    [PHU_CONVERT_UW_IF_POSITIVE] = "uw_if_positive",
    [PHU_CONVERT_F_TO_C] = "f_to_c",
    [PHU_CONVERT_HMS_TO_S] = "hms_to_s",
    NULL,
};
static const char *const bits[] = {"0", "8", "16", "32", NULL};

static const struct phu_option when_options[] = {
    {TEXT(phu_profile_when_conf, column, "column"), .example = "state",
     .meaning = "another column of the table"},
    {OPTION(phu_profile_when_conf, is, "is"), .type = PHU_OPTION_STRINGS, .fallback = "[]",
     .most = 64, .meaning = "it has one of these words or raw values; none: it has any value"},
    {OPTION(phu_profile_when_conf, is_not, "not"), .type = PHU_OPTION_STRINGS, .fallback = "[]",
     .most = 64,
     .meaning = "instead of is: it has none of these, or the device has no such object"},
};
static const struct phu_option_table when_table =
    PHU_OPTION_TABLE(when_options, struct phu_profile_when_conf);

static const struct phu_option choice_options[] = {
    {TEXT(phu_profile_choice_conf, column, "column"), .fallback = "",
     .meaning = "another column of the table"},
    {OPTION(phu_profile_choice_conf, is, "is"), .type = PHU_OPTION_MAP, .fallback = "{}",
     .most = 256, .meaning = "word or raw value of that column, and the metric then; '' for none"},
};
static const struct phu_option_table choice_table =
    PHU_OPTION_TABLE(choice_options, struct phu_profile_choice_conf);

static const struct phu_option column_options[] = {
    {TEXT(phu_profile_column_conf, name, "name"), .example = "rx",
     .meaning = "unique in the table: small letters, digits and _"},
    {TEXT(phu_profile_column_conf, oid, "oid"), .fallback = "",
     .meaning = "object identifier in numbers, without the index"},
    {TEXT(phu_profile_column_conf, of, "of"), .fallback = "",
     .meaning = "instead of oid: the column whose cell this one reads too, in another way"},
    {TEXT(phu_profile_column_conf, metric, "metric"), .fallback = "",
     .meaning = "of the catalogue, with its measurement, or a family of states"},
    {OPTION(phu_profile_column_conf, use, "use"), .type = PHU_OPTION_CHOICE, .choices = uses,
     .fallback = "value", .meaning = "what the column is for"},
    {OPTION(phu_profile_column_conf, scale, "scale"), .type = PHU_OPTION_NUMBER, .fallback = "1",
     .meaning = "value = raw · scale + offset"},
    {OPTION(phu_profile_column_conf, offset, "offset"), .type = PHU_OPTION_NUMBER, .fallback = "0",
     .meaning = "value = raw · scale + offset"},
    {OPTION(phu_profile_column_conf, or_scale, "or_scale"), .type = PHU_OPTION_NUMBER,
     .fallback = "0", .meaning = "tried when scale gives a value outside range; 0: none"},
    {OPTION(phu_profile_column_conf, bits, "bits"), .type = PHU_OPTION_CHOICE, .choices = bits,
     .fallback = "0", .meaning = "raw is a signed number of so many bits; 0: as it is"},
    {OPTION(phu_profile_column_conf, share_of, "share_of"), .type = PHU_OPTION_STRINGS,
     .fallback = "[]", .most = 8,
     .meaning = "raw becomes per cent of the sum of these columns, before scale and offset"},
    {OPTION(phu_profile_column_conf, mask, "mask"), .type = PHU_OPTION_INT, .fallback = "0",
     .min = "0", .max = "4294967295",
     .meaning = "only these bits of a raw number count, as the sum of their values; 0: all"},
    {TEXT(phu_profile_column_conf, extract, "extract"), .fallback = "",
     .meaning = "POSIX extended expression, case ignored; its first group is taken for the raw "
                "text"},
    {OPTION(phu_profile_column_conf, convert, "convert"), .type = PHU_OPTION_CHOICE,
     .choices = converts, .fallback = "none", .meaning = "from one unit to another"},
    {OPTION(phu_profile_column_conf, none, "none"), .type = PHU_OPTION_STRINGS, .fallback = "[]",
     .most = 64, .meaning = "raw values, numbers or texts, that mean no value"},
    {OPTION(phu_profile_column_conf, range, "range"), .type = PHU_OPTION_STRINGS, .fallback = "[]",
     .most = 2, .meaning = "smallest and largest plausible value; outside there is no value"},
    {OPTION(phu_profile_column_conf, words, "words"), .type = PHU_OPTION_MAP, .fallback = "{}",
     .most = 256, .meaning = "raw value, and the word it stands for; '' means no value"},
    {OPTION(phu_profile_column_conf, when, "when"), .type = PHU_OPTION_LIST, .table = &when_table,
     .fallback = "[]", .most = 8, .meaning = "no value unless all of these hold"},
    {OPTION(phu_profile_column_conf, metric_by, "metric_by"), .type = PHU_OPTION_TABLE,
     .table = &choice_table, .meaning = "instead of metric: another column chooses it"},
    {TEXT(phu_profile_column_conf, si_scale, "si_scale"), .fallback = "",
     .meaning = "column with the SI prefix: 8 milli, 9 units, 10 kilo … (RFC 3433)"},
    {TEXT(phu_profile_column_conf, decimals, "decimals"), .fallback = "",
     .meaning = "column with the number of decimals (RFC 3433)"},
};
static const struct phu_option_table column_table =
    PHU_OPTION_TABLE(column_options, struct phu_profile_column_conf);

/* -- tables ----------------------------------------------------------------------------------- */

const char *const phu_profile_measurements[] = {"signal", "optics", "pon",    "radio",
                                                "power",  "sensor", "device", NULL};

static const char *const emits[] = {
    [PHU_EMIT_ALL] = "all",
    [PHU_EMIT_BOUND] = "bound",
    [PHU_EMIT_NONE] = "none",
    NULL,
};

static const struct phu_option sum_options[] = {
    {TEXT(phu_profile_sum_conf, column, "column"), .example = "state",
     .meaning = "a column of the table"},
    {TEXT(phu_profile_sum_conf, to, "to"), .example = "pon.onus",
     .meaning = "states: the family whose words are counted; numbers: the metric that takes each"},
};
static const struct phu_option_table sum_table =
    PHU_OPTION_TABLE(sum_options, struct phu_profile_sum_conf);

static const struct phu_option rollup_options[] = {
    {TEXT(phu_profile_rollup_conf, tag, "tag"), .fallback = "",
     .meaning = "tag of the rows that the rows of the table are added up in"},
    {TEXT(phu_profile_rollup_conf, row, "row"), .fallback = "",
     .meaning = "template of their names"},
    {OPTION(phu_profile_rollup_conf, sums, "sums"), .type = PHU_OPTION_LIST, .table = &sum_table,
     .fallback = "[]", .most = 16, .meaning = "what is added up"},
};
static const struct phu_option_table rollup_table =
    PHU_OPTION_TABLE(rollup_options, struct phu_profile_rollup_conf);

static const struct phu_option table_options[] = {
    {TEXT(phu_profile_table_conf, name, "name"), .example = "onus",
     .meaning = "unique in the profile and what it includes"},
    {OPTION(phu_profile_table_conf, is_scalar, "scalars"), .type = PHU_OPTION_BOOL,
     .fallback = "false",
     .meaning = "the columns are scalars, written without their final .0; there is one row"},
    {OPTION(phu_profile_table_conf, is_exact, "exact"), .type = PHU_OPTION_BOOL,
     .fallback = "false",
     .meaning = "rows are found by the first column alone, and all else is asked for by its whole "
                "name, so that what stands behind a column is never sent: for tables with IMEI, "
                "IMSI, ICCID or telephone numbers in them"},
    {OPTION(phu_profile_table_conf, measurement, "measurement"), .type = PHU_OPTION_CHOICE,
     .choices = phu_profile_measurements, .example = "optics",
     .meaning = "what its rows are points of"},
    {TEXT(phu_profile_table_conf, tag, "tag"), .fallback = "",
     .meaning = "tag of its rows; none with scalars, and with measurement device"},
    {TEXT(phu_profile_table_conf, row, "row"), .fallback = "",
     .meaning = "template of a row's name; {1..}, the whole index, where it is left out"},
    {TEXT(phu_profile_table_conf, every, "every"), .fallback = "fast",
     .meaning = "fast: each poll; slow and static: as the check says; or a duration"},
    {OPTION(phu_profile_table_conf, emit, "emit"), .type = PHU_OPTION_CHOICE, .choices = emits,
     .fallback = "all",
     .meaning = "which rows have points: all, those that serve an endpoint, none"},
    {OPTION(phu_profile_table_conf, rollup, "rollup"), .type = PHU_OPTION_TABLE,
     .table = &rollup_table, .meaning = "rows are added up into rows of another kind"},
    {OPTION(phu_profile_table_conf, columns, "columns"), .type = PHU_OPTION_LIST,
     .table = &column_table, .unique = "name", .most = PHU_PROFILE_COLUMNS_MAX, .fallback = "[]",
     .meaning = "its columns"},
};
static const struct phu_option_table table_table =
    PHU_OPTION_TABLE(table_options, struct phu_profile_table_conf);

/* -- The file --------------------------------------------------------------------------------- */

static const struct phu_option options[] = {
    {TEXT(phu_profile_conf, name, "name"), .example = "example-olt",
     .meaning = "letters, digits and hyphens; what snmp:NAME in the inventory forces"},
    {TEXT(phu_profile_conf, summary, "summary"), .example = "Example OLT 100 and 200",
     .meaning = "what it is for, in one line"},
    {OPTION(phu_profile_conf, match, "match"), .type = PHU_OPTION_LIST, .table = &match_table,
     .fallback = "[]", .most = 256,
     .meaning = "devices that it fits, any one suffices; none: only included or forced"},
    {OPTION(phu_profile_conf, includes, "includes"), .type = PHU_OPTION_STRINGS, .fallback = "[]",
     .most = 16, .meaning = "profiles whose tables are polled as well"},
    {OPTION(phu_profile_conf, has_interfaces, "interfaces"), .type = PHU_OPTION_BOOL,
     .fallback = "true", .meaning = "IF-MIB is polled as well: traffic, errors, status"},
    {OPTION(phu_profile_conf, care, "care"), .type = PHU_OPTION_TABLE, .table = &care_table,
     .meaning = "how much the device can bear"},
    {OPTION(phu_profile_conf, tables, "tables"), .type = PHU_OPTION_LIST, .table = &table_table,
     .fallback = "[]", .unique = "name", .most = 64, .meaning = "what is read"},
};
const struct phu_option_table phu_profile_options = {
    .options = options,
    .count = sizeof options / sizeof *options,
    .size = sizeof(struct phu_profile_conf),
    .manual = "docs/profiles.md",
    .is_alone = true,
};
