/* Configuration of the agent: everything phusong.yaml holds, as structs.
 *
 * The file's shape is put together at load time from tables: those of this part (agent, log,
 * checks, quality, credentials), one section per collector of phu_collectors[] that has options,
 * one kind of exporter per entry of phu_exporters[]. Nobody else touches YAML.
 *
 * All strings and structs belong to the phu_config and live until phu_config_free().
 */
#pragma once

#include "core/outage.h"
#include "core/pace.h"
#include "core/quality.h"
#include "phusong/conf.h"
#include "phusong/credential.h"
#include "phusong/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_collector;
struct phu_diags;
struct phu_exporter;
struct phu_inventory;
struct phu_inventory_diff;

/* What the file's shape is made from. Tests bring their own. */
struct phu_config_parts {
    const struct phu_collector *const *collectors; /* ends with NULL */
    const struct phu_exporter *const *exporters;   /* ends with NULL */
    const struct phu_option_table *spool;          /* section spool; NULL: no such section */
    const struct phu_option_table *feed; /* further keys of exporters that send; NULL: none */
};

struct phu_config_agent {
    char *id;        /* tag agent= */
    char *inventory; /* folder, absolute or relative to the working directory */
    char *state_dir;
    char *user; /* "": stay */
    int64_t window_ns;
    int64_t boot_jitter_ns;
    struct phu_strings dns_servers; /* none: those of resolv.conf */
};

/* What tells an outage of our own uplink from one of what we measure. */
struct phu_config_references {
    char *gateway;              /* "auto", "none" or an address */
    struct phu_strings anchors; /* addresses beyond it */
    int64_t interval_ns, timeout_ns;
};

enum phu_config_journal {
    PHU_CONFIG_JOURNAL_AUTO,
    PHU_CONFIG_JOURNAL_YES,
    PHU_CONFIG_JOURNAL_NO,
};

struct phu_config_log_module {
    char *module;
    int level; /* enum phu_log_level */
};

struct phu_config_log {
    int level; /* enum phu_log_level */
    int journal;
    struct phu_list modules; /* struct phu_config_log_module */
};

/* A named way of checking: an entry of `checks`, or a collector's defaults where the file has no
 * entry of the collector's name. */
struct phu_config_check {
    const char *name;
    const char *argument; /* of a check without a colon; "" */
    const struct phu_collector *collector;
    size_t collector_index; /* in parts->collectors */
    int64_t interval_ns, timeout_ns;
    const void *options; /* struct of collector->check_options; NULL if it has none */
};

struct phu_config_exporter {
    const struct phu_exporter *exporter;
    const char *name;    /* unique */
    const void *options; /* struct of exporter->options; NULL if it has none */
    const void *feed;    /* struct of parts->feed; NULL where exporter->send is */
};

/* When the secrets of a credential were last changed, as far as their files tell. */
struct phu_config_stamp {
    uint64_t inode, ns, size;
};

struct phu_config {
    struct phu_config_agent agent;
    struct phu_config_log log;
    struct phu_pace states;
    struct phu_config_references references; /* borrows its strings */
    struct phu_outage_conf outages;
    struct phu_config_check *checks; /* every collector has at least the one of its own name */
    size_t check_count;
    /* Every technology, and devices ("device"), have exactly one profile with that technology:
     * where the file names none, phu_quality_default under the technology's name. */
    struct phu_quality *quality; /* see core/quality.h, whose phu_quality_options binds them */
    size_t quality_count;
    const struct phu_credential *credentials;
    size_t credential_count;
    const void **collector_options; /* by index in parts->collectors; NULL where it has none */
    size_t collector_count;
    void **files;      /* by collector: what its options point at, once read; NULL where nothing */
    const void *spool; /* struct phu_spool_conf */
    struct phu_config_exporter *exporters;
    size_t exporter_count;
    struct phu_config_shape *shape;  /* private, and what follows */
    struct phu_conf_source *source;  /* until the files have been read */
    void **own_options;              /* by collector: defaults of a check without an entry */
    struct phu_config_stamp *stamps; /* by credential */
};

/* Reads FILE and what it includes. Every mistake goes into `diags`; -EINVAL when there was one,
 * and then *out is NULL. Secret files are looked at but not kept. */
int phu_config_load(const struct phu_config_parts *parts, const char *file, struct phu_diags *diags,
                    struct phu_config **out);
void phu_config_free(struct phu_config *config);

/* -ENOENT: no such name. */
int phu_config_find_check(const struct phu_config *config, const char *name);
int phu_config_find_quality(const struct phu_config *config, const char *name);
const struct phu_credential *phu_config_find_credential(const struct phu_config *config,
                                                        const char *name);

/* Reads what the collectors' options point at, and checks the arguments in `checks` against it.
 * Adds mistakes to `diags`; -EINVAL when there was one. Before the inventory, whose arguments are
 * checked against it, too. */
int phu_config_read_files(struct phu_config *config, struct phu_diags *diags);

/* The inventory that config->agent.inventory names, checked against this configuration. */
int phu_config_load_inventory(const struct phu_config *config, struct phu_diags *diags,
                              struct phu_inventory **out);

/* What a reload has to do, check by check (see inventory.h). Besides the inventory's own columns a
 * check has changed when its way of checking, its quality profile, its credential or agent.id or
 * agent.window has. */
int phu_config_diff(const struct phu_config *before, const struct phu_inventory *inventory_before,
                    const struct phu_config *after, const struct phu_inventory *inventory_after,
                    struct phu_inventory_diff *diff);

/* May differ without a restart: everything but agent.id, agent.window, agent.state_dir, agent.user,
 * states, spool and collectors (their sockets were opened with rights that are gone by then). Says
 * which part needs one, or NULL. */
const char *phu_config_needs_restart(const struct phu_config *before,
                                     const struct phu_config *after);
