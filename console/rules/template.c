/* A template becomes a list of nodes: texts, expressions, and conditions with two lists of their
 * own. An expression is a value and the functions that it is piped through; whether these are
 * numbers or texts is known when the template is read, so nothing can go wrong later.
 */
#include "rules/template.h"

#include "rules/rule.h"

#include "mem.h"

#include "phusong/text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { TEXT, NUMBER, TRUTH };

enum source { LABEL, VALUE, FIELD, STRING };

enum function { PRINTF, HUMANIZE, HUMANIZE_1024, HUMANIZE_DURATION, HUMANIZE_PERCENTAGE };

static const char *const function_names[] = {
    [PRINTF] = "printf",
    [HUMANIZE] = "humanize",
    [HUMANIZE_1024] = "humanize1024",
    [HUMANIZE_DURATION] = "humanizeDuration",
    [HUMANIZE_PERCENTAGE] = "humanizePercentage",
};
enum { FUNCTIONS = sizeof function_names / sizeof *function_names };

struct call {
    enum function function;
    const char *format; /* PRINTF: "before%.1fafter" */
    struct call *next;
};

struct operand {
    enum source source;
    const char *text; /* LABEL, FIELD: name; STRING: itself */
    size_t field;
};

struct expression {
    struct operand operand;
    const char *rest; /* source text from the first | on, or "" */
    struct call *calls;
    /* of a condition: eq, ne with what follows */
    bool is_compared, is_negated;
    struct operand other;
};

struct phu_template {
    const char *text;        /* of a text node; or the source of the expression or the if */
    struct expression *expr; /* NULL: text */
    bool is_if;
    struct phu_template *then, *otherwise, *next;
};

/* -- Reading ---------------------------------------------------------------------------------- */

struct reader {
    struct phu_rule_arena *arena;
    const char *at;
    phu_template_field_cb *field;
    void *arg;
    char *why;
    size_t why_size, depth;
    bool is_bad, is_trimming; /* -}}: the next text loses its leading blanks */
};

__attribute__((format(printf, 2, 3))) static void mistake(struct reader *r, const char *format, ...)
{
    va_list args;

    if (r->is_bad)
        return;
    r->is_bad = true;
    va_start(args, format);
    vsnprintf(r->why, r->why_size, format, args);
    va_end(args);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(const char **at)
{
    while (is_blank(**at))
        (*at)++;
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The next word: a name, $labels.x, $value, |, or "" at the end. Strings are read elsewhere. */
static const char *word(struct reader *r, const char **at)
{
    const char *start;

    skip_blanks(at);
    start = *at;
    if (**at == '|') {
        (*at)++;
    } else {
        while (is_name_char(**at) || **at == '$' || **at == '.')
            (*at)++;
    }
    return phu_rule_arena_text(r->arena, start, (size_t)(*at - start));
}

/* A string in double quotes or backquotes; NULL when there is none. */
static const char *quoted(struct reader *r, const char **at)
{
    const char *start;
    char *text;
    size_t length = 0;

    skip_blanks(at);
    start = *at;
    if (*start != '"' && *start != '`')
        return NULL;
    text = phu_rule_arena_take(r->arena, strlen(start) + 1, 1);
    for ((*at)++; **at && **at != *start; (*at)++) {
        if (**at == '\\' && *start == '"') {
            (*at)++;
            if (**at != '"' && **at != '\\' && **at != 'n') {
                mistake(r, "in a quoted text write \\\\, \\\" or \\n only");
                return NULL;
            }
            text[length++] = **at == 'n' ? '\n' : **at;
        } else {
            text[length++] = **at;
        }
    }
    if (!**at) {
        mistake(r, "a quote inside {{ }} is not closed");
        return NULL;
    }
    (*at)++;
    return text;
}

static enum type type_of(const struct operand *operand)
{
    return operand->source == VALUE || operand->source == FIELD ? NUMBER : TEXT;
}

static void read_field(struct reader *r, const char **at, struct operand *out)
{
    int field;

    out->source = FIELD;
    out->text = quoted(r, at);
    if (!out->text) {
        mistake(r, "write field \"NAME\" with the name in quotes");
        return;
    }
    field = r->field ? r->field(r->arg, out->text) : -1;
    if (field < 0)
        mistake(r,
                "field \"%.60s\" cannot be looked up here; field is for annotations of rules "
                "with the condition state or event",
                out->text);
    out->field = field < 0 ? 0 : (size_t)field;
}

static void read_operand(struct reader *r, const char **at, struct operand *out)
{
    const char *name;

    *out = (struct operand){.source = STRING, .text = quoted(r, at)};
    if (out->text || r->is_bad)
        return;
    name = word(r, at);
    if (strncmp(name, "$labels.", 8) == 0 && name[8] && !strchr(name + 8, '.') &&
        !strchr(name + 8, '$')) {
        *out = (struct operand){.source = LABEL, .text = name + 8};
    } else if (strcmp(name, "$value") == 0) {
        *out = (struct operand){.source = VALUE};
        if (!r->field)
            mistake(r, "$value changes, and with it the alert would become another one; use it in "
                       "annotations only");
    } else if (strcmp(name, "field") == 0) {
        read_field(r, at, out);
    } else {
        mistake(r,
                "\"%.60s\" is not known; there are $labels.NAME, $value, field \"NAME\", texts in "
                "quotes, if, else and end",
                *name ? name : *at);
    }
}

/* Exactly one verb, and one that suits the type. */
static void check_format(struct reader *r, const char *format, enum type type)
{
    int verbs = 0;

    for (; *format; format++) {
        if (*format != '%')
            continue;
        if (*++format == '%')
            continue;
        if (*format == '.') {
            format++;
            while (isdigit((unsigned char)*format))
                format++;
        }
        verbs++;
        if (!*format || !strchr(type == NUMBER ? "fegv" : "sv", *format)) {
            mistake(r, "this printf needs %s", type == NUMBER ? "%f, %e, %g or %v" : "%s or %v");
            return;
        }
        if (type == TEXT && format[-1] != '%') {
            mistake(r, "printf cannot shorten texts");
            return;
        }
    }
    if (verbs != 1)
        mistake(r, "printf takes one value, such as printf \"%%.1f\"");
}

static enum type read_call(struct reader *r, const char **at, const char *name, enum type type,
                           struct call **link)
{
    struct phu_guess guess = {.word = name};
    struct call *call = phu_rule_arena_take(r->arena, 1, sizeof *call);
    size_t i = 0;

    while (i < FUNCTIONS && strcmp(function_names[i], name) != 0)
        phu_guess_offer(&guess, function_names[i++]);
    if (i == FUNCTIONS) {
        mistake(r,
                "function \"%.60s\" is not known%s%s; there are printf, humanize, humanize1024, "
                "humanizeDuration and humanizePercentage",
                name, guess.nearest ? ", did you mean " : "", guess.nearest ? guess.nearest : "");
        return type;
    }
    *call = (struct call){.function = (enum function)i};
    *link = call;
    if (call->function == PRINTF) {
        call->format = quoted(r, at);
        if (!call->format)
            mistake(r, "printf needs its format in quotes");
        else
            check_format(r, call->format, type);
    } else if (type != NUMBER) {
        mistake(r, "%s needs a number", name);
    }
    return TEXT;
}

static void read_pipes(struct reader *r, const char **at, struct expression *expr, enum type type)
{
    struct call **link = &expr->calls;

    skip_blanks(at);
    expr->rest = phu_rule_arena_text(r->arena, *at, strlen(*at));
    while (!r->is_bad) {
        const char *name = word(r, at);

        if (!*name && !**at)
            return;
        if (strcmp(name, "|") != 0) {
            mistake(r, "\"%.60s\" was not expected; functions are written behind |",
                    *name ? name : *at);
            return;
        }
        type = read_call(r, at, word(r, at), type, link);
        if (*link)
            link = &(*link)->next;
    }
}

/* `printf "%.1f" $value` and `humanize $value` are as good as pipes. */
static bool read_prefix(struct reader *r, const char **at, struct expression *expr)
{
    const char *start = *at, *name = word(r, at);
    struct reader ahead;
    const char *behind;

    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (strcmp(name, function_names[i]) != 0)
            continue;
        ahead = *r;
        behind = *at;
        if (i == PRINTF && !quoted(r, &behind))
            break;
        read_operand(&ahead, &behind, &expr->operand);
        if (ahead.is_bad || expr->operand.source == FIELD) {
            mistake(r, "write field \"NAME\" | %s", name);
            return true;
        }
        read_call(r, at, name, type_of(&expr->operand), &expr->calls);
        *at = behind;
        skip_blanks(at);
        if (**at)
            mistake(r, "\"%.60s\" was not expected behind %s", *at, name);
        expr->rest = "";
        return true;
    }
    *at = start;
    return false;
}

static struct expression *read_expression(struct reader *r, const char *source)
{
    struct expression *expr = phu_rule_arena_take(r->arena, 1, sizeof *expr);

    if (read_prefix(r, &source, expr))
        return expr;
    read_operand(r, &source, &expr->operand);
    if (!r->is_bad)
        read_pipes(r, &source, expr, type_of(&expr->operand));
    return expr;
}

static struct expression *read_condition(struct reader *r, const char *source)
{
    struct expression *expr = phu_rule_arena_take(r->arena, 1, sizeof *expr);
    const char *start = source, *name = word(r, &source);

    expr->rest = "";
    expr->is_negated = strcmp(name, "ne") == 0;
    expr->is_compared = expr->is_negated || strcmp(name, "eq") == 0;
    if (!expr->is_compared)
        source = start;
    read_operand(r, &source, &expr->operand);
    if (expr->is_compared && !r->is_bad)
        read_operand(r, &source, &expr->other);
    skip_blanks(&source);
    if (*source)
        mistake(r, "\"%.60s\" was not expected in a condition", source);
    else if (expr->operand.source == FIELD || expr->other.source == FIELD)
        mistake(r, "a condition cannot look at a field");
    else if (expr->is_compared &&
             (type_of(&expr->operand) == NUMBER || type_of(&expr->other) == NUMBER))
        mistake(r, "eq and ne compare texts");
    return expr;
}

/* What stands inside the next {{ }}, without blanks and dashes; r->at behind it. NULL: text. */
static const char *action(struct reader *r, bool *trims_before)
{
    const char *start = r->at + 2, *end = start;
    char quote = '\0';

    for (; *end && (quote || strncmp(end, "}}", 2) != 0); end++) {
        if (quote == '"' && *end == '\\' && end[1])
            end++;
        else if (quote)
            quote = *end == quote ? '\0' : quote;
        else if (*end == '"' || *end == '`')
            quote = *end;
    }
    if (!*end) {
        mistake(r, "{{ is not closed by }}");
        return NULL;
    }
    r->at = end + 2;
    *trims_before = *start == '-' && is_blank(start[1]);
    start += *trims_before;
    r->is_trimming = end > start + 1 && end[-1] == '-' && is_blank(end[-2]);
    end -= r->is_trimming;
    skip_blanks(&start);
    while (end > start && is_blank(end[-1]))
        end--;
    return phu_rule_arena_text(r->arena, start, end > start ? (size_t)(end - start) : 0);
}

static struct phu_template *add(struct reader *r, struct phu_template ***tail,
                                struct phu_template node)
{
    struct phu_template *kept = phu_rule_arena_take(r->arena, 1, sizeof *kept);

    *kept = node;
    **tail = kept;
    *tail = &kept->next;
    return kept;
}

static void add_text(struct reader *r, struct phu_template ***tail, size_t length, bool trims_end)
{
    const char *start = r->at, *end = start + length;

    r->at = end;
    while (r->is_trimming && start < end && is_blank(*start))
        start++;
    while (trims_end && end > start && is_blank(end[-1]))
        end--;
    r->is_trimming = false;
    if (end > start)
        add(r, tail,
            (struct phu_template){.text =
                                      phu_rule_arena_text(r->arena, start, (size_t)(end - start))});
}

static bool starts_with_word(const char *text, const char *name)
{
    size_t length = strlen(name);

    return strncmp(text, name, length) == 0 && !is_name_char(text[length]);
}

/* Reads up to the end, or the {{ else }} or {{ end }} that is not of an if inside; returns it. */
static const char *read_list(struct reader *r, struct phu_template **list);

static void read_if(struct reader *r, struct phu_template ***tail, const char *condition)
{
    struct phu_template *node = add(r, tail, (struct phu_template){.is_if = true});
    const char *ended;

    node->text = condition;
    node->expr = read_condition(r, condition);
    if (r->depth++ == PHU_TEMPLATE_DEPTH)
        mistake(r, "if is nested deeper than %d levels", PHU_TEMPLATE_DEPTH);
    ended = r->is_bad ? "" : read_list(r, &node->then);
    if (starts_with_word(ended, "else") && !r->is_bad) {
        struct phu_template **inner = &node->otherwise;
        const char *rest = ended + 4;

        skip_blanks(&rest);
        if (starts_with_word(rest, "if"))
            read_if(r, &inner, rest + 2); /* shares the end */
        else if (*rest)
            mistake(r, "\"%.60s\" was not expected behind else", rest);
        else
            ended = read_list(r, &node->otherwise);
        if (starts_with_word(ended, "else") && !*rest)
            mistake(r, "a second else");
    }
    if (!*ended)
        mistake(r, "{{ if }} without {{ end }}");
    r->depth--;
}

static const char *read_list(struct reader *r, struct phu_template **list)
{
    struct phu_template **tail = list;

    while (*r->at && !r->is_bad) {
        const char *brace = strstr(r->at, "{{"), *inside;
        size_t length = brace ? (size_t)(brace - r->at) : strlen(r->at);
        struct reader ahead = *r;
        bool trims_before = false;

        if (!brace) {
            add_text(r, &tail, length, false);
            break;
        }
        ahead.at = brace;
        inside = action(&ahead, &trims_before);
        if (!inside) {
            r->is_bad = true;
            break;
        }
        add_text(r, &tail, length, trims_before);
        r->at = ahead.at;
        r->is_trimming = ahead.is_trimming;
        if (starts_with_word(inside, "end") || starts_with_word(inside, "else"))
            return inside;
        if (starts_with_word(inside, "if"))
            read_if(r, &tail, inside + 2);
        else
            add(r, &tail,
                (struct phu_template){.text = inside, .expr = read_expression(r, inside)});
    }
    return "";
}

struct phu_template *phu_template_read(struct phu_rule_arena *arena, const char *text,
                                       phu_template_field_cb *field, void *arg, char *why,
                                       size_t why_size)
{
    struct reader r = {
        .arena = arena, .at = text, .field = field, .arg = arg, .why = why, .why_size = why_size};
    struct phu_template *list = NULL;

    if (strlen(text) > PHU_TEMPLATE_MAX)
        mistake(&r, "longer than %d bytes", PHU_TEMPLATE_MAX);
    else if (*read_list(&r, &list))
        mistake(&r, "{{ end }} or {{ else }} without {{ if }}");
    if (r.is_bad)
        return NULL;
    return list ? list : phu_rule_arena_take(arena, 1, sizeof *list);
}

const char *phu_template_constant(const struct phu_template *tree)
{
    if (tree->expr || tree->next)
        return NULL;
    return tree->text ? tree->text : "";
}

/* -- Expanding -------------------------------------------------------------------------------- */

struct output {
    char *text;
    size_t length;
};

static void put(struct output *out, const char *text)
{
    size_t length = strlen(text);

    if (length > PHU_TEMPLATE_MAX - out->length)
        length = phu_text_valid(text, PHU_TEMPLATE_MAX - out->length);
    memcpy(out->text + out->length, text, length);
    out->length += length;
}

enum { NUMBER_SIZE = 400 };

/* %.4g with a prefix. */
static void print_scaled(char *text, double value, const char *prefix, const char *unit)
{
    if (isnan(value) || isinf(value))
        snprintf(text, NUMBER_SIZE, "%s%s%s",
                 isnan(value) ? "NaN"
                 : value > 0  ? "+Inf"
                              : "-Inf",
                 prefix, unit);
    else
        snprintf(text, NUMBER_SIZE, "%.4g%s%s", value, prefix, unit);
}

static const char *scale_up(double *value, double step, const char *const prefixes[8])
{
    const char *prefix = "";

    for (size_t i = 0; i < 8 && fabs(*value) >= step; i++) {
        prefix = prefixes[i];
        *value /= step;
    }
    return prefix;
}

static const char *scale_down(double *value)
{
    static const char *const prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
    const char *prefix = "";

    for (size_t i = 0; i < 8 && fabs(*value) < 1; i++) {
        prefix = prefixes[i];
        *value *= 1000;
    }
    return prefix;
}

static void humanize(char *text, double value, bool is_binary)
{
    static const char *const decimal[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
    static const char *const binary[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    const char *prefix = "";

    if (value == 0 || isnan(value) || isinf(value))
        prefix = "";
    else if (is_binary)
        prefix = fabs(value) > 1 ? scale_up(&value, 1024, binary) : "";
    else
        prefix = fabs(value) >= 1 ? scale_up(&value, 1000, decimal) : scale_down(&value);
    print_scaled(text, value, prefix, "");
}

static void humanize_duration(char *text, double value)
{
    const char *prefix;
    long long whole;
    int used = 0;

    if (isnan(value) || isinf(value)) {
        print_scaled(text, value, "", "");
        return;
    }
    if (value == 0 || fabs(value) < 1) {
        prefix = value == 0 ? "" : scale_down(&value);
        print_scaled(text, value, prefix, "s");
        return;
    }
    if (value < 0)
        used = snprintf(text, NUMBER_SIZE, "-");
    value = fabs(value);
    text += used;
    whole = value < 9e18 ? (long long)value : INT64_MAX;
    if (whole >= 86400)
        snprintf(text, NUMBER_SIZE - 1, "%lldd %lldh %lldm %llds", whole / 86400, whole / 3600 % 24,
                 whole / 60 % 60, whole % 60);
    else if (whole >= 3600)
        snprintf(text, NUMBER_SIZE - 1, "%lldh %lldm %llds", whole / 3600, whole / 60 % 60,
                 whole % 60);
    else if (whole >= 60)
        snprintf(text, NUMBER_SIZE - 1, "%lldm %llds", whole / 60, whole % 60);
    else
        snprintf(text, NUMBER_SIZE - 1, "%.4gs", value);
}

static void print_verb(char *text, const char *verb, size_t length, double value)
{
    int precision = verb[1] == '.' ? atoi(verb + 2) : -1; /* NOLINT(cert-err34-c): digits */
    int digits = precision < 0 ? 6 : precision > 30 ? 30 : precision;

    if (verb[length - 1] == 'v' || (verb[length - 1] == 'g' && precision < 0) || isnan(value) ||
        isinf(value))
        phu_number_print(text, value);
    else if (verb[length - 1] == 'f')
        snprintf(text, NUMBER_SIZE, "%.*f", digits, value);
    else if (verb[length - 1] == 'e')
        snprintf(text, NUMBER_SIZE, "%.*e", digits, value);
    else
        snprintf(text, NUMBER_SIZE, "%.*g", digits, value);
}

static void print_format(struct output *out, const char *format, const char *text, double value,
                         bool is_number)
{
    char number[NUMBER_SIZE], one[2] = "";

    for (; *format; format++) {
        const char *start = format;

        one[0] = *format;
        if (*format != '%' || format[1] == '%') {
            put(out, one);
            format += *format == '%';
            continue;
        }
        format += 1 + strspn(format + 1, ".0123456789");
        if (is_number) {
            print_verb(number, start, (size_t)(format - start) + 1, value);
            text = number;
        }
        put(out, text);
    }
}

/* Text of an operand; of numbers the number. False: there is none, and nothing is to be said. */
static bool look_up(const struct operand *operand, const struct phu_template_values *values,
                    const char **text, double *number)
{
    *text = "";
    switch (operand->source) {
    case LABEL:
        *text = values->label(values->arg, operand->text);
        return true;
    case STRING:
        *text = operand->text ? operand->text : "";
        return true;
    case VALUE:
        *number = values->value;
        return true;
    case FIELD:
        return values->field(values->arg, operand->field, number);
    }
    return false;
}

/* The result is a text in `made`, whose room is `size`. */
static void apply(const struct call *call, struct output *out, const char *text, double number,
                  bool is_number)
{
    char buffer[NUMBER_SIZE];

    switch (call->function) {
    case PRINTF:
        print_format(out, call->format, text, number, is_number);
        return;
    case HUMANIZE:
    case HUMANIZE_1024:
        humanize(buffer, number, call->function == HUMANIZE_1024);
        break;
    case HUMANIZE_DURATION:
        humanize_duration(buffer, number);
        break;
    case HUMANIZE_PERCENTAGE:
        print_scaled(buffer, number * 100, "", "%");
        break;
    }
    put(out, buffer);
}

static void expand_expression(const struct expression *expr, struct output *out,
                              const struct phu_template_values *values)
{
    struct output made = {phu_mem_alloc(PHU_TEMPLATE_MAX + 1, 1), 0};
    bool is_number = type_of(&expr->operand) == NUMBER;
    char number_text[PHU_NUMBER_TEXT];
    const char *text;
    double number = 0;

    if (look_up(&expr->operand, values, &text, &number)) {
        if (is_number) {
            phu_number_print(number_text, number);
            text = number_text;
        }
        put(&made, text);
        for (const struct call *call = expr->calls; call; call = call->next) {
            struct output next = {phu_mem_alloc(PHU_TEMPLATE_MAX + 1, 1), 0};

            apply(call, &next, made.text, number, is_number);
            next.text[next.length] = '\0';
            free(made.text);
            made = next;
            is_number = false;
        }
        made.text[made.length] = '\0';
        put(out, made.text);
    }
    free(made.text);
}

static bool is_true(const struct expression *expr, const struct phu_template_values *values)
{
    const char *text, *other;
    double number = 0;

    if (!look_up(&expr->operand, values, &text, &number))
        return false;
    if (!expr->is_compared)
        return type_of(&expr->operand) == NUMBER ? number != 0 : *text != '\0';
    look_up(&expr->other, values, &other, &number);
    return (strcmp(text, other) == 0) != expr->is_negated;
}

static void expand(const struct phu_template *node, struct output *out,
                   const struct phu_template_values *values)
{
    for (; node; node = node->next) {
        if (node->is_if)
            expand(is_true(node->expr, values) ? node->then : node->otherwise, out, values);
        else if (node->expr)
            expand_expression(node->expr, out, values);
        else if (node->text)
            put(out, node->text);
    }
}

char *phu_template_expand(const struct phu_template *tree, const struct phu_template_values *values)
{
    struct output out = {phu_mem_alloc(PHU_TEMPLATE_MAX + 1, 1), 0};
    char *fit;

    expand(tree, &out, values);
    fit = phu_mem_strndup(out.text, out.length);
    free(out.text);
    return fit;
}

/* -- Exporting -------------------------------------------------------------------------------- */

static const char *export_list(struct phu_rule_arena *arena, const struct phu_template *node,
                               const struct phu_rule *rule)
{
    const char *all = "";

    for (; node; node = node->next) {
        if (node->is_if && node->otherwise)
            all = phu_rule_arena_print(arena, "%s{{ if%s }}%s{{ else }}%s{{ end }}", all,
                                       node->text, export_list(arena, node->then, rule),
                                       export_list(arena, node->otherwise, rule));
        else if (node->is_if)
            all = phu_rule_arena_print(arena, "%s{{ if%s }}%s{{ end }}", all, node->text,
                                       export_list(arena, node->then, rule));
        else if (node->expr && node->expr->operand.source == FIELD)
            all = phu_rule_arena_print(
                arena, "%s%s", all,
                phu_promql_lookup(arena, rule, node->expr->operand.text, node->expr->rest));
        else if (node->expr)
            all = phu_rule_arena_print(arena, "%s{{ %s }}", all, node->text);
        else if (node->text)
            all = phu_rule_arena_print(arena, "%s%s", all, node->text);
    }
    return all;
}

const char *phu_template_export(struct phu_rule_arena *arena, const struct phu_template *tree,
                                const struct phu_rule *rule)
{
    return export_list(arena, tree, rule);
}
