/* What is said with a device during a poll: who are you (version 3), what the agenda wants to know,
 * on one line or several, and what each answer, report or silence leads to. Each conversation ends
 * with phu_snmp_finish().
 *
 * Version 3: an engine that was known and no longer answers may have been swapped or re-flashed.
 * So after a timeout the engine is forgotten and asked for again, once in a poll. A device that
 * says who it is but not a word more has other secrets than ours.
 */
#pragma once

struct phu_snmp_device;
struct phu_timer;

/* Opens the conversation: with the walk, or with the question who is there. The device has work, a
 * secret and an address. The poll may have ended when this returns. */
void phu_snmp_converse(struct phu_snmp_device *device);
/* The deadline of a poll with work has come: ends it with what was read. */
void phu_snmp_run_out_of_time(struct phu_snmp_device *device);
/* Closes the sessions of the poll and adds up what they have counted. */
void phu_snmp_hang_up(struct phu_snmp_device *device);
/* The timer of a line: its device may be asked again. */
void phu_snmp_line_may_ask(struct phu_timer *timer);
