/* Finding and ending the processes inside a lab's namespaces. */
#pragma once

#include "netlink.h"

#include <stddef.h>
#include <sys/types.h>

/* The mark that a lab sets as the alias of the loopback interface of each namespace it makes. */
void lab_mark_make(char out[LAB_ALIAS_MAX]);
/* Whether the mark is a lab's of this pid namespace whose process is gone. */
bool lab_mark_is_orphan(const char *mark);

/* Ends all processes but the caller in the namespace: SIGTERM, after a second SIGKILL. Returns how
 * many there were. */
size_t lab_end_members(int ns_fd);
/* Ends what labs that are gone have left running. Returns how many processes that were. */
size_t lab_sweep(void);
