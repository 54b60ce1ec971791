// SPDX-License-Identifier: MIT
/* Threads of Tokio's runtimes: a row that a program took is a lane from then on. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/source_tokio_internal.h"
#include "probes/thread_stat.h"
#include "tokio.skel.h"

#define NO_WORKER 0xffffffffu
#define POLLERS   (WEFT_ROW_WORKER | WEFT_ROW_CURRENT_THREAD | WEFT_ROW_OTHER | WEFT_ROW_ASYNC_TASK)

/* ---- counts ---- */

static void add_row(struct tokio_counts *to, const struct weft_row *row)
{
	for (unsigned k = 0; k < WEFT_ROW_KINDS; k++) {
		to->emitted[k] += row->emitted[k];
		to->filtered[k] += row->filtered[k];
		to->lost[k] += row->lost[k];
	}
	to->hits += row->hits;
	to->polls += row->polls;
	to->unpaired += row->unpaired;
	to->odd_type += row->odd_type;
	to->odd_state += row->odd_state;
}

static void add_lane(struct tokio_counts *to, const struct tokio_process *w, uint32_t lane)
{
	const struct weft_row *row = tokio_row(w->state, lane);

	add_row(to, row);
	to->polls_told += w->window ? (uint64_t)w->state->lane[lane].estimate.told[TOKIO_N_POLLS]
				    : row->polls;
}

void tokio_sum(const struct tokio_process *w, struct tokio_counts *ret)
{
	*ret = w->gone;
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p)
			add_lane(ret, w, i);
}

/* ---- telling ---- */

static uint32_t role_of(const struct weft_row *row)
{
	if (row->roles & POLLERS || row->poll_seq)
		return WEFT_LANE_WORKER;
	return row->roles & WEFT_ROW_POOL ? WEFT_LANE_POOL : WEFT_LANE_FOREIGN;
}

static void thread_name(const struct process *p, uint32_t tid, char *to, size_t size)
{
	char path[64], text[32] = "";
	auto_fclose FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", p->pid, tid);
	f = fopen(path, "re");
	if (f && fgets(text, sizeof(text), f))
		text[strcspn(text, "\n")] = '\0';
	session_text(to, size, text);
}

static void tell(struct tokio_process *w, uint32_t i)
{
	const struct tokio_lane *t = &w->state->lane[i];
	struct weft_ev ev = tokio_event(w, WEFT_EV_LANE, 0);
	struct weft_ev_lane e = { .lane = i,
				  .role = t->role,
				  .runtime = t->runtime,
				  .worker = t->worker,
				  .generation = t->generation,
				  .ns_tid = t->tid };

	if (t->role != WEFT_LANE_DEAD)
		thread_name(w->p, t->tid, e.name, sizeof(e.name));
	ev.tid = t->tid;
	session_emit(w->p->session, ev, &e, sizeof(e));
}

static bool is_taken(const struct tokio_process *w, uint32_t lane, uint32_t runtime,
		     uint32_t worker)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		const struct tokio_lane *t = &w->state->lane[i];

		if (i != lane && t->owner == w->p && t->role == WEFT_LANE_WORKER &&
		    t->runtime == runtime && t->worker == worker)
			return true;
	}
	return false;
}

/* The lowest that no living worker of the runtime has: others may have ended before it came. */
static uint32_t free_number(const struct tokio_process *w, uint32_t lane, uint32_t runtime)
{
	uint32_t n = 0;

	while (is_taken(w, lane, runtime, n))
		n++;
	return n;
}

static void begin_thread(struct tokio_process *w, uint32_t i, const struct weft_row *row)
{
	struct tokio_lane *t = &w->state->lane[i];
	uint32_t generation = t->generation;

	*t = (struct tokio_lane){ .owner = w->p,
				  .tid = row->tid,
				  .worker = NO_WORKER,
				  .generation = generation,
				  .schedstat = thread_stat_open(w->p->pid, row->tid) };
	thread_stat_read(t->schedstat, &t->cpu_base_ns, &t->runq_base_ns);
	process_thread_begin(w->p, i, t->tid, 0);
}

static void look_at_row(struct tokio_process *w, uint32_t i, const struct weft_row *row)
{
	struct tokio_lane *t = &w->state->lane[i];
	uint32_t role = role_of(row), roles = row->roles, had = t->runtime;
	bool fresh = !t->owner, same;

	if (fresh)
		begin_thread(w, i, row);
	if (!fresh && role == t->role && roles == t->roles && row->owner == t->list)
		return;
	/* What tells the runtime is as it was: a worker that also polls a LocalSet stays where it is. */
	same = had && tokio_runtime_same(t->roles, t->list, roles, row->owner);
	t->role = role;
	t->roles = roles;
	t->list = row->owner;
	if (role == WEFT_LANE_WORKER && !same) {
		if (t->counted)
			tokio_runtime_left(w, had);
		t->counted = roles & (POLLERS & ~WEFT_ROW_OTHER);
		t->runtime =
			tokio_runtime_of(w, roles, t->counted ? row->owner : row->open[0].owner);
		if (t->worker == NO_WORKER || had != t->runtime)
			t->worker = free_number(w, i, t->runtime);
	}
	tell(w, i);
}

static struct tokio_process *process_of_row(struct tokio_state *state, const struct weft_row *row)
{
	for (struct process *p = state->session->processes; p; p = p->next)
		if (p->state != PROCESS_ENDED && p->follow == row->follow)
			return tokio_of(p);
	return NULL;
}

void tokio_tell_lanes(struct tokio_state *state)
{
	uint64_t claims = __atomic_load_n(&state->skel->bss->rows_claimed, __ATOMIC_ACQUIRE);
	uint32_t until = claims != state->claims_seen ? WEFT_ROW_MAX : state->lanes_used;

	state->claims_seen = claims;
	for (uint32_t i = 0; i < until; i++) {
		const struct weft_row *row = tokio_row(state, i);
		struct tokio_process *w;

		if (!row->tid)
			continue;
		w = process_of_row(state, row);
		if (!w || w->p->state != PROCESS_LIVE)
			continue;
		if (i >= state->lanes_used)
			state->lanes_used = i + 1;
		look_at_row(w, i, row);
	}
}

bool tokio_lane_of(struct tokio_process *w, uint32_t tid, uint32_t *ret_lane)
{
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < w->state->lanes_used; i++)
			if (w->state->lane[i].owner == w->p && w->state->lane[i].tid == tid) {
				*ret_lane = i;
				return true;
			}
		if (!round)
			tokio_tell_lanes(w->state);
	}
	return false;
}

/* ---- ends ---- */

static void free_row(struct tokio_state *state, uint32_t i)
{
	memset(&state->session->rows[i], 0, sizeof(struct weft_row));
	bpf_map_update_elem(bpf_map__fd(state->skel->maps.row_free), NULL, &i, BPF_ANY);
}

static void end_lane(struct tokio_process *w, uint32_t i, bool told)
{
	struct tokio_lane *t = &w->state->lane[i];

	process_thread_end(w->p, i);
	if (t->schedstat >= 0)
		close(t->schedstat);
	if (t->counted)
		tokio_runtime_left(w, t->runtime);
	t->role = WEFT_LANE_DEAD;
	if (told)
		tell(w, i);
	add_lane(&w->gone, w, i);
	*t = (struct tokio_lane){ .generation = t->generation + 1, .schedstat = -1 };
	w->last_tid = 0;
	free_row(w->state, i);
}

/* Of a process that ended before it was told: the next one at its place in the follow table is not to get them. */
static void free_untold(struct tokio_process *w)
{
	for (uint32_t i = 0; i < WEFT_ROW_MAX; i++) {
		const struct weft_row *row = tokio_row(w->state, i);

		if (row->tid && row->follow == w->p->follow && !w->state->lane[i].owner)
			free_row(w->state, i);
	}
}

void tokio_lanes_quiet(struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p)
			w->state->session->rows[i].quiet = 1;
}

void tokio_lanes_leave(struct tokio_process *w)
{
	uint64_t cpu, runq;

	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		struct tokio_lane *t = &w->state->lane[i];

		if (t->owner == w->p && !thread_stat_read(t->schedstat, &cpu, &runq))
			t->left = w->lanes_left = true;
	}
}

void tokio_end_lanes(struct tokio_process *w, bool all)
{
	if (!all && !w->lanes_left)
		return;
	w->lanes_left = false;
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		const struct tokio_lane *t = &w->state->lane[i];

		if (t->owner == w->p && (all || t->left))
			end_lane(w, i, !all);
	}
	if (all)
		free_untold(w);
}

/* ---- samples ---- */

static uint64_t since(uint64_t now, uint64_t base)
{
	return now > base ? now - base : 0;
}

/* At light a task is told with its first slow poll that ends: one that is open so long is told here. */
static void tell_open(struct tokio_process *w, uint32_t lane, const struct weft_row *row)
{
	const struct weft_open_poll *open = NULL;
	const struct rust_type *type;

	if (row->depth && row->depth <= WEFT_POLL_DEPTH)
		open = &row->open[row->depth - 1];
	if (!open || open->task != row->task || w->state->lane[lane].open_told == row->task)
		return;
	type = rust_plan_type(w->plan, open->vtable);
	if (!type)
		return;
	w->state->lane[lane].open_told = row->task;
	tokio_tell_found(w, row->task, tokio_site((uint32_t)(type - w->plan->types)), lane);
}

static uint32_t state_of(const struct weft_row *row, bool still)
{
	if (row->park_on)
		return row->park_on == WEFT_PARK_FUTEX ? WEFT_WS_PARKED_FUTEX
						       : WEFT_WS_PARKED_DRIVER;
	return row->task || !still ? WEFT_WS_RUNNING : WEFT_WS_PARKED_DRIVER;
}

static void sample_lane(struct tokio_process *w, uint32_t i, uint16_t flags)
{
	struct weft_ev ev = tokio_event(w, WEFT_EV_LANE_SAMPLE, flags);
	struct weft_ev_lane_sample e = { .lane = i, .off_cpu = 3, .syscall = -1 };
	struct weft_row row = *tokio_row(w->state, i);
	struct tokio_lane *t = &w->state->lane[i];
	uint64_t cpu, runq, before = t->cpu_ns;
	bool still;

	if (tokio_window_blind(w))
		row.task = 0;
	if (thread_stat_read(t->schedstat, &cpu, &runq)) {
		t->cpu_ns = since(cpu, t->cpu_base_ns) + 1; /* 0 = not known */
		t->runq_ns = since(runq, t->runq_base_ns);
	}
	still = t->cpu_ns && (!before || t->cpu_ns == before);
	e.cpu_ns = t->cpu_ns;
	e.runq_ns = t->runq_ns;
	e.task = row.task;
	e.open_ns = row.task ? since(w->p->session->now_ns, row.poll_start) : 0;
	e.state = state_of(&row, still);
	e.poll_seq = row.poll_seq;
	e.polls = row.polls;
	e.busy_ns = row.busy_ns;
	e.poll_max_ns = row.poll_max_ns;
	e.park_ns = row.park_ns;
	e.parks = row.parks;
	e.steals = e.stolen_tasks = row.steals;
	e.wakes = row.wakes;
	e.local_depth = t->depth;
	e.self_wakes = row.self_wakes;
	if (e.task && e.open_ns >= WEFT_LIGHT_POLL_NS)
		tell_open(w, i, &row);
	tokio_window_sample(w, i, &row, &e);
	if (w->window && w->window->used)
		ev.flags |= WEFT_EVF_ESTIMATE;
	if (!w->p->dead)
		process_off_cpu(w->p, i, &e);
	if (!w->p->dead && e.task && (e.off_cpu == 3 || (e.off_cpu == 0 && still)))
		thread_stat_look(w->p->pid, t->tid, still, &e);
	ev.tid = t->tid;
	session_emit(w->p->session, ev, &e, sizeof(e));
}

void tokio_sample_lanes(struct tokio_process *w, uint16_t flags)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p && w->state->lane[i].role == WEFT_LANE_WORKER)
			sample_lane(w, i, flags);
}
