/* SPDX-License-Identifier: MIT */
/*
 * Weft runtime: stackless tasks for Linux services.
 *
 *	struct echo {
 *		WEFT_FRAME;
 *		struct weft_tcp *conn;
 *		struct weft_write_all out;
 *		size_t n;
 *		char buf[1024];
 *	};
 *
 *	static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
 *	{
 *		weft_async_begin(f);
 *		for (;;) {
 *			weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
 *			if (f->rc < 0 || f->n == 0)
 *				break;
 *			weft_await(f, weft_write_all(cx, &f->out, f->conn, f->buf, f->n));
 *		}
 *		weft_tcp_close(f->conn);
 *		weft_async_end(f, f->rc);
 *	}
 *	...
 *	weft_spawn(rt, echo, ((struct echo){ .conn = conn }), .name = "echo", .detach = true);
 *
 * Errors are negative errno values; results come through ret pointers, written only on success.
 * Functions that take a `struct weft_cx *` are for tasks: they return WEFT_PENDING after having
 * arranged for the task to be polled again, and are meant to stand inside weft_await(). All else
 * may be called from any thread unless said otherwise.
 *
 * Cancellation is an error code: an aborted task is polled once more, each operation it awaits
 * gives -ECANCELED at once, and the function runs to its end through its own error paths. A task
 * that goes on awaiting regardless (1,000 times) is taken off at that point.
 *
 * Misuse (nested block_on, a frame moved while suspended, two tasks waiting in one direction of
 * one socket, timers or IO in a runtime built without, use after shutdown) gives an error and a
 * `misuse` event.
 */
#ifndef WEFT_H
#define WEFT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/async.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_VERSION "0.1.0"
#define WEFT_API     __attribute__((visibility("default")))

struct weft_runtime;
struct weft_task;
struct weft_join; /* a join handle: one reference to a task */

/* What a suspended frame's leaf waits for (weft_on in WEFT_FRAME). */
enum weft_wait {
	WEFT_WAIT_UNKNOWN,
	WEFT_WAIT_YIELD,
	WEFT_WAIT_SLEEP,
	WEFT_WAIT_READ,
	WEFT_WAIT_WRITE,
	WEFT_WAIT_ACCEPT,
	WEFT_WAIT_CONNECT,
	WEFT_WAIT_FD,
	WEFT_WAIT_JOIN,
	WEFT_WAIT_JOB,
	WEFT_WAIT_NOTIFY,
	WEFT_WAIT_SEMAPHORE,
};

/*
 * Context of one poll; lives on the polling thread and must not be kept. `chain` comes first: the
 * await macros use it. The rest belongs to the runtime.
 */
struct weft_cx {
	struct weft_cx_chain chain;
	struct weft_task *task;
	struct weft_runtime *runtime;
	uint32_t budget;    /* operations this poll may still complete before it has to yield */
	uint32_t cancelled; /* 0, or 1 + operations refused since the abort */
	void *thread;
};

/* ------------------------------------------------------------------ runtime */

/* Numbers of enum weft_flavour in probe_points.h. */
#define WEFT_MULTI_THREAD 1u

/*
 * All zero = defaults. `size` is sizeof(struct weft_config), so that a program built against an
 * older header keeps working.
 */
struct weft_config {
	uint32_t size;
	uint32_t flavour;         /* 0 = WEFT_MULTI_THREAD */
	uint32_t workers;         /* 0 = CPUs this process may run on */
	uint32_t max_blocking;    /* threads of the blocking pool, 0 = 512 */
	uint64_t keep_alive_ns;   /* idle life of a pool thread, 0 = 10 s */
	const char *name;         /* of the runtime and its threads, copied; NULL = "weft" */
	uint32_t no_io, no_time;  /* non-zero: leave the driver's part out; its use is misuse */
	uint32_t inject_interval; /* polls between looks at the shared queue, 0 = 61 */
	uint32_t driver_interval; /* polls between looks at the driver, 0 = 61 */
};

/*
 * Starts a runtime. *ret is freed by weft_runtime_free(). config may be NULL. -ENOMEM, -EINVAL,
 * -ENOTSUP (flavour), or what thread, epoll or eventfd creation said.
 */
WEFT_API int weft_runtime_new(const struct weft_config *config, struct weft_runtime **ret);

/*
 * Stops workers and pool, cancels what still lives (reason: shutdown), waits at most timeout_ns
 * in all. -ETIMEDOUT: some thread is stuck in a poll or a job and goes on running; another call
 * waits again. -EDEADLK from one of the runtime's own threads, -EALREADY while another thread is
 * at it. 0 once stopped.
 */
WEFT_API int weft_runtime_shutdown(struct weft_runtime *rt, uint64_t timeout_ns);

/* Shuts down (10 s) if need be and frees; leaks on a stuck thread. NULL is fine. Returns NULL. */
WEFT_API struct weft_runtime *weft_runtime_free(struct weft_runtime *rt);

/* The runtime that drives the calling thread, or NULL. Borrowed. */
WEFT_API struct weft_runtime *weft_runtime_current(void);

struct weft_runtime_stats {
	uint64_t alive, timers, inject_depth, pool_queue;
	uint32_t workers, pool_threads, pool_busy, fds;
};
WEFT_API void weft_runtime_stats(const struct weft_runtime *rt, struct weft_runtime_stats *ret);

/* -------------------------------------------------------------------- tasks */

typedef weft_poll_t weft_task_fn(struct weft_cx *cx, void *frame);

/* Place of a spawn; static, one per weft_spawn in the source. `id` belongs to the runtime. */
struct weft_site {
	const char *file, *func, *name;
	uint32_t line;
	uint32_t id;
};

struct weft_spawn_options {
	const char *name; /* NULL = fn. The site's first name is free, another is copied per task */
	bool detach;      /* no handle: the task lives until it ends */
	struct weft_join **join; /* receives the handle; NULL = detached */
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
		weft_spawn_at((rt), &weft_site_, &weft_options_, (weft_task_fn *)(void *)weft_fn_, \
			      &(const struct weft_frame_bytes){ &weft_spawned_,                    \
								sizeof(weft_spawned_) });          \
	})

struct weft_frame_bytes {
	const void *data;
	size_t bytes;
};
WEFT_API int weft_spawn_at(struct weft_runtime *rt, struct weft_site *site,
			   const struct weft_spawn_options *options, weft_task_fn *fn,
			   const struct weft_frame_bytes *frame);

/*
 * Runs fn over *frame on the calling thread until it ends, and gives its result; *frame holds the
 * final frame then. -EDEADLK inside a task or another block_on, -ESHUTDOWN after shutdown.
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

/* Attaches key=value to the task for watchers; does nothing when nobody watches. */
WEFT_API void weft_task_label(const struct weft_cx *cx, const char *key, const char *value);

/*
 * Join handles. A handle is one reference; exactly one of weft_join (when it becomes ready) and
 * weft_join_detach gives it back. abort may be called by any thread while the handle is held.
 */
WEFT_API weft_poll_t
weft_join(struct weft_cx *cx,
	  struct weft_join *
		  *handle); /* ready: the task's result, *handle = NULL; -ECANCELED: aborted */
WEFT_API void weft_join_abort(struct weft_join *handle);
WEFT_API struct weft_join *weft_join_detach(struct weft_join *handle); /* returns NULL */
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

/* Lets other tasks run once. f is any int-sized state that starts at 0: struct weft_yield. */
struct weft_yield {
	uint32_t yielded;
};
WEFT_API weft_poll_t weft_yield(struct weft_cx *cx, struct weft_yield *f);

/* --------------------------------------------------------------------- time */

/*
 * State of one sleep; zero before first use, reusable once ready. While pending it is linked into
 * the timer wheel: it must not move, and a caller that gives up on it calls weft_sleep_cancel().
 */
struct weft_sleep {
	struct weft_sleep *next, **link;
	struct weft_task *task;
	uint64_t deadline; /* CLOCK_MONOTONIC ns */
	uint32_t state, seq;
};
WEFT_API uint64_t weft_now(void); /* CLOCK_MONOTONIC ns */
WEFT_API weft_poll_t weft_sleep(struct weft_cx *cx, struct weft_sleep *f, uint64_t ns);
WEFT_API weft_poll_t weft_sleep_until(struct weft_cx *cx, struct weft_sleep *f,
				      uint64_t deadline_ns);
WEFT_API void weft_sleep_cancel(struct weft_cx *cx, struct weft_sleep *f);

/*
 * Bounds an operation: weft_await(f, weft_timeout(cx, &f->sleep, ns, operation)). Gives the
 * operation's result, or -ETIMEDOUT; the operation is then polled a last time as cancelled, so
 * that it leaves no trace.
 */
#define weft_timeout(cx, sleep, ns, operation)                                        \
	__extension__({                                                               \
		weft_poll_t weft_inner_ = (operation);                                \
		if (weft_inner_ != WEFT_PENDING) {                                    \
			weft_sleep_cancel((cx), (sleep));                             \
		} else if (weft_sleep((cx), (sleep), (ns)) != WEFT_PENDING) {         \
			uint32_t weft_saved_ = (cx)->cancelled;                       \
			(cx)->cancelled = 1;                                          \
			weft_inner_ = (operation);                                    \
			(cx)->cancelled = weft_saved_;                                \
			if (weft_inner_ == -ECANCELED || weft_inner_ == WEFT_PENDING) \
				weft_inner_ = -ETIMEDOUT;                             \
		}                                                                     \
		weft_inner_;                                                          \
	})

/* ---------------------------------------------------------------- blocking */

/*
 * One job for the blocking pool; zero before first use, reusable once ready. Until then it
 * belongs to the pool, also when the task gives up on it: the task's block is kept for as long.
 */
struct weft_job {
	struct weft_job *next;
	int (*fn)(void *arg);
	void *arg;
	struct weft_task *task;
	uint64_t id, queued_stamp;
	int rc;
	uint32_t state;
};
/* Runs fn(arg) on a pool thread; ready with its result. -EAGAIN: no thread and none can be made. */
WEFT_API weft_poll_t weft_spawn_blocking(struct weft_cx *cx, struct weft_job *f,
					 int (*fn)(void *arg), void *arg);

/* --------------------------------------------------------------------- net */

struct weft_tcp;
struct weft_listener;

/*
 * address: numeric IPv4 or IPv6. port 0 = any. backlog 1,024, SO_REUSEADDR. Freed by
 * weft_listener_close.
 */
WEFT_API int weft_tcp_listen(struct weft_runtime *rt, const char *address, uint16_t port,
			     struct weft_listener **ret);
WEFT_API uint16_t weft_listener_port(const struct weft_listener *listener);
WEFT_API struct weft_listener *weft_listener_close(
	struct weft_listener *listener); /* returns NULL; waiters get -EBADF */
/* TCP_NODELAY is set on what accept and connect give. */
WEFT_API weft_poll_t weft_tcp_accept(struct weft_cx *cx, struct weft_listener *listener,
				     struct weft_tcp **ret);

struct weft_connect {
	struct weft_tcp *conn;
};
WEFT_API weft_poll_t weft_tcp_connect(struct weft_cx *cx, struct weft_connect *f,
				      const char *address, uint16_t port, struct weft_tcp **ret);

/* *ret = bytes; 0 from read = end of stream. One task may read while another writes. */
WEFT_API weft_poll_t weft_tcp_read(struct weft_cx *cx, struct weft_tcp *conn, void *buf, size_t cap,
				   size_t *ret);
WEFT_API weft_poll_t weft_tcp_write(struct weft_cx *cx, struct weft_tcp *conn, const void *buf,
				    size_t n, size_t *ret);

struct weft_write_all {
	size_t done; /* zero before first use, reusable once ready */
};
WEFT_API weft_poll_t weft_write_all(struct weft_cx *cx, struct weft_write_all *f,
				    struct weft_tcp *conn, const void *buf, size_t n);
WEFT_API int weft_tcp_shutdown(struct weft_tcp *conn, int how);
WEFT_API struct weft_tcp *weft_tcp_close(
	struct weft_tcp *conn); /* returns NULL; waiters get -EBADF */
WEFT_API int weft_tcp_fd(const struct weft_tcp *conn);

/*
 * Waits until fd (of a foreign library, not one of ours) shows one of `events` (POLLIN, POLLOUT);
 * ready with the events seen. The fd must not be registered twice at a time (-EEXIST).
 */
struct weft_fd_wait {
	void *source;
};
WEFT_API weft_poll_t weft_fd_wait(struct weft_cx *cx, struct weft_fd_wait *f, int fd, int events);

/* -------------------------------------------------------------------- sync */

/* Counting semaphore, fair (FIFO). Notify = a semaphore of 0 to which each notify adds one. */
struct weft_semaphore;
struct weft_acquire {
	struct weft_acquire *next, **link;
	struct weft_task *task;
	uint32_t state, want;
};
WEFT_API int weft_semaphore_new(uint32_t permits, struct weft_semaphore **ret);
WEFT_API struct weft_semaphore *weft_semaphore_free(
	struct weft_semaphore *s); /* no waiters may be left */
WEFT_API weft_poll_t weft_semaphore_acquire(struct weft_cx *cx, struct weft_semaphore *s,
					    struct weft_acquire *f);
WEFT_API bool weft_semaphore_try(struct weft_semaphore *s);
WEFT_API void weft_semaphore_release(struct weft_semaphore *s, uint32_t permits);

#ifdef __cplusplus
}
#endif

#endif
