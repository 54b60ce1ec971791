/* SPDX-License-Identifier: MIT */
#include "runtime/executor/spin.h"

#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/executor/parker.h"
#include "runtime/time/timer_wheel.h"

#define STREAK      3u
#define SOON_NS     200000u
#define SPIN_NS     100000u
#define SLICE       64u /* looks between two at the clock, 1 to 3 us */
#define PENALTY_MAX 1023u

void weft_spin_init(struct weft_spin *spin, bool on)
{
	spin->on = on && sysconf(_SC_NPROCESSORS_ONLN) > 1 &&
		   !__atomic_load_n(&weft_clock_fake, __ATOMIC_RELAXED);
}

static bool notified(const struct weft_parker *parker)
{
	/* Relaxed: the sleep that this spares would have been ended by an exchange, and still is. */
	return __atomic_load_n(&parker->state, __ATOMIC_RELAXED) == WEFT_PARKER_NOTIFIED;
}

static bool look(const struct weft_parker *parker, uint64_t deadline_ns)
{
	uint64_t until = weft_clock_ns() + SPIN_NS;

	if (until > deadline_ns)
		until = deadline_ns;
	do {
		for (unsigned i = 0; i < SLICE; i++) {
			if (notified(parker))
				return true;
			arch_relax();
		}
	} while (weft_clock_ns() < until);
	return false;
}

bool weft_spin_try(struct weft_spin *spin, const struct weft_parker *parker,
		   struct weft_timer_wheel *wheel)
{
	if (!spin->on || spin->streak < STREAK)
		return false;
	if (spin->pause) {
		spin->pause--;
		return false;
	}
	if (look(parker, weft_timer_wheel_next(wheel, false))) {
		spin->penalty = 0;
		return true;
	}
	spin->penalty = spin->penalty < PENALTY_MAX / 2 ? 2 * spin->penalty + 1 : PENALTY_MAX;
	spin->pause = spin->penalty;
	return false;
}

/* A look at the clock only for those that may come to spin. */
void weft_spin_sleep(struct weft_spin *spin)
{
	spin->from = spin->on && spin->called ? weft_clock_ns() : 0;
}

void weft_spin_awake(struct weft_spin *spin)
{
	bool soon;

	if (!spin->on)
		return;
	spin->called = __atomic_load_n(&spin->caller, __ATOMIC_RELAXED);
	if (spin->called)
		__atomic_store_n(&spin->caller, 0, __ATOMIC_RELAXED);
	soon = spin->called && spin->from && weft_clock_ns() - spin->from < SOON_NS;
	if (!soon)
		spin->streak = 0;
	else if (spin->streak < STREAK)
		spin->streak++;
}
