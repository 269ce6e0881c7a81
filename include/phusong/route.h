/* By which way a probe leaves: the options `source`, `interface` and `family`, which checks share.
 */
#pragma once

/* For PHU_OPTION_CHOICE: "any", "ipv4", "ipv6". */
extern const char *const phu_family_choices[];
/* AF_UNSPEC, AF_INET or AF_INET6 of an index into the choices. */
int phu_family_of(int choice);

/* For a table's validate, whose `context` this is: what would keep every check from being set up is
 * told before the agent starts. `family` is an index into the choices. */
void phu_route_validate(void *context, const char *source, const char *interface, int family);
