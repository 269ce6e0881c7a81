/* phusong catalog: every measurement and field, for people, programs and docs/metrics.md. */
#include "catalog.h"
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_usage(FILE *out)
{
    fputs("usage: phusong catalog [--json | --markdown] [MEASUREMENT]\n"
          "\n"
          "Prints every measurement, tag and field that an agent can send.\n"
          "\n"
          "  --json      for programs: a list of measurements with their tags (all of them; which\n"
          "              of them name a row, and which tell of an endpoint) and fields\n"
          "  --markdown  as in docs/metrics.md\n"
          "  --help      this text\n",
          out);
}

enum format { TEXT, JSON, MARKDOWN };

struct printer {
    const char *only; /* NULL: all */
    bool is_wanted;   /* the measurement whose fields come now */
    bool was_found;
    json_t *list, *fields;
};

static void choose(struct printer *printer, const struct phu_catalog_measurement *measurement)
{
    printer->is_wanted = !printer->only || strcmp(printer->only, measurement->name) == 0;
    printer->was_found |= printer->is_wanted;
}

/* -- Text ------------------------------------------------------------------------------------ */

static void text_measurement(void *arg, const struct phu_catalog_measurement *measurement)
{
    struct printer *printer = arg;
    const char *blank = printer->was_found ? "\n" : "";

    choose(printer, measurement);
    if (!printer->is_wanted)
        return;
    printf("%s%s: %s\n  tags: %s\n", blank, measurement->name, measurement->meaning,
           measurement->tags);
    if (*measurement->row_tags)
        printf("  named by one of: %s\n", measurement->row_tags);
    if (*measurement->served_tags)
        printf("  where it serves an endpoint: %s\n", measurement->served_tags);
}

static void text_field(void *arg, const struct phu_catalog_field *field)
{
    struct printer *printer = arg;

    if (printer->is_wanted)
        printf("  %-30s %-8s %-6s %-8s %s%s%s%s\n", field->name, field->type, field->unit,
               field->kind, field->meaning, *field->labels ? " [" : "", field->labels,
               *field->labels ? "]" : "");
}

/* -- Markdown -------------------------------------------------------------------------------- */

static void print_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '*')
            putchar('\\');
        putchar(*text);
    }
}

static void markdown_tags(const char *tags, const char *before_last)
{
    while (*tags) {
        size_t length = strcspn(tags, ",|");

        printf("`%.*s`", (int)length, tags);
        tags += length;
        if (!*tags)
            return;
        tags++;
        fputs(strpbrk(tags, ",|") ? ", " : before_last, stdout);
    }
}

static void markdown_measurement(void *arg, const struct phu_catalog_measurement *measurement)
{
    struct printer *printer = arg;
    bool has_label_column = strcmp(measurement->name, "agent") == 0;

    choose(printer, measurement);
    if (!printer->is_wanted)
        return;
    printf("\n## %s\n\n%s.\n\nTags: ", measurement->name, measurement->meaning);
    markdown_tags(measurement->tags, ", ");
    if (strchr(measurement->tags, '|'))
        fputs(" (the last two of devices, in place of `endpoint`, `operator`, `technology`)",
              stdout);
    if (*measurement->row_tags) {
        fputs("; the row's name: ", stdout);
        markdown_tags(measurement->row_tags, " or ");
    }
    if (*measurement->served_tags) {
        fputs("; where it serves an endpoint, `commune` and `hamlet` are the endpoint's, and there "
              "are ",
              stdout);
        markdown_tags(measurement->served_tags, " and ");
    }
    printf("%s.\n\n| field | type | unit | adds up as | meaning |\n"
           "| --- | --- | --- | --- | --- |\n",
           has_label_column ? ", and those named in brackets" : "");
}

static void markdown_field(void *arg, const struct phu_catalog_field *field)
{
    struct printer *printer = arg;

    if (!printer->is_wanted)
        return;
    printf("| `%s` | %s | %s | %s | ", field->name, field->type, field->unit, field->kind);
    print_cell(field->meaning);
    if (*field->labels)
        printf(" [%s]", field->labels);
    puts(" |");
}

/* -- JSON ------------------------------------------------------------------------------------ */

static json_t *split_words(const char *words)
{
    json_t *list = json_array();
    char *copy = strdup(words), *save = NULL;

    if (!list || !copy)
        abort();
    for (char *word = strtok_r(copy, ",| ", &save); word; word = strtok_r(NULL, ",| ", &save))
        json_array_append_new(list, json_string(word));
    free(copy);
    return list;
}

static void json_measurement(void *arg, const struct phu_catalog_measurement *measurement)
{
    struct printer *printer = arg;
    json_t *tags, *row_tags, *served_tags;

    choose(printer, measurement);
    if (!printer->is_wanted)
        return;
    printer->fields = json_array();
    tags = split_words(measurement->tags);
    json_array_extend(tags, row_tags = split_words(measurement->row_tags));
    json_array_extend(tags, served_tags = split_words(measurement->served_tags));
    json_array_append_new(
        printer->list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", measurement->name,
                                 "meaning", measurement->meaning, "tags", tags, "row_tags",
                                 row_tags, "served_tags", served_tags, "fields", printer->fields));
}

static void json_field(void *arg, const struct phu_catalog_field *field)
{
    struct printer *printer = arg;

    if (printer->is_wanted)
        json_array_append_new(printer->fields,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", field->name,
                                        "type", field->type, "unit", field->unit, "kind",
                                        field->kind, "meaning", field->meaning, "labels",
                                        split_words(field->labels)));
}

/* -- The command ----------------------------------------------------------------------------- */

static int print_catalog(enum format format, const char *only)
{
    static const struct phu_catalog_visitor visitors[] = {
        [TEXT] = {text_measurement, text_field, NULL},
        [JSON] = {json_measurement, json_field, NULL},
        [MARKDOWN] = {markdown_measurement, markdown_field, NULL},
    };
    struct phu_catalog_visitor visitor = visitors[format];
    struct printer printer = {.only = only, .list = json_array()};

    visitor.arg = &printer;
    phu_catalog_visit(phu_collectors, &visitor);
    if (format == JSON) {
        json_dumpf(printer.list, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(printer.list);
    if (!printer.was_found) {
        fprintf(stderr,
                "phusong catalog: there is no measurement \"%s\"; without a name all are printed\n",
                only);
        return PHU_EXIT_NOT_FOUND;
    }
    if (fflush(stdout) != 0) {
        fprintf(stderr, "phusong catalog: cannot write: %s\n", strerror(errno));
        return PHU_EXIT_SYSTEM;
    }
    return PHU_EXIT_OK;
}

int phu_cmd_catalog(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"markdown", no_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    enum format format = TEXT;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            format = JSON;
            break;
        case 'm':
            format = MARKDOWN;
            break;
        case 'h':
            print_usage(stdout);
            return PHU_EXIT_OK;
        default:
            print_usage(stderr);
            return PHU_EXIT_USAGE;
        }
    }
    if (argc - optind > 1) {
        print_usage(stderr);
        return PHU_EXIT_USAGE;
    }
    return print_catalog(format, optind < argc ? argv[optind] : NULL);
}
