/* The tables, and how an older store becomes one of today. */
#pragma once

#include "db.h"

#define PHU_SCHEMA_VERSION 2
#define PHU_SCHEMA_PAGE 16384

/* Of an empty file: page size and journal, before anything else. */
int phu_schema_prepare(struct phu_db *db);
/* From whatever version it has (an empty file: 0) to `version`, each step in a transaction of its
 * own. -EPROTONOSUPPORT when it is newer than PHU_SCHEMA_VERSION; -EINVAL when it is another
 * program's database. */
int phu_schema_migrate(struct phu_db *db, int version);
/* 0 for readers when it is as of today, else as above; -EAGAIN: older, the console has not migrated
 * it yet. */
int phu_schema_verify(struct phu_db *db);
