/* The book: alerts.sqlite, where alerts, what outlets have been told, and letters to webhooks
 * outlive the process.
 *
 * Writing returns at once: what is written is copied, and a job on a pool thread puts all that has
 * gathered into one transaction. Reading is for the start and for commands.
 */
#pragma once

#include "entry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_book;
struct phu_sched;

/* Makes the file and its tables where they are not there yet. -EPROTONOSUPPORT for a file of a
 * newer phusong, -EIO. `why` is a sentence for a person. */
int phu_book_open(struct phu_sched *sched, const char *path, struct phu_book **out, char *why,
                  size_t why_size);
/* Writes what has gathered, blocking. NULL is harmless. */
void phu_book_close(struct phu_book *book);

void phu_book_write_alert(struct phu_book *book, const struct phu_entry *entry);
/* This outlet has been told the alert up to this generation. */
void phu_book_write_told(struct phu_book *book, const struct phu_entry *entry, const char *outlet,
                         int64_t generation);
/* Letters have numbers that only grow: order and identity. */
void phu_book_write_letter(struct phu_book *book, int64_t number, const char *outlet,
                           const char *body);
void phu_book_remove_letter(struct phu_book *book, int64_t number);
/* Alerts that ended before go. */
void phu_book_prune(struct phu_book *book, int64_t before_ns);
/* Writes that the disk refused; they are tried again with the next ones. */
int64_t phu_book_failures(const struct phu_book *book);

/* -- Reading ---------------------------------------------------------------------------------- */

struct phu_book_reader; /* a read-only connection; may be used beside a running console */

int phu_book_reader_open(const char *path, struct phu_book_reader **out, char *why,
                         size_t why_size);
void phu_book_reader_close(struct phu_book_reader *reader);

struct phu_book_filter {
    bool is_standing_only;
    int64_t from_ns; /* alerts that stood at this time or later; 0: all */
};

/* The entry is borrowed. By the time they fired. */
int phu_book_read_alerts(struct phu_book_reader *reader, const struct phu_book_filter *filter,
                         void (*visit)(void *arg, const struct phu_entry *entry), void *arg);
int64_t phu_book_read_told(struct phu_book_reader *reader, const struct phu_entry *entry,
                           const char *outlet); /* 0: nothing */
int phu_book_read_letters(struct phu_book_reader *reader,
                          void (*visit)(void *arg, int64_t number, const char *outlet,
                                        const char *body),
                          void *arg);
