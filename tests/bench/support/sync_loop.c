/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/sync_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "sync_loop: %s: error %d\n", what, rc);
	exit(1);
}

/* A task that measures itself and hands its figure to the thread that asked. */
struct mutex_loop {
	WEFT_FRAME;
	struct weft_mutex *m;
	struct weft_acquire lock;
	unsigned i, n;
	double start, *ret;
};

static weft_poll_t mutex_loop(struct weft_cx *cx, struct mutex_loop *f)
{
	weft_async_begin(f);
	f->start = cpu_ns();
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, weft_mutex_lock(cx, f->m, &f->lock));
		weft_mutex_unlock(f->m);
	}
	*f->ret = (cpu_ns() - f->start) / f->n;
	weft_async_end(f, 0);
}

/* Waits outside for a task of the worker, so that one thread does all. */
struct run {
	WEFT_FRAME;
	struct weft_join *join[2];
	int i;
};

static weft_poll_t join_all(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 2; f->i++)
		if (f->join[f->i])
			weft_await(f, weft_join(cx, &f->join[f->i]));
	weft_async_end(f, f->rc);
}

double sync_loop_mutex(struct weft_runtime *rt, unsigned n)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	struct run run = { .i = 0 };
	double ns = 0;

	must(weft_spawn(rt, mutex_loop, ((struct mutex_loop){ .m = &m, .n = n, .ret = &ns }),
			.join = &run.join[0]),
	     "spawn");
	must(weft_block_on(rt, join_all, &run), "mutex");
	return ns;
}

struct mpsc_loop {
	WEFT_FRAME;
	struct weft_mpsc_tx *tx;
	struct weft_mpsc_rx *rx;
	struct weft_waiter wait;
	uint64_t value, sum;
	unsigned n;
	double start, *ret;
};

static weft_poll_t sender(struct weft_cx *cx, struct mpsc_loop *f)
{
	weft_async_begin(f);
	for (f->value = 0; f->value < f->n; f->value++) {
		weft_await(f, weft_mpsc_send(cx, f->tx, &f->wait, &f->value));
		if (f->rc)
			break;
	}
	f->tx = weft_mpsc_tx_unref(f->tx);
	weft_async_end(f, f->rc);
}

static weft_poll_t receiver(struct weft_cx *cx, struct mpsc_loop *f)
{
	weft_async_begin(f);
	f->start = cpu_ns();
	for (;;) {
		weft_await(f, weft_mpsc_recv(cx, f->rx, &f->wait, &f->value));
		if (f->rc)
			break;
		f->sum += f->value;
	}
	*f->ret = (cpu_ns() - f->start) / f->n;
	weft_mpsc_rx_free(f->rx);
	weft_async_end(f, f->sum == (uint64_t)f->n * (f->n - 1) / 2 ? 0 : -EIO);
}

double sync_loop_mpsc(struct weft_runtime *rt, unsigned n, uint32_t capacity)
{
	struct mpsc_loop f = { .n = n };
	struct run run = { .i = 0 };
	double ns = 0;

	f.ret = &ns;
	must(weft_mpsc_new(sizeof(uint64_t), capacity, &f.tx, &f.rx), "channel");
	must(weft_spawn(rt, receiver, f, .join = &run.join[0]), "spawn");
	must(weft_spawn(rt, sender, f, .join = &run.join[1]), "spawn");
	must(weft_block_on(rt, join_all, &run), "mpsc");
	return ns;
}
