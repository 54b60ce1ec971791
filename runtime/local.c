/* SPDX-License-Identifier: MIT */
/*
 * Task-locals: a list behind the task's name. Only the polling thread touches it.
 */
#include "runtime/base/memory.h"
#include "runtime/task.h"

struct weft_local {
	struct weft_local *next; /* set before this one */
	const struct weft_local_key *key;
	void *value;
};

static struct weft_local **find(struct weft_task_extra *extra, const struct weft_local_key *key)
{
	struct weft_local **at = &extra->locals;

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

static void destroy(const struct weft_local_key *key, void *value)
{
	if (key->destroy && value)
		key->destroy(value);
}

static int add(struct weft_task *task, const struct weft_local_key *key, void *value)
{
	struct weft_task_extra *extra = weft_task_extra_get(task);
	struct weft_local *local = extra ? weft_memory_alloc(sizeof(*local)) : NULL;

	if (!local)
		return -ENOMEM;
	*local = (struct weft_local){ extra->locals, key, value };
	extra->locals = local;
	return 0;
}

int weft_local_set(struct weft_cx *cx, const struct weft_local_key *key, void *value)
{
	struct weft_task_extra *extra = weft_task_extra(cx->task);
	struct weft_local **at = extra ? find(extra, key) : NULL, *local = at ? *at : NULL;
	void *old;

	if (!local)
		return value ? add(cx->task, key, value) : 0;
	old = local->value;
	if (value) {
		local->value = value;
	} else {
		*at = local->next;
		weft_memory_free(local);
	}
	if (old != value)
		destroy(key, old);
	return 0;
}

void *weft_local_get(const struct weft_cx *cx, const struct weft_local_key *key)
{
	struct weft_task_extra *extra = weft_task_extra(cx->task);
	struct weft_local *local = extra ? *find(extra, key) : NULL;

	return local ? local->value : NULL;
}

/* The newest first: what was set later may rest on what was set before. */
void weft_local_end(struct weft_task_extra *extra)
{
	struct weft_local *local;

	while ((local = extra->locals)) {
		const struct weft_local_key *key = local->key;
		void *value = local->value;

		extra->locals = local->next;
		weft_memory_free(local);
		destroy(key, value);
	}
}
