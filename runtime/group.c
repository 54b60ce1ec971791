/* SPDX-License-Identifier: MIT */
#include "runtime/group.h"

#include <pthread.h>

#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"
#include "runtime/trace.h"

struct weft_member {
	struct weft_member *next, **link; /* running: doubly linked; ended: a queue */
	struct weft_group *group;
	struct weft_task *task; /* the handle's reference */
	uint32_t index;
};

/* All under the lock. */
struct weft_group {
	pthread_mutex_t lock;
	struct weft_member *running;
	struct weft_member *ended, **last;
	struct weft_task *waiter; /* a reference */
	uint32_t members;         /* running */
	uint32_t spawned;

	bool waits_all, freed;
};

int weft_group_new(struct weft_group **ret)
{
	struct weft_group *group = weft_memory_alloc(sizeof(*group));

	if (!group)
		return -ENOMEM;
	pthread_mutex_init(&group->lock, NULL);
	group->last = &group->ended;
	*ret = group;
	return 0;
}

static void group_destroy(struct weft_group *group)
{
	pthread_mutex_destroy(&group->lock);
	weft_memory_free(group);
}

struct weft_member *weft_group_member_new(struct weft_group *group)
{
	struct weft_member *member = weft_memory_alloc(sizeof(*member));

	if (member)
		member->group = group;
	return member;
}

void weft_group_member_free(struct weft_member *member)
{
	weft_memory_free(member);
}

void weft_group_enter(struct weft_member *member, struct weft_task *task)
{
	struct weft_group *group = member->group;

	pthread_mutex_lock(&group->lock);
	member->task = task;
	member->index = group->spawned++;
	member->next = group->running;
	member->link = &group->running;
	if (member->next)
		member->next->link = &member->next;
	group->running = member;
	group->members++;
	pthread_mutex_unlock(&group->lock);
}

/* Under the lock. NULL: nobody waits for this. */
static struct weft_task *waiter_take(struct weft_group *group)
{
	struct weft_task *waiter = group->waiter;

	if (!waiter || (group->waits_all && group->members))
		return NULL;
	group->waiter = NULL;
	return waiter;
}

/* Under the lock; the member is the group's no longer or queued as ended. */
static void unlink_running(struct weft_group *group, struct weft_member *member)
{
	*member->link = member->next;
	if (member->next)
		member->next->link = member->link;
	group->members--;
}

/* The owner is gone: what it would have taken is dropped here. */
static void leave_freed(struct weft_group *group, struct weft_member *member)
{
	bool last = group->members == 0;

	pthread_mutex_unlock(&group->lock);
	weft_task_unref_handle(member->task);
	weft_memory_free(member);
	if (last)
		group_destroy(group);
}

void weft_group_leave(struct weft_member *member)
{
	struct weft_group *group = member->group;
	struct weft_task *waiter;

	pthread_mutex_lock(&group->lock);
	unlink_running(group, member);
	if (group->freed) {
		leave_freed(group, member);
		return;
	}
	member->next = NULL;
	*group->last = member;
	group->last = &member->next;
	waiter = waiter_take(group);
	pthread_mutex_unlock(&group->lock);
	if (waiter) {
		weft_task_wake(waiter, WEFT_W_TASK);
		weft_task_unref(waiter);
	}
}

/* Under the lock: cx's task waits no longer. */
static struct weft_task *waiter_leave(struct weft_cx *cx, struct weft_group *group)
{
	if (group->waiter != cx->task)
		return NULL;
	group->waiter = NULL;
	return cx->task;
}

/* Under the lock. */
static weft_poll_t wait(struct weft_cx *cx, struct weft_group *group, bool all)
{
	if (group->waiter && group->waiter != cx->task) {
		weft_misuse(WEFT_M_DOUBLE_AWAIT, cx->task);
		return -EBUSY;
	}
	if (!group->waiter)
		weft_task_ref(cx->task);
	group->waiter = cx->task;
	group->waits_all = all;
	return weft_pending(cx, WEFT_WAIT_GROUP);
}

static int member_result(struct weft_member *member, struct weft_group_result *ret)
{
	struct weft_task *task = member->task;
	int rc = task->rc == WEFT_PENDING ? -ECANCELED : task->rc;

	if (ret)
		*ret = (struct weft_group_result){ task->head.id, member->index, rc };
	weft_join_release(task, WEFT_D_COMPLETE);
	weft_memory_free(member);
	return rc;
}

static weft_poll_t give_up(struct weft_cx *cx, struct weft_group *group)
{
	struct weft_task *waiter;

	pthread_mutex_lock(&group->lock);
	waiter = waiter_leave(cx, group);
	pthread_mutex_unlock(&group->lock);
	if (waiter)
		weft_task_unref(waiter);
	return weft_cancelled(cx);
}

weft_poll_t weft_group_next(struct weft_cx *cx, struct weft_group *group,
			    struct weft_group_result *ret)
{
	struct weft_member *member;
	struct weft_task *waiter = NULL;
	weft_poll_t rc = WEFT_READY;

	if (cx->cancelled)
		return give_up(cx, group);
	if (!weft_budget_take(cx)) {
		weft_task_notify(cx->task, WEFT_W_TASK);
		return weft_pending(cx, WEFT_WAIT_GROUP);
	}
	pthread_mutex_lock(&group->lock);
	member = group->ended;
	if (member) {
		group->ended = member->next;
		if (!group->ended)
			group->last = &group->ended;
		waiter = waiter_leave(cx, group);
	} else {
		rc = group->members ? wait(cx, group, false) : -ENOENT;
	}
	pthread_mutex_unlock(&group->lock);
	if (waiter)
		weft_task_unref(waiter);
	if (member)
		member_result(member, ret);
	return rc;
}

/* Under the lock: the whole queue. */
static struct weft_member *ended_take(struct weft_group *group)
{
	struct weft_member *first = group->ended;

	group->ended = NULL;
	group->last = &group->ended;
	return first;
}

/* The first error among them. */
static int drop_ended(struct weft_member *member)
{
	struct weft_member *next;
	int first = 0, rc;

	for (; member; member = next) {
		next = member->next;
		rc = member_result(member, NULL);
		if (rc < 0 && !first)
			first = rc;
	}
	return first;
}

weft_poll_t weft_group_all(struct weft_cx *cx, struct weft_group *group)
{
	struct weft_member *ended = NULL;
	struct weft_task *waiter = NULL;
	weft_poll_t rc = WEFT_READY;

	if (cx->cancelled)
		return give_up(cx, group);
	pthread_mutex_lock(&group->lock);
	if (group->members) {
		rc = wait(cx, group, true);
	} else {
		ended = ended_take(group);
		waiter = waiter_leave(cx, group);
	}
	pthread_mutex_unlock(&group->lock);
	if (waiter)
		weft_task_unref(waiter);
	return rc ? rc : drop_ended(ended);
}

weft_poll_t weft_group_any(struct weft_cx *cx, struct weft_group_any *f, struct weft_group *group,
			   struct weft_group_result *ret)
{
	weft_poll_t rc;

	if (!f->won) {
		rc = weft_group_next(cx, group, &f->first);
		if (rc)
			return rc;
		f->won = 1;
		weft_group_abort(group);
	}
	rc = weft_group_all(cx, group);
	if (rc == WEFT_PENDING)
		return rc;
	f->won = 0;
	if (cx->cancelled)
		return rc;
	*ret = f->first;
	return WEFT_READY;
}

/* Under the lock. A member that ends meanwhile waits for the lock, so each task is there. */
static void abort_running(struct weft_group *group)
{
	for (struct weft_member *member = group->running; member; member = member->next)
		weft_task_abort(member->task);
}

void weft_group_abort(struct weft_group *group)
{
	pthread_mutex_lock(&group->lock);
	abort_running(group);
	pthread_mutex_unlock(&group->lock);
}

uint32_t weft_group_running(struct weft_group *group)
{
	uint32_t members;

	pthread_mutex_lock(&group->lock);
	members = group->members;
	pthread_mutex_unlock(&group->lock);
	return members;
}

struct weft_group *weft_group_free(struct weft_group *group)
{
	struct weft_member *ended;
	bool last;

	if (!group)
		return NULL;
	pthread_mutex_lock(&group->lock);
	group->freed = true;
	for (struct weft_member *member = group->running; member; member = member->next)
		weft_join_trace_drop(member->task, WEFT_D_CANCEL);
	abort_running(group);
	last = group->members == 0;
	ended = ended_take(group);
	pthread_mutex_unlock(&group->lock);
	drop_ended(ended);
	if (last)
		group_destroy(group);
	return NULL;
}
