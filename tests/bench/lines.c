/* How long the console takes to read a line: windows of `coverage` as agents send them, 5,000 to a
 * body. CPU time, the median of many rounds.
 *
 *     bench_lines            one figure, as tests/bench/run reads them
 */
#include "ingest/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LINES = 5000, ROUNDS = 101 };

static char *make_body(size_t *length)
{
    char *body = NULL;
    FILE *out = open_memstream(&body, length);

    for (unsigned i = 0; i < LINES; i++) {
        unsigned sum = 0;

        fprintf(out,
                "coverage,agent=bn-1,commune=09187,endpoint=e%05u,hamlet=h%04u,operator=vnpt,"
                "technology=fibre sent=6i,lost=%ui",
                i, i / 4, i % 50 == 0);
        for (unsigned bucket = 90 + i % 7; bucket < 93 + i % 7; bucket++)
            fprintf(out, ",rtt_b%u=2i", bucket);
        sum = 60000 + i * 13 % 5000;
        fprintf(
            out,
            ",rtt_sum_us=%ui,rtt_count=6i,rtt_min_us=%ui,rtt_max_us=%ui,jitter_sum_us=%ui,"
            "jitter_count=5i,up_ms=60000i,good_ms=60000i,span_ms=60000i 17000000%02u000000000\n",
            sum, sum / 7, sum / 5, i % 900, i % 60);
    }
    fclose(out);
    return body;
}

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

int main(void)
{
    struct phu_lines *lines = phu_lines_new();
    struct phu_sample sample;
    int64_t rounds[ROUNDS];
    size_t length, fields = 0;
    char *body = make_body(&length);

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = cpu_ns();

        phu_lines_begin(lines, body, length, start, 1);
        while (phu_lines_next(lines, &sample) == PHU_LINES_SAMPLE)
            fields += sample.field_count;
        rounds[i] = cpu_ns() - start;
    }
    qsort(rounds, ROUNDS, sizeof *rounds, by_size);
    fprintf(stderr, "  %zu bytes and %.1f fields a line\n", length / LINES,
            (double)fields / LINES / ROUNDS);
    printf("{\"name\": \"console_line_ns\", \"unit\": \"ns/line\", \"ours\": %" PRId64
           ", \"bar\": \"<= 700\"}\n",
           rounds[ROUNDS / 2] / LINES);
    free(body);
    phu_lines_free(lines);
    return 0;
}
