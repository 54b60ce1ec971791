/* SPDX-License-Identifier: MIT */
/*
 * Requests of the io_uring driver: who makes them, and when they are cancelled.
 *
 * A request belongs to the thread that submits it: the kernel completes it in its context, so that
 * a sleeping one is woken for each and a system call of its may end with EINTR; once it is gone, a
 * work queue cancels the request a tick after it would have completed. So only the owner of the
 * driver makes requests that wait. Others leave what they want in `fresh` and wake the owner if it
 * sleeps; what was cancelled is made again by the owner, who finds its completion. At the end of
 * the runtime each thread cancels all while it can complete its own (weft_uring_leave).
 *
 * Wake-ups (a no-op, which completes on the spot) and cancellations are submitted by any thread,
 * under the lock.
 *
 * A request holds the file: closing a socket ends it only once its request is gone. So a request is
 * made at the first wait and not before, and the last one to leave a closed source cancels it
 * before it closes the fd, and submits that at once. If it belongs to another thread, the kernel
 * has to interrupt that one first: the end of the socket comes some microseconds after the close;
 * with COOP_TASKRUN, and a thread that is busy and makes no system call, a tick later.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/memory.h"
#include "runtime/io/uring.h"

#define BATCH 64u /* sources that are held for one submission */

/*
 * Under the lock. Out of memory, the kernel may leave some in the queue: whoever submits next
 * takes them along, the owner at its next turn at the latest.
 */
int weft_uring_submit(struct weft_uring *uring)
{
	int rc = 0;

	while (io_uring_sq_ready(&uring->ring) && (rc >= 0 || rc == -EINTR))
		rc = io_uring_submit(&uring->ring);
	if (rc >= 0)
		return 0;
	__atomic_store_n(&uring->todo, 1, __ATOMIC_SEQ_CST);
	return rc;
}

/* Under the lock. NULL: the kernel takes nothing. */
struct io_uring_sqe *weft_uring_sqe(struct weft_uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	if (sqe || weft_uring_submit(uring))
		return sqe;
	return io_uring_get_sqe(&uring->ring);
}

/* A wake-up must not be lost: it is tried until the kernel has memory for it. */
void weft_uring_wake(struct weft_driver *driver)
{
	struct weft_uring *uring = driver->state;
	int rc;

	do {
		struct io_uring_sqe *sqe;

		pthread_mutex_lock(&uring->lock);
		sqe = weft_uring_sqe(uring);
		if (sqe) {
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, 0);
		}
		rc = weft_uring_submit(uring);
		pthread_mutex_unlock(&uring->lock);
	} while ((rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM) && sched_yield() == 0);
}

/* Under the lock. */
static int grow(struct weft_uring *uring)
{
	uint32_t cap = uring->cap ? uring->cap * 2 : 64;
	uintptr_t *more;

	if (uring->n < uring->cap)
		return 0;
	more = weft_memory_alloc(cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	if (uring->n)
		memcpy(more, uring->fresh, uring->n * sizeof(*more));
	weft_memory_free(uring->fresh);
	uring->fresh = more;
	uring->cap = cap;
	return 0;
}

/*
 * Under the lock. Which fds have a source: weft_fd_wait() of one that has is told so (-EEXIST), as
 * by epoll.
 */
static int mark(struct weft_uring *uring, int fd, bool foreign)
{
	size_t word = (size_t)fd / 64, words = uring->words ? uring->words : 16;
	uint64_t bit = 1ull << (fd % 64), *more;

	if (word >= uring->words) {
		while (words <= word)
			words *= 2;
		more = weft_memory_alloc(words * sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (uring->words)
			memcpy(more, uring->watched, uring->words * sizeof(*more));
		weft_memory_free(uring->watched);
		uring->watched = more;
		uring->words = words;
	}
	if (foreign && uring->watched[word] & bit)
		return -EEXIST;
	uring->watched[word] |= bit;
	return 0;
}

static void unmark(struct weft_uring *uring, int fd)
{
	if ((size_t)fd / 64 < uring->words)
		uring->watched[fd / 64] &= ~(1ull << (fd % 64));
}

/* Under the lock. */
static int push(struct weft_uring *uring, uintptr_t handle)
{
	int rc = grow(uring);

	if (rc == 0)
		uring->fresh[uring->n++] = handle;
	return rc;
}

/*
 * The owner. Without memory for it the request is missing again: who waits is woken, tries, and
 * finds no memory either.
 */
static void push_again(struct weft_uring *uring, uintptr_t handle, unsigned tag)
{
	struct weft_source *source;
	int rc;

	pthread_mutex_lock(&uring->lock);
	rc = push(uring, handle | tag);
	pthread_mutex_unlock(&uring->lock);
	if (rc == 0) {
		__atomic_store_n(&uring->todo, 1, __ATOMIC_SEQ_CST);
		return;
	}
	source = weft_source_enter(handle);
	if (!source)
		return;
	if (tag != WEFT_URING_POLL_OUT)
		__atomic_fetch_or(&source->lazy, 1u << WEFT_DIR_READ, __ATOMIC_RELAXED);
	if (tag <= WEFT_URING_POLL_OUT)
		__atomic_fetch_or(&source->lazy, 1u << WEFT_DIR_WRITE, __ATOMIC_RELAXED);
	weft_source_event(handle, POLLIN | POLLOUT);
	weft_source_exit(source);
}

/* What epoll refuses is refused here too; the request itself would only say it later. */
int weft_uring_add(struct weft_driver *driver, int fd, uint32_t events, uintptr_t handle)
{
	struct weft_uring *uring = driver->state;
	struct weft_source *source = weft_source_of(handle);
	unsigned kind = source->kind;
	uint8_t armed = (events & POLLIN ? WEFT_URING_IN : 0) |
			(events & POLLOUT ? WEFT_URING_OUT : 0);
	struct stat st;
	int rc;

	if (kind == WEFT_SOURCE_FILE) {
		if (fstat(fd, &st))
			return -errno;
		if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
			return -EPERM;
	}
	pthread_mutex_lock(&uring->lock);
	rc = mark(uring, fd, kind == WEFT_SOURCE_FOREIGN);
	pthread_mutex_unlock(&uring->lock);
	if (uring->ahead && (kind == WEFT_SOURCE_TCP || kind == WEFT_SOURCE_LISTENER))
		armed = WEFT_SOURCE_AHEAD;
	/* Relaxed, both: nobody has the handle yet. */
	__atomic_store_n(&source->armed, armed, __ATOMIC_RELAXED);
	__atomic_store_n(&source->lazy, 1u << WEFT_DIR_READ | 1u << WEFT_DIR_WRITE,
			 __ATOMIC_RELAXED);
	return rc;
}

/* Under the lock: the request that is missing in this direction, and which directions it serves. */
static unsigned choose(struct weft_uring *uring, struct weft_source *source,
		       enum weft_direction dir, uint8_t *ret_serves)
{
	*ret_serves = (uint8_t)(1u << dir);
	if (__atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_SOURCE_AHEAD)
		return dir == WEFT_DIR_READ ? weft_uring_ahead_choose(uring, source)
					    : WEFT_URING_POLL_OUT;
	*ret_serves = 1u << WEFT_DIR_READ | 1u << WEFT_DIR_WRITE;
	return WEFT_URING_POLL;
}

int weft_uring_want(struct weft_driver *driver, struct weft_source *source, uintptr_t handle,
		    enum weft_direction dir)
{
	struct weft_uring *uring = driver->state;
	uint8_t serves;
	int rc = 0;

	pthread_mutex_lock(&uring->lock);
	/* Relaxed: under the lock, but for the owner, who sets a bit and then wakes the reader. */
	if (__atomic_load_n(&source->lazy, __ATOMIC_RELAXED) & 1u << dir) {
		rc = push(uring, handle | choose(uring, source, dir, &serves));
		if (rc == 0)
			__atomic_fetch_and(&source->lazy, (uint8_t)~serves, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&uring->lock);
	if (rc)
		return rc;
	/* Seq_cst, both: either the owner sees this before it sleeps, or this sees it asleep. */
	__atomic_store_n(&uring->todo, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&uring->waiting, __ATOMIC_SEQ_CST))
		weft_uring_wake(driver);
	return 0;
}

void weft_uring_remove(struct weft_driver *driver, int fd)
{
	struct weft_uring *uring = driver->state;

	pthread_mutex_lock(&uring->lock);
	unmark(uring, fd);
	pthread_mutex_unlock(&uring->lock);
}

void weft_uring_cancel(struct weft_uring *uring, uintptr_t handle, unsigned tag)
{
	struct io_uring_sqe *sqe = weft_uring_sqe(uring);

	/* Out of memory: the file then stays open until the ring is closed. */
	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, handle | tag, 0);
	io_uring_sqe_set_data64(sqe, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void weft_uring_end(struct weft_driver *driver, struct weft_source *source, uintptr_t handle)
{
	struct weft_uring *uring = driver->state;
	/* Relaxed, both: written inside, and everybody has left. */
	uint8_t armed = __atomic_load_n(&source->armed, __ATOMIC_RELAXED);
	uint8_t kind = __atomic_load_n(&source->kind, __ATOMIC_RELAXED);
	bool listener = kind == WEFT_SOURCE_LISTENER;

	pthread_mutex_lock(&uring->lock);
	if (kind != WEFT_SOURCE_FOREIGN)
		unmark(uring, source->fd);
	if (armed & WEFT_URING_POLLED)
		weft_uring_cancel(uring, handle, WEFT_URING_POLL);
	if (armed & WEFT_URING_POLLED_OUT)
		weft_uring_cancel(uring, handle, WEFT_URING_POLL_OUT);
	if (armed & WEFT_URING_ON)
		weft_uring_cancel(uring, handle, listener ? WEFT_URING_ACCEPT : WEFT_URING_RECEIVE);
	weft_uring_submit(uring);
	pthread_mutex_unlock(&uring->lock);
	if (armed & WEFT_SOURCE_AHEAD)
		weft_uring_ahead_forget(uring, source->fd, listener);
	if (!listener)
		weft_uring_send_forget(driver, source);
}

/* Linux 5.19; before, sockets that the end of the runtime closes are closed a tick later. */
void weft_uring_leave(struct weft_driver *driver)
{
	struct weft_uring *uring = driver->state;
	struct io_uring_sqe *sqe;

	pthread_mutex_lock(&uring->lock);
	sqe = weft_uring_sqe(uring);
	if (sqe) {
		io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
		io_uring_sqe_set_data64(sqe, 0);
		weft_uring_submit(uring);
	}
	pthread_mutex_unlock(&uring->lock);
}

/* Under the lock, inside the source. */
static bool arm(struct weft_uring *uring, struct weft_source *source, uintptr_t handle)
{
	/* Relaxed: the owner's, but for what add() stored; weft_uring_end() comes later. */
	uint8_t armed = __atomic_load_n(&source->armed, __ATOMIC_RELAXED), bit = WEFT_URING_ON;
	unsigned tag = handle & WEFT_URING_TAGS, events = POLLRDHUP;
	struct io_uring_sqe *sqe = weft_uring_sqe(uring);

	if (!sqe)
		return false;
	if (tag >= WEFT_URING_RECEIVE && !weft_uring_ahead_prepare(uring, source, tag, sqe))
		tag = WEFT_URING_POLL;
	if (tag == WEFT_URING_POLL) {
		bit = WEFT_URING_POLLED;
		events |= armed & (WEFT_URING_IN | WEFT_SOURCE_AHEAD) ? POLLIN : 0;
		events |= armed & WEFT_URING_OUT ? POLLOUT : 0;
		io_uring_prep_poll_multishot(sqe, source->fd, events);
	} else if (tag == WEFT_URING_POLL_OUT) {
		bit = WEFT_URING_POLLED_OUT;
		io_uring_prep_poll_multishot(sqe, source->fd, POLLOUT);
	}
	io_uring_sqe_set_data64(sqe, (handle & ~(uintptr_t)WEFT_URING_TAGS) | tag);
	__atomic_fetch_or(&source->armed, bit, __ATOMIC_RELAXED);
	return true;
}

/*
 * The sources are held until the kernel has the requests, so that no fd is closed, and its number
 * used again, before. How many were taken.
 */
static uint32_t arm_batch(struct weft_uring *uring, const uintptr_t *handle, uint32_t n)
{
	struct weft_source *inside[BATCH];
	uint32_t done = 0;

	for (uint32_t i = 0; i < n; i++)
		inside[i] = weft_source_enter(handle[i] & ~(uintptr_t)WEFT_URING_TAGS);
	pthread_mutex_lock(&uring->lock);
	while (done < n && (!inside[done] || arm(uring, inside[done], handle[done])))
		done++;
	weft_uring_submit(uring);
	pthread_mutex_unlock(&uring->lock);
	for (uint32_t i = 0; i < n; i++)
		if (inside[i])
			weft_source_exit(inside[i]);
	return done;
}

void weft_uring_flush(struct weft_uring *uring)
{
	uintptr_t *fresh;
	uint32_t n, done;

	__atomic_store_n(&uring->todo, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&uring->lock);
	fresh = uring->fresh;
	n = uring->n;
	uring->fresh = NULL;
	uring->n = uring->cap = 0;
	weft_uring_submit(uring);
	pthread_mutex_unlock(&uring->lock);
	for (done = 0; done < n;) {
		uint32_t some = n - done < BATCH ? n - done : BATCH;
		uint32_t taken = arm_batch(uring, fresh + done, some);

		done += taken;
		if (taken < some)
			break;
	}
	/* No memory in the kernel: the rest at the next turn. */
	for (; done < n; done++)
		push_again(uring, fresh[done] & ~(uintptr_t)WEFT_URING_TAGS,
			   fresh[done] & WEFT_URING_TAGS);
	weft_memory_free(fresh);
}

/*
 * The queue of completions was full, or the thread that had submitted it is gone. Adding it again
 * gives what is ready by then.
 */
void weft_uring_again(struct weft_uring *uring, uintptr_t handle, unsigned tag)
{
	struct weft_source *source = weft_source_enter(handle);

	if (!source)
		return;
	/* Relaxed: the owner's. */
	__atomic_fetch_and(&source->armed,
			   (uint8_t) ~(tag == WEFT_URING_POLL ? WEFT_URING_POLLED
							      : WEFT_URING_POLLED_OUT),
			   __ATOMIC_RELAXED);
	weft_source_exit(source);
	push_again(uring, handle, tag);
}
