/* SPDX-License-Identifier: MIT */
#include "collector/detect/coverage.h"

#include <stdint.h>

/* The columns of coverage.h: + works, ~ partly, ? unseen, - none. */
static const char cells[SYMPTOMS][16] = {
	/* build weft tokio async-std smol */
	[SYMPTOM_NOT_SEND] = "+ ++ -- -- --",         [SYMPTOM_HANDLE_DROPPED] = "+ ~+ ?+ ~+ ~~",
	[SYMPTOM_NEVER_RUNS] = "- ++ ~+ ~+ ~+",       [SYMPTOM_BUSY_LOOP] = "- ~+ ~+ ~+ ~+",
	[SYMPTOM_BLOCKING_CALL] = "- ~+ ~+ ~+ ~+",    [SYMPTOM_MISSING_FEATURE] = "+ ++ -- -- --",
	[SYMPTOM_MIXED_RUNTIMES] = "+ ~+ ~+ ~+ ~+",   [SYMPTOM_TIMER_STALL] = "- ?+ ?~ ?+ ?+",
	[SYMPTOM_TASK_LEAK] = "- ++ ++ ~~ ~~",        [SYMPTOM_NOT_UNPIN] = "+ ++ -- -- --",
	[SYMPTOM_LONG_POLL] = "- ++ ++ ++ ++",        [SYMPTOM_LOST_WAKER] = "- ++ ~~ ~~ ~~",
	[SYMPTOM_WORKER_IMBALANCE] = "- ++ ~~ ?~ ?~", [SYMPTOM_QUEUE_BACKLOG] = "- ++ ++ ?+ ?+",
	[SYMPTOM_CPU_STARVED] = "- ++ ++ ++ ++",      [SYMPTOM_WAIT_CYCLE] = "- ~~ ~~ ~~ ~~",
	[SYMPTOM_TIMER_LATE] = "- ?+ ?+ ?+ ?+",       [SYMPTOM_DETACHED_PANIC] = "- ++ ++ ++ ++",
	[SYMPTOM_LARGE_FUTURE] = "- ++ ~~ ?? ??",     [SYMPTOM_WORKER_COUNT] = "- ++ ++ ++ ++",
};

#define LIGHT(kind)  (1u << (COVERAGE_RUN + 2 * ((kind)-1)))
#define NORMAL(kind) (LIGHT(kind) << 1)
#define BOTH(kind)   (LIGHT(kind) | NORMAL(kind))
#define BUILD        (1u << COVERAGE_BUILD)
#define TOKIO        BOTH(WEFT_RT_TOKIO)
#define ASYNC_TASK   (BOTH(WEFT_RT_ASYNC_STD) | BOTH(WEFT_RT_SMOL))
#define RUST         (TOKIO | ASYNC_TASK)
#define LIGHTS                                                                   \
	(LIGHT(WEFT_RT_WEFT) | LIGHT(WEFT_RT_TOKIO) | LIGHT(WEFT_RT_ASYNC_STD) | \
	 LIGHT(WEFT_RT_SMOL))
#define RUN(s) (1u << SYMPTOM_##s)

/* Of the cells that do not work; the first that fits. */
static const struct {
	uint32_t symptoms, columns;
	const char *why;
} reasons[] = {
	{ ~0u, BUILD, "shows while the program runs: weft diagnose -- COMMAND" },
	{ RUN(NOT_SEND) | RUN(MISSING_FEATURE) | RUN(NOT_UNPIN), RUST,
	  "shows in the compiler's output: weft diagnose --cargo FILE" },
	{ RUN(HANDLE_DROPPED), LIGHT(WEFT_RT_TOKIO),
	  "level light: when a task of Tokio was spawned, and that it was aborted, is not seen" },
	{ RUN(HANDLE_DROPPED), LIGHTS,
	  "level light: who dropped it and a shutdown before the first poll are not seen" },
	{ RUN(HANDLE_DROPPED), NORMAL(WEFT_RT_SMOL),
	  "tasks that are dropped with their executor are not seen" },
	{ RUN(NEVER_RUNS), LIGHTS, "level light: tasks that only wait behind others are not seen" },
	{ RUN(BUSY_LOOP), LIGHTS, "level light: pairs of tasks that wake each other are not seen" },
	{ RUN(BLOCKING_CALL), LIGHTS,
	  "level light: blocks shorter than 50 ms are met by chance only" },
	{ RUN(MIXED_RUNTIMES), LIGHTS,
	  "level light: how tasks of one runtime wake those of another is not seen" },
	{ RUN(TIMER_STALL) | RUN(TIMER_LATE), LIGHTS, "level light: single timers are not seen" },
	{ RUN(TIMER_STALL), TOKIO,
	  "of a current-thread runtime that was left before the watch began, timers in several boxes or behind combinators are not seen" },
	{ RUN(WORKER_IMBALANCE), TOKIO,
	  "the workers of Tokio steal; a LocalSet is told as a runtime of its own" },
	{ RUN(TASK_LEAK), ASYNC_TASK,
	  "of async-std and smol, tasks that are done and held are not seen" },
	{ RUN(LOST_WAKER), RUST, "a task whose handle is held and not awaited is not judged" },
	{ RUN(WORKER_IMBALANCE), NORMAL(WEFT_RT_ASYNC_STD) | NORMAL(WEFT_RT_SMOL),
	  "the workers of async-std and smol steal; a LocalExecutor is told as a runtime of its own" },
	{ RUN(WORKER_IMBALANCE) | RUN(QUEUE_BACKLOG), ASYNC_TASK,
	  "level light: of async-std and smol, tasks that wait are not seen" },
	{ RUN(WAIT_CYCLE), BOTH(WEFT_RT_WEFT),
	  "circles through read locks, semaphores and channels are not seen" },
	{ RUN(WAIT_CYCLE), RUST,
	  "only tasks that await each other's handles, and nothing else besides, are seen" },
	{ RUN(LARGE_FUTURE), TOKIO, "futures above 16 KiB are not seen: Tokio boxes them" },
	{ RUN(LARGE_FUTURE), ASYNC_TASK,
	  "async-std and smol box large futures: the tasks do not show their size" },
};

/* In a row of cells. */
static unsigned place(unsigned column)
{
	unsigned n = column - COVERAGE_RUN;

	return column < COVERAGE_RUN ? 0 : 2 + n / 2 * 3 + n % 2;
}

static enum coverage mark(char cell)
{
	switch (cell) {
	case '+':
		return COVERAGE_WORKS;
	case '~':
		return COVERAGE_PARTLY;
	case '?':
		return COVERAGE_UNSEEN;
	default:
		return COVERAGE_NONE;
	}
}

enum coverage coverage_of(enum symptom s, unsigned column, const char **ret_why)
{
	enum coverage c = mark(cells[s][place(column)]);

	*ret_why = "";
	for (unsigned i = 0; c != COVERAGE_WORKS && i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (!(reasons[i].symptoms & 1u << s) || !(reasons[i].columns & 1u << column))
			continue;
		*ret_why = reasons[i].why;
		break;
	}
	return c;
}
