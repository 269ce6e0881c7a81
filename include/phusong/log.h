/* Structured logging: one logfmt line to stderr per call.
 *
 *   phu_log_warn("icmp", "receive queue overflowed", "dropped=%u rcvbuf=%d", n, size);
 *   time=2026-11-23T13:30:00.123Z level=warn module=icmp msg="receive queue overflowed" dropped=7
 * rcvbuf=4194304
 *
 * `module` and `message` are fixed text; `facts` is a printf format of key=value pairs ("" for
 * none). A value that may hold spaces is written key=\"%s\". Control characters are replaced by the
 * writer, so bytes from outside cannot forge a line or reach a terminal as commands.
 *
 * error: a person must act. warn: something is degraded. info: a change of state. debug: anything.
 * Log the transition, not every poll; what would repeat is counted and exported instead.
 *
 * The logger is process-wide (the one exception to "state lives in instances": a message must be
 * possible from anywhere) and may be called from libuv's pool threads.
 */
#pragma once

#include <stdbool.h>

enum phu_log_level {
    PHU_LOG_ERROR,
    PHU_LOG_WARN,
    PHU_LOG_INFO,
    PHU_LOG_DEBUG,
};

/* What everything below may print; the initial level is info. */
void phu_log_set_level(enum phu_log_level level);

/* One module's own level, over the general one. At most 32 modules; -ENOSPC beyond that. */
int phu_log_set_module_level(const char *module, enum phu_log_level level);

/* Forgets all module levels (before a reload sets new ones). */
void phu_log_clear_module_levels(void);

/* Prefix each line with journald's "<N>" priority instead of the time, as under systemd. */
void phu_log_set_journal(bool is_journal);

/* -EINVAL when `name` is none of error, warn, info, debug. */
int phu_log_level_parse(const char *name, enum phu_log_level *level);
const char *phu_log_level_name(enum phu_log_level level);

bool phu_log_enabled(enum phu_log_level level, const char *module);

__attribute__((format(printf, 4, 5))) void phu_log_write(enum phu_log_level level,
                                                         const char *module, const char *message,
                                                         const char *facts, ...);

#define phu_log_at(level, module, ...)                                                             \
    do {                                                                                           \
        if (phu_log_enabled(level, module))                                                        \
            phu_log_write(level, module, __VA_ARGS__);                                             \
    } while (0)
#define phu_log_error(module, ...) phu_log_at(PHU_LOG_ERROR, module, __VA_ARGS__)
#define phu_log_warn(module, ...) phu_log_at(PHU_LOG_WARN, module, __VA_ARGS__)
#define phu_log_info(module, ...) phu_log_at(PHU_LOG_INFO, module, __VA_ARGS__)
#define phu_log_debug(module, ...) phu_log_at(PHU_LOG_DEBUG, module, __VA_ARGS__)
