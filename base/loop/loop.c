/* sched.h on libuv.
 *
 * One uv_timer drives the whole timer wheel: it is set for the wheel's next tick. Timers that
 * become due inside other callbacks (delay 0) run in a uv_check, right after the poll phase that
 * called them, so batching costs no extra wake-up.
 *
 * libuv frees nothing: a handle's memory may go only in its close callback, so watches and signals
 * are heap objects that close themselves, and after a close their callback pointer is NULL.
 */
#include "loop.h"

#include "phusong/log.h"
#include "phusong/stats.h"
#include "wheel.h"

#include <errno.h>
#include <stdlib.h>
#include <uv.h>

/* Timers must not starve the descriptors: neither one of zero delay that arms itself again for
 * ever, nor more of them than the machine can serve. */
#define ROUNDS_PER_WAKEUP 64
#define TIMERS_MOST_NS (50 * PHU_NS_PER_MS)

#define LAG_SPAN_NS (10 * PHU_NS_PER_S)

struct lag {
    int64_t worst, worst_before, worst_ever; /* ns */
    struct phu_mono span_began;
    struct phu_mono running_since; /* nothing is late before the loop runs */
};

struct phu_sched {
    uv_loop_t uv;
    uv_timer_t alarm;
    uv_check_t after_poll;
    int64_t alarm_tick; /* what `alarm` is set for; INT64_MAX: stopped */
    bool is_running_due;
    struct phu_wheel wheel;
    struct lag lag;
    int64_t wakeups;
};

struct phu_watch {
    uv_poll_t poll;
    phu_watch_cb *ready;
    void *arg;
};

struct phu_signal {
    uv_signal_t handle;
    void (*raised)(void *arg, int number);
    void *arg;
};

struct work {
    uv_work_t request;
    void (*run)(void *arg);
    void (*done)(void *arg, bool is_canceled);
    void *arg;
};

struct phu_mono phu_sched_now(const struct phu_sched *sched)
{
    (void)sched;
    return phu_mono_now();
}

struct phu_wall phu_sched_wall(const struct phu_sched *sched)
{
    (void)sched;
    return phu_wall_now();
}

/* -- Timers ---------------------------------------------------------------------------------- */

static int64_t tick_now(void)
{
    return phu_mono_now().ns / PHU_SCHED_TICK_NS;
}

static void note_lag(struct lag *lag, const struct phu_timer *timer, struct phu_mono now)
{
    int64_t due_ns = timer->tick * PHU_SCHED_TICK_NS;
    int64_t late = now.ns - (due_ns > lag->running_since.ns ? due_ns : lag->running_since.ns);

    if (phu_mono_since(now, lag->span_began) > LAG_SPAN_NS) {
        lag->worst_before = lag->worst;
        lag->worst = 0;
        lag->span_began = now;
    }
    if (late > lag->worst)
        lag->worst = late;
    if (late > lag->worst_ever)
        lag->worst_ever = late;
}

static void alarm_rang(uv_timer_t *alarm);

static void set_alarm(struct phu_sched *sched)
{
    int64_t next = phu_wheel_next(&sched->wheel);
    int64_t delay;

    if (next == sched->alarm_tick)
        return;
    sched->alarm_tick = next;
    if (next == INT64_MAX) {
        uv_timer_stop(&sched->alarm);
        return;
    }
    uv_update_time(&sched->uv);
    delay = next - (int64_t)uv_now(&sched->uv);
    uv_timer_start(&sched->alarm, alarm_rang, delay > 0 ? (uint64_t)delay : 0, 0);
}

static void run_due(struct phu_sched *sched)
{
    struct phu_mono began = phu_mono_now();

    sched->is_running_due = true;
    for (int round = 0;
         round < ROUNDS_PER_WAKEUP && phu_mono_since(phu_mono_now(), began) < TIMERS_MOST_NS;
         round++) {
        struct phu_timer *timer;

        phu_wheel_advance(&sched->wheel, tick_now());
        timer = phu_wheel_pop(&sched->wheel);
        if (!timer)
            break;
        note_lag(&sched->lag, timer, phu_mono_now());
        do {
            timer->fire(timer);
            timer = phu_wheel_pop(&sched->wheel);
        } while (timer);
    }
    sched->is_running_due = false;
    set_alarm(sched);
}

static void alarm_rang(uv_timer_t *alarm)
{
    struct phu_sched *sched = alarm->data;

    sched->alarm_tick = INT64_MAX;
    sched->wakeups++;
    run_due(sched);
}

static void polled(uv_check_t *check)
{
    struct phu_sched *sched = check->data;

    if (sched->wheel.due)
        run_due(sched);
}

void phu_timer_at(struct phu_sched *sched, struct phu_timer *timer, struct phu_mono due)
{
    phu_wheel_arm(&sched->wheel, timer, phu_wheel_tick_at(due));
    if (!sched->is_running_due)
        set_alarm(sched);
}

void phu_timer_after(struct phu_sched *sched, struct phu_timer *timer, int64_t delay_ns)
{
    if (delay_ns <= 0) {
        phu_wheel_arm(&sched->wheel, timer, sched->wheel.now);
        if (!sched->is_running_due)
            set_alarm(sched);
        return;
    }
    phu_timer_at(sched, timer, phu_mono_add(phu_mono_now(), delay_ns));
}

void phu_timer_cancel(struct phu_sched *sched, struct phu_timer *timer)
{
    phu_wheel_cancel(&sched->wheel, timer);
}

/* -- Descriptors ----------------------------------------------------------------------------- */

static int to_uv_events(unsigned events)
{
    return (events & PHU_WATCH_READ ? UV_READABLE : 0) |
           (events & PHU_WATCH_WRITE ? UV_WRITABLE : 0) |
           (events & PHU_WATCH_ERRQUEUE ? UV_PRIORITIZED : 0);
}

static unsigned from_uv_events(int events)
{
    return (events & UV_READABLE ? PHU_WATCH_READ : 0U) |
           (events & UV_WRITABLE ? PHU_WATCH_WRITE : 0U) |
           (events & UV_PRIORITIZED ? PHU_WATCH_ERRQUEUE : 0U);
}

static void watch_polled(uv_poll_t *poll, int status, int events)
{
    struct phu_watch *watch = poll->data;
    struct phu_sched *sched = poll->loop->data;

    sched->wakeups++;
    if (!watch->ready)
        return;
    if (status < 0) {
        uv_poll_stop(poll);
        watch->ready(watch->arg, PHU_WATCH_GONE);
        return;
    }
    watch->ready(watch->arg, from_uv_events(events));
}

int phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready, void *arg,
                   struct phu_watch **out)
{
    struct phu_watch *watch = calloc(1, sizeof *watch);
    int error;

    if (!watch)
        return -ENOMEM;
    error = uv_poll_init(&sched->uv, &watch->poll, fd);
    if (error) {
        free(watch);
        return error;
    }
    watch->poll.data = watch;
    watch->ready = ready;
    watch->arg = arg;
    error = phu_watch_set(watch, events);
    if (error) {
        phu_watch_close(watch);
        return error;
    }
    *out = watch;
    return 0;
}

int phu_watch_set(struct phu_watch *watch, unsigned events)
{
    if (!events)
        return uv_poll_stop(&watch->poll);
    return uv_poll_start(&watch->poll, to_uv_events(events), watch_polled);
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void phu_watch_close(struct phu_watch *watch)
{
    if (!watch)
        return;
    watch->ready = NULL;
    uv_close((uv_handle_t *)&watch->poll, watch_closed);
}

/* -- Slow work ------------------------------------------------------------------------------- */

static void work_run(uv_work_t *request)
{
    struct work *work = request->data;

    work->run(work->arg);
}

static void work_done(uv_work_t *request, int status)
{
    struct work *work = request->data;

    work->done(work->arg, status == UV_ECANCELED);
    free(work);
}

int phu_work_start(struct phu_sched *sched, void (*run)(void *arg),
                   void (*done)(void *arg, bool is_canceled), void *arg)
{
    struct work *work = calloc(1, sizeof *work);
    int error;

    if (!work)
        return -ENOMEM;
    *work = (struct work){.request.data = work, .run = run, .done = done, .arg = arg};
    error = uv_queue_work(&sched->uv, &work->request, work_run, work_done);
    if (error)
        free(work);
    return error;
}

/* -- Signals --------------------------------------------------------------------------------- */

static void signal_raised(uv_signal_t *handle, int number)
{
    struct phu_signal *signal = handle->data;

    if (signal->raised)
        signal->raised(signal->arg, number);
}

static void signal_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int phu_loop_signal_open(struct phu_sched *sched, int number, void (*raised)(void *arg, int number),
                         void *arg, struct phu_signal **out)
{
    struct phu_signal *signal = calloc(1, sizeof *signal);
    int error;

    if (!signal)
        return -ENOMEM;
    uv_signal_init(&sched->uv, &signal->handle);
    *signal = (struct phu_signal){.handle = signal->handle, .raised = raised, .arg = arg};
    signal->handle.data = signal;
    error = uv_signal_start(&signal->handle, signal_raised, number);
    if (error) {
        phu_loop_signal_close(signal);
        return error;
    }
    *out = signal;
    return 0;
}

void phu_loop_signal_close(struct phu_signal *signal)
{
    if (!signal)
        return;
    signal->raised = NULL;
    uv_close((uv_handle_t *)&signal->handle, signal_closed);
}

/* -- The loop itself ------------------------------------------------------------------------- */

int phu_loop_new(struct phu_sched **out)
{
    struct phu_sched *sched = calloc(1, sizeof *sched);
    int error;

    if (!sched)
        return -ENOMEM;
    error = uv_loop_init(&sched->uv);
    if (error) {
        free(sched);
        return error;
    }
    sched->uv.data = sched;
    uv_timer_init(&sched->uv, &sched->alarm);
    uv_check_init(&sched->uv, &sched->after_poll);
    sched->alarm.data = sched;
    sched->after_poll.data = sched;
    uv_check_start(&sched->after_poll, polled);
    phu_wheel_init(&sched->wheel, tick_now());
    sched->alarm_tick = INT64_MAX;
    *out = sched;
    return 0;
}

void phu_loop_run(struct phu_sched *sched)
{
    sched->lag.running_since = phu_mono_now();
    uv_run(&sched->uv, UV_RUN_DEFAULT);
}

void phu_loop_stop(struct phu_sched *sched)
{
    uv_stop(&sched->uv);
}

static void report_forgotten(uv_handle_t *handle, void *arg)
{
    size_t *forgotten = arg;

    if (!uv_is_closing(handle))
        ++*forgotten;
}

void phu_loop_free(struct phu_sched *sched)
{
    size_t forgotten = 0;

    uv_close((uv_handle_t *)&sched->alarm, NULL);
    uv_close((uv_handle_t *)&sched->after_poll, NULL);
    uv_walk(&sched->uv, report_forgotten, &forgotten);
    if (forgotten) { /* running on would hang: our mistake, say so */
        phu_log_error("loop", "handles were left open at exit", "count=%zu", forgotten);
        abort();
    }
    uv_run(&sched->uv, UV_RUN_DEFAULT); /* close callbacks, and work in progress */
    uv_loop_close(&sched->uv);
    free(sched);
}

static double read_lag(void *arg)
{
    const struct lag *lag = arg;
    int64_t worst = lag->worst > lag->worst_before ? lag->worst : lag->worst_before;

    return (double)worst / (double)PHU_NS_PER_S;
}

static double read_lag_max(void *arg)
{
    const struct lag *lag = arg;

    return (double)lag->worst_ever / (double)PHU_NS_PER_S;
}

void phu_loop_add_stats(struct phu_sched *sched, struct phu_stats *stats)
{
    static const struct phu_stat_info lag = {
        "phusong_loop_lag_seconds", PHU_STAT_GAUGE,
        "How much later than planned timers fired, worst of the last 10 to 20 seconds"};
    static const struct phu_stat_info lag_max = {
        "phusong_loop_lag_max_seconds", PHU_STAT_GAUGE,
        "How much later than planned timers fired, worst since the start"};
    static const struct phu_stat_info wakeups = {
        "phusong_loop_wakeups_total", PHU_STAT_COUNTER,
        "How often the event loop called back for timers or descriptors"};

    phu_stats_add_read(stats, &lag, NULL, read_lag, &sched->lag);
    phu_stats_add_read(stats, &lag_max, NULL, read_lag_max, &sched->lag);
    phu_stats_add(stats, &wakeups, NULL, &sched->wakeups);
}
