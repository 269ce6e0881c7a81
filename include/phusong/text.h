/* Text that people write: UTF-8, Vietnamese normal forms, identifiers, and guesses at what was
 * meant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Length of the longest start of `text` that is valid UTF-8 (RFC 3629) without NUL: `length` when
 * all of it is. */
size_t phu_text_valid(const char *text, size_t length);

/* Number of characters in valid UTF-8. */
size_t phu_text_characters(const char *text, size_t length);

/* Composed form (NFC) of valid UTF-8, so that "ệ" is the same bytes whatever wrote it. Into
 * `buffer` with a NUL: the length, or -ENOBUFS. Allocates only when the text is not ASCII. */
int phu_text_nfc(const char *text, size_t length, char *buffer, size_t size);

/* 1 to 64 of A-Z a-z 0-9 . _ : - : what is safe in tags, file names and hashes. */
#define PHU_TEXT_ID_MAX 64
bool phu_text_is_id(const char *text);

/* An id out of any text: "Trạm Bắc 1 (OLT)" gives "Tram-Bac-1-OLT". Letters lose their accents,
 * whatever else no id may hold becomes a hyphen. Returns its length; 0 when nothing is left. */
size_t phu_text_make_id(const char *text, char id[PHU_TEXT_ID_MAX + 1]);

/* Which of the words offered is nearest to `word`, for "did you mean". A word is near when at most
 * a third of its letters differ, are missing, or have changed places.
 *
 *     struct phu_guess guess = {.word = "intervall"};
 *     for each known word: phu_guess_offer(&guess, known);
 *     if (guess.nearest) ...
 */
struct phu_guess {
    const char *word;
    const char *nearest; /* NULL: none is near */
    size_t distance;     /* private */
};

void phu_guess_offer(struct phu_guess *guess, const char *known);
