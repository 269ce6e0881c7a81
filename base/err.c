/* Mistakes in files, collected and printed in the order of their places. */
#include "phusong/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void phu_diags_init(struct phu_diags *diags)
{
    *diags = (struct phu_diags){0};
}

void phu_diags_fini(struct phu_diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        free(diags->items[i].file);
        free(diags->items[i].message);
    }
    free(diags->items);
    phu_diags_init(diags);
}

static struct phu_diag *append(struct phu_diags *diags)
{
    /* Capacity doubles at powers of two, so it need not be kept. */
    if ((diags->count & (diags->count - 1)) == 0) {
        size_t capacity = diags->count ? diags->count * 2 : 1;
        struct phu_diag *items = realloc(diags->items, capacity * sizeof *items);

        if (!items)
            abort();
        diags->items = items;
    }
    return &diags->items[diags->count++];
}

void phu_diags_add(struct phu_diags *diags, const char *file, unsigned line, unsigned column,
                   const char *format, ...)
{
    struct phu_diag diag = {.line = line, .column = column};
    va_list args;

    if (diags->count == PHU_DIAGS_MAX) {
        diags->suppressed++;
        return;
    }
    va_start(args, format);
    if (vasprintf(&diag.message, format, args) < 0)
        abort();
    va_end(args);
    diag.file = strdup(file);
    if (!diag.file)
        abort();
    *append(diags) = diag;
}

static int compare_places(const void *left, const void *right)
{
    const struct phu_diag *a = left, *b = right;
    int order = strcmp(a->file, b->file);

    if (order)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->message, b->message);
}

/* Control characters are replaced: what a file holds must not reach a terminal as commands. */
static void print_text(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void print_one(const struct phu_diag *diag, FILE *out)
{
    print_text(diag->file, out);
    if (diag->line)
        fprintf(out, ":%u", diag->line);
    if (diag->line && diag->column)
        fprintf(out, ":%u", diag->column);
    fputs(": ", out);
    print_text(diag->message, out);
    fputc('\n', out);
}

void phu_diags_print(struct phu_diags *diags, FILE *out)
{
    if (diags->count)
        qsort(diags->items, diags->count, sizeof *diags->items, compare_places);
    for (size_t i = 0; i < diags->count; i++)
        print_one(&diags->items[i], out);
    if (diags->suppressed)
        fprintf(out, "… and %zu more mistakes\n", diags->suppressed);
}
