/* The places for polls, as many as `concurrency`: the work that a poll in flight needs, used again
 * from poll to poll, and the queue that every poll goes through. Where places are free it is left
 * in the same turn of the loop, a few milliseconds' worth at a time: many devices that are due
 * together delay nobody else.
 */
#pragma once

struct phu_snmp;
struct phu_snmp_device;
struct phu_snmp_line;
struct phu_snmp_work;
struct phu_timer;

/* A place, and an empty work for the device with one line. */
void phu_snmp_work_take(struct phu_snmp_device *device);
/* The device's poll is over or dropped: hangs up and gives its place back. Harmless without one. */
void phu_snmp_work_give(struct phu_snmp_device *device);
void phu_snmp_work_free_spare(struct phu_snmp *snmp);

/* One more line of the device's poll, which takes a place of its own; NULL when none is free. */
struct phu_snmp_line *phu_snmp_line_add(struct phu_snmp_device *device);
/* Gives back the line added last. */
void phu_snmp_line_drop(struct phu_snmp_device *device);

/* Waits for as long as the check's timeout at most. */
void phu_snmp_queue_put(struct phu_snmp_device *device);
/* Harmless when it does not wait. */
void phu_snmp_queue_drop(struct phu_snmp_device *device);
void phu_snmp_queue_fini(struct phu_snmp *snmp);

/* Lets a waiting device begin, from the loop: a row of devices that fail at once would otherwise
 * recurse through each other. */
void phu_snmp_begin_next(struct phu_snmp *snmp);
/* The timer free_place of struct phu_snmp: begins as many as there are places for. */
void phu_snmp_begin_waiting(struct phu_timer *timer);
/* The timer expiry: ends the polls of those that waited for too long. */
void phu_snmp_expire_waiting(struct phu_timer *timer);
