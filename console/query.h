/* What pages, rules and reports ask a store. Implemented by the embedded store; other stores come
 * behind the same functions. For one thread at a time each; may take long: on a pool thread.
 *
 * SKETCH of the four questions: latest state of subjects; a series at a step; summary over a period
 * by area, technology and operator; events of a period. And samples in the order of time, for
 * replays of rules.
 */
#pragma once

#include "sample.h"

struct phu_query;
