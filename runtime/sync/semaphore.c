/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/*
 * IDLE and GRANTED: the entry is the task's; QUEUED: the semaphore's, changed under its lock
 * only.
 */
enum acquire_state { ACQUIRE_IDLE, ACQUIRE_QUEUED, ACQUIRE_GRANTED };

struct weft_semaphore {
	pthread_mutex_t lock;
	uint32_t permits;
	struct weft_acquire *first, **last; /* FIFO: nobody overtakes, so nobody starves */
};

int weft_semaphore_new(uint32_t permits, struct weft_semaphore **ret)
{
	struct weft_semaphore *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->permits = permits;
	s->last = &s->first;
	*ret = s;
	return 0;
}

struct weft_semaphore *weft_semaphore_free(struct weft_semaphore *s)
{
	if (s) {
		pthread_mutex_destroy(&s->lock);
		free(s);
	}
	return NULL;
}

static void unlink_waiter(struct weft_semaphore *s, struct weft_acquire *f)
{
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	else
		s->last = f->link;
}

bool weft_semaphore_try(struct weft_semaphore *s)
{
	bool got;

	pthread_mutex_lock(&s->lock);
	got = s->permits > 0 && !s->first;
	s->permits -= got;
	pthread_mutex_unlock(&s->lock);
	return got;
}

/*
 * Under the lock; the waiter's task is referenced, because it may end as soon as the lock is
 * released.
 */
static struct weft_task *grant_one(struct weft_semaphore *s)
{
	struct weft_acquire *f = s->first;
	struct weft_task *task = f->task;

	unlink_waiter(s, f);
	s->permits--;
	weft_task_ref(task);
	f->state = ACQUIRE_GRANTED;
	return task;
}

void weft_semaphore_release(struct weft_semaphore *s, uint32_t permits)
{
	struct weft_task *task;

	pthread_mutex_lock(&s->lock);
	s->permits += permits;
	while (s->permits && s->first) {
		task = grant_one(s);
		pthread_mutex_unlock(&s->lock);
		weft_task_wake(task, weft_thread.task_id ? WEFT_W_TASK : WEFT_W_FOREIGN);
		weft_task_unref(task);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	WEFT_EMIT(LOCK_WAIT, (uintptr_t)s, weft_thread.task_id | 2ull << 48, 0);
}

/* Under the lock. */
static weft_poll_t enter(struct weft_cx *cx, struct weft_semaphore *s, struct weft_acquire *f)
{
	if (s->permits && !s->first) {
		s->permits--;
		return WEFT_READY;
	}
	f->task = cx->task;
	f->state = ACQUIRE_QUEUED;
	f->next = NULL;
	f->link = s->last;
	*s->last = f;
	s->last = &f->next;
	cx->task->links++;
	return WEFT_PENDING;
}

/*
 * Under the lock. A permit that was granted to a cancelled task goes back; true: somebody else
 * may have it.
 */
static bool give_up(struct weft_semaphore *s, struct weft_acquire *f)
{
	bool granted = f->state == ACQUIRE_GRANTED;

	if (f->state == ACQUIRE_QUEUED)
		unlink_waiter(s, f);
	if (f->state != ACQUIRE_IDLE)
		f->task->links--;
	f->state = ACQUIRE_IDLE;
	return granted;
}

static weft_poll_t acquire_locked(struct weft_cx *cx, struct weft_semaphore *s,
				  struct weft_acquire *f)
{
	if (f->state == ACQUIRE_IDLE)
		return enter(cx, s, f);
	if (f->state == ACQUIRE_QUEUED)
		return WEFT_PENDING;
	f->state = ACQUIRE_IDLE;
	f->task->links--;
	return WEFT_READY;
}

weft_poll_t weft_semaphore_acquire(struct weft_cx *cx, struct weft_semaphore *s,
				   struct weft_acquire *f)
{
	weft_poll_t rc;
	bool granted;

	pthread_mutex_lock(&s->lock);
	if (cx->cancelled) {
		granted = give_up(s, f);
		pthread_mutex_unlock(&s->lock);
		if (granted)
			weft_semaphore_release(s, 1);
		return weft_cancelled(cx);
	}
	rc = acquire_locked(cx, s, f);
	pthread_mutex_unlock(&s->lock);
	if (rc == WEFT_PENDING) {
		WEFT_EMIT(LOCK_WAIT, (uintptr_t)s, cx->task->head.id, 0);
		return weft_pending(cx, WEFT_WAIT_SEMAPHORE);
	}
	WEFT_EMIT(LOCK_WAIT, (uintptr_t)s, cx->task->head.id | 1ull << 48, 0);
	return rc;
}
