/* What a poll asks for next, in this order: who the device is (when that is due), its processor's
 * load, its interfaces, the tables that each poll reads, and then as much of the tables that wait
 * for their time as the processor and the time allow. With more than one line they go side by side,
 * but never two tables of the last kind.
 */
#pragma once

#include <stdbool.h>

struct phu_snmp_device;
struct phu_snmp_line;

/* Gives an idle line something to do: its task is set and its walk begun. False: there is nothing,
 * or nothing yet. */
bool phu_agenda_next(struct phu_snmp_line *line);
/* Would there be something to do for one more line? */
bool phu_agenda_has_next(const struct phu_snmp_device *device);
/* Has all been read but tables that may wait? */
bool phu_agenda_is_fast_done(const struct phu_snmp_device *device);

/* The walk has taken an answer. */
void phu_agenda_answered(struct phu_snmp_line *line);
/* Should the line stop its table here, for the sake of the device or the time? Then the line is
 * idle, and the table goes on in another poll. */
bool phu_agenda_stop(struct phu_snmp_line *line);
/* The walk has come to its end: its task is concluded, or extended and the walk goes on. */
void phu_agenda_ended(struct phu_snmp_line *line);
/* The poll is over: the line's task stays as far as it got. */
void phu_agenda_break(struct phu_snmp_line *line, bool has_failed);
