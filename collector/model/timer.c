/* SPDX-License-Identifier: MIT */
#include "collector/model/timer.h"

void timer_log_fire(struct timer_log *log, const struct timer_fired *f)
{
	log->entry[log->written % TIMER_LOG] = *f;
	log->written++;
	if (log->written - log->read > TIMER_LOG)
		log->read = log->written - TIMER_LOG;
}

void timer_log_poll(struct timer_log *log, uint64_t task, uint64_t start_ns)
{
	for (uint64_t n = log->written; n > log->read; n--) {
		struct timer_fired *f = &log->entry[(n - 1) % TIMER_LOG];

		if (f->task == task && f->poll_ns == UINT64_MAX) {
			f->poll_ns = start_ns;
			return;
		}
	}
}

bool timer_log_next(struct timer_log *log, uint64_t before_ns, struct timer_fired *ret)
{
	struct timer_fired *f = &log->entry[log->read % TIMER_LOG];

	if (log->read == log->written || (f->poll_ns == UINT64_MAX && f->fire_ns >= before_ns))
		return false;
	*ret = *f;
	log->read++;
	return true;
}
