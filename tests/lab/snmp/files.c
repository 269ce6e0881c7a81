/* Reads files; owns nothing. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 256 << 20, COMPLAINTS_SHOWN = 5 };

struct log {
    FILE *file;
    const char *path;
    unsigned told;
};

static void complain(void *context, unsigned line, const char *why)
{
    struct log *log = context;

    if (log->told++ < COMPLAINTS_SHOWN)
        fprintf(log->file, "%s:%u: %s; line skipped\n", log->path, line, why);
}

static int read_text(const char *path, char **text, size_t *length, struct lab_error *err)
{
    FILE *file = fopen(path, "re");
    size_t size = 0;
    size_t got = 1;

    *text = NULL;
    *length = 0;
    if (!file)
        return lab_fail(err, "%.150s: %s", path, strerror(errno));
    while (got > 0 && size < FILE_BYTES_MAX) {
        char *grown = realloc(*text, size + (1 << 20));

        if (!grown)
            break;
        *text = grown;
        size += 1 << 20;
        got = fread(*text + *length, 1, size - *length, file);
        *length += got;
    }
    if (got > 0 || ferror(file)) {
        fclose(file);
        free(*text);
        *text = NULL;
        return lab_fail(err, "%.150s: cannot be read, or is larger than %d bytes", path,
                        FILE_BYTES_MAX);
    }
    fclose(file);
    return 0;
}

/* The last part of the path without .snmprec. */
static void make_name(const char *path, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t length;

    snprintf(name, size, "%s", slash ? slash + 1 : path);
    length = strlen(name);
    if (length > 8 && strcmp(name + length - 8, ".snmprec") == 0)
        name[length - 8] = '\0';
}

int lab_files_load(struct lab_server *server, const char *path,
                   const struct lab_snmp_options *options, FILE *log, char *name, size_t size,
                   struct lab_error *err)
{
    struct log to = {.file = log, .path = path};
    struct lab_recording *recording;
    size_t repeated;
    size_t length;
    char *text;
    int error = read_text(path, &text, &length, err);

    if (error < 0 || !text)
        return error;
    make_name(path, name, size);
    recording = lab_recording_new(name);
    lab_recording_take(recording, text, length, complain, &to);
    free(text);
    repeated = lab_recording_sort(recording);
    if (to.told > COMPLAINTS_SHOWN)
        fprintf(log, "%s: %u more such lines\n", path, to.told - COMPLAINTS_SHOWN);
    if (repeated)
        fprintf(log, "%s: %zu lines repeat an OID; the first one counts\n", path, repeated);
    for (size_t i = 0; i < options->move_count; i++)
        lab_recording_move(recording, options->moves[i].key, options->moves[i].length,
                           options->moves[i].rate, 0);
    lab_server_take_recording(server, recording);
    return 0;
}

static int is_recording(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 8 && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + length - 8, ".snmprec") == 0;
}

int lab_files_load_folder(struct lab_server *server, const char *folder,
                          const struct lab_snmp_options *options, FILE *log, struct lab_error *err)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_recording, alphasort);
    int error = 0;

    if (count < 0)
        return lab_fail(err, "%.150s: %s", folder, strerror(errno));
    if (count == 0)
        error = lab_fail(err, "%.150s: no *.snmprec in there", folder);
    for (int i = 0; i < count; i++) {
        char path[4096];
        char name[256];

        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (error == 0)
            error = lab_files_load(server, path, options, log, name, sizeof(name), err);
        free(entries[i]);
    }
    free(entries);
    return error;
}

static int map_line(struct lab_server *server, char *line, struct lab_error *err)
{
    struct lab_prefix prefix;
    char *rest = line;
    char *words[3] = {NULL};
    int count = 0;
    char *word;

    line[strcspn(line, "#\r\n")] = '\0';
    while (count < 3 && (word = strsep(&rest, " \t")))
        if (*word)
            words[count++] = word;
    if (count == 0)
        return 0;
    if (count != 2)
        return lab_fail(err, "write PREFIX NAME");
    if (!lab_server_recording(server, words[1]))
        return lab_fail(err, "no recording \"%.80s\" was loaded", words[1]);
    if (lab_prefix_parse(words[0], &prefix, err) < 0)
        return -EINVAL;
    lab_faults_map(lab_server_faults(server), &prefix, words[1]);
    return 0;
}

int lab_files_map(struct lab_server *server, const char *path, struct lab_error *err)
{
    FILE *file = fopen(path, "re");
    struct lab_error why;
    char line[512];
    int error = 0;

    if (!file)
        return lab_fail(err, "%.150s: %s", path, strerror(errno));
    for (unsigned number = 1; error == 0 && fgets(line, sizeof(line), file); number++)
        if (map_line(server, line, &why) < 0)
            error = lab_fail(err, "%.90s:%u: %.120s", path, number, why.text);
    fclose(file);
    return error;
}
