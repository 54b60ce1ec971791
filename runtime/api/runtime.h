/* SPDX-License-Identifier: MIT */
/* Building, watching and ending a runtime. Part of weft.h. */
#ifndef WEFT_API_RUNTIME_H
#define WEFT_API_RUNTIME_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Flavours, the numbers of enum weft_flavour in probe_points.h; README.md says which is for what.
 * MULTI_THREAD and REACTOR_POOL have threads of their own. Of CURRENT_THREAD and EXECUTOR nothing
 * runs (tasks, timers, IO) but while some thread is inside weft_block_on or weft_runtime_run.
 */
#define WEFT_MULTI_THREAD   1u
#define WEFT_CURRENT_THREAD 2u
#define WEFT_REACTOR_POOL   3u
#define WEFT_EXECUTOR       4u

/* "multi_thread" -> WEFT_MULTI_THREAD and so on; 0 = no such flavour here. */
WEFT_API uint32_t weft_flavour_find(const char *name);
/* The other way round; NULL = no such flavour here. Static. */
WEFT_API const char *weft_flavour_name(uint32_t flavour);

/*
 * Drivers: what brings events from the kernel. URING becomes epoll where the kernel forbids
 * io_uring or is too old (Linux 5.17), and where the library was built without it. AUTO is URING
 * where always the same thread turns the driver (REACTOR_POOL, CURRENT_THREAD, one worker), else
 * epoll.
 */
#define WEFT_DRIVER_EPOLL 0u
#define WEFT_DRIVER_URING 1u
#define WEFT_DRIVER_AUTO  2u

/*
 * All zero = defaults. `size` is sizeof(struct weft_config), so that a program built against an
 * older header keeps working.
 */
struct weft_config {
	uint32_t size;
	uint32_t flavour;         /* 0 = WEFT_MULTI_THREAD */
	uint32_t workers;         /* 0 = CPUs this process may run on; at most 256 */
	uint32_t max_blocking;    /* threads of the blocking pool, 0 = 512 */
	uint64_t keep_alive_ns;   /* idle life of a pool thread, 0 = 10 s */
	const char *name;         /* of the runtime and its threads, copied; NULL = "weft" */
	uint32_t no_io, no_time;  /* non-zero: leave the driver's part out; its use is misuse */
	uint32_t inject_interval; /* polls between looks at the shared queue, 0 = 61 */
	uint32_t driver_interval; /* polls between looks at the driver, fewer when they take long, 0 = 61 */
	/*
	 * Precise timers: the most that an idle thread may spin before a deadline, 0 = never spins.
	 * It asks to be woken early by the lead that it has learnt from earlier waits, then looks at
	 * the driver without waiting until the deadline; IO and wake-ups end the spin. 200,000 (0.2 ms)
	 * serves well. Costs up to that much CPU per wake-up.
	 */
	uint64_t precise_timers_ns;
	uint32_t driver; /* WEFT_DRIVER_* */
	/*
	 * Non-zero: a thread about to sleep never looks on for a while first. By default one that drives alone
	 * does, for 100 us at most, once other threads have ended three of its sleeps in a row within 200 us;
	 * time after time less often where it is for nothing.
	 */
	uint32_t no_spin;
};

/*
 * Where the library takes its memory from: all but the trace mapping, io_uring's rings and what the C
 * library takes for threads. `alloc` gives memory of any content aligned to `align`, a power of two, or NULL; both
 * are called by any thread. Task blocks come in runs of 64 KiB to 8 MiB that are kept until the
 * process ends. -EALREADY once anything was allocated (weft_runtime_new() does), -EINVAL.
 */
struct weft_allocator {
	void *(*alloc)(void *arg, size_t align, size_t bytes);
	void (*free)(void *arg, void *block);
	void *arg;
};
WEFT_API int weft_set_allocator(const struct weft_allocator *with);

/*
 * Starts a runtime. *ret is freed by weft_runtime_free(). config may be NULL. -ENOMEM, -EINVAL,
 * -ENOTSUP (flavour, driver), or what thread, epoll or eventfd creation said.
 */
WEFT_API int weft_runtime_new(const struct weft_config *config, struct weft_runtime **ret);

/*
 * Stops workers and pool, cancels what still lives (reason: shutdown), waits at most timeout_ns
 * in all. -ETIMEDOUT: some thread is stuck in a poll or a job and goes on running; another call
 * waits again. -EDEADLK from one of the runtime's own threads, -EALREADY while another thread is
 * at it. 0 once stopped.
 */
WEFT_API int weft_runtime_shutdown(struct weft_runtime *rt, uint64_t timeout_ns);

/*
 * Drives the runtime on the calling thread (see the flavours), or only waits, until another
 * thread shuts it down: 0 then. -EDEADLK inside a task or weft_block_on, -ESHUTDOWN afterwards.
 */
WEFT_API int weft_runtime_run(struct weft_runtime *rt);

/* Shuts down (10 s) if need be and frees; leaks on a stuck thread. NULL is fine. Returns NULL. */
WEFT_API struct weft_runtime *weft_runtime_free(struct weft_runtime *rt);

/* The runtime that drives the calling thread, or NULL. Borrowed. */
WEFT_API struct weft_runtime *weft_runtime_current(void);
WEFT_API uint32_t weft_runtime_flavour(const struct weft_runtime *rt);
/*
 * The driver it has, "epoll" or "io_uring". *ret_why (may be NULL): why not the one that was asked
 * for, in words, or NULL. Both static.
 */
WEFT_API const char *weft_runtime_driver(const struct weft_runtime *rt, const char **ret_why);

struct weft_runtime_stats {
	uint64_t alive, timers, inject_depth, pool_queue;
	uint32_t workers, pool_threads, pool_busy, fds;
};
WEFT_API void weft_runtime_stats(const struct weft_runtime *rt, struct weft_runtime_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
