/* SPDX-License-Identifier: MIT */
/* Timers that fired, until the task they woke is polled: how late they were and when that had an effect. */
#ifndef WEFT_MODEL_TIMER_H
#define WEFT_MODEL_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_LOG 1024u

struct timer_fired {
	uint64_t task, timer;
	uint32_t runtime;
	int64_t deadline_ns;
	uint64_t fire_ns,
		poll_ns; /* poll_ns: start of the first poll after; UINT64_MAX = not seen */
};

struct timer_log {
	struct timer_fired entry[TIMER_LOG]; /* [number % TIMER_LOG] */
	uint64_t written, read;
};

void timer_log_fire(struct timer_log *log, const struct timer_fired *f);
/* The task is polled: fills in the poll of its last timer. */
void timer_log_poll(struct timer_log *log, uint64_t task, uint64_t start_ns);
/* The next one that is settled: polled, or fired before `before_ns`. */
bool timer_log_next(struct timer_log *log, uint64_t before_ns, struct timer_fired *ret);

#endif
