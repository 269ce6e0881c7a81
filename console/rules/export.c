/* Rules as a file for Prometheus. */
#include "rules/rule.h"
#include "rules/template.h"

#include <errno.h>
#include <stdio.h>

/* In double quotes, as YAML has them. */
static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            fprintf(out, "\\x%02x", (unsigned)(unsigned char)*text);
        else
            fputc(*text, out);
    }
    fputs("\"\n", out);
}

static void put_labels(struct phu_rule_arena *arena, FILE *out, const char *name,
                       const struct phu_rule *rule, const struct phu_rule_label *labels,
                       size_t count)
{
    if (count)
        fprintf(out, "    %s:\n", name);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "      %s: ", labels[i].name);
        put_text(out, phu_template_export(arena, labels[i].text, rule));
    }
}

static void put_rule(struct phu_rule_arena *arena, FILE *out, const struct phu_rule *rule)
{
    fprintf(out, "  - alert: %s\n    expr: ", rule->alert);
    put_text(out, rule->expr);
    if (rule->for_ns)
        fprintf(out, "    for: %s\n", phu_promql_duration(arena, rule->for_ns));
    if (rule->keep_firing_for_ns)
        fprintf(out, "    keep_firing_for: %s\n",
                phu_promql_duration(arena, rule->keep_firing_for_ns));
    put_labels(arena, out, "labels", rule, rule->labels, rule->label_count);
    put_labels(arena, out, "annotations", rule, rule->annotations, rule->annotation_count);
}

int phu_rules_export(const struct phu_rules *rules, FILE *out)
{
    struct phu_rule_arena arena = {0};
    const char *group = NULL;

    fputs("# Written by \"phusong rules export --prometheus\"; change the original instead.\n"
          "groups:\n",
          out);
    for (size_t i = 0; i < rules->rule_count; i++) {
        const struct phu_rule *rule = rules->rules[i];

        if (group != rule->group) {
            group = rule->group;
            fputs("- name: ", out);
            put_text(out, group);
            fprintf(out, "  interval: %s\n  rules:\n",
                    phu_promql_duration(&arena, rule->interval_ns));
        }
        put_rule(&arena, out, rule);
    }
    phu_rule_arena_free(&arena);
    return ferror(out) ? -EIO : 0;
}
