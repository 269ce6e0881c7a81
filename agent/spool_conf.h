/* Where the spool of a configuration lies, and which readers it has. */
#pragma once

struct phu_config;

/* spool.dir, or `spool` below agent.state_dir. Freed by the caller. */
char *phu_spool_conf_dir(const struct phu_config *config);
