/* SPDX-License-Identifier: MIT */
#include "runtime/base/clock.h"
#include "runtime/executor/executor.h"

#define LATE_MAX_NS 5000000u /* as Tokio's: less is the ordinary lateness of a busy machine */

int weft_interval_init(struct weft_interval *f, uint64_t first_ns, uint64_t period_ns,
		       enum weft_missed missed)
{
	if (!period_ns || missed > WEFT_MISSED_SKIP)
		return -EINVAL;
	*f = (struct weft_interval){
		.next = first_ns ? first_ns : weft_clock_ns(),
		.period = period_ns,
		.missed = missed,
	};
	return 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX - 1;
}

static uint64_t tick_after(struct weft_interval *f, uint64_t now)
{
	uint64_t late = now > f->next ? now - f->next : 0, tenth = f->period / 10;

	switch (f->missed) {
	case WEFT_MISSED_DELAY:
		return add(late > (tenth < LATE_MAX_NS ? tenth : LATE_MAX_NS) ? now : f->next,
			   f->period);
	case WEFT_MISSED_SKIP:
		f->late += (uint32_t)(late / f->period);
		return add(f->next, (late / f->period + 1) * f->period);
	default:
		f->late += late >= f->period;
		return add(f->next, f->period);
	}
}

weft_poll_t weft_interval_tick(struct weft_cx *cx, struct weft_interval *f, uint64_t *ret)
{
	weft_poll_t rc;

	if (!f->period)
		return -EINVAL;
	rc = weft_sleep_until(cx, &f->sleep, f->next);
	if (rc == WEFT_PENDING)
		return weft_pending(cx, WEFT_WAIT_INTERVAL);
	if (rc)
		return rc;
	if (ret)
		*ret = f->next;
	f->next = tick_after(f, weft_clock_ns());
	return WEFT_READY;
}

void weft_interval_cancel(struct weft_cx *cx, struct weft_interval *f)
{
	weft_sleep_cancel(cx, &f->sleep);
}
