/* SPDX-License-Identifier: MIT */
#include "collector/live_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "probes/symbols/resolver.h"

static const struct hist none;

static int most_first(const void *a, const void *b)
{
	const struct live_waker *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

static void fill_wakers(struct live *l, const struct model_task *t, struct live_task_detail *d)
{
	for (uint32_t i = 0; t->hot && i < t->hot->nwakers; i++) {
		const struct model_waker *w = &t->hot->waker[i];
		struct live_waker *row = &d->wakers[d->nwakers++];
		struct model_task *by = w->task ? model_task(l->model, w->task) : NULL;

		row->kind = w->kind;
		row->task = w->task;
		row->count = w->count;
		if (by)
			snprintf(row->name, sizeof(row->name), "%.95s",
				 model_task_name(l->model, by));
	}
	qsort(d->wakers, d->nwakers, sizeof(*d->wakers), most_first);
}

static void fill_stack(struct live *l, const struct model_task *t, struct live_task_detail *d)
{
	static const char *const why[] = { "",           "blocked",      "on CPU",
					   "asked for",  "cancelled by", "waiting",
					   "in block_on" };
	const struct model_stack *k =
		stack_store_last(model_stacks(l->model), t->id, 0, LIVE_UNKNOWN);
	const struct model_lane *lane = model_task_lane(l->model, t);

	d->stack_ns = LIVE_UNKNOWN;
	if (lane && lane->open.state == 2 && lane->open.syscall >= 0)
		snprintf(d->syscall, sizeof(d->syscall), "%s",
			 resolver_syscall_name(lane->open.syscall));
	if (!k)
		return;
	d->stack_ns = k->t_ns;
	d->nstack = stack_store_text(model_stacks(l->model), k, d->stack,
				     sizeof(d->stack) / sizeof(*d->stack));
	snprintf(d->stack_why, sizeof(d->stack_why), "%s",
		 why[k->why <= WEFT_STACK_ROOT ? k->why : 0]);
	if (!d->syscall[0] && k->syscall >= 0)
		snprintf(d->syscall, sizeof(d->syscall), "%s", resolver_syscall_name(k->syscall));
}

static void fill_hists(const struct model_task *t, struct live_task_detail *d)
{
	const struct hist *polls = t->hot ? &t->hot->polls : &none,
			  *delays = t->hot ? &t->hot->delays : &none;

	for (unsigned i = 0; i < LIVE_HIST; i++) {
		d->poll_hist[i] = polls->n[i];
		d->delay_hist[i] = delays->n[i];
	}
	d->poll_p50_ns = hist_quantile(polls, 0.5, t->poll_max_ns);
	d->poll_p90_ns = hist_quantile(polls, 0.9, t->poll_max_ns);
	d->delay_p50_ns = hist_quantile(delays, 0.5, LIVE_UNKNOWN);
}

int live_task_await(struct live *l, uint64_t task, struct live_await *ret)
{
	struct model_task *t;
	bool told;

	pthread_mutex_lock(&l->lock);
	t = model_task(l->model, task);
	told = t && model_task_await(l->model, t, ret);
	pthread_mutex_unlock(&l->lock);
	return told ? 0 : -ENOENT;
}

int live_task_detail(struct live *l, uint64_t task, struct live_task_detail *ret)
{
	struct model_task *t, *parent;

	*ret = (struct live_task_detail){ 0 };
	pthread_mutex_lock(&l->lock);
	t = model_task(l->model, task);
	if (t) {
		live_task_fill(l, t, &ret->task);
		fill_hists(t, ret);
		fill_wakers(l, t, ret);
		fill_stack(l, t, ret);
		model_task_await(l->model, t, &ret->await);
		parent = t->parent ? model_task(l->model, t->parent) : NULL;
		if (parent)
			snprintf(ret->parent_name, sizeof(ret->parent_name), "%.95s",
				 model_task_name(l->model, parent));
		snprintf(ret->labels, sizeof(ret->labels), "%s", model_task_labels(l->model, t));
		snprintf(ret->spawn_func, sizeof(ret->spawn_func), "%s",
			 model_type(l->model, t->type)->func);
	}
	pthread_mutex_unlock(&l->lock);
	return t ? 0 : -ENOENT;
}
