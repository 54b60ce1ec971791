/* SPDX-License-Identifier: MIT */
/*
 * Findings about single tasks, beyond the ten, all in one program. The ready line has the place of each subject:
 *   lost=   lost-waker      "listener" waits in a leaf that keeps no waker; cure: it keeps one, and is woken
 *   cycle=  wait-cycle      "left" and "right" await each other's end; cure: only "left" awaits
 *   locks=  wait-cycle      "first" and "second" each hold a mutex and wait for the other's; cure: the same order in both
 *   error=  detached-panic  "flusher", detached, ends with -EIO; cure: with 0
 *   large=  large-future    1,000 times "session" with a buffer of 16 KiB in its frame; cure: without
 */
#include <errno.h>

#include "tests/workloads/support/workload.h"

static struct workload w;

/* ---- lost-waker ---- */

/* A leaf of the program's own, as one writes it for a foreign library. */
static struct {
	_Atomic(bool) waiting;
	struct weft_waker waker;
} bell;

static weft_poll_t bell_wait(struct weft_cx *cx, uint32_t *armed)
{
	if (*armed && !atomic_load(&bell.waiting)) {
		*armed = 0;
		return WEFT_READY;
	}
	if (weft_is_cancelled(cx))
		return weft_cancelled(cx);
	if (!*armed && w.healthy) {
		bell.waker = weft_waker_get(cx);
		atomic_store(&bell.waiting, true);
	}
	if (!*armed && !w.healthy)
		atomic_store(&bell.waiting, true);
	*armed = 1;
	return weft_pending(cx, WEFT_WAIT_UNKNOWN);
}

static void bell_ring(void)
{
	struct weft_waker waker = bell.waker;

	if (!atomic_load(&bell.waiting) || !w.healthy)
		return;
	atomic_store(&bell.waiting, false);
	weft_waker_wake(&waker);
}

struct listener {
	WEFT_FRAME;
	uint32_t armed;
};

static weft_poll_t listener(struct weft_cx *cx, struct listener *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, bell_wait(cx, &f->armed));
	} while (f->rc == 0);
	weft_async_end(f, 0);
}

/* ---- wait-cycle ---- */

static struct weft_join *left_task, *right_task;
static _Atomic bool sides_there; /* released: both handles are */

struct side {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_join **other;
};

static weft_poll_t side(struct weft_cx *cx, struct side *f)
{
	weft_async_begin(f);
	while (!atomic_load_explicit(&sides_there, memory_order_acquire))
		weft_await(f, weft_sleep(cx, &f->pause, 20 * MS));
	if (f->other)
		weft_await(f, weft_join(cx, f->other));
	while (f->rc == 0 && workload_on(&w))
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	weft_async_end(f, 0);
}

/* ---- wait-cycle by mutexes ---- */

static struct weft_mutex one, two;

struct locker {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_acquire lock[2];
	struct weft_mutex *m[2];
};

static weft_poll_t locker(struct weft_cx *cx, struct locker *f)
{
	weft_async_begin(f);
	while (f->rc == 0 && workload_on(&w)) {
		weft_await(f, weft_mutex_lock(cx, f->m[0], &f->lock[0]));
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS)); /* until both have one */
		weft_await(f, weft_mutex_lock(cx, f->m[1], &f->lock[1]));
		weft_mutex_unlock(f->m[1]);
		weft_mutex_unlock(f->m[0]);
	}
	weft_async_end(f, 0);
}

static int lockers(char *place, size_t size)
{
	struct locker first = { .m = { &one, &two } };
	struct locker second = { .m = { &two, &one } };
	int rc = workload_spawn(&w, locker, first, .name = "first");

	snprintf(place, size, "%s:%u", w.at_file, w.at_line);
	return rc < 0 ? rc
		      : workload_spawn(&w, locker, w.healthy ? first : second, .name = "second");
}

/* ---- detached-panic ---- */

struct flush {
	WEFT_FRAME;
	struct weft_sleep pause;
};

static weft_poll_t flusher(struct weft_cx *cx, struct flush *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 50 * MS));
	weft_async_end(f, w.healthy ? 0 : -EIO);
}

/* ---- large-future ---- */

struct session {
	WEFT_FRAME;
	struct weft_sleep pause;
	char buf[16384];
};
struct slim {
	WEFT_FRAME;
	struct weft_sleep pause;
};

#define SESSION(type)                                                     \
	static weft_poll_t type##_run(struct weft_cx *cx, struct type *f) \
	{                                                                 \
		weft_async_begin(f);                                      \
		while (workload_on(&w) && !weft_is_cancelled(cx))         \
			weft_await(f, weft_sleep(cx, &f->pause, SECOND)); \
		weft_async_end(f, 0);                                     \
	}
SESSION(session)
SESSION(slim)

static int sessions(char *place, size_t size)
{
	static struct session large;
	int rc = 0;

	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = w.healthy ? workload_spawn(&w, slim_run, ((struct slim){ .rc = 0 }),
						.name = "session")
			       : workload_spawn(&w, session_run, large, .name = "session");
	snprintf(place, size, "%s:%u", w.at_file, w.at_line);
	return rc;
}

/* ---- the program ---- */

static int sides(char *place, size_t size)
{
	int rc = weft_spawn(w.rt, side, ((struct side){ .other = &right_task }), .name = "left",
			    .join = &left_task);

	snprintf(place, size, "%s:%d", __FILE__, __LINE__ - 3);
	if (rc == 0)
		rc = weft_spawn(w.rt, side,
				((struct side){ .other = w.healthy ? NULL : &left_task }),
				.name = "right", .join = &right_task);
	atomic_store_explicit(&sides_there, true, memory_order_release);
	return rc;
}

int main(int argc, char **argv)
{
	char cycle[128], locks[128], large[128], lost[128], error[128], text[800];
	int rc;

	workload_begin(&w, argc, argv, "all");
	rc = workload_spawn(&w, listener, ((struct listener){ .armed = 0 }), .name = "listener");
	snprintf(lost, sizeof(lost), "%s:%u", w.at_file, w.at_line);
	rc = rc ? rc : sides(cycle, sizeof(cycle));
	rc = rc ? rc : lockers(locks, sizeof(locks));
	rc = rc ? rc : sessions(large, sizeof(large));
	for (bool told = false; rc == 0 && workload_on(&w); told = true) {
		rc = workload_spawn(&w, flusher, ((struct flush){ .rc = 0 }), .name = "flusher");
		snprintf(error, sizeof(error), "%s:%u", w.at_file, w.at_line);
		snprintf(text, sizeof(text), "lost=%s cycle=%s locks=%s error=%s large=%s", lost,
			 cycle, locks, error, large);
		if (!told)
			workload_ready(&w, NULL, text);
		workload_doze(200 * MS);
		bell_ring();
	}
	return rc < 0 ? 1 : workload_end(&w);
}
