/* SPDX-License-Identifier: MIT */
/*
 * Locks and signals between tasks. Part of weft.h.
 *
 * The objects are structs to be embedded where they are needed; all zero is a valid object (not of
 * a semaphore or barrier: those want a number). They hold no memory of their own. They work across
 * runtimes, flavours and threads: everything without a `cx` may be called from anywhere, and the
 * blocking_ variants wait in threads that poll no task (-EDEADLK and a `misuse` event in one that
 * does).
 *
 * What awaits here can be cancelled or bounded by weft_timeout() at any point: whatever was handed
 * to the waiter in that very moment goes on to the next.
 *
 * The _done functions say whether the object may go: -EBUSY, and a `misuse` event, while it is held
 * or waited for. An object that nobody uses needs no _done.
 */
#ifndef WEFT_API_SYNC_H
#define WEFT_API_SYNC_H

#include "runtime/api/waiter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A wait for a mutex, rwlock or semaphore; the rules of struct weft_waiter hold. */
struct weft_acquire {
	struct weft_waiter wait;
	uint32_t want;
};

/*
 * Mutex, fair: who waits gets it in the order of arrival, and unlock hands it over to the first in
 * the queue instead of letting go. Nobody starves and nobody barges in; the cost is that under
 * contention each change of hands waits until the next task is polled. Keep what is done under it
 * short, or guard the data with a thread's mutex if nothing is awaited meanwhile.
 * lock: 0, or -ECANCELED. Not recursive. Any task or thread may unlock. unlock: -EPERM and a
 * `misuse` event when nobody holds it.
 */
struct weft_mutex {
	struct weft_waiters waiters;
};
WEFT_API weft_poll_t weft_mutex_lock(struct weft_cx *cx, struct weft_mutex *m,
				     struct weft_acquire *f);
WEFT_API int weft_mutex_blocking_lock(struct weft_mutex *m);
WEFT_API bool weft_mutex_try_lock(struct weft_mutex *m);
WEFT_API int weft_mutex_unlock(struct weft_mutex *m);
WEFT_API int weft_mutex_done(struct weft_mutex *m);

/*
 * Many readers or one writer, in the order of arrival: readers that come after a waiting writer
 * wait behind it (as in Tokio), so writers don't starve; a reader that takes the lock twice may
 * therefore wait for itself. read, write: 0 or -ECANCELED. unlock_read, unlock_write, downgrade (a
 * writer becomes a reader and lets other readers in): -EPERM and a `misuse` event when the lock is
 * not held so.
 */
struct weft_rwlock {
	struct weft_waiters waiters;
};
WEFT_API weft_poll_t weft_rwlock_read(struct weft_cx *cx, struct weft_rwlock *l,
				      struct weft_acquire *f);
WEFT_API weft_poll_t weft_rwlock_write(struct weft_cx *cx, struct weft_rwlock *l,
				       struct weft_acquire *f);
WEFT_API int weft_rwlock_blocking_read(struct weft_rwlock *l);
WEFT_API int weft_rwlock_blocking_write(struct weft_rwlock *l);
WEFT_API bool weft_rwlock_try_read(struct weft_rwlock *l);
WEFT_API bool weft_rwlock_try_write(struct weft_rwlock *l);
WEFT_API int weft_rwlock_unlock_read(struct weft_rwlock *l);
WEFT_API int weft_rwlock_unlock_write(struct weft_rwlock *l);
WEFT_API int weft_rwlock_downgrade(struct weft_rwlock *l);
WEFT_API int weft_rwlock_done(struct weft_rwlock *l);

/*
 * Counting semaphore, fair: a request that can't be met holds up those behind it, however small.
 * permits, want: up to WEFT_PERMITS_MAX (-EINVAL beyond; release that would exceed it: -EOVERFLOW).
 * acquire: one permit, acquire_many: `want` at once; 0, -ECANCELED, -EPIPE once closed. After close
 * nobody waits; release still counts. init and done for one that is embedded, new and free for one
 * on the heap; free returns NULL, and keeps one that is waited for (a `misuse` event, and a leak).
 */
#define WEFT_PERMITS_MAX ((1u << 29) - 1)
struct weft_semaphore {
	struct weft_waiters waiters;
};
WEFT_API int weft_semaphore_init(struct weft_semaphore *s, uint32_t permits);
WEFT_API int weft_semaphore_done(struct weft_semaphore *s);
WEFT_API int weft_semaphore_new(uint32_t permits, struct weft_semaphore **ret);
WEFT_API struct weft_semaphore *weft_semaphore_free(struct weft_semaphore *s);
WEFT_API weft_poll_t weft_semaphore_acquire(struct weft_cx *cx, struct weft_semaphore *s,
					    struct weft_acquire *f);
WEFT_API weft_poll_t weft_semaphore_acquire_many(struct weft_cx *cx, struct weft_semaphore *s,
						 uint32_t want, struct weft_acquire *f);
WEFT_API bool weft_semaphore_try(struct weft_semaphore *s);
WEFT_API bool weft_semaphore_try_many(struct weft_semaphore *s, uint32_t want);
WEFT_API int weft_semaphore_release(struct weft_semaphore *s, uint32_t permits);
WEFT_API uint32_t weft_semaphore_permits(const struct weft_semaphore *s); /* free now */
WEFT_API void weft_semaphore_close(struct weft_semaphore *s);

/*
 * A bell. notify_one wakes the first waiter; when nobody waits it stores one permit (never more),
 * which the next wait takes. notify_waiters wakes all that wait now and stores nothing. wait is
 * ready with 0, or -ECANCELED.
 *
 * Not to miss a notify_waiters, queue up before the condition is looked at: call weft_notify_wait()
 * once by hand, check, then await it with the same waiter, or take it out by weft_notify_cancel().
 */
struct weft_notify {
	struct weft_waiters waiters;
	uint32_t round, pad;
};
WEFT_API weft_poll_t weft_notify_wait(struct weft_cx *cx, struct weft_notify *n,
				      struct weft_waiter *f);
WEFT_API void weft_notify_cancel(struct weft_cx *cx, struct weft_notify *n, struct weft_waiter *f);
WEFT_API void weft_notify_one(struct weft_notify *n);
WEFT_API void weft_notify_waiters(struct weft_notify *n);
WEFT_API int weft_notify_done(struct weft_notify *n);

/*
 * Meeting point of `parties` tasks (0 = 1), reusable at once. wait is ready when all have come: 1
 * for one of them, the leader (the last to come), 0 for the others. A wait that is cancelled before
 * that counts as not come.
 */
struct weft_barrier {
	struct weft_waiters waiters;
	uint32_t parties, arrived;
};
WEFT_API void weft_barrier_init(struct weft_barrier *b, uint32_t parties);
WEFT_API weft_poll_t weft_barrier_wait(struct weft_cx *cx, struct weft_barrier *b,
				       struct weft_waiter *f);
WEFT_API int weft_barrier_done(struct weft_barrier *b);

/*
 * Something that is done once: weft_await(f, weft_once(cx, &once, &f->wait, init(cx, &f->init))).
 * The first task runs `init` (a weft_poll_t expression that may suspend), the others wait. Its
 * success (>= 0) is final: all get 0, from then on at the price of a load. Its failure is that
 * task's alone, and the next one that waits runs its own `init`; so it is when the task is
 * cancelled. The expression is evaluated at each poll by the task whose turn it is.
 */
struct weft_once {
	struct weft_waiters waiters;
};
#define weft_once(cx, once, f, init)                                                       \
	__extension__({                                                                    \
		weft_poll_t weft_once_ = weft_once_begin((cx), (once), (f));               \
		if (weft_once_ == 1) {                                                     \
			weft_once_ = (init);                                               \
			if (weft_once_ != WEFT_PENDING)                                    \
				weft_once_ = weft_once_end((cx), (once), (f), weft_once_); \
		}                                                                          \
		weft_once_;                                                                \
	})
/* 1: it is this task's turn, until it calls weft_once_end(); 0: it is done; or -ECANCELED. */
WEFT_API weft_poll_t weft_once_begin(struct weft_cx *cx, struct weft_once *once,
				     struct weft_waiter *f);
/* rc >= 0: done, gives 0. rc < 0: the next one's turn, gives rc. -EPERM, misuse: not its turn. */
WEFT_API int weft_once_end(struct weft_cx *cx, struct weft_once *once, struct weft_waiter *f,
			   int rc);
WEFT_API bool weft_once_is_done(const struct weft_once *once);

#ifdef __cplusplus
}
#endif

#endif
