// SPDX-License-Identifier: MIT
/*
 * Which stacks to take, and when: of a thread that is blocked inside a poll, once it has been for longer than
 * block_stack_ns, then each second while it lasts; of one that computes, samples after oncpu_stack_ns. What the
 * budget leaves out is counted as lost.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "probes/source_sched_internal.h"

#define AGAIN_NS 1000000000ull
#define LIGHT_BLOCK_NS \
	10000000ull /* at light only the open poll is seen, not the switch: look less often */
#define SAMPLE_HOLD_NS      200000000ull /* sampling goes on for so long after the last reason for it */
#define ASKED_SAMPLE_NS     1000000000ull
#define CAPTURES_PER_SECOND 50u
#define SAMPLES_PER_SECOND  400u
#define UNWIND_PATIENCE_NS  20000000ull /* the watermark waits for a stack no longer than this */

#define STACKS (WEFT_EV_STACK - 128)

/* False: the budget of this second is used up, and that is counted. */
static bool spend(struct sched_state *state, unsigned *count, unsigned limit)
{
	struct session *s = state->session;

	if (s->now_ns - state->budget_ns >= SESSION_SECOND_NS) {
		state->budget_ns = s->now_ns;
		state->captures = state->samples = 0;
	}
	if (*count >= limit) {
		s->lost.produced[STACKS]++;
		s->lost.lost[STACKS]++;
		return false;
	}
	(*count)++;
	return true;
}

static struct unwind_job job_of(const struct process *p, const struct weft_slot *slot,
				const struct weft_raw_stack *raw, uint32_t why)
{
	return (struct unwind_job){
		.ev = { .kind = WEFT_EV_STACK,
			.process = p->index,
			.tid = slot->tid,
			.time_ns = clock_pair_now_ns() },
		.head = { .lane = slot->lane,
			  .why = why,
			  .syscall = raw->syscall,
			  .args = { raw->args[0], raw->args[1], raw->args[2] } },
		.pid = p->pid,
	};
}

static void submit(struct sched_state *state, const struct unwind_job *job,
		   const struct weft_raw_stack *raw)
{
	state->session->lost.produced[STACKS]++;
	if (!unwinder_submit(state->unwinder, job, raw))
		state->session->lost.lost[STACKS]++;
}

/* For how long the poll has been open; one that began before the trace counts from when it was first seen. */
static uint64_t open_ns(struct sched_thread *t, const struct poll_now *now, uint64_t now_ns)
{
	if (t->poll_seq != now->poll_seq || !t->seen_ns) {
		t->poll_seq = now->poll_seq;
		t->seen_ns = now_ns;
	}
	return now->open_ns == UINT64_MAX ? now_ns - t->seen_ns : now->open_ns;
}

static void start_sampling(struct sched_state *state, uint32_t i, uint64_t for_ns)
{
	struct sched_thread *t = &state->thread[i];

	t->sample_until_ns = state->session->now_ns + for_ns;
	if (t->sample_fd < 0)
		t->sample_fd = stack_capture_sample(state->capture, state->slots[i].tid);
}

void sched_stacks_stop(struct sched_thread *t)
{
	if (t->sample_fd >= 0)
		close(t->sample_fd);
	t->sample_fd = -1;
}

/* -EAGAIN: the thread runs, or the poll ended meanwhile. */
static int capture(struct sched_state *state, uint32_t i, const struct poll_now *before,
		   uint32_t why, uint64_t open)
{
	struct process *p = state->thread[i].owner;
	const struct weft_raw_stack *raw;
	struct unwind_job job;
	struct poll_now after;
	int err = stack_capture_thread(state->capture, state->slots[i].tid, &raw);

	if (err)
		return err;
	if (!process_poll_now(p, state->slots[i].lane, &after) ||
	    after.poll_seq != before->poll_seq || !after.task)
		return -EAGAIN;
	if (why == WEFT_STACK_BLOCKED && !raw->state)
		return -EAGAIN;
	job = job_of(p, &state->slots[i], raw, why);
	job.head.task = before->task;
	job.head.poll_seq = before->poll_seq;
	job.head.open_ns = open;
	submit(state, &job, raw);
	return 0;
}

static bool due(const struct sched_thread *t, const struct poll_now *now, uint64_t now_ns)
{
	return t->stack_seq != now->poll_seq || now_ns - t->stack_ns >= AGAIN_NS;
}

static void took(struct sched_thread *t, const struct poll_now *now, uint64_t now_ns)
{
	t->stack_seq = now->poll_seq;
	t->stack_ns = now_ns;
}

/* With the switch programs: they know whether the thread is blocked and for how long. */
static void look_switching(struct sched_state *state, uint32_t i, const struct poll_now *now,
			   uint64_t open)
{
	const struct session_options *o = &state->session->options;
	struct sched_thread *t = &state->thread[i];
	uint64_t now_ns = state->session->now_ns;
	struct weft_slot slot = state->slots[i];

	if (!slot.off_ns) {
		if (open >= o->oncpu_stack_ns)
			start_sampling(state, i, SAMPLE_HOLD_NS);
		return;
	}
	if (slot.wake_ns || !slot.prev_state || slot.poll_seq != now->poll_seq ||
	    now_ns < slot.off_ns + o->block_stack_ns)
		return;
	if (due(t, now, now_ns) && spend(state, &state->captures, CAPTURES_PER_SECOND)) {
		took(t, now, now_ns);
		capture(state, i, now, WEFT_STACK_BLOCKED, open);
	}
}

/* Without them: the stack itself tells whether the thread is blocked. */
static void look_light(struct sched_state *state, uint32_t i, const struct poll_now *now,
		       uint64_t open)
{
	const struct session_options *o = &state->session->options;
	struct sched_thread *t = &state->thread[i];
	uint64_t now_ns = state->session->now_ns;

	if (open < (o->block_stack_ns > LIGHT_BLOCK_NS ? o->block_stack_ns : LIGHT_BLOCK_NS) ||
	    !due(t, now, now_ns) || t->sample_until_ns > now_ns ||
	    !spend(state, &state->captures, CAPTURES_PER_SECOND))
		return;
	if (capture(state, i, now, WEFT_STACK_BLOCKED, open))
		start_sampling(state, i, SAMPLE_HOLD_NS);
	else
		took(t, now, now_ns);
}

static void look_at_thread(struct sched_state *state, uint32_t i)
{
	struct sched_thread *t = &state->thread[i];
	struct poll_now now;
	uint64_t open;

	if (t->sample_fd >= 0 && state->session->now_ns > t->sample_until_ns)
		sched_stacks_stop(t);
	if (!process_poll_now(t->owner, state->slots[i].lane, &now) || !now.task)
		return;
	open = open_ns(t, &now, state->session->now_ns);
	if (state->switching)
		look_switching(state, i, &now, open);
	else
		look_light(state, i, &now, open);
}

void sched_stacks_settle(struct sched_state *state, struct process *p)
{
	for (uint32_t i = 0; i < state->slots_used; i++)
		if (state->thread[i].owner == p)
			look_at_thread(state, i);
}

static uint32_t find_thread(const struct sched_state *state, const struct process *p, uint32_t tid)
{
	uint32_t i = 0;

	while (i < state->slots_used && (state->thread[i].owner != p || state->slots[i].tid != tid))
		i++;
	return i;
}

void sched_stacks_caller(struct sched_state *state, struct process *p,
			 const struct weft_raw_sample *raw)
{
	uint32_t i = find_thread(state, p, raw->ev.tid);
	struct weft_slot none = { .tid = raw->ev.tid, .lane = UINT32_MAX };
	const struct weft_slot *slot = i < state->slots_used ? &state->slots[i] : &none;
	struct unwind_job job = job_of(p, slot, &raw->stack, raw->stack.state);

	if (!spend(state, &state->samples, SAMPLES_PER_SECOND))
		return;
	job.ev.time_ns = raw->ev.time_ns;
	job.head.task = raw->stack.task;
	submit(state, &job, &raw->stack);
}

int sched_stacks_asleep(struct sched_state *state, struct process *p, uint32_t tid,
			const struct weft_ev_stack *head)
{
	const struct weft_slot slot = { .tid = tid, .lane = UINT32_MAX };
	const struct weft_raw_stack *raw;
	struct unwind_job job;
	int err = spend(state, &state->captures, CAPTURES_PER_SECOND)
			  ? stack_capture_thread(state->capture, tid, &raw)
			  : -EBUSY;

	if (err || !raw->state)
		return err ? err : -EAGAIN;
	job = job_of(p, &slot, raw, head->why);
	job.head.open_ns = head->open_ns;
	job.head.poll_seq = head->poll_seq;
	submit(state, &job, raw);
	return 0;
}

void sched_stacks_sample(struct sched_state *state, struct process *p,
			 const struct weft_raw_sample *raw)
{
	uint32_t i = find_thread(state, p, raw->ev.tid);
	struct sched_thread *t;
	struct unwind_job job;
	uint64_t start, open;

	if (i == state->slots_used)
		return;
	t = &state->thread[i];
	start = raw->stack.poll_start ? process_stamp_ns(p, raw->stack.poll_start) : t->seen_ns;
	open = raw->ev.time_ns > start ? raw->ev.time_ns - start : 0;
	/* Sampling outlasts the poll that it was started for: short polls that come after it are not meant. */
	if (open < state->session->options.oncpu_stack_ns && t->asked_until_ns < raw->ev.time_ns)
		return;
	if (!spend(state, &state->samples, SAMPLES_PER_SECOND))
		return;
	job = job_of(p, &state->slots[i], &raw->stack, WEFT_STACK_ON_CPU);
	job.ev.time_ns = raw->ev.time_ns;
	job.head.syscall = -1;
	job.head.task = raw->stack.task;
	job.head.poll_seq = raw->stack.poll_seq;
	job.head.open_ns = open;
	submit(state, &job, &raw->stack);
}

int sched_stacks_want(struct sched_state *state, struct process *p, const struct session_want *want)
{
	struct poll_now now;

	if (want->kind != SESSION_WANT_STACK && want->kind != SESSION_WANT_SAMPLES)
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < state->slots_used; i++) {
		if (state->thread[i].owner != p || state->slots[i].tid != want->tid)
			continue;
		if (want->kind == SESSION_WANT_SAMPLES) {
			start_sampling(state, i, ASKED_SAMPLE_NS);
			state->thread[i].asked_until_ns = state->thread[i].sample_until_ns;
			return state->thread[i].sample_fd < 0 ? state->thread[i].sample_fd : 0;
		}
		if (!process_poll_now(p, state->slots[i].lane, &now) || !now.task)
			return -EAGAIN;
		if (!spend(state, &state->captures, CAPTURES_PER_SECOND))
			return -EBUSY;
		return capture(state, i, &now, WEFT_STACK_ASKED,
			       open_ns(&state->thread[i], &now, state->session->now_ns));
	}
	return -ESRCH;
}

void sched_stacks_begin(struct sched_state *state, struct process *p)
{
	struct unwind_job job = { .ev = { .process = p->index, .tid = (uint32_t)p->pid },
				  .pid = p->pid };

	unwinder_submit(state->unwinder, &job, NULL);
}

bool sched_stacks_oldest(struct sched_state *state, uint64_t *ret_ns)
{
	return unwinder_oldest(state->unwinder, ret_ns) &&
	       state->session->now_ns < *ret_ns + UNWIND_PATIENCE_NS;
}
