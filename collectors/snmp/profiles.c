/* See profiles.h. */
#include "profiles.h"

#include "profile.h"
#include "snmp.h"

#include "phusong/err.h"
#include "phusong/log.h"
#include "phusong/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- Where it lies ---------------------------------------------------------------------------- */

void phu_snmp_profiles_folder(char *path, size_t size)
{
    char program[PATH_MAX], *slash;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

    program[length > 0 ? length : 0] = '\0';
    slash = strrchr(program, '/');
    if (slash) {
        *slash = '\0';
        snprintf(path, size, "%s/../share/phusong/profiles", program);
        if (access(path, R_OK | X_OK) == 0)
            return;
    }
    snprintf(path, size, "%s", PHU_PROFILE_DIR);
}

int phu_snmp_check_files(const void *conf, struct phu_diags *diags, void **files)
{
    const struct phu_snmp_options *options = conf;
    char shipped[PATH_MAX + 64];
    const char *const folders[] = {shipped, options->profiles};
    struct phu_profiles *profiles = NULL;
    int error;

    phu_snmp_profiles_folder(shipped, sizeof shipped);
    error = phu_profiles_load(folders, options->profiles[0] ? 2 : 1, diags, &profiles);
    *files = profiles;
    return error;
}

void phu_snmp_free_files(void *files)
{
    phu_profiles_free(files);
}

const char *phu_snmp_check_argument_files(const void *files, const char *argument, char *why,
                                          size_t size)
{
    const struct phu_profiles *profiles = files;
    struct phu_guess guess = {.word = argument};

    if (!argument[0] || phu_profiles_find(profiles, argument))
        return NULL;
    for (size_t i = 0; i < phu_profiles_count(profiles); i++)
        phu_guess_offer(&guess, phu_profiles_at(profiles, i)->name);
    if (guess.nearest)
        snprintf(why, size, "there is no such profile; did you mean \"%s\"?", guess.nearest);
    else
        snprintf(why, size,
                 "there is no such profile; `phusong probe snmp` finds the one that "
                 "fits, with `snmp` alone");
    return why;
}

/* -- In the collector ------------------------------------------------------------------------- */

static void log_mistakes(const struct phu_diags *diags)
{
    for (size_t i = 0; i < diags->count; i++)
        phu_log_error("snmp", "a profile has a mistake", "at=%s:%u:%u what=\"%s\"",
                      diags->items[i].file, diags->items[i].line, diags->items[i].column,
                      diags->items[i].message);
}

int phu_snmp_profiles_open(struct phu_snmp *snmp, const struct phu_collector_env *env)
{
    struct phu_diags diags;
    void *files = NULL;
    int error = 0;

    if (env->files) {
        snmp->profiles = phu_profiles_share(env->files);
    } else {
        phu_diags_init(&diags);
        error = phu_snmp_check_files(snmp->options, &diags, &files);
        log_mistakes(&diags);
        phu_diags_fini(&diags);
        snmp->profiles = files;
    }
    if (!error && phu_profiles_count(snmp->profiles) == 1) {
        char shipped[PATH_MAX + 64];

        phu_snmp_profiles_folder(shipped, sizeof shipped);
        phu_log_warn("snmp", "no profiles found; of devices only interfaces are read", "folder=%s",
                     shipped);
    }
    return error;
}

void phu_snmp_profiles_close(struct phu_snmp *snmp)
{
    phu_profiles_free(snmp->profiles);
    snmp->profiles = NULL;
}

void phu_snmp_take_files(void *self, void *files)
{
    struct phu_snmp *snmp = self;

    if (phu_profiles_are_same(snmp->profiles, files))
        return;
    phu_profiles_free(snmp->profiles);
    snmp->profiles = phu_profiles_share(files);
    phu_log_info("snmp", "profiles have changed; devices are identified again", "profiles=%zu",
                 phu_profiles_count(snmp->profiles));
}
