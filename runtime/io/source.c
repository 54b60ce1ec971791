/* SPDX-License-Identifier: MIT */
#include "runtime/io/source.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

#define BOTH         (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define READ_EVENTS  (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)
#define WRITE_EVENTS (EPOLLOUT | EPOLLHUP | EPOLLERR)
#define CHUNK        (64u << 10)
#define POINTER_MASK ((1ull << 48) - 1)

/* Type-stable pool: chunks stay mapped for good, `generation` survives reuse. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weft_source *free_list;

static void fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

static void fork_done(void)
{
	pthread_mutex_unlock(&lock);
}

static __attribute__((constructor)) void init(void)
{
	pthread_atfork(fork_prepare, fork_done, fork_done);
}

static void chunk_add(void)
{
	struct weft_source *chunk =
		mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return;
	for (unsigned i = 0; i < CHUNK / sizeof(*chunk); i++) {
		chunk[i].fd = -1;
		chunk[i].next_free = free_list;
		free_list = &chunk[i];
	}
}

static struct weft_source *source_alloc(void)
{
	struct weft_source *source;

	pthread_mutex_lock(&lock);
	if (!free_list)
		chunk_add();
	source = free_list;
	if (source)
		free_list = source->next_free;
	pthread_mutex_unlock(&lock);
	return source;
}

static void source_free(struct weft_source *source)
{
	pthread_mutex_lock(&lock);
	source->next_free = free_list;
	free_list = source;
	pthread_mutex_unlock(&lock);
}

int weft_source_open(struct weft_runtime *rt, int fd, uint32_t events, struct weft_source **ret)
{
	struct weft_source *source;
	struct epoll_event event = { .events = events ? events : BOTH };
	int rc;

	if (!rt->io) {
		weft_misuse(WEFT_M_IO_OFF, weft_thread.cx ? weft_thread.cx->task : NULL);
		return -ENOTSUP;
	}
	source = source_alloc();
	if (!source)
		return -ENOMEM;
	source->rt = rt;
	source->fd = fd;
	source->drained = 0;
	/*
	 * A stale event that saw the old generation may still be storing here. It can leave a spurious
	 * READY or `closed`, which costs one call more, or wake a waiter once for nothing.
	 */
	__atomic_store_n(&source->closed, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->merged, events != 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->slot[WEFT_DIR_READ], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->slot[WEFT_DIR_WRITE], 0, __ATOMIC_RELAXED);
	event.data.u64 = ((uint64_t)(uintptr_t)source & POINTER_MASK) | (uint64_t)source->generation
										<< 48;
	if (epoll_ctl(rt->driver.epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		rc = -errno;
		source->fd = -1;
		source_free(source);
		return rc;
	}
	__atomic_fetch_add(&rt->entry->fds, 1, __ATOMIC_RELAXED);
	*ret = source;
	return 0;
}

/* Any state -> nothing, or READY when there was nobody to wake. */
static struct weft_task *edge(struct weft_source *source, enum weft_direction dir)
{
	uintptr_t old = __atomic_load_n(&source->slot[dir], __ATOMIC_RELAXED), new;

	do {
		if (old == WEFT_SOURCE_CLOSED)
			return NULL;
		new = old > WEFT_SOURCE_CLOSED ? 0 : WEFT_SOURCE_READY;
	} while (!__atomic_compare_exchange_n(&source->slot[dir], &old, new, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return old > WEFT_SOURCE_CLOSED ? (struct weft_task *)old : NULL;
}

static void edge_wake(struct weft_source *source, enum weft_direction dir, uint32_t events)
{
	struct weft_task *task = edge(source, dir);

	WEFT_EMIT(IO_READY,
		  (uint32_t)__atomic_load_n(&source->fd, __ATOMIC_RELAXED) | (uint64_t)events << 32,
		  task ? task->head.id : 0, 0);
	(void)events;
	if (!task)
		return;
	weft_task_wake(task, WEFT_W_IO);
	weft_task_unref(task);
}

int weft_source_event(const struct epoll_event *event)
{
	struct weft_source *source =
		(struct weft_source *)(uintptr_t)(event->data.u64 & POINTER_MASK);
	uint32_t events = event->events;
	bool merged;

	if (!source ||
	    __atomic_load_n(&source->generation, __ATOMIC_ACQUIRE) != event->data.u64 >> 48)
		return 0;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		__atomic_store_n(&source->closed, 1, __ATOMIC_RELEASE);
	merged = __atomic_load_n(&source->merged, __ATOMIC_RELAXED);
	if (events & READ_EVENTS || merged)
		edge_wake(source, WEFT_DIR_READ, events);
	if (events & WRITE_EVENTS && !merged)
		edge_wake(source, WEFT_DIR_WRITE, events);
	return 1;
}

bool weft_source_wait(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir,
		      int *ret_rc)
{
	uintptr_t old = 0, self = (uintptr_t)cx->task;

	weft_task_ref(cx->task);
	/* Release: the task's state before the pointer that an edge takes. */
	if (__atomic_compare_exchange_n(&source->slot[dir], &old, self, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return true;
	weft_task_unref(cx->task);
	if (old == self)
		return true;
	if (old == WEFT_SOURCE_CLOSED) {
		weft_source_reap(source, dir);
		*ret_rc = -EBADF;
		return false;
	}
	if (old == WEFT_SOURCE_READY) {
		__atomic_compare_exchange_n(&source->slot[dir], &old, 0, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_RELAXED);
		*ret_rc = 0;
		return false;
	}
	weft_misuse(WEFT_M_DOUBLE_AWAIT, cx->task);
	*ret_rc = -EBUSY;
	return false;
}

void weft_source_leave(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir)
{
	uintptr_t self = (uintptr_t)cx->task;

	if (__atomic_compare_exchange_n(&source->slot[dir], &self, 0, false, __ATOMIC_ACQ_REL,
					__ATOMIC_RELAXED))
		weft_task_unref(cx->task);
	else
		weft_source_reap(source, dir);
}

void weft_source_reap(struct weft_source *source, enum weft_direction dir)
{
	uintptr_t closed = WEFT_SOURCE_CLOSED;

	if (!__atomic_compare_exchange_n(&source->slot[dir], &closed, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	if (__atomic_sub_fetch(&source->closers, 1, __ATOMIC_ACQ_REL) == 0)
		source_free(source);
}

/* Takes the waiter out. One that is another task will look at the source again: it gets to reap it. */
static void close_direction(struct weft_source *source, enum weft_direction dir)
{
	struct weft_task *self = weft_thread.cx ? weft_thread.cx->task : NULL, *task;
	uintptr_t old = __atomic_load_n(&source->slot[dir], __ATOMIC_RELAXED);
	bool other;

	do {
		task = old > WEFT_SOURCE_CLOSED ? (struct weft_task *)old : NULL;
		other = task && task != self;
		if (other)
			__atomic_add_fetch(&source->closers, 1, __ATOMIC_RELAXED);
		if (__atomic_compare_exchange_n(&source->slot[dir], &old,
						other ? WEFT_SOURCE_CLOSED : 0, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			break;
		if (other)
			__atomic_sub_fetch(&source->closers, 1, __ATOMIC_RELAXED);
	} while (1);
	if (other)
		weft_task_wake(task, WEFT_W_IO);
	if (task)
		weft_task_unref(task);
}

void weft_source_close(struct weft_source *source, bool keep_fd)
{
	int fd = source->fd;

	if (fd < 0)
		return;
	source->closers = 1; /* this call */
	/* New generation first: events that are already under way find it and are dropped. */
	__atomic_store_n(&source->generation, (uint16_t)(source->generation + 1), __ATOMIC_RELEASE);
	__atomic_store_n(&source->fd, -1, __ATOMIC_RELEASE);
	if (keep_fd)
		epoll_ctl(source->rt->driver.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else
		close(fd);
	__atomic_fetch_sub(&source->rt->entry->fds, 1, __ATOMIC_RELAXED);
	close_direction(source, WEFT_DIR_READ);
	close_direction(source, WEFT_DIR_WRITE);
	if (__atomic_sub_fetch(&source->closers, 1, __ATOMIC_ACQ_REL) == 0)
		source_free(source);
}
