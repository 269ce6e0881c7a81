/* Dropping rights once the sockets that need them are open. */
#pragma once

/* Becomes `user` for good, with its groups and no capabilities; "" stays who we are, with a warning
 * when that is root. Negative errno, logged, when it cannot be done. */
int phu_privilege_drop(const char *user);

/* Lets the process have as many descriptors as the hard limit allows. */
void phu_privilege_raise_files(void);
