// SPDX-License-Identifier: MIT
/*
 * Kernel truth: off-CPU intervals inside polls, life of processes, stacks. The switch programs cost every
 * context switch of the machine some 0.1 us, so they are attached only while a process is above `light`.
 */
#include "probes/source_sched.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "probes/source_sched_internal.h"
#include "sched.skel.h"

static struct sched_state *of(const struct session *s)
{
	return s->source_state[SOURCE_SCHED];
}

/* ---- programs ---- */

static int load(struct sched_state *state)
{
	struct session *s = state->session;

	state->skel = sched_bpf__open();
	if (!state->skel)
		return -errno;
	bpf_map__reuse_fd(state->skel->maps.ring, s->ring_fd);
	bpf_map__reuse_fd(state->skel->maps.follow, s->follow_fd);
	bpf_map__reuse_fd(state->skel->maps.rows, s->rows_fd);
	bpf_map__reuse_fd(state->skel->maps.drivers, s->drivers_fd);
	bpf_program__set_autoload(state->skel->progs.thread_stack, s->features.iter_task);
	bpf_program__set_autoload(state->skel->progs.cpu_sample, s->features.perf_clock);
	return sched_bpf__load(state->skel);
}

static int attach_one(struct bpf_program *prog, struct bpf_link **ret)
{
	struct bpf_link *link = bpf_program__attach(prog);

	if (!link)
		return -errno;
	*ret = link;
	return 0;
}

static int attach_life(struct sched_state *state)
{
	struct sched_bpf *k = state->skel;
	int err = attach_one(k->progs.sched_process_fork, &k->links.sched_process_fork);

	if (!err)
		err = attach_one(k->progs.sched_process_exec, &k->links.sched_process_exec);
	if (!err)
		err = attach_one(k->progs.sched_process_exit, &k->links.sched_process_exit);
	return err;
}

static void *map_shared(struct bpf_map *map, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

static void sched_close(void *ctx)
{
	struct sched_state *state = ctx;

	for (uint32_t i = 0; i < state->slots_used; i++)
		sched_stacks_stop(&state->thread[i]);
	unwinder_free(state->unwinder);
	stack_capture_free(state->capture);
	if (state->slots)
		munmap(state->slots, sizeof(*state->slots) * WEFT_SLOT_MAX);
	sched_bpf__destroy(state->skel);
	free(state);
}

static int open_parts(struct sched_state *state)
{
	const struct kernel_features *f = &state->session->features;
	int err = load(state);

	if (!err)
		err = attach_life(state);
	if (err)
		return err;
	state->slots = map_shared(state->skel->maps.slots, sizeof(*state->slots) * WEFT_SLOT_MAX);
	if (!state->slots)
		return -ENOMEM;
	err = stack_capture_new(state->skel, f->iter_task, f->perf_clock, &state->capture);
	return err ? err : unwinder_new(&state->unwinder);
}

static int sched_open(struct session *s, void **ret_state)
{
	int err = s->features.tp_btf ? 0 : -ENOTSUP;
	struct sched_state *state = err ? NULL : calloc(1, sizeof(*state));

	if (!state && !err)
		err = -ENOMEM;
	if (state) {
		state->session = s;
		for (uint32_t i = 0; i < WEFT_SLOT_MAX; i++)
			state->thread[i].sample_fd = -1;
		err = open_parts(state);
	}
	if (err) {
		session_cannot_see(
			s, WEFT_EV_ALL, "scheduler",
			"its programs could not be loaded (%s): no off-CPU times, stacks, exit codes, no following of exec",
			strerror(-err));
		if (state)
			sched_close(state);
		s->features.tp_btf = false;
		return err;
	}
	if (!s->features.iter_task)
		session_cannot_see(s, WEFT_EV_ALL, "stacks of blocked polls",
				   "this kernel has no sleepable task iterator (5.18)");
	if (!s->features.perf_clock)
		session_cannot_see(s, WEFT_EV_ALL, "stacks of computing polls",
				   "perf cpu-clock events are not allowed here");
	*ret_state = state;
	return 0;
}

static void detach_link(struct bpf_link **link)
{
	bpf_link__destroy(*link);
	*link = NULL;
}

static void set_switching(struct sched_state *state, bool on)
{
	struct sched_bpf *k = state->skel;

	if (on == state->switching)
		return;
	state->switching = on;
	if (on && (attach_one(k->progs.sched_waking, &k->links.sched_waking) ||
		   attach_one(k->progs.sched_switch, &k->links.sched_switch))) {
		session_cannot_see(state->session, WEFT_EV_ALL, "off-CPU times",
				   "the switch programs could not be attached");
		on = false;
	}
	if (!on) {
		detach_link(&k->links.sched_switch);
		detach_link(&k->links.sched_waking);
	}
}

static int sched_level(void *ctx, struct process *p, enum weft_level level)
{
	struct sched_state *state = ctx;
	bool wanted = level > WEFT_LEVEL_LIGHT;

	for (struct process *other = state->session->processes; other; other = other->next)
		wanted |= other != p && other->state != PROCESS_ENDED &&
			  other->level > WEFT_LEVEL_LIGHT;
	set_switching(state, wanted);
	return 0;
}

/* ---- threads ---- */

static int slot_of(const struct sched_state *state, const struct process *p, uint32_t lane)
{
	for (int i = 0; i < (int)state->slots_used; i++)
		if (state->thread[i].owner == p && state->slots[i].lane == lane)
			return i;
	return -1;
}

static void sched_thread_end(void *ctx, struct process *p, uint32_t lane)
{
	struct sched_state *state = ctx;
	int i = slot_of(state, p, lane);

	if (i < 0)
		return;
	bpf_map_delete_elem(bpf_map__fd(state->skel->maps.threads), &state->slots[i].tid);
	state->skel->data->seats_generation++;
	sched_stacks_stop(&state->thread[i]);
	state->thread[i] = (struct sched_thread){ .sample_fd = -1 };
	state->slots[i].off_ns = 0;
}

static void sched_thread_begin(void *ctx, struct process *p, uint32_t lane, uint32_t tid,
			       uint64_t address)
{
	struct sched_state *state = ctx;
	uint32_t i = 0;

	sched_thread_end(ctx, p, lane);
	while (i < WEFT_SLOT_MAX && state->thread[i].owner)
		i++;
	if (i == WEFT_SLOT_MAX)
		return;
	if (i == state->slots_used)
		state->slots_used++;
	state->thread[i] = (struct sched_thread){ .owner = p, .sample_fd = -1 };
	state->slots[i] = (struct weft_slot){
		.address = address, .tid = tid, .process = p->index, .lane = lane
	};
	bpf_map_update_elem(bpf_map__fd(state->skel->maps.threads), &tid, &i, BPF_ANY);
	state->skel->data->seats_generation++;
}

static void sched_detach(void *ctx, struct process *p)
{
	struct sched_state *state = ctx;

	for (uint32_t i = 0; i < state->slots_used; i++)
		if (state->thread[i].owner == p)
			sched_thread_end(ctx, p, state->slots[i].lane);
}

static void sched_off_cpu(void *ctx, struct process *p, uint32_t lane,
			  struct weft_ev_lane_sample *sample)
{
	struct sched_state *state = ctx;
	int i = state->switching ? slot_of(state, p, lane) : -1;
	struct weft_slot slot;

	if (i < 0 || !sample->task)
		return;
	slot = state->slots[i];
	sample->off_cpu = !slot.off_ns ? 0 : slot.wake_ns || !slot.prev_state ? 1 : 2;
	if (sample->off_cpu == 2 && slot.prev_state & WEFT_STATE_STOPPED)
		sample->off_cpu = 3; /* neither runs nor blocks */
	if (slot.off_ns)
		sample->syscall = slot.syscall;
}

/* ---- the ring ---- */

#define OFFCPU (WEFT_EV_OFFCPU - 128)

static void deliver_switch(struct session *s, const struct process *p, const struct weft_ev *ev)
{
	s->lost.produced[OFFCPU]++;
	if (p->state != PROCESS_LIVE || p->replaced) {
		s->lost.lost[OFFCPU]++;
		return;
	}
	s->sink(s->sink_ctx, ev);
	s->delivered++;
}

static bool sched_record(void *ctx, struct process *p, const struct weft_ev *ev, size_t bytes)
{
	struct sched_state *state = ctx;

	if (ev->kind == WEFT_EV_OFFCPU) {
		deliver_switch(state->session, p, ev);
		return true;
	}
	if (ev->kind != WEFT_RAW_SAMPLE && ev->kind != WEFT_RAW_CALLER)
		return false;
	if (p->state != PROCESS_LIVE || p->replaced || bytes < sizeof(struct weft_raw_sample))
		return true;
	if (ev->kind == WEFT_RAW_SAMPLE)
		sched_stacks_sample(state, p, (const struct weft_raw_sample *)(const void *)ev);
	else
		sched_stacks_caller(state, p, (const struct weft_raw_sample *)(const void *)ev);
	return true;
}

/*
 * What the program found no room for. Switches are counted as produced when they are read: one that is still in the
 * ring when the session ends was never on its way to anybody.
 */
static void count_lost(struct sched_state *state)
{
	struct weft_ev_lost *lost = &state->session->lost;
	uint64_t now = state->skel->bss->offcpu_lost, new = now - state->lost_seen;

	state->lost_seen = now;
	lost->produced[OFFCPU] += new;
	lost->lost[OFFCPU] += new;
	if (state->skel->bss->life_lost && !state->life_said) {
		state->life_said = true;
		session_cannot_see(
			state->session, WEFT_EV_ALL, "processes started",
			"the ring had no room for a fork or an exec: what was started then is not followed; attach "
			"to it by pid");
	}
}

static void sched_second(void *ctx, struct process *p)
{
	(void)p;
	count_lost(ctx);
}

static void emit(void *ctx, struct weft_ev ev, const void *payload, size_t bytes)
{
	session_emit(ctx, ev, payload, bytes);
}

static void sched_settle(void *ctx, struct process *p)
{
	struct sched_state *state = ctx;

	count_lost(state);
	sched_stacks_settle(state, p);
	unwinder_deliver(state->unwinder, emit, state->session);
}

/* What is left of the stacks goes out before the process ends. */
static void sched_tail(void *ctx, struct process *p, bool dead)
{
	struct sched_state *state = ctx;

	(void)dead;
	unwinder_forget(state->unwinder, p->index);
	unwinder_deliver(state->unwinder, emit, state->session);
	count_lost(state);
}

static bool sched_oldest(void *ctx, struct process *p, uint64_t *ret_ns)
{
	(void)p;
	return sched_stacks_oldest(ctx, ret_ns);
}

static int sched_want(void *ctx, struct process *p, const struct session_want *want)
{
	return sched_stacks_want(ctx, p, want);
}

static void sched_started(void *ctx, struct process *p)
{
	sched_stacks_begin(ctx, p);
}

void source_sched_tree(struct session *s, pid_t pid)
{
	struct sched_state *state = of(s);
	uint32_t key = (uint32_t)pid;

	if (state)
		bpf_map_update_elem(bpf_map__fd(state->skel->maps.tree), &key, &key, BPF_ANY);
}

uint64_t source_sched_exec_id(struct session *s, pid_t pid)
{
	struct sched_state *state = of(s);

	return state ? stack_capture_exec_id(state->capture, (uint32_t)pid) : 0;
}

int source_sched_stack(struct session *s, uint32_t tid, const struct weft_raw_stack **ret)
{
	struct sched_state *state = of(s);

	return state ? stack_capture_thread(state->capture, tid, ret) : -ENOTSUP;
}

int source_sched_asleep(struct session *s, struct process *p, uint32_t tid,
			const struct weft_ev_stack *head)
{
	struct sched_state *state = of(s);

	return state ? sched_stacks_asleep(state, p, tid, head) : -ENOTSUP;
}

void source_sched_pause(struct session *s)
{
	struct sched_state *state = of(s);

	if (state)
		unwinder_pause(state->unwinder);
}

const struct source source_sched = {
	.name = "sched",
	.open = sched_open,
	.close = sched_close,
	.detach = sched_detach,
	.level = sched_level,
	.record = sched_record,
	.started = sched_started,
	.settle = sched_settle,
	.second = sched_second,
	.oldest = sched_oldest,
	.tail = sched_tail,
	.want = sched_want,
	.off_cpu = sched_off_cpu,
	.thread_begin = sched_thread_begin,
	.thread_end = sched_thread_end,
};
