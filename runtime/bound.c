/* SPDX-License-Identifier: MIT */
#include "runtime/bound.h"

#include <sched.h>

#include "runtime/executor/executor.h"
#include "runtime/executor/root.h"

/* At the end of the block, so that other tasks have no such words. */
struct weft_bound_tail {
	struct weft_bound *set;
	struct weft_task *task;
	struct weft_bound_tail *next, **link;
};

static __thread struct weft_bound *here __attribute__((tls_model("initial-exec")));

static struct weft_bound_tail *tail_of(struct weft_task *task)
{
	uintptr_t at = (uintptr_t)task + task->head.bytes - sizeof(struct weft_bound_tail);

	return (struct weft_bound_tail *)(at & ~(uintptr_t)7);
}

uint32_t weft_bound_tail_bytes(void)
{
	return sizeof(struct weft_bound_tail) + 8;
}

void weft_bound_begin(struct weft_bound *set, struct weft_task *root)
{
	*set = (struct weft_bound){ .root = root, .last = &set->first, .outer = here };
	pthread_mutex_init(&set->lock, NULL);
	here = set;
}

struct weft_bound *weft_bound_here(void)
{
	return here;
}

void weft_bound_enter(struct weft_bound *set, struct weft_task *task)
{
	struct weft_bound_tail *tail = tail_of(task);

	*tail = (struct weft_bound_tail){ set, task, set->alive, &set->alive };
	if (tail->next)
		tail->next->link = &tail->next;
	set->alive = tail;
}

static void leave(struct weft_bound_tail *tail)
{
	*tail->link = tail->next;
	if (tail->next)
		tail->next->link = tail->link;
}

/* Under the lock. */
static void push(struct weft_bound *set, struct weft_task *task)
{
	task->next = NULL;
	*set->last = task;
	set->last = &task->next;
	/* Release: pairs with weft_root_due(). */
	__atomic_store_n(&set->root->bound_due, 1, __ATOMIC_RELEASE);
}

/*
 * The task can't end before it is pushed, and the set's thread takes the lock once more before the
 * set goes: both are there until the unlock.
 */
void weft_bound_schedule(struct weft_task *task)
{
	struct weft_bound *set = tail_of(task)->set;
	struct weft_task *root = set->root;
	uint32_t word;

	pthread_mutex_lock(&set->lock);
	push(set, task);
	if (here != set) {
		/*
		 * Acq_rel, by a read-modify-write: either it sees how the thread sleeps, or the
		 * thread's own change of the word comes later and sees bound_due.
		 */
		word = __atomic_fetch_or(&root->wake_word, 0, __ATOMIC_ACQ_REL);
		if (word & WEFT_ROOT_DRIVING)
			root->rt->ops->unpark(root->rt, word >> WEFT_ROOT_WORKER_SHIFT);
		else
			weft_root_look(root);
	}
	pthread_mutex_unlock(&set->lock);
}

static struct weft_task *take_all(struct weft_bound *set)
{
	struct weft_task *first;

	pthread_mutex_lock(&set->lock);
	first = set->first;
	set->first = NULL;
	set->last = &set->first;
	__atomic_store_n(&set->root->bound_due, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&set->lock);
	return first;
}

static void poll_one(struct weft_bound *set, struct weft_cx *cx, struct weft_task *task)
{
	struct weft_bound_tail *tail = tail_of(task);
	enum weft_task_next next;

	/* Kept: the tail is read after the end. */
	weft_task_ref(task);
	next = weft_task_poll(cx, task);
	if (next == WEFT_TASK_ENDED)
		leave(tail);
	if (next == WEFT_TASK_AGAIN) {
		pthread_mutex_lock(&set->lock);
		push(set, task);
		pthread_mutex_unlock(&set->lock);
	}
	weft_task_unref(task);
}

void weft_bound_run(struct weft_cx *cx)
{
	struct weft_task *task = take_all(here), *next;

	for (; task; task = next) {
		next = task->next;
		poll_one(here, cx, task);
	}
}

static void drain(struct weft_bound *set)
{
	struct weft_cx cx = { .runtime = set->root->rt };
	struct weft_bound_tail *tail;

	weft_thread = (struct weft_thread){ .rt = cx.runtime, .cx = &cx };
	for (tail = set->alive; tail; tail = tail->next)
		weft_task_abort(tail->task);
	while (set->alive) {
		weft_bound_run(&cx);
		if (set->alive) /* a notification that another thread owns is about to get here */
			sched_yield();
	}
	weft_thread = (struct weft_thread){ .rt = NULL };
}

void weft_bound_end(struct weft_bound *set)
{
	set->ending = true;
	if (set->alive)
		drain(set);
	pthread_mutex_lock(&set->lock);
	here = set->outer;
	pthread_mutex_unlock(&set->lock);
	pthread_mutex_destroy(&set->lock);
}
