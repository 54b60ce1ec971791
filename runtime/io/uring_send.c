/* SPDX-License-Identifier: MIT */
/*
 * Small writes of TCP connections, handed to the kernel together: one system call for all that the
 * tasks wrote since the last turn, whose peers are woken together, too. The writing task waits for
 * its result as at a full socket.
 *
 * Only where who turns the driver polls the tasks (driver->holder): it writes, submits and sees the
 * result, so that none of it needs a lock or an atomic. Bytes are copied, so that nothing is read
 * from a task that was given up meanwhile; what is too large for that is written at once. The
 * requests never wait in the kernel (MSG_DONTWAIT): a full socket says EAGAIN, and the task waits
 * as with epoll.
 *
 *	WAITING -> SENT -> DONE		the holder
 *	any -> GIVEN_UP			the holder: the task was cancelled or writes something else, or
 *					the source ended. Other threads leave that to it (`orphans`)
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"
#include "runtime/io/uring.h"

#define SENDS \
	248u /* source->sending has a byte for it, and the ring holds one more turn's requests */
#define BYTES 2048u
#define WORDS ((SENDS + 63) / 64)

enum state { WAITING, SENT, DONE, GIVEN_UP };

struct send {
	uintptr_t handle;
	uint64_t task; /* id */
	uint32_t length;
	int32_t result; /* DONE: bytes, or a negative errno */
	enum state state;
};

struct weft_uring_sends {
	/* Sets of sends, a bit each. The holder's, like all else here but `orphans`, which is atomic. */
	uint64_t free[WORDS], orphans[WORDS];
	uint32_t n; /* of waiting[] */
	uint8_t waiting[SENDS];
	struct send send[SENDS];
	char *bytes;
};

struct weft_uring_sends *weft_uring_sends_open(void)
{
	struct weft_uring_sends *sends = weft_memory_alloc(sizeof(*sends));
	void *bytes;

	if (!sends)
		return NULL;
	/* A mapping of its own, untouched until used. */
	bytes = mmap(NULL, (size_t)SENDS * BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED) {
		weft_memory_free(sends);
		return NULL;
	}
	sends->bytes = bytes;
	for (unsigned i = 0; i < SENDS; i++)
		sends->free[i / 64] |= 1ull << i % 64;
	return sends;
}

void weft_uring_sends_close(struct weft_uring_sends *sends)
{
	if (!sends)
		return;
	munmap(sends->bytes, (size_t)SENDS * BYTES);
	weft_memory_free(sends);
}

/* The lowest: its bytes were used last. -1: all are taken. */
static int take(struct weft_uring_sends *sends)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t word = sends->free[i];

		if (!word)
			continue;
		sends->free[i] = word & (word - 1);
		return (int)(i * 64 + (unsigned)__builtin_ctzll(word));
	}
	return -1;
}

static void give(struct weft_uring_sends *sends, unsigned id)
{
	sends->free[id / 64] |= 1ull << id % 64;
}

/* Bytes that it wrote all the same. */
static ssize_t give_up(struct weft_uring_sends *sends, unsigned id)
{
	struct send *send = &sends->send[id];
	bool done = send->state == DONE;

	send->state = GIVEN_UP;
	if (!done)
		return 0;
	give(sends, id);
	return send->result > 0 ? send->result : 0;
}

static void done(struct weft_uring_sends *sends, unsigned id, int32_t result)
{
	struct send *send = &sends->send[id];

	if (send->state == GIVEN_UP) {
		give(sends, id);
		return;
	}
	send->result = result;
	send->state = DONE;
}

/* Acquire: the source's last user has done with them. */
static void take_in_orphans(struct weft_uring_sends *sends)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t word = __atomic_load_n(&sends->orphans[i], __ATOMIC_RELAXED);

		if (word)
			word = __atomic_exchange_n(&sends->orphans[i], 0, __ATOMIC_ACQUIRE);
		for (; word; word &= word - 1)
			give_up(sends, i * 64 + (unsigned)__builtin_ctzll(word));
	}
}

static bool is_holder(const struct weft_driver *driver)
{
	/* Relaxed: a thread finds itself there only if it stored that. */
	return __atomic_load_n(&driver->holder, __ATOMIC_RELAXED) == &weft_thread;
}

static char *bytes_of(const struct weft_uring_sends *sends, unsigned id)
{
	return sends->bytes + (size_t)id * BYTES;
}

/* Relaxed, the byte: of the task that writes, or nobody is inside any more. */
static ssize_t forget(struct weft_driver *driver, struct weft_source *source)
{
	struct weft_uring_sends *sends = ((struct weft_uring *)driver->state)->sends;
	unsigned id = __atomic_load_n(&source->sending, __ATOMIC_RELAXED);

	if (!id--)
		return 0;
	__atomic_store_n(&source->sending, 0, __ATOMIC_RELAXED);
	if (is_holder(driver))
		return give_up(sends, id);
	__atomic_fetch_or(&sends->orphans[id / 64], 1ull << id % 64, __ATOMIC_RELEASE);
	return 0;
}

void weft_uring_send_forget(struct weft_driver *driver, struct weft_source *source)
{
	forget(driver, source);
}

/* NULL: the source is at no write, or at that of another task. */
static struct send *send_of(const struct weft_uring *uring, const struct weft_source *source,
			    uint64_t task)
{
	unsigned sending = __atomic_load_n(&source->sending, __ATOMIC_RELAXED);
	struct send *send = sending ? &uring->sends->send[sending - 1] : NULL;

	return send && send->task == task ? send : NULL;
}

ssize_t weft_uring_recall(struct weft_driver *driver, struct weft_source *source, uint64_t task)
{
	struct weft_uring *uring = driver->state;

	return send_of(uring, source, task) ? forget(driver, source) : 0;
}

/* The write that the source is at, if it is this one: its result, or WEFT_DRIVER_LATER. */
static ssize_t resume(struct weft_driver *driver, struct weft_source *source,
		      const struct send *send, const struct iovec *from, bool *ret_same)
{
	const struct weft_uring_sends *sends = ((struct weft_uring *)driver->state)->sends;
	ssize_t n;

	*ret_same = send->length == from->iov_len &&
		    memcmp(bytes_of(sends, (unsigned)(send - sends->send)), from->iov_base,
			   from->iov_len) == 0;
	if (!*ret_same) {
		forget(driver, source);
		return 0;
	}
	if (send->state != DONE)
		return WEFT_DRIVER_LATER;
	n = send->result;
	forget(driver, source);
	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

/* Another task may have left its result there. */
static bool is_free(struct weft_driver *driver, struct weft_source *source)
{
	const struct weft_uring_sends *sends = ((struct weft_uring *)driver->state)->sends;
	unsigned sending = __atomic_load_n(&source->sending, __ATOMIC_RELAXED);

	if (sending && sends->send[sending - 1].state != DONE)
		return false;
	forget(driver, source);
	return true;
}

static void wait_turn(struct weft_uring_sends *sends, unsigned id, const struct send *what,
		      const void *bytes)
{
	struct send *send = &sends->send[id];

	*send = *what;
	memcpy(bytes_of(sends, id), bytes, send->length);
	sends->waiting[sends->n++] = (uint8_t)id;
}

ssize_t weft_uring_send(struct weft_driver *driver, struct weft_source *source, uintptr_t handle,
			uint64_t task, const struct iovec *from)
{
	struct weft_uring *uring = driver->state;
	const struct send *old;
	bool same = false;
	ssize_t n = 0;
	int id;

	if (!uring->sends || !is_holder(driver))
		return WEFT_DRIVER_DIRECT;
	old = send_of(uring, source, task);
	if (old)
		n = resume(driver, source, old, from, &same);
	if (same)
		return n;
	if (from->iov_len == 0 || from->iov_len > BYTES || !is_free(driver, source))
		return WEFT_DRIVER_DIRECT;
	id = take(uring->sends);
	if (id < 0) {
		take_in_orphans(uring->sends);
		id = take(uring->sends);
	}
	if (id < 0)
		return WEFT_DRIVER_DIRECT;
	wait_turn(uring->sends, (unsigned)id,
		  &(struct send){ handle, task, (uint32_t)from->iov_len, 0, WAITING },
		  from->iov_base);
	/* Relaxed: until it leaves the source nobody else looks. */
	__atomic_store_n(&source->sending, (uint8_t)(id + 1), __ATOMIC_RELAXED);
	return WEFT_DRIVER_LATER;
}

/* Under the lock, inside the source. False: the kernel takes nothing now. */
static bool request(struct weft_uring *uring, const struct weft_source *source, unsigned id)
{
	struct send *send = &uring->sends->send[id];
	struct io_uring_sqe *sqe = weft_uring_sqe(uring);

	if (!sqe)
		return false;
	if (send->state == WAITING) {
		send->state = SENT;
		io_uring_prep_send(sqe, source->fd, bytes_of(uring->sends, id), send->length,
				   MSG_NOSIGNAL | MSG_DONTWAIT);
		io_uring_sqe_set_data64(sqe, (uint64_t)(id + 1) << 8 | WEFT_URING_SEND);
	} else {
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, 0);
		give(uring->sends, id);
	}
	return true;
}

/* The source is closed, or the kernel has no memory: who waits is told so by tell(). */
static void refuse(struct weft_uring_sends *sends, unsigned id, int32_t result, uint64_t *refused)
{
	done(sends, id, result);
	refused[id / 64] |= 1ull << id % 64;
}

/* Under no lock: a wake may call for it. Nobody has taken a number that was given back meanwhile. */
static void tell(const struct weft_uring_sends *sends, const uint64_t *refused)
{
	for (unsigned i = 0; i < WORDS; i++)
		for (uint64_t word = refused[i]; word; word &= word - 1)
			weft_source_event(
				sends->send[i * 64 + (unsigned)__builtin_ctzll(word)].handle,
				POLLOUT);
}

/*
 * Under the lock. Requests that the kernel had no memory for would go to whatever has the fd by the
 * next submission.
 */
static void take_back(struct weft_uring *uring, uint64_t *refused)
{
	const struct io_uring_sq *sq = &uring->ring.sq;

	for (unsigned at = *sq->khead; at != sq->sqe_tail; at++) {
		struct io_uring_sqe *sqe = &sq->sqes[at & sq->ring_mask];
		unsigned id = (unsigned)(sqe->user_data >> 8) - 1;

		if ((sqe->user_data & WEFT_URING_TAGS) != WEFT_URING_SEND)
			continue;
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, 0);
		refuse(uring->sends, id, -ENOBUFS, refused);
	}
}

/*
 * Under the lock. inside[i]: the source of waiting[i], NULL if that is closed. Which were refused: a
 * bit each.
 */
static void request_all(struct weft_uring *uring, struct weft_source *const *inside, uint32_t n,
			uint64_t *refused)
{
	struct weft_uring_sends *sends = uring->sends;
	bool taken = true;

	for (uint32_t i = 0; i < n; i++) {
		unsigned id = sends->waiting[i];

		if (inside[i] && taken)
			taken = request(uring, inside[i], id);
		if (!inside[i] || !taken)
			refuse(sends, id, inside[i] ? -ENOBUFS : -EBADF, refused);
	}
	if (weft_uring_submit(uring))
		take_back(uring, refused);
}

/*
 * The sources are held until the kernel has the requests, so that no fd is closed, and its number
 * used again, before. Not entered under the lock: the memory may be another source's by now, which
 * is closed meanwhile and ends here (weft_source_exit), and weft_uring_end() takes the lock.
 */
static void submit(struct weft_uring *uring)
{
	struct weft_uring_sends *sends = uring->sends;
	uint64_t refused[WORDS] = { 0 };
	struct weft_source *inside[SENDS];
	uint32_t n = sends->n;

	sends->n = 0;
	take_in_orphans(sends);
	for (uint32_t i = 0; i < n; i++)
		inside[i] = weft_source_enter(sends->send[sends->waiting[i]].handle);
	pthread_mutex_lock(&uring->lock);
	request_all(uring, inside, n, refused);
	pthread_mutex_unlock(&uring->lock);
	tell(sends, refused);
	for (uint32_t i = 0; i < n; i++)
		if (inside[i])
			weft_source_exit(inside[i]);
}

void weft_uring_sends_flush(struct weft_driver *driver)
{
	struct weft_uring *uring = driver->state;

	if (uring->sends && uring->sends->n)
		submit(uring);
}

unsigned weft_uring_send_completed(struct weft_uring *uring, const struct io_uring_cqe *cqe)
{
	struct weft_uring_sends *sends = uring->sends;
	unsigned id = (unsigned)(cqe->user_data >> 8) - 1;
	uintptr_t handle = sends->send[id].handle;

	done(sends, id, cqe->res);
	return weft_source_event(handle, POLLOUT);
}
