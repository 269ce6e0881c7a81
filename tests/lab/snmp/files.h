/* Loads recordings into a server. */
#pragma once

#include "options.h"

/* A file whose name ends in .snmprec, under that name without the ending. Lines that are of no use
 * are told on `log` and skipped. */
int lab_files_load(struct lab_server *server, const char *path,
                   const struct lab_snmp_options *options, FILE *log, char *name, size_t size,
                   struct lab_error *err);
/* Every *.snmprec of a folder. */
int lab_files_load_folder(struct lab_server *server, const char *folder,
                          const struct lab_snmp_options *options, FILE *log, struct lab_error *err);
/* Lines of PREFIX NAME: those devices answer from that recording. */
int lab_files_map(struct lab_server *server, const char *path, struct lab_error *err);
