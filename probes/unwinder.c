// SPDX-License-Identifier: MIT
#include "probes/unwinder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "probes/frame_table.h"

#define QUEUE_MAX  64
#define MAX_PCS    96u
#define MAX_FRAMES 192u

struct job {
	struct job *next;
	struct unwind_job head;
	bool stack;
	struct weft_raw_stack raw; /* only when `stack` */
};

struct result {
	struct result *next;
	struct weft_ev ev;
	size_t bytes;
	uint64_t payload[];
};

struct unwinder {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t thread;
	bool running, stop, busy;
	uint64_t busy_ns; /* time of the job in work */
	struct job *jobs, **jobs_end;
	unsigned queued;
	struct result *results, **results_end;
	struct frame_table *frames; /* the thread's alone while it runs */
};

int unwinder_new(struct unwinder **ret)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->frames = frame_table_new();
	if (!u->frames) {
		free(u);
		return -ENOMEM;
	}
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->more, NULL);
	u->jobs_end = &u->jobs;
	u->results_end = &u->results;
	*ret = u;
	return 0;
}

static void drop_jobs(struct unwinder *u)
{
	while (u->jobs) {
		struct job *j = u->jobs;

		u->jobs = j->next;
		free(j);
	}
	u->jobs_end = &u->jobs;
	u->queued = 0;
}

static void join(struct unwinder *u)
{
	if (!u->running)
		return;
	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	u->running = u->stop = false;
}

struct unwinder *unwinder_free(struct unwinder *u)
{
	if (!u)
		return NULL;
	pthread_mutex_lock(&u->lock);
	drop_jobs(u);
	pthread_mutex_unlock(&u->lock);
	join(u);
	while (u->results) {
		struct result *r = u->results;

		u->results = r->next;
		free(r);
	}
	frame_table_free(u->frames);
	pthread_cond_destroy(&u->more);
	pthread_mutex_destroy(&u->lock);
	free(u);
	return NULL;
}

void unwinder_pause(struct unwinder *u)
{
	join(u);
}

void unwinder_forget(struct unwinder *u, uint32_t process)
{
	join(u);
	frame_table_forget(u->frames, process);
}

/* ---- the thread ---- */

static void put_result(void *ctx, struct weft_ev ev, const void *payload, size_t bytes)
{
	struct unwinder *u = ctx;
	struct result *r = malloc(sizeof(*r) + bytes);

	if (!r)
		return;
	r->next = NULL;
	r->ev = ev;
	r->bytes = bytes;
	memcpy(r->payload, payload, bytes);
	pthread_mutex_lock(&u->lock);
	*u->results_end = r;
	u->results_end = &r->next;
	pthread_mutex_unlock(&u->lock);
}

static unsigned add_kernel(struct unwinder *u, const struct job *j, uint32_t *ids)
{
	unsigned n = 0, have = j->raw.kernel_bytes / sizeof(j->raw.kernel[0]);

	for (unsigned i = 0; i < have && i < WEFT_KERNEL_FRAMES; i++)
		n += frame_table_kernel(u->frames, &j->head, j->raw.kernel[i], ids + n);
	return n;
}

static void unwind_one(struct unwinder *u, const struct job *j)
{
	struct {
		struct weft_ev_stack head;
		uint32_t ids[MAX_FRAMES];
	} e = { .head = j->head.head };
	struct resolver *r = frame_table_resolver(u->frames, &j->head);
	struct unwind_regs regs;
	uint64_t pcs[MAX_PCS];
	unsigned n = add_kernel(u, j, e.ids);
	bool complete = false;
	int found = 0;

	e.head.kernel_frames = n;
	memcpy(regs.r, j->raw.regs, sizeof(regs.r));
	if (r)
		found = unwind_stack(r, &regs, j->raw.stack, j->raw.stack_bytes, pcs, MAX_PCS,
				     &complete);
	for (int i = 0; i < found; i++)
		n += frame_table_user(u->frames, &j->head, pcs[i], i > 0, e.ids + n,
				      MAX_FRAMES - n);
	e.head.frames = n;
	e.head.complete = complete;
	put_result(u, j->head.ev, &e, sizeof(e.head) + n * sizeof(e.ids[0]));
}

static void *run(void *arg)
{
	struct unwinder *u = arg;
	struct job *j;

	pthread_mutex_lock(&u->lock);
	for (;;) {
		while (!u->jobs && !u->stop)
			pthread_cond_wait(&u->more, &u->lock);
		j = u->jobs;
		if (!j)
			break;
		u->jobs = j->next;
		if (!u->jobs)
			u->jobs_end = &u->jobs;
		u->queued--;
		u->busy = j->stack;
		u->busy_ns = j->head.ev.time_ns;
		pthread_mutex_unlock(&u->lock);
		frame_table_output(u->frames, put_result, u);
		if (j->stack)
			unwind_one(u, j);
		else
			frame_table_resolver(u->frames, &j->head);
		free(j);
		pthread_mutex_lock(&u->lock);
		u->busy = false;
	}
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

/* ---- its user ---- */

/* Signals belong to the program's own threads. */
static int start(struct unwinder *u)
{
	sigset_t all, old;
	int err;

	if (u->running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&u->thread, NULL, run, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	u->running = !err;
	return -err;
}

bool unwinder_submit(struct unwinder *u, const struct unwind_job *job,
		     const struct weft_raw_stack *raw)
{
	struct job *j = malloc(raw ? sizeof(*j) : offsetof(struct job, raw));
	bool full;

	if (!j || start(u)) {
		free(j);
		return false;
	}
	j->next = NULL;
	j->head = *job;
	j->stack = raw != NULL;
	if (raw)
		memcpy(&j->raw, raw, sizeof(j->raw));
	pthread_mutex_lock(&u->lock);
	full = u->queued >= QUEUE_MAX;
	if (!full) {
		u->queued++;
		*u->jobs_end = j;
		u->jobs_end = &j->next;
		pthread_cond_signal(&u->more);
	}
	pthread_mutex_unlock(&u->lock);
	if (full)
		free(j);
	return !full;
}

void unwinder_deliver(struct unwinder *u, unwinder_fn fn, void *ctx)
{
	struct result *r;

	pthread_mutex_lock(&u->lock);
	r = u->results;
	u->results = NULL;
	u->results_end = &u->results;
	pthread_mutex_unlock(&u->lock);
	while (r) {
		struct result *next = r->next;

		fn(ctx, r->ev, r->payload, r->bytes);
		free(r);
		r = next;
	}
}

bool unwinder_oldest(struct unwinder *u, uint64_t *ret_ns)
{
	bool any = true;

	pthread_mutex_lock(&u->lock);
	if (u->busy)
		*ret_ns = u->busy_ns;
	else if (u->jobs && u->jobs->stack)
		*ret_ns = u->jobs->head.ev.time_ns;
	else
		any = false;
	pthread_mutex_unlock(&u->lock);
	return any;
}
