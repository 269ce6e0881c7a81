/* Names of rows, from templates: taken apart piece by piece each time, which costs less than the
 * name's way into the sink.
 */
#include "profile_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Taking apart ----------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits, or 0x and hexadecimal ones, to a number; NULL when there are none or too many. */
static const char *read_number(const char *text, unsigned long *number)
{
    char *end;

    if (!is_digit(*text))
        return NULL;
    *number = strtoul(text, &end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
    return *number <= UINT32_MAX ? end : NULL;
}

/* "1", "2>>8", "2&0xff", "2>>8&0xf+1": what stands behind it, or NULL. */
static const char *read_part(const char *text, struct phu_template_piece *piece)
{
    unsigned long number;

    text = read_number(text, &number);
    if (!text || number < 1 || number > PHU_INDEX_MAX)
        return NULL;
    piece->part = (unsigned)number;
    piece->mask = UINT32_MAX;
    if (strncmp(text, ">>", 2) == 0) {
        text = read_number(text + 2, &number);
        if (!text || number > 31)
            return NULL;
        piece->shift = (unsigned)number;
    }
    if (*text == '&') {
        text = read_number(text + 1, &number);
        piece->mask = (uint32_t)number;
    }
    if (text && *text == '+') {
        text = read_number(text + 1, &number);
        piece->plus = (uint32_t)number;
    }
    return text;
}

static bool is_plain(const struct phu_template_piece *piece)
{
    return piece->shift == 0 && piece->mask == UINT32_MAX && piece->plus == 0;
}

static const char *read_column(const char *text, struct phu_template_piece *piece)
{
    piece->kind = PHU_TEMPLATE_COLUMN;
    piece->text = text;
    piece->length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return piece->length ? text + piece->length : NULL;
}

/* What stands between the braces; returns the closing one, or NULL. */
static const char *read_braces(const char *text, struct phu_template_piece *piece)
{
    const char *end;

    if (strncmp(text, "text:", 5) == 0) {
        piece->kind = PHU_TEMPLATE_TEXT;
        end = read_part(text + 5, piece);
        end = end && is_plain(piece) ? end : NULL;
    } else if (strncmp(text, "ifname:", 7) == 0) {
        piece->kind = PHU_TEMPLATE_IFNAME;
        end = read_part(text + 7, piece);
    } else if (is_digit(*text)) {
        piece->kind = PHU_TEMPLATE_PART;
        end = read_part(text, piece);
        if (end && strncmp(end, "..", 2) == 0 && is_plain(piece)) {
            piece->kind = PHU_TEMPLATE_REST;
            end += 2;
        }
    } else {
        end = read_column(text, piece);
    }
    return end && *end == '}' ? end : NULL;
}

int phu_template_next(const char **pattern, struct phu_template_piece *piece)
{
    const char *text = *pattern, *end;

    *piece = (struct phu_template_piece){.kind = PHU_TEMPLATE_LITERAL, .text = text};
    if (!*text)
        return 0;
    if (*text == '}')
        return -EINVAL;
    if (*text != '{') {
        piece->length = strcspn(text, "{}");
        *pattern += piece->length;
        return 1;
    }
    end = read_braces(text + 1, piece);
    if (!end)
        return -EINVAL;
    *pattern = end + 1;
    return 1;
}

/* -- Putting together ------------------------------------------------------------------------- */

enum { ROOM = 256 };

struct page {
    uint8_t text[ROOM];
    size_t used;
};

static void add_bytes(struct page *page, const void *text, size_t length)
{
    if (length > ROOM - page->used)
        length = ROOM - page->used;
    if (length == 0)
        return;
    memcpy(page->text + page->used, text, length);
    page->used += length;
}

static void add_number(struct page *page, uint64_t number, bool is_negative)
{
    char digits[24];
    char *first = digits + sizeof digits;

    if (is_negative)
        number = -number;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    if (is_negative)
        *--first = '-';
    add_bytes(page, first, (size_t)(digits + sizeof digits - first));
}

static void add_rest(struct page *page, const struct phu_row_source *source, size_t first)
{
    for (size_t i = first; i < source->index_length; i++) {
        if (i > first)
            add_bytes(page, ".", 1);
        add_number(page, source->index[i], false);
    }
}

/* A text in an index: its length, then a part for each byte. */
static int add_index_text(struct page *page, const struct phu_row_source *source, size_t at)
{
    uint32_t length = source->index[at];

    if (length > source->index_length - at - 1)
        return -EINVAL;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t part = source->index[at + 1 + i];
        uint8_t byte = part > 0xff ? '?' : (uint8_t)part;

        add_bytes(page, &byte, 1);
    }
    return 0;
}

static void add_ifname(struct page *page, const struct phu_row_source *source, uint32_t ifindex)
{
    const char *name = source->ifname ? source->ifname(source->arg, ifindex) : NULL;

    if (name && name[0])
        add_bytes(page, name, strlen(name));
    else
        add_number(page, ifindex, false);
}

static void add_cell(struct page *page, const struct phu_profile_column *column,
                     const struct phu_cell *cell)
{
    const struct phu_profile_word *word = NULL;

    if (cell->kind == PHU_VARBIND_MISSING || cell->kind == PHU_VARBIND_END)
        return;
    if (column->word_count)
        word = phu_profile_cell_word(column, cell);
    if (word)
        add_bytes(page, word->word, strlen(word->word));
    else if (cell->kind == PHU_VARBIND_TEXT || cell->kind == PHU_VARBIND_OTHER)
        add_bytes(page, cell->text, cell->text_length);
    else
        add_number(page, cell->number,
                   cell->kind == PHU_VARBIND_INTEGER && (int64_t)cell->number < 0);
}

static void add_column(struct page *page, const struct phu_row_source *source,
                       const struct phu_template_piece *piece)
{
    const struct phu_profile_table *table = source->table;
    const size_t before = page->used;

    for (unsigned i = 0; source->cells && i < table->column_count; i++) {
        const char *name = table->columns[i].name;

        if (strncmp(name, piece->text, piece->length) == 0 && !name[piece->length])
            add_cell(page, &table->columns[i], phu_profile_cell(table, source->cells, i));
    }
    if (page->used == before)
        add_rest(page, source, 0);
}

static int add_piece(struct page *page, const struct phu_row_source *source,
                     const struct phu_template_piece *piece)
{
    uint32_t bits;

    if (piece->kind == PHU_TEMPLATE_LITERAL) {
        add_bytes(page, piece->text, piece->length);
        return 0;
    }
    if (piece->kind == PHU_TEMPLATE_COLUMN) {
        add_column(page, source, piece);
        return 0;
    }
    if (piece->part > source->index_length)
        return -EINVAL;
    if (piece->kind == PHU_TEMPLATE_TEXT)
        return add_index_text(page, source, piece->part - 1);
    bits = (source->index[piece->part - 1] >> piece->shift & piece->mask) + piece->plus;
    if (piece->kind == PHU_TEMPLATE_REST)
        add_rest(page, source, piece->part - 1);
    else if (piece->kind == PHU_TEMPLATE_IFNAME)
        add_ifname(page, source, bits);
    else
        add_number(page, bits, false);
    return 0;
}

int phu_profile_row_name(const char *pattern, const struct phu_row_source *source,
                         char name[PHU_PROFILE_NAME_SIZE])
{
    struct phu_template_piece piece;
    struct page page = {.used = 0};
    int result;

    name[0] = '\0';
    while ((result = phu_template_next(&pattern, &piece)) > 0) {
        result = add_piece(&page, source, &piece);
        if (result)
            return result;
    }
    if (result)
        return result;
    phu_ifname_clean(page.text, page.used, name);
    if (!name[0] && source->index_length) {
        page.used = 0;
        add_rest(&page, source, 0);
        phu_ifname_clean(page.text, page.used, name);
    }
    return 0;
}
