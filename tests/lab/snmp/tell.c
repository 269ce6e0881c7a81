/* The verbs of a running responder: one row and one function each. */
#include "tell.h"

#include "clock.h"
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 16 };

struct verb {
    const char *name;
    const char *arguments;
    const char *help;
    int least; /* words after the name */
    int most;
    int (*run)(struct lab_tell *tell, char **words, int count, FILE *out, struct lab_error *err);
};

void lab_tell_counts(struct lab_server *server, FILE *out)
{
    const struct lab_counts *counts = lab_server_counts(server);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"requests", counts->requests},
        {"answers", counts->answers},
        {"varbinds", counts->varbinds},
        {"get", counts->gets},
        {"getnext", counts->nexts},
        {"getbulk", counts->bulks},
        {"set", counts->sets},
        {"errors", counts->errors},
        {"bad", counts->bad},
        {"unknown", counts->unknown},
        {"silent", counts->silent},
        {"unsent", counts->unsent},
        {"unsupported_level", counts->reports[LAB_REPORT_LEVEL]},
        {"not_in_time_window", counts->reports[LAB_REPORT_TIME]},
        {"unknown_user", counts->reports[LAB_REPORT_USER]},
        {"unknown_engine", counts->reports[LAB_REPORT_ENGINE]},
        {"wrong_digest", counts->reports[LAB_REPORT_DIGEST]},
        {"decryption_error", counts->reports[LAB_REPORT_DECRYPTION]},
        {"unknown_context", counts->reports[LAB_REPORT_CONTEXT]},
        {"unknown_handler", counts->reports[LAB_REPORT_HANDLER]},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "{", rows[i].name, rows[i].value);
    fprintf(out, "}\n");
}

static int run_stats(struct lab_tell *tell, char **words, int count, FILE *out,
                     struct lab_error *err)
{
    (void)words;
    (void)count;
    (void)err;
    lab_tell_counts(tell->server, out);
    return 0;
}

static int run_stop(struct lab_tell *tell, char **words, int count, FILE *out,
                    struct lab_error *err)
{
    (void)words;
    (void)count;
    (void)out;
    (void)err;
    tell->is_stopping = true;
    return 0;
}

static int set_fault(struct lab_tell *tell, char **words, int count, int64_t now_ns,
                     struct lab_error *err)
{
    if (count >= 3 && strcmp(words[1], "recording") == 0 &&
        !lab_server_recording(tell->server, words[2]))
        return lab_fail(err, "no recording \"%.80s\": load it first", words[2]);
    return lab_faults_tell(lab_server_faults(tell->server), words, count, now_ns, err);
}

static int run_fault(struct lab_tell *tell, char **words, int count, FILE *out,
                     struct lab_error *err)
{
    (void)out;
    return set_fault(tell, words, count, lab_now(), err);
}

int lab_tell_fault(struct lab_tell *tell, const char *text, int64_t now_ns, struct lab_error *err)
{
    char copy[512];
    char *words[WORDS_MAX];
    char *rest = copy;
    char *word;
    int count = 0;

    if (strlen(text) >= sizeof(copy))
        return lab_fail(err, "longer than %zu characters", sizeof(copy) - 1);
    memcpy(copy, text, strlen(text) + 1);
    while (count < WORDS_MAX && (word = strsep(&rest, " \t")))
        if (*word)
            words[count++] = word;
    return set_fault(tell, words, count, now_ns, err);
}

static int run_faults(struct lab_tell *tell, char **words, int count, FILE *out,
                      struct lab_error *err)
{
    (void)words;
    (void)count;
    (void)err;
    lab_faults_print(lab_server_faults(tell->server), out);
    return 0;
}

static int run_clear(struct lab_tell *tell, char **words, int count, FILE *out,
                     struct lab_error *err)
{
    int cleared = lab_faults_clear(lab_server_faults(tell->server), words, count, err);

    if (cleared < 0)
        return cleared;
    fprintf(out, "%d cleared\n", cleared);
    return 0;
}

static int run_load(struct lab_tell *tell, char **words, int count, FILE *out,
                    struct lab_error *err)
{
    char name[256];

    (void)count;
    return lab_files_load(tell->server, words[0], tell->options, out, name, sizeof(name), err);
}

static int find_recording(struct lab_tell *tell, const char *name, struct lab_recording **recording,
                          struct lab_error *err)
{
    *recording = lab_server_recording(tell->server, name);
    return *recording ? 0 : lab_fail(err, "no recording \"%.80s\"", name);
}

static int run_set(struct lab_tell *tell, char **words, int count, FILE *out, struct lab_error *err)
{
    struct lab_recording *recording;
    int error = find_recording(tell, words[0], &recording, err);

    (void)out;
    for (int i = 1; error == 0 && i < count; i++)
        error = lab_recording_set(recording, words[i], strlen(words[i]), err);
    return error;
}

static int parse_key(const char *text, uint8_t key[LAB_OID_BYTES], struct lab_error *err)
{
    uint8_t ber[LAB_OID_BYTES];
    int length = lab_oid_parse(text, strlen(text), ber);

    if (length < 0)
        return lab_fail(err, "\"%.80s\" is no object identifier", text);
    return lab_oid_key(ber, (size_t)length, key);
}

static int run_remove(struct lab_tell *tell, char **words, int count, FILE *out,
                      struct lab_error *err)
{
    struct lab_recording *recording;
    size_t removed = 0;

    if (find_recording(tell, words[0], &recording, err) < 0)
        return -EINVAL;
    for (int i = 1; i < count; i++) {
        uint8_t key[LAB_OID_BYTES];
        int length = parse_key(words[i], key, err);

        if (length < 0)
            return length;
        removed += lab_recording_remove(recording, key, (size_t)length);
    }
    fprintf(out, "%zu removed\n", removed);
    return 0;
}

static int run_rate(struct lab_tell *tell, char **words, int count, FILE *out,
                    struct lab_error *err)
{
    struct lab_recording *recording;
    struct lab_move move;
    size_t moved;

    (void)count;
    if (find_recording(tell, words[0], &recording, err) < 0 ||
        lab_move_parse(words[1], &move, err) < 0)
        return -EINVAL;
    moved = lab_recording_move(recording, move.key, move.length, move.rate,
                               lab_now() - tell->options->server.started_ns);
    fprintf(out, "%zu move\n", moved);
    return 0;
}

static const struct verb verbs[] = {
    {"stats", "", "what happened so far, as JSON", 0, 0, run_stats},
    {"fault", "PREFIX|all FAULT [VALUE]", "as --fault", 2, 9, run_fault},
    {"clear", "PREFIX|all [FAULT]", "ends faults", 1, 2, run_clear},
    {"faults", "", "what is set", 0, 0, run_faults},
    {"load", "FILE", "adds a recording, or takes its new content", 1, 1, run_load},
    {"set", "NAME OID|TYPE|VALUE...", "changes lines of a recording, or adds them", 2, 60, run_set},
    {"remove", "NAME OID...", "removes what is at and below", 2, 60, run_remove},
    {"rate", "NAME OID=N", "numbers at and below move by N a second from now on", 2, 2, run_rate},
    {"stop", "", "ends the responder", 0, 0, run_stop},
};

enum { VERBS = sizeof(verbs) / sizeof(*verbs) };

void lab_tell_handle(void *context, char **words, int count, struct lab_reply *reply)
{
    const struct verb *verb = verbs;
    struct lab_error err;
    int error;

    while (verb < verbs + VERBS && strcmp(verb->name, words[0]) != 0)
        verb++;
    if (verb == verbs + VERBS)
        error = lab_fail(&err, "unknown verb \"%.60s\": see phusong-lab-snmp --help", words[0]);
    else if (count - 1 < verb->least || count - 1 > verb->most)
        error = lab_fail(&err, "write %s %s", verb->name, verb->arguments);
    else
        error = verb->run(context, words + 1, count - 1, reply->out, &err);
    if (error < 0) {
        fprintf(reply->out, "%s\n", err.text);
        reply->is_refused = true;
    }
}

void lab_tell_help(FILE *out)
{
    for (size_t i = 0; i < VERBS; i++) {
        char left[48];

        snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].arguments);
        fprintf(out, "  %-32s %s\n", left, verbs[i].help);
    }
}
