/* Doubts: what the monitor wants to know and the check runner finds out. Connects the two. */
#pragma once

struct phu_checks;
struct phu_monitor;
struct phu_pace;

/* Neither does anything about confirmations before this. Both outlive each other's calls: stop the
 * checks first. The struct lives as long as they do. */
struct phu_doubts {
    struct phu_monitor *monitor;
    struct phu_checks *checks;
};
void phu_doubts_connect(struct phu_doubts *doubts, struct phu_monitor *monitor,
                        struct phu_checks *checks, const struct phu_pace *pace);
