/* Scenario tests of rules, in promtool's shape (docs/rules.md). Private to console/rules and
 * `phusong rules`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct phu_diags;
struct phu_scenario;

/* Reads a file and the rules that it names. Mistakes go into `diags`. */
int phu_scenario_load(const char *file, struct phu_diags *diags, struct phu_scenario **out);
/* From a text, without its rules: for fuzzing. */
int phu_scenario_parse(const char *file, const char *text, size_t length, struct phu_diags *diags,
                       struct phu_scenario **out);
void phu_scenario_free(struct phu_scenario *scenario);

/* Runs every test; what is not as expected is kept. Returns how many tests failed. */
size_t phu_scenario_run(struct phu_scenario *scenario);
size_t phu_scenario_test_count(const struct phu_scenario *scenario);
/* For people: a line per test and what failed; or one JSON object. After running. */
void phu_scenario_print(const struct phu_scenario *scenario, FILE *out);
void phu_scenario_print_json(const struct phu_scenario *scenario, FILE *out);

/* The same as promtool reads it, with the rules exported beside it: FOLDER/NAME.yaml and
 * FOLDER/NAME.rules.yaml. After running: where annotations are not expected in so many words, those
 * that our own engine wrote are. 0 or a negative errno. */
int phu_scenario_write(const struct phu_scenario *scenario, const char *folder);
