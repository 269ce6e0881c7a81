#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define AT_MOST_EVERY_NS (100 * PHU_NS_PER_MS)
#define BAR_MAX 40
#define BAR_MIN 10
#define LINE_MAX_BYTES 512

void phu_progress_begin(struct phu_progress *progress, size_t total)
{
    *progress = (struct phu_progress){.is_wanted = total > 1 && isatty(STDERR_FILENO)};
}

static size_t terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void phu_progress_format(char *buffer, size_t size, size_t width, size_t done, size_t total,
                         const char *note)
{
    char count[64], bar[BAR_MAX + 1];
    size_t taken = (size_t)snprintf(count, sizeof count, "%zu of %zu", done, total);
    size_t room, full;

    taken += strlen(note) + 7; /* brackets and spaces, and the last column stays free */
    room = width > taken + BAR_MIN ? width - taken : BAR_MIN;
    if (room > BAR_MAX)
        room = BAR_MAX;
    full = total ? (size_t)((double)room * (double)done / (double)total) : room;
    if (full > room)
        full = room;
    memset(bar, '#', full);
    memset(bar + full, '-', room - full);
    bar[room] = '\0';
    snprintf(buffer, size, "%s  [%s]  %s", count, bar, note);
    if (width > 1 && width - 1 < size)
        buffer[width - 1] = '\0';
}

void phu_progress_show(struct phu_progress *progress, size_t done, size_t total, const char *note)
{
    char line[LINE_MAX_BYTES];
    struct phu_mono now;

    if (!progress->is_wanted)
        return;
    now = phu_mono_now();
    if (progress->is_shown && phu_mono_since(now, progress->shown) < AT_MOST_EVERY_NS)
        return;
    progress->shown = now;
    progress->is_shown = true;
    phu_progress_format(line, sizeof line, terminal_width(), done, total, note);
    fprintf(stderr, "\r%s\033[K", line);
}

void phu_progress_end(struct phu_progress *progress)
{
    if (progress->is_shown)
        fputs("\r\033[K", stderr);
    progress->is_shown = false;
}
