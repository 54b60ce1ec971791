/* SPDX-License-Identifier: MIT */
/*
 * Timers that fired, until the task they woke is polled: how late they were and when that had an effect. A ring; each
 * reader keeps the number of the last one it has read. And those that are armed on runtimes that a thread of the program
 * drives: one of each task, the nearest that its last poll armed. And those that were due already when they were armed, as
 * the ticks are that a ticker makes up for: they are late from the end of that poll, whatever their deadlines.
 */
#ifndef WEFT_MODEL_TIMER_H
#define WEFT_MODEL_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_LOG   4096u
#define TIMER_ARMED 4096u /* by the task's hash; of two in one place the later stays */

struct timer_fired {
	uint64_t task,
		timer;    /* task 0: no single timer, but a driver and what it had to wait for */
	uint32_t runtime; /* 0 = not known */
	uint32_t process;
	int64_t deadline_ns; /* or since when it could have fired */
	uint64_t fire_ns,
		poll_ns; /* poll_ns: start of the first poll after; UINT64_MAX = not seen */
};

struct timer_log {
	struct timer_fired entry[TIMER_LOG]; /* [number % TIMER_LOG], numbers from 1 */
	/* Tasks by hash: number of the last one, and of the one before each; 0 = none. */
	uint64_t last[TIMER_LOG], before[TIMER_LOG];
	uint64_t written;
};

struct timer_armed {
	uint64_t task, timer, deadline_ns, armed_ns;
	uint64_t polls; /* of the task, before the one that armed it */
};

struct timer_table {
	struct timer_armed entry[TIMER_ARMED];
	struct timer_armed past[TIMER_ARMED]; /* deadline_ns: not after armed_ns */
};

void timer_table_arm(struct timer_table *table, const struct timer_armed *a);
void timer_table_arm_past(struct timer_table *table, const struct timer_armed *a);
/* Of one that fires: its deadline or, if it is later, the end of the poll that armed it. polls, poll_ns: of its task, the last one's end. */
uint64_t timer_table_due(const struct timer_table *table, const struct timer_armed *fired,
			 uint64_t polls, uint64_t poll_ns);

void timer_log_fire(struct timer_log *log, const struct timer_fired *f);
/* The task is polled: fills in the poll of its last timer. */
void timer_log_poll(struct timer_log *log, uint64_t task, uint64_t start_ns);
/* The one after *cursor, if it is settled: polled, or fired before `before_ns`. Moves *cursor on. */
bool timer_log_next(const struct timer_log *log, uint64_t *cursor, uint64_t before_ns,
		    struct timer_fired *ret);

#endif
