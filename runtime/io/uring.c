/* SPDX-License-Identifier: MIT */
/*
 * The driver on io_uring: the same edges as epoll gives, by poll requests that stay (multishot),
 * for TCP what has come by the time somebody asks (uring_ahead.c), and writes that go out together
 * (uring_send.c). Requests are made and cancelled in uring_request.c.
 *
 * Completions carry the source's handle, so late ones are known by their generation. They are read
 * by the owner of the driver only.
 */
#include "runtime/io/uring.h"

#include <errno.h>
#include <unistd.h>

#include "runtime/base/memory.h"

#define SUBMISSIONS 256u
#define COMPLETIONS 4096u       /* more are kept by the kernel, but end multishot requests */
#define TURN        COMPLETIONS /* of one turn, at most: what was written in it is told in it */
#define RETRY_NS    1000000u    /* sleep at most, while the kernel refuses requests */
#define FEATURES    (IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP)

static const char *words_of(int rc)
{
	switch (rc) {
	case -EPERM:
	case -EACCES:
		return "io_uring is forbidden here (EPERM: seccomp, or kernel.io_uring_disabled)";
	case -ENOSYS:
		return "the kernel has no io_uring (ENOSYS), or a filter hides it";
	case -ENOMEM:
		return "no memory for the ring (ENOMEM: perhaps RLIMIT_MEMLOCK)";
	case -EMFILE:
	case -ENFILE:
		return "no descriptor left for the ring (EMFILE)";
	case -EOPNOTSUPP:
		return "io_uring of this kernel is too old (Linux 5.17)";
	default:
		return "the kernel gave an error for io_uring_setup or io_uring_enter";
	}
}

/* One request there and back: a filter may allow the set-up and nothing after it. */
static int try_ring(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int rc;

	if (!sqe)
		return -EINVAL;
	io_uring_prep_nop(sqe);
	rc = io_uring_submit_and_wait(ring, 1);
	if (rc < 0)
		return rc;
	rc = io_uring_peek_cqe(ring, &cqe);
	if (rc == 0)
		io_uring_cqe_seen(ring, cqe);
	return rc;
}

static int set_up(struct io_uring *ring, unsigned flags)
{
	struct io_uring_params params = { .cq_entries = COMPLETIONS };
	int rc;

	params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
	rc = io_uring_queue_init_params(SUBMISSIONS, ring, &params);
	if (rc)
		return rc;
	rc = (params.features & FEATURES) == FEATURES ? try_ring(ring) : -EOPNOTSUPP;
	if (rc)
		io_uring_queue_exit(ring);
	return rc;
}

/*
 * COOP_TASKRUN (Linux 5.19): completions wait for the thread's next entry into the kernel instead
 * of interrupting it on its processor. Where several threads turn the driver, one may have
 * requests and be in a long poll meanwhile: there the interrupt is wanted.
 */
static int set_up_best(struct io_uring *ring, bool one_thread)
{
	int rc = -EINVAL;

	if (one_thread)
		rc = set_up(ring, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
	return rc == -EINVAL ? set_up(ring, 0) : rc;
}

static int uring_open(struct weft_driver *driver, bool one_thread)
{
	struct weft_uring *uring = weft_memory_alloc(sizeof(*uring));
	int rc = uring ? set_up_best(&uring->ring, one_thread) : -ENOMEM;

	if (rc) {
		driver->why = words_of(rc);
		weft_memory_free(uring);
		return rc;
	}
	pthread_mutex_init(&uring->lock, NULL);
	uring->ahead = weft_uring_ahead_open(&uring->ring);
	uring->sends = one_thread ? weft_uring_sends_open() : NULL;
	driver->state = uring;
	return 0;
}

/* Connections among them that nobody has seen. */
static void drop_completions(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(ring, &cqe) == 0) {
		if ((cqe->user_data & WEFT_URING_TAGS) == WEFT_URING_ACCEPT && cqe->res >= 0)
			close(cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
}

static void uring_close(struct weft_driver *driver)
{
	struct weft_uring *uring = driver->state;

	weft_uring_leave(driver);
	drop_completions(&uring->ring);
	weft_uring_ahead_close(uring);
	io_uring_queue_exit(&uring->ring);
	weft_uring_sends_close(uring->sends);
	pthread_mutex_destroy(&uring->lock);
	weft_memory_free(uring->fresh);
	weft_memory_free(uring->watched);
	weft_memory_free(uring);
	driver->state = NULL;
}

/* A look enters the kernel only if that has something for this thread. */
static void look(struct weft_uring *uring)
{
	struct io_uring *ring = &uring->ring;

	if (IO_URING_READ_ONCE(*ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		io_uring_get_events(ring);
}

static void sleep_ns(struct weft_uring *uring, uint64_t ns)
{
	struct __kernel_timespec ts = { (long long)(ns / 1000000000u),
					(long long)(ns % 1000000000u) };
	struct io_uring_getevents_arg arg = { .ts = ns == UINT64_MAX ? 0 : (uintptr_t)&ts };

	io_uring_enter2((unsigned)uring->ring.ring_fd, 0, 1,
			IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, (sigset_t *)(void *)&arg,
			sizeof(arg));
}

static int uring_turn(struct weft_driver *driver, uint64_t ns)
{
	struct weft_uring *uring = driver->state;
	unsigned n;

	if (ns)
		__atomic_store_n(&uring->waiting, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&uring->todo, __ATOMIC_SEQ_CST))
		weft_uring_flush(uring);
	weft_uring_sends_flush(driver);
	/* The kernel had no memory for some: nothing else may come, and who was told so may be in a queue. */
	if (ns > RETRY_NS && __atomic_load_n(&uring->todo, __ATOMIC_SEQ_CST))
		ns = RETRY_NS;
	n = io_uring_cq_ready(&uring->ring);
	if (n == 0) {
		if (ns)
			sleep_ns(uring, ns);
		else
			look(uring);
		n = io_uring_cq_ready(&uring->ring);
	}
	/* Relaxed: who still sees it set wakes for nothing. */
	if (ns)
		__atomic_store_n(&uring->waiting, 0, __ATOMIC_RELAXED);
	return (int)(n < TURN ? n : TURN);
}

static unsigned completed(struct weft_uring *uring, const struct io_uring_cqe *cqe)
{
	unsigned tag = cqe->user_data & WEFT_URING_TAGS, io = 0;
	uintptr_t handle = (uintptr_t)cqe->user_data & ~(uintptr_t)WEFT_URING_TAGS;

	if (!handle)
		return 0;
	if (tag == WEFT_URING_SEND)
		return weft_uring_send_completed(uring, cqe);
	if (tag >= WEFT_URING_RECEIVE)
		return weft_uring_ahead_completed(uring, handle, tag, cqe);
	if (cqe->res > 0)
		io = weft_source_event(handle, (uint32_t)cqe->res);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		weft_uring_again(uring, handle, tag);
	return io;
}

static unsigned uring_dispatch(struct weft_driver *driver, int n)
{
	struct weft_uring *uring = driver->state;
	struct io_uring *ring = &uring->ring;
	unsigned io = 0, head = *ring->cq.khead, mask = ring->cq.ring_mask;

	for (int i = 0; i < n; i++)
		io += completed(uring, &ring->cq.cqes[(head + (unsigned)i) & mask]);
	io_uring_cq_advance(ring, (unsigned)n);
	return io;
}

const struct weft_driver_ops weft_uring_ops = {
	.name = "io_uring",
	.open = uring_open,
	.close = uring_close,
	.wake = weft_uring_wake,
	.add = weft_uring_add,
	.want = weft_uring_want,
	.receive = weft_uring_receive,
	.accept = weft_uring_accept,
	.settle = weft_uring_settle,
	.send = weft_uring_send,
	.recall = weft_uring_recall,
	.flush = weft_uring_sends_flush,
	.remove = weft_uring_remove,
	.end = weft_uring_end,
	.leave = weft_uring_leave,
	.wait = uring_turn,
	.dispatch = uring_dispatch,
};
