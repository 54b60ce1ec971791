/* SPDX-License-Identifier: MIT */
#include "collector/model/timer.h"

static uint32_t hash(uint64_t task)
{
	return (uint32_t)(task * 0x9e3779b97f4a7c15ull >> 32) % TIMER_LOG;
}

void timer_table_arm(struct timer_table *table, const struct timer_armed *a)
{
	struct timer_armed *at = &table->entry[hash(a->task) % TIMER_ARMED];

	if (at->task != a->task || at->polls != a->polls || a->deadline_ns < at->deadline_ns)
		*at = *a;
}

static uint32_t past(const struct timer_armed *a)
{
	return hash(a->task + a->timer) % TIMER_ARMED;
}

void timer_table_arm_past(struct timer_table *table, const struct timer_armed *a)
{
	table->past[past(a)] = *a;
}

uint64_t timer_table_due(const struct timer_table *table, const struct timer_armed *fired,
			 uint64_t polls, uint64_t poll_ns)
{
	const struct timer_armed *a = &table->past[past(fired)];

	if (a->task != fired->task || a->timer != fired->timer ||
	    (int64_t)a->armed_ns < (int64_t)fired->deadline_ns)
		return fired->deadline_ns;
	return polls == a->polls + 1 && poll_ns > a->armed_ns ? poll_ns : a->armed_ns;
}

void timer_log_fire(struct timer_log *log, const struct timer_fired *f)
{
	uint64_t n = ++log->written, *last = &log->last[hash(f->task)];

	log->entry[n % TIMER_LOG] = *f;
	log->before[n % TIMER_LOG] = *last;
	*last = n;
}

void timer_log_poll(struct timer_log *log, uint64_t task, uint64_t start_ns)
{
	/* Those written over have the least numbers: the first of them ends the chain. */
	for (uint64_t n = log->last[hash(task)]; n && log->written - n < TIMER_LOG;
	     n = log->before[n % TIMER_LOG]) {
		struct timer_fired *f = &log->entry[n % TIMER_LOG];

		if (f->task == task) {
			if (f->poll_ns == UINT64_MAX)
				f->poll_ns = start_ns;
			return;
		}
	}
}

bool timer_log_next(const struct timer_log *log, uint64_t *cursor, uint64_t before_ns,
		    struct timer_fired *ret)
{
	const struct timer_fired *f;

	if (log->written - *cursor > TIMER_LOG)
		*cursor = log->written - TIMER_LOG;
	if (*cursor == log->written)
		return false;
	f = &log->entry[(*cursor + 1) % TIMER_LOG];
	if (f->poll_ns == UINT64_MAX && f->fire_ns >= before_ns)
		return false;
	*ret = *f;
	++*cursor;
	return true;
}
