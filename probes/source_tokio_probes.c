// SPDX-License-Identifier: MIT
/* Tokio, async-task: which program goes to which place of the plan, and as what; the probes placed and taken out. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "probes/attach.h"
#include "probes/base/cleanup.h"
#include "probes/source_tokio_internal.h"
#include "tokio.skel.h"

#define NO_REG 255u

struct choice {
	enum tokio_set set;
	struct bpf_program *prog;
	uint8_t what;
};

static uint8_t role_of_poller(uint8_t poller)
{
	switch (poller) {
	case RUST_BY_WORKER:
		return WEFT_ROW_WORKER;
	case RUST_BY_CURRENT_THREAD:
		return WEFT_ROW_CURRENT_THREAD;
	case RUST_BY_BLOCKING_POOL:
		return WEFT_ROW_POOL;
	default:
		return WEFT_ROW_OTHER;
	}
}

/* A worker's whole life is a job of the blocking pool, too. */
static bool is_worker(const struct rust_type *type)
{
	return type->blocking && type->name && strstr(type->name, "worker::Launch");
}

/* The poll function that a place is in serves async tasks, or some; else it serves jobs. */
enum served { SERVES_NOBODY, SERVES_JOBS, SERVES_TASKS };

/* By address; merged ones once. A program may have thousands of types, and its probes are placed again and again. */
struct polls {
	struct poll_function {
		uint64_t address;
		enum served served;
		bool raised;
	} * of;
	uint32_t n;
};

static int compare_poll(const void *a, const void *b)
{
	const struct poll_function *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int polls_init(struct polls *polls, const struct tokio_process *w)
{
	const struct rust_plan *plan = w->plan;
	uint32_t n = 0;

	polls->of = calloc(plan->n_types + 1, sizeof(*polls->of));
	if (!polls->of)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_types; i++) {
		const struct rust_type *t = &plan->types[i];

		polls->of[i].address = t->poll;
		polls->of[i].served = is_worker(t)  ? SERVES_NOBODY
				      : t->blocking ? SERVES_JOBS
						    : SERVES_TASKS;
		polls->of[i].raised = w->raise.type && w->raise.type[i];
	}
	qsort(polls->of, plan->n_types, sizeof(*polls->of), compare_poll);
	for (uint32_t i = 0; i < plan->n_types; i++) {
		struct poll_function *last = n ? &polls->of[n - 1] : NULL;

		if (!last || last->address != polls->of[i].address) {
			polls->of[n++] = polls->of[i];
			continue;
		}
		last->raised |= polls->of[i].raised;
		if (polls->of[i].served > last->served)
			last->served = polls->of[i].served;
	}
	polls->n = n;
	return 0;
}

/* NULL: in none. */
static const struct poll_function *poll_at(const struct polls *polls, uint64_t address)
{
	uint32_t low = 0, high = polls->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (polls->of[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &polls->of[low - 1] : NULL;
}

static enum served served_at(const struct polls *polls, uint64_t address)
{
	const struct poll_function *f = poll_at(polls, address);

	return f ? f->served : SERVES_NOBODY;
}

static bool choose_poll(const struct tokio_process *w, const struct polls *polls,
			const struct rust_probe *at, struct choice *ret)
{
	struct tokio_bpf *k = w->state->skel;
	bool job, begin = at->kind == RUST_POLL_BEGIN;
	enum served served = begin ? served_at(polls, at->address) : SERVES_NOBODY;

	job = begin ? served == SERVES_JOBS : at->poller == RUST_BY_BLOCKING_POOL;
	ret->set = job ? TOKIO_MORE : begin ? TOKIO_POLLS : TOKIO_ENDS;
	if (job) {
		ret->prog = begin ? k->progs.tokio_job_begin : k->progs.tokio_job_end;
		return true;
	}
	ret->prog = begin ? k->progs.tokio_poll_begin : k->progs.tokio_poll_end;
	if (begin && at->poller)
		ret->what = WEFT_ROW_ANY_TYPE;
	if (begin)
		return at->poller || served == SERVES_TASKS;
	ret->what = role_of_poller(at->poller);
	if (at->family == RUST_ASYNC_TASK)
		ret->what |= WEFT_ROW_ASYNC_TASK;
	return true;
}

static bool has_async_timers(const struct tokio_process *w)
{
	return w->state->rust[w->p->follow].has_timers & WEFT_TIMERS_ASYNC_IO;
}

static bool choose_timer(const struct tokio_process *w, const struct rust_probe *at,
			 struct choice *ret)
{
	struct tokio_bpf *k = w->state->skel;
	enum weft_single_timers of = at->family == RUST_ASYNC_TASK ? WEFT_TIMERS_ASYNC_IO
								   : WEFT_TIMERS_TOKIO;

	bool deadlines = w->state->rust[w->p->follow].has_timers & WEFT_TIMERS_DEADLINE;

	ret->prog = of == WEFT_TIMERS_TOKIO
			    ? deadlines ? k->progs.tokio_timer_reset : k->progs.tokio_timer_arm
		    : at->kind == RUST_TIMER_ARM ? k->progs.async_timer_arm
						 : k->progs.async_timer_drop;
	return w->state->rust[w->p->follow].has_timers & of &&
	       (of == WEFT_TIMERS_ASYNC_IO || deadlines == (at->reg != NO_REG));
}

/* async-io looks at its timers inside of a turn and wakes nothing meanwhile: that end has no use. */
static bool choose_scope(const struct tokio_process *w, const struct rust_probe *at,
			 struct choice *ret)
{
	bool async = at->family == RUST_ASYNC_TASK;
	struct tokio_bpf *k = w->state->skel;

	switch (at->kind) {
	case RUST_DRIVER_BEGIN:
	case RUST_TIMERS_BEGIN:
		ret->prog = k->progs.tokio_scope_begin;
		break;
	case RUST_DRIVER_END:
	case RUST_TIMERS_END:
		ret->prog = k->progs.tokio_scope_end;
		break;
	default:
		return false;
	}
	if (at->kind == RUST_DRIVER_BEGIN || at->kind == RUST_DRIVER_END) {
		ret->what = WEFT_SCOPE_DRIVER;
		return true;
	}
	ret->what = WEFT_SCOPE_TIMERS;
	return !async || (at->kind == RUST_TIMERS_BEGIN && has_async_timers(w));
}

/* What tells of a raised type: where its tasks are built and polled; that a poll panics, and that a task of any type ends. */
static bool choose_raised(const struct tokio_process *w, const struct polls *polls,
			  const struct rust_probe *at, struct choice *ret)
{
	const struct poll_function *f;
	struct tokio_bpf *k = w->state->skel;

	*ret = (struct choice){ .set = TOKIO_RAISED };
	switch (at->kind) {
	case RUST_POLL_BEGIN:
		f = poll_at(polls, at->address);
		ret->prog = k->progs.tokio_raised_begin;
		return at->poller || (f && f->raised && f->served == SERVES_TASKS);
	case RUST_SPAWN:
		ret->prog = k->progs.tokio_raised_spawn;
		return at->family == RUST_TOKIO && at->type < w->plan->n_types && w->raise.type &&
		       w->raise.type[at->type] && !w->raise.task &&
		       at - w->plan->probes < WEFT_SPAWN_PROBES;
	case RUST_PANIC:
		ret->prog = k->progs.tokio_panic;
		return true;
	case RUST_COMPLETE:
	case RUST_DEALLOC: /* its header may be somebody else's when the poll is over */
		ret->prog = k->progs.tokio_complete;
		return at->family == RUST_TOKIO;
	default:
		return false;
	}
}

/* False: nothing here has a use for it. */
static bool choose(const struct tokio_process *w, const struct polls *polls,
		   const struct rust_probe *at, struct choice *ret)
{
	struct tokio_bpf *k = w->state->skel;

	*ret = (struct choice){ .set = TOKIO_MORE };
	switch (at->kind) {
	case RUST_POLL_BEGIN:
	case RUST_POLL_END:
		return choose_poll(w, polls, at, ret);
	case RUST_SPAWN:
		ret->prog = k->progs.tokio_spawn;
		if (at->family == RUST_ASYNC_TASK)
			ret->what = WEFT_TYPE_MARK(tokio_site(at->type));
		return at->type < w->plan->n_types && !w->plan->types[at->type].blocking &&
		       at - w->plan->probes < WEFT_SPAWN_PROBES;
	case RUST_WAKE:
		ret->prog = k->progs.tokio_wake;
		ret->what = at->late ? WEFT_WAKE_LATE : 0;
		return true;
	case RUST_SCHEDULE:
		ret->prog = k->progs.tokio_schedule;
		return true;
	case RUST_DEALLOC: /* what is freed has ended; by it one async-task task is told from the next */
		if (at->family == RUST_ASYNC_TASK)
			ret->set = TOKIO_POLLS;
		ret->prog = k->progs.tokio_complete;
		return true;
	case RUST_COMPLETE:
		ret->prog = k->progs.tokio_complete;
		return true;
	case RUST_ABORT:
		ret->prog = k->progs.tokio_abort;
		return true;
	case RUST_SHUTDOWN:
		ret->prog = k->progs.tokio_shutdown;
		return true;
	case RUST_HANDLE_DROP:
		ret->prog = at->family == RUST_ASYNC_TASK ? k->progs.async_handle_drop
							  : k->progs.tokio_handle_drop;
		return true;
	case RUST_TIMER_ARM:
	case RUST_TIMER_DROP:
		return choose_timer(w, at, ret);
	case RUST_PANIC:
		ret->prog = k->progs.tokio_panic;
		return true;
	default:
		return choose_scope(w, at, ret);
	}
}

static uint64_t cookie_of(const struct tokio_process *w, const struct rust_probe *at, uint8_t what)
{
	uint64_t address = at->address;

	if (at->kind == RUST_SPAWN) { /* its address is told by its number */
		address = (uint64_t)(at - w->plan->probes) & WEFT_SPAWN_PROBES;
		address |= (uint64_t)(at->caller / 8) << 20;
	}

	return w->p->follow | (uint64_t)at->reg << 8 | (uint64_t)what << 16 |
	       (uint64_t)(at->family == RUST_ASYNC_TASK) << 23 | address << 24;
}

/* async-task's header is in the compiler's order: without its places nothing of it can be read. */
static bool is_known(const struct rust_plan *plan, uint8_t family)
{
	const struct rust_layout *l = &plan->layout[RUST_ASYNC_TASK];

	return family == RUST_TOKIO ||
	       (family == RUST_ASYNC_TASK && l->state >= 0 && l->vtable >= 0);
}

static int place_program(struct tokio_process *w, const struct polls *polls, enum tokio_set set,
			 struct bpf_program *prog)
{
	uint32_t n = 0;
	auto_free uint64_t *places = calloc(2ull * w->plan->n_probes + 1, sizeof(*places));
	uint64_t *cookies = places + w->plan->n_probes;

	if (!places)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->plan->n_probes; i++) {
		const struct rust_probe *at = &w->plan->probes[i];
		struct choice c;

		if (!is_known(w->plan, at->family) ||
		    !(set == TOKIO_RAISED ? choose_raised : choose)(w, polls, at, &c) ||
		    c.set != set || c.prog != prog || !rust_plan_is_placed(at))
			continue;
		places[n] = at->offset;
		cookies[n++] = cookie_of(w, at, c.what);
	}
	return n ? attach_group_add(&w->group[set], bpf_program__fd(prog), w->file, w->p->pid,
				    places, cookies, n)
		 : 0;
}

int tokio_place(struct tokio_process *w, enum tokio_set set)
{
	struct bpf_program *const begin = w->state->skel->progs.tokio_poll_begin,
				  *const end = w->state->skel->progs.tokio_poll_end, *prog;
	struct polls polls;
	int err = polls_init(&polls, w);

	if (err)
		return err;
	if (set == TOKIO_ENDS)
		err = place_program(w, &polls, set, end);
	else if (set == TOKIO_POLLS)
		err = place_program(w, &polls, set, begin);
	bpf_object__for_each_program(prog, w->state->skel->obj)
	{
		if (!err && set > TOKIO_POLLS)
			err = place_program(w, &polls, set, prog);
	}
	free(polls.of);
	if (err)
		attach_group_close(&w->group[set]);
	return err;
}

int tokio_place_polls(struct tokio_process *w)
{
	bool had_ends = w->group[TOKIO_ENDS].links;
	int err = had_ends ? 0 : tokio_place(w, TOKIO_ENDS);

	if (err)
		return err;
	err = tokio_place(w, TOKIO_POLLS);
	if (err && !had_ends)
		attach_group_close(&w->group[TOKIO_ENDS]);
	return err;
}

void tokio_take_out_polls(struct tokio_process *w)
{
	if (tokio_is_raised(w))
		attach_group_close(&w->group[TOKIO_POLLS]);
	else
		attach_groups_close(&w->group[TOKIO_ENDS], 2);
}

void tokio_stop(struct tokio_process *w)
{
	tokio_window_settle(w);
	attach_groups_close(w->group, TOKIO_SETS);
	tokio_lanes_quiet(w);
}
