/* The spool of a configuration: where it lies, and which readers it has. */
#pragma once

struct phu_config;
struct phu_sched;
struct phu_spool;
struct phu_stats;

/* spool.dir, or `spool` below agent.state_dir. Freed by the caller. */
char *phu_spool_conf_dir(const struct phu_config *config);
int phu_spool_conf_open(const struct phu_config *config, struct phu_sched *sched,
                        struct phu_stats *stats, struct phu_spool **out);
/* Nothing is kept any longer for exporters that the configuration does not name. */
void phu_spool_conf_forget_others(const struct phu_config *config, struct phu_spool *spool);
