/* The collector's set of profiles: where it lies, and how a reload exchanges it. */
#pragma once

#include <stddef.h>

struct phu_collector_env;
struct phu_diags;
struct phu_snmp;

/* As struct phu_collector has them; `files` is a struct phu_profiles. */
int phu_snmp_check_files(const void *options, struct phu_diags *diags, void **files);
void phu_snmp_free_files(void *files);
const char *phu_snmp_check_argument_files(const void *files, const char *argument, char *why,
                                          size_t size);
void phu_snmp_take_files(void *self, void *files);

/* The set to begin with; what is wrong with it goes to the log. */
int phu_snmp_profiles_open(struct phu_snmp *snmp, const struct phu_collector_env *env);
void phu_snmp_profiles_close(struct phu_snmp *snmp);

/* Folder of the profiles that come with phusong: beside the program, or where it was to be
 * installed. */
void phu_snmp_profiles_folder(char *path, size_t size);
