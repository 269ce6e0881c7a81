/* What systemd wants to hear (sd_notify(3)). Without NOTIFY_SOCKET everything here does nothing.
 *
 * The protocol is one datagram of text; libsystemd would bring four more libraries and a megabyte
 * of resident memory for it.
 */
#pragma once

#include <stdint.h>

/* "READY=1\nSTATUS=…", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=…", "WATCHDOG=1" */
__attribute__((format(printf, 1, 2))) void phu_notify(const char *format, ...);

/* How often WATCHDOG=1 is due: half of WatchdogSec; 0 when systemd does not watch us. */
int64_t phu_notify_watchdog_ns(void);
