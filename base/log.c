/* The logger: formats one logfmt line into a local buffer and writes it with a single write(2), so
 * that lines of several threads never mix and a full pipe loses whole lines only.
 */
#include "phusong/log.h"

#include "phusong/time.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define MODULE_MAX 32

struct module_level {
    char name[24];
    enum phu_log_level level;
};

/* Process-wide on purpose, see log.h. */
static struct {
    _Atomic int level;
    _Atomic int verbosest; /* of all modules: the quick way out */
    _Atomic bool is_journal;
    pthread_mutex_t lock; /* guards modules */
    struct module_level modules[MODULE_MAX];
    size_t module_count;
} logger = {.level = PHU_LOG_INFO, .verbosest = PHU_LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* sd-daemon(3) priorities: err, warning, info, debug. */
static const char journal_priorities[] = {'3', '4', '6', '7'};

const char *phu_log_level_name(enum phu_log_level level)
{
    return level_names[level];
}

int phu_log_level_parse(const char *name, enum phu_log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum phu_log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

static void update_verbosest(void)
{
    int verbosest = logger.level;

    for (size_t i = 0; i < logger.module_count; i++) {
        if ((int)logger.modules[i].level > verbosest)
            verbosest = (int)logger.modules[i].level;
    }
    logger.verbosest = verbosest;
}

void phu_log_set_level(enum phu_log_level level)
{
    pthread_mutex_lock(&logger.lock);
    logger.level = (int)level;
    update_verbosest();
    pthread_mutex_unlock(&logger.lock);
}

static struct module_level *find_module(const char *module)
{
    for (size_t i = 0; i < logger.module_count; i++) {
        if (strcmp(logger.modules[i].name, module) == 0)
            return &logger.modules[i];
    }
    return NULL;
}

int phu_log_set_module_level(const char *module, enum phu_log_level level)
{
    struct module_level *entry;
    int error = 0;

    pthread_mutex_lock(&logger.lock);
    entry = find_module(module);
    if (!entry && logger.module_count < MODULE_MAX) {
        entry = &logger.modules[logger.module_count++];
        snprintf(entry->name, sizeof entry->name, "%s", module);
    }
    if (entry)
        entry->level = level;
    else
        error = -ENOSPC;
    update_verbosest();
    pthread_mutex_unlock(&logger.lock);
    return error;
}

void phu_log_clear_module_levels(void)
{
    pthread_mutex_lock(&logger.lock);
    logger.module_count = 0;
    update_verbosest();
    pthread_mutex_unlock(&logger.lock);
}

void phu_log_set_journal(bool is_journal)
{
    logger.is_journal = is_journal;
}

bool phu_log_enabled(enum phu_log_level level, const char *module)
{
    const struct module_level *entry;
    int allowed;

    if ((int)level > logger.verbosest)
        return false;
    pthread_mutex_lock(&logger.lock);
    entry = find_module(module);
    allowed = entry ? (int)entry->level : logger.level;
    pthread_mutex_unlock(&logger.lock);
    return (int)level <= allowed;
}

/* Appends printf-style, never past `size`; returns the new length. */
__attribute__((format(printf, 4, 0))) static size_t
append_args(char *line, size_t size, size_t used, const char *format, va_list args)
{
    int added = vsnprintf(line + used, size - used, format, args);

    if (added < 0)
        return used;
    return (size_t)added < size - used ? used + (size_t)added : size - 1;
}

__attribute__((format(printf, 4, 5))) static size_t append(char *line, size_t size, size_t used,
                                                           const char *format, ...)
{
    va_list args;

    va_start(args, format);
    used = append_args(line, size, used, format, args);
    va_end(args);
    return used;
}

static size_t append_head(char *line, size_t size, enum phu_log_level level, const char *module)
{
    struct phu_wall now = phu_wall_now();
    time_t seconds = (time_t)(now.ns / PHU_NS_PER_S);
    int milliseconds = (int)(now.ns % PHU_NS_PER_S / PHU_NS_PER_MS);
    struct tm utc;
    char stamp[32];

    if (logger.is_journal)
        return append(line, size, 0, "<%c>module=%s", journal_priorities[level], module);
    gmtime_r(&seconds, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    return append(line, size, 0, "time=%s.%03dZ level=%s module=%s", stamp, milliseconds,
                  level_names[level], module);
}

/* Bytes from outside must not start a line of their own or reach a terminal as commands. */
static void defuse_controls(char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)line[i];

        if (byte < 0x20 || byte == 0x7f)
            line[i] = '?';
    }
}

void phu_log_write(enum phu_log_level level, const char *module, const char *message,
                   const char *facts, ...)
{
    char line[LINE_MAX_BYTES];
    const size_t room = sizeof line - 1; /* for the newline */
    size_t used = append_head(line, room, level, module);
    va_list args;

    used = append(line, room, used, " msg=\"%s\"", message);
    if (*facts) {
        used = append(line, room, used, " ");
        va_start(args, facts);
        used = append_args(line, room, used, facts, args);
        va_end(args);
    }
    defuse_controls(line, used);
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0) {
        /* Nowhere left to say so. */
    }
}
