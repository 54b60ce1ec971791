/* SPDX-License-Identifier: MIT */
#include "runtime/io/source.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"
#include "runtime/trace.h"

#define BOTH         (EPOLLIN | EPOLLOUT | EPOLLRDHUP)
#define READ_EVENTS  (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)
#define WRITE_EVENTS (EPOLLOUT | EPOLLHUP | EPOLLERR)
#define CHUNK        (64u << 10)

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
	struct weft_source *chunk = weft_memory_pages(CHUNK);

	if (!chunk)
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

static void fds_add(struct weft_runtime *rt, uint32_t n)
{
	/* Relaxed: a gauge. */
	__atomic_fetch_add(&rt->entry->fds, n, __ATOMIC_RELAXED);
}

/*
 * A stale event that saw the old generation may still be storing here. It can leave a spurious
 * READY or `ended`, which costs one call more, or wake a waiter once for nothing; hence relaxed
 * atomics. `refs` isn't set: stale enters may be counted in it.
 */
static void source_init(struct weft_source *source, struct weft_runtime *rt, int fd,
			enum weft_source_kind kind)
{
	source->rt = rt;
	__atomic_store_n(&source->fd, fd, __ATOMIC_RELAXED);
	__atomic_store_n(&source->ended, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->drained, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->starved, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->lazy, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->armed, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&source->slot[WEFT_DIR_READ], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&source->slot[WEFT_DIR_WRITE], 0, __ATOMIC_RELAXED);
}

/* A task that is at it when the shutdown comes has done nothing wrong; whoever comes after it has. */
static int refused(const struct weft_runtime *rt)
{
	if (__atomic_load_n(&rt->state, __ATOMIC_ACQUIRE) == WEFT_RT_STOPPED)
		weft_misuse(WEFT_M_AFTER_SHUTDOWN, weft_thread.cx ? weft_thread.cx->task : NULL);
	return -ESHUTDOWN;
}

static int open_kind(struct weft_runtime *rt, int fd, enum weft_source_kind kind, uint32_t events,
		     uintptr_t *ret_handle)
{
	struct weft_source *source;
	uintptr_t handle;
	int rc;

	if (!rt)
		return -EINVAL;
	if (!rt->io) {
		weft_misuse(WEFT_M_IO_OFF, weft_thread.cx ? weft_thread.cx->task : NULL);
		return -ENOTSUP;
	}
	if (!weft_runtime_running(rt))
		return refused(rt);
	source = source_alloc();
	if (!source)
		return -ENOMEM;
	source_init(source, rt, fd, kind);
	handle = (uintptr_t)source | (uint64_t)source->generation << 48;
	rc = rt->driver.ops->add(&rt->driver, fd, events, handle);
	if (rc) {
		__atomic_store_n(&source->fd, -1, __ATOMIC_RELAXED);
		source_free(source);
		return rc;
	}
	fds_add(rt, 1);
	*ret_handle = handle;
	return 0;
}

int weft_source_open(struct weft_runtime *rt, int fd, enum weft_source_kind kind,
		     uintptr_t *ret_handle)
{
	return open_kind(rt, fd, kind, BOTH, ret_handle);
}

int weft_source_adopt(struct weft_runtime *rt, int fd, enum weft_source_kind kind,
		      uintptr_t *ret_handle)
{
	int rc = open_kind(rt, fd, kind, BOTH, ret_handle);

	if (rc)
		close(fd);
	return rc;
}

int weft_source_open_foreign(struct weft_runtime *rt, int fd, uint32_t events,
			     uintptr_t *ret_handle)
{
	return open_kind(rt, fd, WEFT_SOURCE_FOREIGN, events, ret_handle);
}

/* Any state -> nothing, or READY when there was nobody to wake. */
static struct weft_task *edge(struct weft_source *source, enum weft_direction dir)
{
	uintptr_t old = __atomic_load_n(&source->slot[dir], __ATOMIC_RELAXED), new;

	do {
		new = old > WEFT_SOURCE_READY ? 0 : WEFT_SOURCE_READY;
	} while (!__atomic_compare_exchange_n(&source->slot[dir], &old, new, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return old > WEFT_SOURCE_READY ? (struct weft_task *)old : NULL;
}

static void wake(struct weft_task *task)
{
	if (!task)
		return;
	weft_task_wake(task, WEFT_W_IO);
	weft_task_unref(task);
}

static void edge_wake(struct weft_source *source, enum weft_direction dir, uint32_t events)
{
	struct weft_task *task = edge(source, dir);

	WEFT_EMIT(IO_READY,
		  (uint32_t)__atomic_load_n(&source->fd, __ATOMIC_RELAXED) | (uint64_t)events << 32,
		  task ? task->head.id : 0, 0);
	(void)events;
	wake(task);
}

unsigned weft_source_event(uintptr_t handle, uint32_t events)
{
	struct weft_source *source = weft_source_of(handle);
	bool foreign;

	/* Nothing is acquired here: see source_init. */
	if (!source || !weft_source_is_current(source, handle))
		return 0;
	/* Release, and the reader acquires: the end comes with the data before it. */
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		__atomic_store_n(&source->ended, 1, __ATOMIC_RELEASE);
	foreign = __atomic_load_n(&source->kind, __ATOMIC_RELAXED) == WEFT_SOURCE_FOREIGN;
	if (events & READ_EVENTS || foreign)
		edge_wake(source, WEFT_DIR_READ, events);
	if (events & WRITE_EVENTS && !foreign)
		edge_wake(source, WEFT_DIR_WRITE, events);
	return 1;
}

/*
 * The slot holds the task: it stays so unless the source was closed meanwhile, or the driver has no
 * memory for it.
 */
static bool stay(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir, int *ret_rc)
{
	struct weft_source *source = weft_source_of(handle);
	struct weft_driver *driver;
	int rc = 0;

	/* Relaxed: another task that reads it set has told the driver, or is about to. */
	if (__builtin_expect(__atomic_load_n(&source->lazy, __ATOMIC_RELAXED) & 1u << dir, 0)) {
		driver = &source->rt->driver;
		rc = driver->ops->want(driver, source, handle, dir);
	}
	if (rc == 0 && weft_source_is_current(source, handle))
		return true;
	weft_source_leave(cx, source, dir);
	*ret_rc = rc ? rc : -EBADF;
	return false;
}

/* True: the slot holds the task. */
static bool take_slot(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir, int *ret_rc)
{
	uintptr_t old = 0, self = (uintptr_t)cx->task, *slot = &weft_source_of(handle)->slot[dir];

	weft_task_ref(cx->task);
	/*
	 * Release: the task's state before the pointer that an edge takes. Acquire: a close that has
	 * emptied the slot had changed the generation before.
	 */
	if (__atomic_compare_exchange_n(slot, &old, self, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return true;
	weft_task_unref(cx->task);
	if (old == self)
		return true;
	if (old == WEFT_SOURCE_READY) {
		__atomic_compare_exchange_n(slot, &old, 0, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_RELAXED);
		*ret_rc = 0;
		return false;
	}
	weft_misuse(WEFT_M_DOUBLE_AWAIT, cx->task);
	*ret_rc = -EBUSY;
	return false;
}

bool weft_source_wait(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir, int *ret_rc)
{
	return take_slot(cx, handle, dir, ret_rc) && stay(cx, handle, dir, ret_rc);
}

bool weft_source_expect(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir, int *ret_rc)
{
	if (!take_slot(cx, handle, dir, ret_rc))
		return false;
	if (weft_source_is_current(weft_source_of(handle), handle))
		return true;
	weft_source_leave(cx, weft_source_of(handle), dir);
	*ret_rc = -EBADF;
	return false;
}

void weft_source_leave(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir)
{
	uintptr_t self = (uintptr_t)cx->task;

	if (__atomic_compare_exchange_n(&source->slot[dir], &self, 0, false, __ATOMIC_ACQ_REL,
					__ATOMIC_RELAXED))
		weft_task_unref(cx->task);
}

/* Enters, because the task may be waiting for another descriptor in the same memory by now. */
ssize_t weft_source_cancel(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir)
{
	struct weft_source *source = weft_source_enter(handle);
	struct weft_driver *driver;
	ssize_t wrote = 0;

	if (!source)
		return 0;
	weft_source_leave(cx, source, dir);
	driver = &source->rt->driver;
	if (dir == WEFT_DIR_WRITE &&
	    __atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_SOURCE_AHEAD)
		wrote = driver->ops->recall(driver, source, cx->task->head.id);
	weft_source_exit(source);
	return wrote;
}

static void close_direction(struct weft_source *source, enum weft_direction dir)
{
	struct weft_task *self = weft_thread.cx ? weft_thread.cx->task : NULL, *task;
	/* Release: the new generation for who registers after this; acquire: the waiter's state. */
	uintptr_t old = __atomic_exchange_n(&source->slot[dir], 0, __ATOMIC_ACQ_REL);

	if (old <= WEFT_SOURCE_READY)
		return;
	task = (struct weft_task *)old;
	if (task != self)
		weft_task_wake(task, WEFT_W_IO);
	weft_task_unref(task);
}

/* keep: the fd is the caller's from now on. Gives it, or -EBADF. */
static int close_source(uintptr_t handle, bool keep)
{
	struct weft_source *source = weft_source_of(handle);
	uint16_t generation = (uint16_t)(handle >> 48);
	struct weft_driver *driver;
	int fd;

	/* Relaxed: `refs` and the slots carry it to those who look. */
	if (!source || !__atomic_compare_exchange_n(&source->generation, &generation,
						    (uint16_t)(generation + 1), false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return -EBADF;
	fd = source->fd;
	/* Relaxed: weft_source_end reads it after the exits; an event may take either. */
	if (keep)
		__atomic_store_n(&source->kind, WEFT_SOURCE_FOREIGN, __ATOMIC_RELAXED);
	/* Relaxed: this thread is inside until its exit. */
	__atomic_fetch_add(&source->rt->closing, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&source->refs, WEFT_SOURCE_CLOSING + 1, __ATOMIC_RELEASE);
	/* At once: its owner may close it as soon as this returns. */
	driver = &source->rt->driver;
	if (source->kind == WEFT_SOURCE_FOREIGN && driver->ops->remove)
		driver->ops->remove(driver, fd);
	fds_add(source->rt, UINT32_MAX);
	close_direction(source, WEFT_DIR_READ);
	close_direction(source, WEFT_DIR_WRITE);
	weft_source_exit(source);
	return fd;
}

void weft_source_close(uintptr_t handle)
{
	close_source(handle, false);
}

int weft_source_release(uintptr_t handle)
{
	struct weft_source *source = weft_source_enter(handle);
	struct weft_driver *driver;
	int rc = 0;

	if (!source)
		return -EBADF;
	driver = &source->rt->driver;
	if (__atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_SOURCE_AHEAD)
		rc = driver->ops->settle(driver, source, handle);
	weft_source_exit(source);
	return rc ? rc : close_source(handle, true);
}

/*
 * Handles of starving sources. A closer looks after its close(), a starving operation stores
 * before it tries again; the kernel takes the lock of the descriptor table in both calls, which
 * orders them: either the operation finds the descriptor or the closer finds the handle.
 */
#define STARVING 16
static uintptr_t starving[STARVING];

bool weft_source_starve(uintptr_t handle)
{
	for (unsigned i = 0; i < STARVING; i++) {
		uintptr_t old = __atomic_load_n(&starving[i], __ATOMIC_RELAXED);

		/* A closed one left its handle behind. */
		if (old && old != handle && weft_source_is_current(weft_source_of(old), old))
			continue;
		if (__atomic_compare_exchange_n(&starving[i], &old, handle, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static void feed_starving(void)
{
	for (unsigned i = 0; i < STARVING; i++) {
		uintptr_t handle = __atomic_load_n(&starving[i], __ATOMIC_RELAXED);
		struct weft_source *source;

		if (!handle || !__atomic_compare_exchange_n(&starving[i], &handle, 0, false,
							    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		source = weft_source_enter(handle);
		if (!source)
			continue;
		wake(edge(source, WEFT_DIR_READ));
		weft_source_exit(source);
	}
}

void weft_source_end(struct weft_source *source)
{
	int fd = source->fd;
	bool ours = source->kind != WEFT_SOURCE_FOREIGN;
	struct weft_runtime *rt = source->rt;
	struct weft_driver *driver = &rt->driver;
	/* Relaxed: later closers, who fail, look at it. */
	uint16_t generation = __atomic_load_n(&source->generation, __ATOMIC_RELAXED) - 1;

	if (driver->ops->end)
		driver->ops->end(driver, source, (uintptr_t)source | (uint64_t)generation << 48);
	__atomic_store_n(&source->fd, -1, __ATOMIC_RELAXED);
	if (ours)
		close(fd);
	source_free(source);
	/* Release: the last access to the runtime, which may be another one than this thread's, before it is freed. */
	__atomic_fetch_sub(&rt->closing, 1, __ATOMIC_RELEASE);
	if (ours)
		feed_starving();
}
