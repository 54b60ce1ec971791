/* SPDX-License-Identifier: MIT */
#include "runtime/executor/line.h"

#include <errno.h>

#include "runtime/base/futex.h"
#include "runtime/executor/executor.h"
#include "runtime/executor/root.h"
#include "runtime/trace.h"

/* On the stack of the thread that waits; linked while `root` is set, under the lock. */
struct weft_line_waiter {
	struct weft_line_waiter *next;
	struct weft_task *root;
};

void weft_line_init(struct weft_line *line, uint32_t seats,
		    bool (*drive)(struct weft_runtime *rt, struct weft_task *root))
{
	pthread_mutex_init(&line->lock, NULL);
	line->first = NULL;
	line->last = &line->first;
	line->seats = seats;
	line->driving = 0;
	line->drive = drive;
}

void weft_line_done(struct weft_line *line)
{
	pthread_mutex_destroy(&line->lock);
}

/* A waiter can't be gone while it is linked. */
static void call_next(struct weft_line *line)
{
	if (line->seats && line->first)
		weft_root_look(line->first->root);
}

static void stand(struct weft_line *line, struct weft_line_waiter *me, struct weft_task *root)
{
	*me = (struct weft_line_waiter){ NULL, root };
	*line->last = me;
	line->last = &me->next;
}

static void leave(struct weft_line *line, struct weft_line_waiter *me)
{
	struct weft_line_waiter **at = &line->first;

	while (*at != me)
		at = &(*at)->next;
	*at = me->next;
	if (!*at)
		line->last = at;
	me->root = NULL;
}

/* Has a seat from now on (true), or stands in the line. */
static bool begin(struct weft_line *line, struct weft_line_waiter *me, struct weft_task *root)
{
	bool got;

	pthread_mutex_lock(&line->lock);
	got = line->seats && weft_runtime_running(root->rt);
	if (got) {
		if (me->root)
			leave(line, me);
		line->seats--;
		__atomic_store_n(&line->driving, line->driving + 1, __ATOMIC_RELAXED);
		call_next(line);
	} else if (!me->root) {
		stand(line, me, root);
	}
	pthread_mutex_unlock(&line->lock);
	return got;
}

/*
 * Gives the seat back, or leaves the line, and lets the first in the line look: it may have been
 * this thread's turn.
 */
static void end(struct weft_line *line, struct weft_line_waiter *me)
{
	pthread_mutex_lock(&line->lock);
	if (me->root) {
		leave(line, me);
	} else {
		line->seats++;
		/* Release: pairs with weft_line_stop(). */
		__atomic_store_n(&line->driving, line->driving - 1, __ATOMIC_RELEASE);
	}
	call_next(line);
	pthread_mutex_unlock(&line->lock);
	weft_futex_wake(&line->driving, 1);
}

/* Polls the root only, until it ends (true) or there may be a seat. */
static bool wait_in_line(struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, rt->id, UINT32_MAX };
	struct weft_cx cx = { .runtime = rt };
	bool ended = false, look = false;

	weft_trace_thread_begin(&role, NULL);
	weft_thread = (struct weft_thread){ .rt = rt, .cx = &cx };
	while (!ended && !look) {
		if (weft_root_due(root))
			ended = weft_root_poll(&cx, root);
		else
			look = weft_root_sleep(root);
	}
	weft_thread = (struct weft_thread){ .rt = NULL };
	return ended;
}

void weft_line_block_on(struct weft_line *line, struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_line_waiter me = { NULL, NULL };
	bool ended;

	do {
		if (!begin(line, &me, root)) {
			ended = wait_in_line(rt, root);
			continue;
		}
		ended = line->drive(rt, root);
		if (!ended) /* the runtime stops: nobody gets a seat any more */
			end(line, &me);
	} while (!ended);
	end(line, &me);
}

int weft_line_stop(struct weft_line *line, uint64_t deadline_ns)
{
	uint32_t n;

	while ((n = __atomic_load_n(&line->driving, __ATOMIC_ACQUIRE))) {
		uint64_t now = weft_clock_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		weft_futex_wait(&line->driving, n, deadline_ns - now);
	}
	return 0;
}
