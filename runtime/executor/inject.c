/* SPDX-License-Identifier: MIT */
#include "runtime/executor/inject.h"

#include "runtime/task.h"

void weft_inject_init(struct weft_inject *inject)
{
	pthread_mutex_init(&inject->lock, NULL);
	inject->first = NULL;
	inject->last = &inject->first;
	inject->length = 0;
}

void weft_inject_done(struct weft_inject *inject)
{
	pthread_mutex_destroy(&inject->lock);
}

void weft_inject_push_chain(struct weft_inject *inject, struct weft_task *first,
			    struct weft_task *last, uint64_t n)
{
	pthread_mutex_lock(&inject->lock);
	*inject->last = first;
	inject->last = &last->next;
	__atomic_store_n(&inject->length, inject->length + n, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&inject->lock);
}

struct weft_task *weft_inject_pop(struct weft_inject *inject, uint64_t max, uint64_t *ret_n)
{
	struct weft_task *first, **end;
	uint64_t n = 0;

	*ret_n = 0;
	if (weft_inject_length(inject) == 0)
		return NULL;
	pthread_mutex_lock(&inject->lock);
	first = inject->first;
	end = &inject->first;
	while (*end && n < max) {
		end = &(*end)->next;
		n++;
	}
	inject->first = *end;
	if (!inject->first)
		inject->last = &inject->first;
	if (n)
		*end = NULL;
	__atomic_store_n(&inject->length, inject->length - n, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&inject->lock);
	*ret_n = n;
	return n ? first : NULL;
}

struct weft_task *weft_inject_take(struct weft_inject *inject, struct weft_task ***ret_last,
				   uint64_t *ret_n)
{
	struct weft_task *first;

	if (weft_inject_length(inject) == 0)
		return NULL;
	pthread_mutex_lock(&inject->lock);
	first = inject->first;
	*ret_last = inject->last;
	*ret_n = inject->length;
	inject->first = NULL;
	inject->last = &inject->first;
	__atomic_store_n(&inject->length, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&inject->lock);
	return first;
}
