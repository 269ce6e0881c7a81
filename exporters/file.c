/* Line protocol to a file or to standard output. A batch is stored once it has been synced. */
#include "append.h"

#include "phusong/conf.h"
#include "phusong/exporter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file_conf {
    char *path;
    int64_t max_bytes, keep, max_age_ns;
};

static const struct phu_option file_options[] = {
    {.name = "path",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct file_conf, path),
     .fallback = "-",
     .meaning = "file to append to, absolute; - for standard output"},
    {.name = "max_bytes",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct file_conf, max_bytes),
     .fallback = "64MiB",
     .min = "4KiB",
     .max = "1TiB",
     .meaning = "size at which the file is rotated: it becomes PATH.1, that PATH.2 and so on"},
    {.name = "keep",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct file_conf, keep),
     .fallback = "4",
     .min = "0",
     .max = "1000",
     .meaning = "rotated files that are kept beside the current one"},
    {.name = "max_age",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct file_conf, max_age_ns),
     .fallback = "0s",
     .max = "365d",
     .meaning = "age at which the file is rotated; 0s: by size alone"},
};

static void validate(const void *pointer, void *context)
{
    const struct file_conf *conf = pointer;

    if (strcmp(conf->path, "-") != 0 && conf->path[0] != '/')
        phu_conf_mistake(context, "path", "path must be absolute, or - for standard output");
}

static const struct phu_option_table file_table = {
    .options = file_options,
    .count = sizeof file_options / sizeof *file_options,
    .size = sizeof(struct file_conf),
    .validate = validate,
};

struct write {
    struct write *next, **link;
    const struct file_conf *conf;
    phu_batch_done_cb *done;
    void *arg;
};

struct file {
    struct phu_append *append;
    const struct file_conf *conf;
    struct write *writes;
};

static int file_open(const struct phu_exporter_env *env, const void *options, void **self)
{
    const struct file_conf *conf = options;
    struct file *file = calloc(1, sizeof *file);
    int error;

    if (!file)
        abort();
    file->conf = conf;
    error = phu_append_new(env->sched,
                           &(struct phu_append_conf){.path = conf->path,
                                                     .max_bytes = conf->max_bytes,
                                                     .max_age_ns = conf->max_age_ns,
                                                     .keep = (unsigned)conf->keep,
                                                     .mode = 0640},
                           &file->append);
    if (error < 0) {
        free(file);
        return error;
    }
    *self = file;
    return 0;
}

static void file_close(void *self)
{
    struct file *file = self;
    struct write *next;

    phu_append_free(file->append);
    for (struct write *write = file->writes; write; write = next) {
        next = write->next;
        free(write);
    }
    free(file);
}

static void written(void *arg, int error)
{
    struct write *write = arg;
    phu_batch_done_cb *done = write->done;
    void *done_arg = write->arg;
    char reason[256];

    snprintf(reason, sizeof reason, "%s: %s", write->conf->path, strerror(-error));

    *write->link = write->next;
    if (write->next)
        write->next->link = write->link;
    free(write);
    done(done_arg, &(struct phu_outcome){
                       .verdict = error < 0 ? PHU_VERDICT_RETRY : PHU_VERDICT_STORED,
                       .reason = error < 0 ? reason : NULL,
                   });
}

static void file_send(void *self, const struct phu_batch *batch, phu_batch_done_cb *done, void *arg)
{
    struct file *file = self;
    struct write *write = calloc(1, sizeof *write);

    if (!write)
        abort();
    *write = (struct write){
        .next = file->writes, .link = &file->writes, .conf = file->conf, .done = done, .arg = arg};
    if (write->next)
        write->next->link = &write->next;
    file->writes = write;
    if (phu_append_write(file->append, batch->body, batch->length, written, write) < 0)
        written(write, -ENOMEM);
}

const struct phu_exporter phu_exporter_file = {
    .name = "file",
    .summary = "line protocol to a rotating file or to standard output",
    .options = &file_table,
    .open = file_open,
    .close = file_close,
    .send = file_send,
};
