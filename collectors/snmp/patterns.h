/* Which interfaces are wanted: shell patterns separated by spaces; one that begins with `!`
 * excludes. "" and exclusions alone start from everything.
 *
 *     phu_patterns_match("ge-* xe-* !*.0", "xe-0/0/1")
 */
#pragma once

#include <stdbool.h>

bool phu_patterns_match(const char *patterns, const char *name);
