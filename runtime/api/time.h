/* SPDX-License-Identifier: MIT */
/* Sleeping and time limits. Part of weft.h. */
#ifndef WEFT_API_TIME_H
#define WEFT_API_TIME_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * State of one sleep; zero before first use, reusable once ready. While pending it is linked into
 * the timer wheel: it must not move, and a caller that gives up on it calls weft_sleep_cancel().
 */
struct weft_sleep {
	struct weft_sleep *next, **link;
	struct weft_task *task;
	uint64_t deadline; /* CLOCK_MONOTONIC ns */
	uint32_t state, seq;
};
WEFT_API uint64_t weft_now(void); /* CLOCK_MONOTONIC ns */
WEFT_API weft_poll_t weft_sleep(struct weft_cx *cx, struct weft_sleep *f, uint64_t ns);
WEFT_API weft_poll_t weft_sleep_until(struct weft_cx *cx, struct weft_sleep *f,
				      uint64_t deadline_ns);
WEFT_API void weft_sleep_cancel(struct weft_cx *cx, struct weft_sleep *f);

/*
 * Bounds an operation: weft_await(f, weft_timeout(cx, &f->sleep, ns, operation)). Gives the
 * operation's result, or -ETIMEDOUT; the operation is then polled a last time as cancelled, so
 * that it leaves no trace.
 */
#define weft_timeout(cx, sleep, ns, operation)                                        \
	__extension__({                                                               \
		weft_poll_t weft_inner_ = (operation);                                \
		if (weft_inner_ != WEFT_PENDING) {                                    \
			weft_sleep_cancel((cx), (sleep));                             \
		} else if (weft_sleep((cx), (sleep), (ns)) != WEFT_PENDING) {         \
			uint32_t weft_saved_ = (cx)->cancelled;                       \
			(cx)->cancelled = 1;                                          \
			weft_inner_ = (operation);                                    \
			(cx)->cancelled = weft_saved_;                                \
			if (weft_inner_ == -ECANCELED || weft_inner_ == WEFT_PENDING) \
				weft_inner_ = -ETIMEDOUT;                             \
		}                                                                     \
		weft_inner_;                                                          \
	})

/*
 * What an interval does about ticks that nobody waited for in time. BURST gives each missed tick
 * at once until it has caught up. DELAY counts the period from a late tick on: one that comes late
 * by more than a tenth of the period, or 5 ms if that is less. SKIP leaves out ticks that are
 * overdue when the next one is over as well, and keeps to the multiples of the period.
 */
enum weft_missed { WEFT_MISSED_BURST, WEFT_MISSED_DELAY, WEFT_MISSED_SKIP };

/*
 * A ticking clock: weft_interval_init(), then weft_await(f, weft_interval_tick(...)) in a loop.
 * While a tick is pending the rules of struct weft_sleep hold; weft_interval_cancel() gives up on it.
 */
struct weft_interval {
	struct weft_sleep sleep;
	uint64_t next, period; /* ns; next: deadline of the coming tick */
	uint32_t missed;       /* enum weft_missed */
	uint32_t late;         /* ticks left out so far (SKIP) or given late at once (BURST) */
};
/* first_ns: deadline of the first tick (CLOCK_MONOTONIC ns, 0 = at once). -EINVAL: period 0. */
WEFT_API int weft_interval_init(struct weft_interval *f, uint64_t first_ns, uint64_t period_ns,
				enum weft_missed missed);
/* Ready at the next tick with 0, or -EINVAL before init. *ret (may be NULL) = when it was due. */
WEFT_API weft_poll_t weft_interval_tick(struct weft_cx *cx, struct weft_interval *f, uint64_t *ret);
WEFT_API void weft_interval_cancel(struct weft_cx *cx, struct weft_interval *f);

#ifdef __cplusplus
}
#endif

#endif
