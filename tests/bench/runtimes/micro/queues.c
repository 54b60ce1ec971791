/* SPDX-License-Identifier: MIT */
/* Queues and locks. */
#include <stdlib.h>

#include "tests/bench/runtimes/micro/micro.h"

#define CAPACITY 128u
#define MESSAGES 100000u
#define LOCKS    64000u

struct producer {
	WEFT_FRAME;
	struct weft_mpsc_tx *to;
	struct weft_waiter wait;
	uint64_t n, i;
};

static weft_poll_t producer(struct weft_cx *cx, struct producer *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++)
		weft_await(f, weft_mpsc_send(cx, f->to, &f->wait, &f->i));
	weft_mpsc_tx_unref(f->to);
	weft_async_end(f, 0);
}

struct consumer {
	WEFT_FRAME;
	struct weft_mpsc_rx *from;
	struct weft_waiter wait;
	uint64_t message, sum;
};

static weft_poll_t consumer(struct weft_cx *cx, struct consumer *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_mpsc_recv(cx, f->from, &f->wait, &f->message));
		f->sum += f->message;
	} while (f->rc == 0);
	weft_mpsc_rx_free(f->from);
	weft_async_end(f, 0);
}

struct fan_in {
	WEFT_FRAME;
	uint64_t producers, each;
	struct weft_mpsc_tx *to;
	struct weft_join *task;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t fan_in(struct weft_cx *cx, struct fan_in *f)
{
	struct consumer c = { .message = 0 };

	weft_async_begin(f);
	f->clock = micro_clock_start();
	micro_must(weft_mpsc_new(sizeof(uint64_t), CAPACITY, &f->to, &c.from), "mpsc");
	for (uint64_t i = 0; i < f->producers; i++)
		micro_must(weft_spawn(NULL, producer,
				      ((struct producer){ .to = weft_mpsc_tx_ref(f->to),
							  .n = f->each })),
			   "spawn");
	f->to = weft_mpsc_tx_unref(f->to);
	micro_must(weft_spawn(NULL, consumer, c, .join = &f->task), "spawn");
	weft_await(f, weft_join(cx, &f->task));
	*f->cost = micro_clock_stop(&f->clock, f->producers * f->each);
	weft_async_end(f, 0);
}

static struct micro_cost run_fan_in(const struct micro *m, uint64_t producers, uint64_t messages)
{
	uint64_t each = messages / producers;
	struct micro_cost cost;

	micro_run(m->rt, fan_in,
		  ((struct fan_in){
			  .producers = producers, .each = each ? each : 1, .cost = &cost }));
	return cost;
}

static struct micro_cost mpsc(const struct micro *m, uint64_t n)
{
	return run_fan_in(m, 1, n);
}

static struct micro_cost many_to_one(const struct micro *m, uint64_t producers)
{
	return run_fan_in(m, producers, MESSAGES);
}

struct fan_out {
	WEFT_FRAME;
	uint64_t each, i, k;
	struct weft_mpsc_tx **to;
	struct weft_waiter wait;
	struct micro_handles handles;
	struct micro_join_all join;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static void open_queues(struct fan_out *f)
{
	for (uint64_t k = 0; k < f->handles.n; k++) {
		struct consumer c = { .message = 0 };

		micro_must(weft_mpsc_new(sizeof(uint64_t), CAPACITY, &f->to[k], &c.from), "mpsc");
		micro_must(weft_spawn(NULL, consumer, c, .join = &f->handles.at[k]), "spawn");
	}
}

/* One producer, a queue for each consumer, in turn. */
static weft_poll_t fan_out(struct weft_cx *cx, struct fan_out *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	open_queues(f);
	for (f->i = 0; f->i < f->each; f->i++)
		for (f->k = 0; f->k < f->handles.n; f->k++)
			weft_await(f, weft_mpsc_send(cx, f->to[f->k], &f->wait, &f->i));
	for (f->k = 0; f->k < f->handles.n; f->k++)
		weft_mpsc_tx_unref(f->to[f->k]);
	weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	*f->cost = micro_clock_stop(&f->clock, f->each * f->handles.n);
	weft_async_end(f, 0);
}

static struct micro_cost one_to_many(const struct micro *m, uint64_t consumers)
{
	struct micro_cost cost;
	struct fan_out f = { .each = MESSAGES / consumers, .cost = &cost };

	f.each = f.each ? f.each : 1;
	f.to = micro_alloc(consumers * sizeof(*f.to));
	micro_handles_init(&f.handles, consumers);
	micro_run(m->rt, fan_out, f);
	free(f.handles.at);
	free(f.to);
	return cost;
}

struct locker {
	WEFT_FRAME;
	struct weft_mutex *lock;
	struct weft_acquire acquire;
	struct weft_yield yield;
	uint64_t n, *counter;
	bool crowded; /* yields while it holds the lock, so that all others are in the queue */
};

static weft_poll_t locker(struct weft_cx *cx, struct locker *f)
{
	weft_async_begin(f);
	for (; f->n; f->n--) {
		weft_await(f, weft_mutex_lock(cx, f->lock, &f->acquire));
		++*f->counter;
		if (f->crowded)
			weft_await(f, weft_yield(cx, &f->yield));
		weft_mutex_unlock(f->lock);
	}
	weft_async_end(f, 0);
}

struct lock_test {
	WEFT_FRAME;
	struct weft_mutex lock;
	uint64_t each, counter;
	struct micro_handles handles;
	struct micro_join_all join;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t lock_test(struct weft_cx *cx, struct lock_test *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (uint64_t i = 0; i < f->handles.n; i++)
		micro_must(weft_spawn(NULL, locker,
				      ((struct locker){ .lock = &f->lock,
							.n = f->each,
							.counter = &f->counter,
							.crowded = f->handles.n > 1 }),
				      .join = &f->handles.at[i]),
			   "spawn");
	weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	*f->cost = micro_clock_stop(&f->clock, f->each * f->handles.n);
	weft_async_end(f, f->counter == f->each * f->handles.n ? 0 : -EPROTO);
}

static struct micro_cost run_lock(const struct micro *m, uint64_t tasks, uint64_t each)
{
	struct micro_cost cost;
	struct lock_test f = { .each = each, .cost = &cost };

	micro_handles_init(&f.handles, tasks);
	micro_run(m->rt, lock_test, f);
	free(f.handles.at);
	return cost;
}

static struct micro_cost mutex(const struct micro *m, uint64_t n)
{
	return run_lock(m, 1, n);
}

static struct micro_cost mutex_contended(const struct micro *m, uint64_t tasks)
{
	return run_lock(m, tasks, LOCKS / tasks > 10 ? LOCKS / tasks : 10);
}

const struct micro_op micro_queue_ops[] = {
	{ "mpsc", mpsc, NULL },
	{ "fan_in", many_to_one, NULL },
	{ "fan_out", one_to_many, NULL },
	{ "mutex", mutex, NULL },
	{ "mutex_contended", mutex_contended, NULL },
	{ NULL, NULL, NULL },
};
