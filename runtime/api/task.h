/* SPDX-License-Identifier: MIT */
/* Tasks, join handles, wakers. Part of weft.h. */
#ifndef WEFT_API_TASK_H
#define WEFT_API_TASK_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weft_group;

typedef weft_poll_t weft_task_fn(struct weft_cx *cx, void *frame);

/* Place of a spawn; static, one per weft_spawn in the source. `id` belongs to the runtime. */
struct weft_site {
	const char *file, *func, *name;
	uint32_t line;
	uint32_t id;
};

struct weft_spawn_options {
	/* NULL = fn. The site's first name is free, another is copied per task */
	const char *name WEFT_ZERO;
	bool detach WEFT_ZERO;              /* no handle: the task lives until it ends */
	struct weft_join **join WEFT_ZERO;  /* receives the handle; NULL = detached */
	struct weft_group *group WEFT_ZERO; /* the group keeps the handle */
	bool local WEFT_ZERO;               /* see weft_spawn_local */
};

/*
 * Spawns fn over a copy of `frame` (an expression of fn's frame type; put compound literals in
 * parentheses). rt NULL = the current runtime. Further arguments are members of struct
 * weft_spawn_options. Gives 0, -ENOMEM, or -ESHUTDOWN. Any thread.
 */
#define weft_spawn(rt, fn, frame, ...)                                                             \
	__extension__({                                                                            \
		static struct weft_site weft_site_ = { __FILE__, __func__, #fn, __LINE__, 0 };     \
		__typeof__(frame) weft_spawned_ = (frame);                                         \
		weft_poll_t (*weft_fn_)(struct weft_cx *, __typeof__(weft_spawned_) *) = (fn);     \
		const struct weft_spawn_options weft_options_ = { __VA_ARGS__ };                   \
		const struct weft_frame_bytes weft_bytes_ = { &weft_spawned_,                      \
							      sizeof(weft_spawned_) };             \
		weft_spawn_at((rt), &weft_site_, &weft_options_, (weft_task_fn *)(void *)weft_fn_, \
			      &weft_bytes_);                                                       \
	})

/*
 * Spawns a task that is bound to this thread: only the thread that is inside weft_block_on() (or
 * weft_runtime_run()) polls it, between the polls of that call's own function. Callable by whatever
 * that thread polls; elsewhere, on a worker for instance, it gives -EPERM and a misuse event. The
 * task may be woken, joined and aborted by any thread. One that is still there when weft_block_on()'s
 * function ends is aborted and runs to its end before weft_block_on() returns.
 */
#define weft_spawn_local(fn, frame, ...) weft_spawn(NULL, fn, frame, .local = true, __VA_ARGS__)

struct weft_frame_bytes {
	const void *data;
	size_t bytes;
};
WEFT_API int weft_spawn_at(struct weft_runtime *rt, struct weft_site *site,
			   const struct weft_spawn_options *options, weft_task_fn *fn,
			   const struct weft_frame_bytes *frame);

/*
 * Runs fn over *frame on the calling thread until it ends, and gives its result; *frame holds the
 * final frame then. -EDEADLK inside a task or another block_on, -ESHUTDOWN after shutdown, -EINVAL without an rt.
 *
 * A child made by fork() has no threads but its own, so none of its parent's runtimes work there. It may start one
 * of its own and block on that, also where the fork was in a task: it counts as outside of the task then, uses no cx of
 * it, and ends by _exit() or exec, not by a return into the parent's runtime.
 */
#define weft_block_on(rt, fn, frame)                                                           \
	__extension__({                                                                        \
		static struct weft_site weft_site_ = { __FILE__, __func__, #fn, __LINE__, 0 }; \
		weft_poll_t (*weft_fn_)(struct weft_cx *, __typeof__(*(frame)) *) = (fn);      \
		weft_block_on_at((rt), &weft_site_, (weft_task_fn *)(void *)weft_fn_, (frame), \
				 sizeof(*(frame)));                                            \
	})
WEFT_API int weft_block_on_at(struct weft_runtime *rt, struct weft_site *site, weft_task_fn *fn,
			      void *frame, size_t bytes);

/* Id of the task being polled: process-wide, dense from 1, never reused. */
WEFT_API uint64_t weft_task_id(const struct weft_cx *cx);

/*
 * A task's fingerprint for the lines of a log: 16 hex digits that no other task has, of whatever process since whatever
 * boot. task: as weft_task_id() or weft_join_id() told it, also of one that has ended; 0 = the one that the calling thread polls ("-" if none).
 *
 *	fprintf(log, "%s order refused\n", weft_task_fingerprint(0).text);
 *
 * weft dump --task, the view tasks of a recording and task_of() in weft query find the task by it. Any thread.
 */
struct weft_fingerprint {
	char text[17];
};
WEFT_API struct weft_fingerprint weft_task_fingerprint(uint64_t task);

/*
 * Task-locals: one value per task and key, found again anywhere below the task's function. The key is
 * the address of a struct weft_local_key that lives as long as the program. A value that is
 * replaced, taken out (value NULL) or left at the task's end is given to `destroy` (may be NULL), on the
 * thread that polls the task. Children don't inherit. set: 0 or -ENOMEM.
 *
 * At its end, however it comes about, a task's code has run to its return; then its locals are
 * destroyed, the newest first; then the end is visible to its joiner.
 */
struct weft_local_key {
	void (*destroy)(void *value);
};
WEFT_API int weft_local_set(struct weft_cx *cx, const struct weft_local_key *key, void *value);
WEFT_API void *weft_local_get(const struct weft_cx *cx, const struct weft_local_key *key);

/* Attaches key=value to the task for watchers; does nothing when nobody watches. */
WEFT_API void weft_task_label(const struct weft_cx *cx, const char *key, const char *value);

/*
 * Join handles. A handle is one reference; exactly one of weft_join (when it becomes ready),
 * weft_join_detach and weft_join_drop gives it back. abort may be called by any thread while the
 * handle is held.
 */
WEFT_API weft_poll_t
weft_join(struct weft_cx *cx,
	  struct weft_join *
		  *handle); /* ready: the task's result, *handle = NULL; -ECANCELED: aborted */
WEFT_API void weft_join_abort(struct weft_join *handle);
WEFT_API struct weft_join *weft_join_detach(struct weft_join *handle); /* returns NULL */
/* By the flavour's custom: WEFT_EXECUTOR aborts the task, the others detach it. Returns NULL. */
WEFT_API struct weft_join *weft_join_drop(struct weft_join *handle);
/* As they are called, abort and drop tell watchers from where: that is what a lost task leads back to. */
WEFT_API void weft_join_abort_at(struct weft_join *handle, struct weft_site *site);
WEFT_API struct weft_join *weft_join_drop_at(struct weft_join *handle, struct weft_site *site);
#define WEFT_CALL_SITE                                                                          \
	__extension__({                                                                         \
		static struct weft_site weft_site_ = { __FILE__, __func__, NULL, __LINE__, 0 }; \
		&weft_site_;                                                                    \
	})
#define weft_join_abort(handle) weft_join_abort_at((handle), WEFT_CALL_SITE)
#define weft_join_drop(handle)  weft_join_drop_at((handle), WEFT_CALL_SITE)

WEFT_API bool weft_join_done(const struct weft_join *handle);
WEFT_API uint64_t weft_join_id(const struct weft_join *handle);

/*
 * Wakers make a task run again from anywhere. A waker is one reference to its task and may
 * outlive it. clone of a waker = another reference; wake and drop give one back.
 */
struct weft_waker {
	struct weft_task *task;
};
WEFT_API struct weft_waker weft_waker_get(const struct weft_cx *cx);
WEFT_API struct weft_waker weft_waker_clone(const struct weft_waker *waker);
WEFT_API void weft_waker_wake(struct weft_waker *waker);              /* consumes */
WEFT_API void weft_waker_wake_by_ref(const struct weft_waker *waker); /* keeps */
WEFT_API void weft_waker_drop(struct weft_waker *waker);

/* For hand-written leaves: note what is waited for, give WEFT_PENDING. */
WEFT_API weft_poll_t weft_pending(struct weft_cx *cx, enum weft_wait on);
/*
 * True once the task is aborted: a leaf must then undo its registration and give
 * weft_cancelled(cx).
 */
static inline bool weft_is_cancelled(const struct weft_cx *cx)
{
	return cx->cancelled != 0;
}
WEFT_API weft_poll_t weft_cancelled(struct weft_cx *cx);
WEFT_API weft_poll_t weft_frame_moved(struct weft_cx *cx); /* internal: used by weft_async_begin */

/* Lets other tasks run once: 0, or -ECANCELED. f: state that starts at 0. */
struct weft_yield {
	uint32_t yielded;
};
WEFT_API weft_poll_t weft_yield(struct weft_cx *cx, struct weft_yield *f);

#ifdef __cplusplus
}
#endif

#endif
