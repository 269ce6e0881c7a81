/* Resident memory: the agent shares small nodes with others, and stays for years. */
#pragma once

/* Before anything is allocated: large buffers come from mmap and go back to the system when freed,
 * and all threads share one arena. (glibc raises the threshold by itself otherwise, and keeps a
 * megabyte per batch for ever.) The heap is asked for in huge pages. */
void phu_memory_init(void);

/* After start-up and after a reload: gives back what only they needed, freed heap and the code
 * pages that ran once (relocation, option parsing, set-up of libraries). Code that is used again is
 * mapped again from the page cache. */
void phu_memory_settle(void);
