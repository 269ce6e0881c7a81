/* All parts of this program, as the configuration needs to know them. */
#pragma once

#include "config.h"

extern const struct phu_config_parts phu_parts;
