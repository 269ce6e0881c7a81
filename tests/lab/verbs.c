/* What a running lab answers to each verb that comes over its control socket. */
#include "lab.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void refuse(struct lab_reply *reply, const char *text)
{
    fprintf(reply->out, "%s\n", text);
    reply->is_refused = true;
}

int lab_check_target(const struct lab *lab, const struct lab_statement *statement,
                     struct lab_error *err)
{
    const struct lab_prefix *wanted = &statement->target.prefix;
    char text[LAB_PREFIX_TEXT];

    if (statement->clears_all)
        return 0;
    for (size_t i = 0; i < lab->options.net.prefix_count; i++) {
        const struct lab_prefix *prefix = &lab->options.net.prefixes[i];

        if (lab_prefix_covers(prefix, &wanted->addr) || lab_prefix_covers(wanted, &prefix->addr))
            return 0;
    }
    return lab_fail(err, "%s is not in the district: see phusong-lab show",
                    lab_prefix_format(wanted, text));
}

static void warn_still_down(struct lab *lab, const struct lab_prefix *prefix,
                            struct lab_reply *reply)
{
    struct lab_prefix by;
    char text[LAB_PREFIX_TEXT];
    char by_text[LAB_PREFIX_TEXT];

    if (lab_rules_down_by(lab->rules, &prefix->addr, &by))
        fprintf(reply->out, "%s is still down, for %s is\n", lab_prefix_format(prefix, text),
                lab_prefix_format(&by, by_text));
}

static void handle_statement(struct lab *lab, char **words, int count, struct lab_reply *reply)
{
    struct lab_statement statement;
    struct lab_error err;
    char text[LAB_LINE_MAX];
    int error = lab_statement_parse(words, count, &statement, &err);

    if (error == 0 && statement.target.pick_length)
        error = lab_fail(&err, "pick: belongs into a scenario; name the prefix itself");
    if (error == 0)
        error = lab_check_target(lab, &statement, &err);
    if (error == 0 && lab_rules_apply(lab->rules, &statement, &statement.target.prefix, 0) < 0)
        error = lab_fail(&err, "more than %d prefixes", LAB_RULES_MAX);
    if (error < 0) {
        refuse(reply, err.text);
        return;
    }
    lab_event(lab, "%s", lab_statement_format(&statement, text, sizeof(text)));
    if (statement.is_clear && !statement.clears_all && statement.attrs == 1u << LAB_ATTR_DOWN)
        warn_still_down(lab, &statement.target.prefix, reply);
}

/* All or nothing: nothing is applied when a line is wrong. */
static void handle_apply(struct lab *lab, char **words, int count, struct lab_reply *reply)
{
    struct lab_steps steps = {0};
    struct lab_error err;
    int64_t now_ns = lab_now();
    int error = count == 2 ? lab_steps_parse(words[1], strlen(words[1]), &steps, &err)
                           : lab_fail(&err, "apply takes one text");

    for (size_t i = 0; error == 0 && i < steps.count; i++) {
        struct lab_error why;

        if (lab_check_target(lab, &steps.items[i].statement, &why) < 0)
            error = lab_fail(&err, "line %u: %.200s", steps.items[i].line, why.text);
    }
    for (size_t i = 0; error == 0 && i < steps.count; i++)
        error = lab_player_add(lab->player, &steps.items[i], now_ns);
    if (error == -ENOSPC || error == -ENOMEM)
        lab_fail(&err, "too many steps");
    if (error < 0)
        refuse(reply, err.text);
    else
        lab_player_run(lab->player, now_ns);
    lab_steps_fini(&steps);
}

struct show {
    FILE *out;
    bool is_json;
    bool is_later;
};

static void show_rule(void *context, const struct lab_statement *statement, bool is_passing)
{
    struct show *show = context;
    char text[LAB_LINE_MAX];

    lab_statement_format(statement, text, sizeof(text));
    if (show->is_json)
        fprintf(show->out, "%s\n    {\"rule\": \"%s\", \"passing\": %s}", show->is_later ? "," : "",
                text, is_passing ? "true" : "false");
    else
        fprintf(show->out, "  %s%s\n", text, is_passing ? "    (passing)" : "");
    show->is_later = true;
}

static void show_prefixes(const struct lab *lab, FILE *out, const char *quote, const char *between)
{
    char text[LAB_PREFIX_TEXT];
    bool is_later = false;

    for (size_t i = 0; i < lab->options.net.prefix_count; i++) {
        const struct lab_prefix *prefix = &lab->options.net.prefixes[i];

        if (lab->has_net && !lab->net.has_v6 && !lab_prefix_is_v4(prefix))
            continue;
        fprintf(out, "%s%s%s%s", is_later ? between : "", quote, lab_prefix_format(prefix, text),
                quote);
        is_later = true;
    }
}

static void show_ports(const struct lab *lab, FILE *out, const char *between)
{
    for (size_t i = 0; i < lab->options.serve.count; i++)
        fprintf(out, "%s%u", i ? between : "", lab->options.serve.ports[i]);
}

static void show_json(struct lab *lab, FILE *out)
{
    struct show show = {.out = out, .is_json = true};
    const struct lab_totals *totals = &lab->board->totals;

    fprintf(out,
            "{\n  \"mode\": \"%s\",\n  \"impairments\": %s,\n  \"pid\": %d,\n  \"state\": \"%s\",\n"
            "  \"seed\": %" PRIu64 ",\n  \"uptime_s\": %.3f,\n  \"ipv6\": %s,\n"
            "  \"agent_netns\": %s,\n  \"agent_interface\": \"%s\",\n  \"realtime\": %s,\n"
            "  \"stamps\": %s,\n",
            lab->has_net ? "tun" : "loopback", lab->has_net ? "true" : "false", (int)getpid(),
            lab->state.directory, lab->options.seed, (double)(lab_now() - lab->started_ns) * 1e-9,
            lab->has_net && lab->net.has_v6 ? "true" : "false",
            lab->options.net.own_agent_ns ? "true" : "false",
            lab->has_net ? lab->net.sides[LAB_FROM].name : "lo",
            lab->is_realtime ? "true" : "false",
            lab->has_net && lab->net.stamps ? "true" : "false");
    fprintf(out, "  \"prefixes\": [");
    show_prefixes(lab, out, "\"", ", ");
    fprintf(out, "],\n  \"serve\": [");
    show_ports(lab, out, ", ");
    fprintf(out,
            "],\n  \"snmpd_pid\": %d,\n  \"queued_packets\": %" PRIu64
            ",\n  \"open_echoes\": %" PRIu64 ",\n  \"overruns\": %" PRIu64 ",\n  \"rules\": [",
            (int)lab->children[LAB_CHILD_SNMPD].pid, totals->queued_packets, totals->open_echoes,
            lab_board_overruns(lab->board));
    lab_rules_each(lab->rules, show_rule, &show);
    fprintf(out, "%s]\n}\n", show.is_later ? "\n  " : "");
}

static void show_text(struct lab *lab, FILE *out)
{
    struct show show = {.out = out};
    const struct lab_totals *totals = &lab->board->totals;

    fprintf(out, "mode      %s\ndistrict  ",
            lab->has_net ? "tun" : "loopback, without impairments");
    show_prefixes(lab, out, "", " ");
    fprintf(out, "\nagent     %s%s\nstate     %s\nseed      %" PRIu64 "\nserve     ",
            lab->has_net ? lab->net.sides[LAB_FROM].name : "lo",
            lab->options.net.own_agent_ns ? " in a namespace of its own" : "", lab->state.directory,
            lab->options.seed);
    show_ports(lab, out, " ");
    fprintf(out,
            "\nsnmpd     %s\nunder way %" PRIu64 " packets, %" PRIu64 " echoes\noverruns  %" PRIu64
            "\nrules\n",
            lab->children[LAB_CHILD_SNMPD].pid ? "running" : "-", totals->queued_packets,
            totals->open_echoes, lab_board_overruns(lab->board));
    lab_rules_each(lab->rules, show_rule, &show);
}

static void handle_show(struct lab *lab, char **words, int count, struct lab_reply *reply)
{
    lab_count_overruns(lab);
    if (count > 1 && strcmp(words[1], "--json") == 0)
        show_json(lab, reply->out);
    else
        show_text(lab, reply->out);
}

/* `fd NAME`: passes a descriptor on, so that the asker does the work: formatting, or entering. */
static void handle_fd(struct lab *lab, char **words, int count, struct lab_reply *reply)
{
    const char *name = count > 1 ? words[1] : "";

    if (strcmp(name, "board") == 0) {
        lab_count_overruns(lab);
        reply->fd = lab->board_fd;
    } else if (strcmp(name, "truth") == 0 && lab->truth) {
        lab_truth_flush(lab->truth);
        reply->fd = lab_truth_fd(lab->truth);
    } else if (strcmp(name, "truth") == 0)
        refuse(reply, "this lab keeps counters alone: start it with --truth full");
    else if (strcmp(name, "log") == 0) {
        fflush(lab->events);
        reply->fd = fileno(lab->events);
    } else if (strcmp(name, "district") == 0)
        reply->fd = lab->has_net ? lab->net.sides[LAB_TO].ns_fd : -1;
    else if (strcmp(name, "agent") == 0)
        reply->fd =
            lab->options.net.own_agent_ns && lab->has_net ? lab->net.sides[LAB_FROM].ns_fd : -1;
    else
        refuse(reply, "no such descriptor");
}

void lab_handle(void *context, char **words, int count, struct lab_reply *reply)
{
    struct lab *lab = context;
    bool is_apply = strcmp(words[0], "apply") == 0;

    if (strcmp(words[0], "show") == 0)
        handle_show(lab, words, count, reply);
    else if (strcmp(words[0], "fd") == 0)
        handle_fd(lab, words, count, reply);
    else if (strcmp(words[0], "stop") == 0)
        lab->is_stopping = true;
    else if (!is_apply && !lab_statement_is_verb(words[0]))
        refuse(reply, "unknown verb");
    else if (!lab->has_net)
        refuse(reply, "this lab runs on loopback addresses, without impairments: "
                      "phusong-lab doctor says why");
    else if (is_apply)
        handle_apply(lab, words, count, reply);
    else
        handle_statement(lab, words, count, reply);
}
