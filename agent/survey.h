/* A survey: many polls, each done once, paced and bounded in number, by collectors that are opened
 * for the purpose. `phusong bindings` and `phusong discover` are surveys.
 *
 *     phu_survey_open(&conf, &survey);
 *     phu_survey_put(survey, &target->job);              … for each
 *     interrupted = phu_survey_run(survey) == -EINTR;    `done` may put further ones
 *     phu_survey_close(survey);
 */
#pragma once

#include "phusong/collector.h"
#include "phusong/observation.h"
#include "phusong/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_credential;
struct phu_survey;

/* One poll of one target. Lives with the caller, until done; a pending one until the close. */
struct phu_survey_job {
    const struct phu_collector *collector; /* one of those that the survey was opened with */
    struct phu_check_spec spec;            /* all but `check` */
    /* Either may be NULL. */
    void (*put)(struct phu_survey_job *job, const struct phu_observation *observation);
    int (*row)(struct phu_survey_job *job, const struct phu_row *row, uint32_t *handle);
    /* The verdict is in, and the collector has let go of the target. PHU_RESULT_LOCAL_ERROR also
     * when the collector would not take it. */
    void (*done)(struct phu_survey_job *job, enum phu_result result);

    struct phu_survey_job *next; /* private from here on */
    void *attached;
    enum phu_result result;
    bool has_verdict;
};

struct phu_survey_part {
    const struct phu_collector *collector;
    const void *options; /* its section; outlives the survey */
};

struct phu_survey_conf {
    const char *command; /* "phusong discover", for messages */
    const struct phu_survey_part *parts;
    size_t part_count;
    const struct phu_credential *(*credential)(void *arg, const char *name);
    /* Called about ten times a second while it runs; may be NULL. */
    void (*tick)(void *arg);
    void *arg;
    unsigned per_second; /* polls begun; 0: no limit but the next */
    unsigned in_flight;  /* at the same time */
};

/* 0, or an error that has been printed. */
int phu_survey_open(const struct phu_survey_conf *conf, struct phu_survey **out);
void phu_survey_put(struct phu_survey *survey, struct phu_survey_job *job);
/* Until nothing is pending: 0. -EINTR after SIGINT or SIGTERM: what is under way is given up, its
 * `done` is not called. */
int phu_survey_run(struct phu_survey *survey);
void phu_survey_close(struct phu_survey *survey); /* NULL is harmless */
