// SPDX-License-Identifier: MIT
/*
 * Polls that were open when the probes came: a task that spins, sleeps or waits for a lock in one has no hit until it ends, which may be
 * never. A thread that has had no hit yet is looked at once, from outside, without a stop. Its stack holds a return address of a
 * poll loop, and under it the header of a task that is marked as running: that poll gets the row which its begin would have made.
 *
 * The row is handed over by the thread's seat, which a hit makes, too: where there is one already the thread got on
 * meanwhile, and what was found is forgotten. Needs pidfds of threads (Linux 6.9) and the thread iterator.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/rust/executor_walk.h"
#include "probes/source_sched.h"
#include "probes/source_tokio_internal.h"
#include "probes/symbols/proc_maps.h"
#include "tokio.skel.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

#define THREADS_MAX 256u /* that are looked at */
#define STACK_BYTES 65536u
#define STACK_WORDS (STACK_BYTES / 8)
#define SLID_MOST   96u /* bytes from a call's return address to the probe that stands for it */
#define LOOPS_MAX   64u
#define HEAD_WORDS  8u

/* A place that polls return to, at run time. */
struct loop {
	uint64_t probe;
	uint32_t roles;
};

struct found {
	uint32_t tid, depth, roles;
	struct weft_open_poll open[WEFT_POLL_DEPTH]; /* outermost first */
};

struct search {
	struct tokio_process *w;
	uint64_t bias;
	struct loop loop[LOOPS_MAX];
	uint32_t loops;
	struct found found[THREADS_MAX];
	uint32_t n;
	uint64_t stack[STACK_WORDS];
};

/* ---- where polls return to ---- */

static uint32_t roles_of(const struct rust_probe *at)
{
	switch (at->poller) {
	case RUST_BY_WORKER:
		return WEFT_ROW_WORKER;
	case RUST_BY_CURRENT_THREAD:
		return WEFT_ROW_CURRENT_THREAD;
	default:
		return WEFT_ROW_OTHER;
	}
}

/* Where the file's byte is in memory; 0 = not mapped. */
static uint64_t mapped_at(const struct proc_maps *maps, const struct stat *file, uint64_t offset)
{
	for (size_t i = 0; i < proc_maps_count(maps); i++) {
		const struct proc_map *map = proc_maps_at(maps, i);

		if (map->flags & PROC_MAP_EXEC && map->inode == file->st_ino &&
		    offset >= map->offset && offset - map->offset < map->end - map->start)
			return map->start + (offset - map->offset);
	}
	return 0;
}

static bool find_loops(struct search *s)
{
	const struct rust_plan *plan = s->w->plan;
	auto_proc_maps struct proc_maps *maps = NULL;
	struct stat file;

	if (fstat(s->w->file, &file) || proc_maps_read(s->w->p->pid, &maps))
		return false;
	for (uint32_t i = 0; i < plan->n_probes && s->loops < LOOPS_MAX; i++) {
		const struct rust_probe *at = &plan->probes[i];
		uint64_t address;

		if (at->kind != RUST_POLL_END || at->poller == RUST_BY_BLOCKING_POOL ||
		    (at->family != RUST_TOKIO && at->family != RUST_ASYNC_TASK))
			continue;
		address = mapped_at(maps, &file, at->offset);
		if (!address)
			continue;
		s->bias = address - at->address;
		s->loop[s->loops] = (struct loop){ .probe = address, .roles = roles_of(at) };
		s->loop[s->loops++].roles |= at->family == RUST_ASYNC_TASK ? WEFT_ROW_ASYNC_TASK
									   : 0;
	}
	return s->loops;
}

static const struct loop *loop_of(const struct search *s, uint64_t word)
{
	for (uint32_t i = 0; i < s->loops; i++)
		if (word <= s->loop[i].probe && s->loop[i].probe - word <= SLID_MOST)
			return &s->loop[i];
	return NULL;
}

/* ---- one thread's stack ---- */

static size_t read_target(const struct search *s, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };
	ssize_t n = process_vm_readv(s->w->p->pid, &local, 1, &remote, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

/* Up to the end of the mapping: page by page, as a read across that fails as a whole. */
static uint32_t read_stack(struct search *s, uint64_t sp)
{
	size_t have = 0;

	while (have < STACK_BYTES) {
		size_t part = 4096 - (sp + have) % 4096;

		if (part > STACK_BYTES - have)
			part = STACK_BYTES - have;
		if (read_target(s, sp + have, (char *)s->stack + have, part) != part)
			break;
		have += part;
	}
	return (uint32_t)(have / 8);
}

/* A header's state and type, as one family lays it out. NULL: it is none of these. */
static const struct rust_type *type_of(const struct search *s, const uint64_t *word,
				       enum rust_family family, uint64_t *ret_state)
{
	const struct rust_layout *l = &s->w->plan->layout[family];
	const struct rust_type *type;

	if (l->vtable < 0 || l->state < 0 || l->vtable >= (int32_t)(HEAD_WORDS * 8) ||
	    l->state >= (int32_t)(HEAD_WORDS * 8))
		return NULL;
	type = rust_plan_type(s->w->plan, word[l->vtable / 8] - s->bias);
	*ret_state = word[l->state / 8];
	return type && type->family == family && !type->blocking ? type : NULL;
}

/* Tokio's own; async-task's have none but what is given here, or was by the programs. 0 = not one that is being polled. */
static uint64_t running_id(const struct search *s, uint64_t header, const struct rust_type *type,
			   uint64_t state)
{
	uint64_t id = 0;

	if (type->family == RUST_ASYNC_TASK)
		return (state & (RUST_ASYNC_RUNNING | RUST_ASYNC_COMPLETED)) == RUST_ASYNC_RUNNING
			       ? tokio_async_id(s->w, header, type->vtable + s->bias)
			       : 0;
	if (type->id_offset <= 0 ||
	    (state & (WEFT_T_RUNNING | WEFT_T_COMPLETE)) != WEFT_T_RUNNING ||
	    read_target(s, header + (uint32_t)type->id_offset, &id, sizeof(id)) != sizeof(id))
		return 0;
	return id;
}

static uint64_t owner_of(const struct search *s, const uint64_t *word, const struct rust_type *type)
{
	int32_t at = s->w->plan->layout[RUST_TOKIO].owner;

	return type->family == RUST_TOKIO && at >= 0 && at < (int32_t)(HEAD_WORDS * 8)
		       ? word[at / 8]
		       : 0;
}

/* A task that is being polled: its vtable is one of the file's, its state says so. */
static bool is_running_task(const struct search *s, uint64_t header, struct weft_open_poll *ret)
{
	uint64_t word[HEAD_WORDS], state = 0, id;
	const struct rust_type *type;

	if (header % 8 || header < 4096 ||
	    read_target(s, header, word, sizeof(word)) != sizeof(word))
		return false;
	type = type_of(s, word, RUST_TOKIO, &state);
	if (!type)
		type = type_of(s, word, RUST_ASYNC_TASK, &state);
	id = type ? running_id(s, header, type, state) : 0;
	if (!id || id >= 1ull << 40)
		return false;
	if (type->family == RUST_ASYNC_TASK)
		state = tokio_async_state(state);
	*ret = (struct weft_open_poll){ .header = header,
					.vtable = type->vtable,
					.task = id,
					.state = (uint32_t)state,
					.owner = owner_of(s, word, type),
					.start_ns = s->w->p->session->now_ns,
					.delay_ns = WEFT_TICKS_UNKNOWN };
	return true;
}

/* The nearest one under a return address; words of the caller's registers are saved there, too. */
static bool task_under(const struct search *s, uint32_t from, uint32_t to,
		       struct weft_open_poll *ret)
{
	for (uint32_t i = from; i-- > to;)
		if (is_running_task(s, s->stack[i], ret))
			return true;
	return false;
}

/* The registers that a function keeps for its caller: rbx, rbp, r12 to r15. */
static bool task_in_registers(const struct search *s, const uint64_t *regs,
			      struct weft_open_poll *ret)
{
	static const uint8_t kept[] = { 3, 6, 12, 13, 14, 15 };

	for (size_t i = 0; i < sizeof(kept); i++)
		if (is_running_task(s, regs[kept[i]], ret))
			return true;
	return false;
}

static void look_at_thread(struct search *s, uint32_t tid)
{
	struct found *f = &s->found[s->n];
	const struct weft_raw_stack *raw;
	const struct loop *loop;
	uint64_t regs[17], sp;
	uint32_t words, under;

	if (source_sched_stack(s->w->p->session, tid, &raw))
		return;
	memcpy(regs, raw->regs, sizeof(regs));
	sp = regs[7] & ~7ull;
	words = read_stack(s, sp);
	*f = (struct found){ .tid = tid };
	for (uint32_t i = words; i-- > 0 && f->depth < WEFT_POLL_DEPTH;) {
		loop = loop_of(s, s->stack[i]);
		if (!loop)
			continue;
		for (under = i; under > 0 && !loop_of(s, s->stack[under - 1]);)
			under--;
		if (!task_under(s, i, under, &f->open[f->depth]) &&
		    (under || !task_in_registers(s, regs, &f->open[f->depth])))
			return;
		f->open[f->depth++].sp = sp + 8ull * i;
		f->roles |= loop->roles;
	}
	s->n += f->depth > 0;
}

/* ---- handing it over ---- */

static bool is_open_elsewhere(const struct search *s, const struct found *f)
{
	const struct tokio_state *state = s->w->state;
	uint64_t header = f->open[f->depth - 1].header;

	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t k = 0; &s->found[i] != f && k < s->found[i].depth; k++)
			if (s->found[i].open[k].header == header)
				return true;
	for (uint32_t i = 0; i < WEFT_ROW_MAX; i++) {
		const struct weft_row *row = tokio_row(state, i);

		if (row->tid && row->follow == s->w->p->follow && row->depth &&
		    row->depth <= WEFT_POLL_DEPTH && row->open[row->depth - 1].header == header)
			return true;
	}
	return false;
}

static void fill_row(struct weft_row *row, const struct search *s, const struct found *f,
		     uint32_t index)
{
	const struct weft_open_poll *top = &f->open[f->depth - 1];

	*row = (struct weft_row){ .task = top->task,
				  .poll_start = top->start_ns,
				  .poll_seq = 1,
				  .tid = f->tid,
				  .follow = s->w->p->follow,
				  .depth = f->depth,
				  .roles = f->roles,
				  .owner = top->owner,
				  .lane = index };
	memcpy(row->open, f->open, sizeof(f->open));
}

static void hand_over(const struct search *s, const struct found *f)
{
	struct tokio_state *state = s->w->state;
	int free_fd = bpf_map__fd(state->skel->maps.row_free);
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)f->tid, PIDFD_THREAD);
	uint32_t index, seat;

	if (pidfd < 0 || bpf_map_lookup_and_delete_elem(free_fd, NULL, &index) ||
	    index >= WEFT_ROW_MAX)
		return;
	fill_row(&state->session->rows[index], s, f, index);
	seat = index + 1;
	if (bpf_map_update_elem(bpf_map__fd(state->skel->maps.row_seats), &pidfd, &seat,
				BPF_NOEXIST)) {
		memset(&state->session->rows[index], 0, sizeof(struct weft_row));
		bpf_map_update_elem(free_fd, NULL, &index, BPF_ANY);
		return;
	}
	__atomic_fetch_add(&state->skel->bss->rows_claimed, 1, __ATOMIC_RELEASE);
}

static bool has_row(const struct tokio_process *w, uint32_t tid)
{
	for (uint32_t i = 0; i < WEFT_ROW_MAX; i++)
		if (tokio_row(w->state, i)->tid == tid)
			return true;
	return false;
}

void tokio_find_open(struct tokio_process *w)
{
	auto_free struct search *s = calloc(1, sizeof(*s));
	auto_closedir DIR *dir = NULL;
	uint32_t threads = 0;
	char path[32];
	struct dirent *e;

	if (!s)
		return;
	s->w = w;
	snprintf(path, sizeof(path), "/proc/%d/task", w->p->pid);
	dir = find_loops(s) ? opendir(path) : NULL;
	while (dir && (e = readdir(dir)) && threads < THREADS_MAX) {
		uint32_t tid = (uint32_t)strtoul(e->d_name, NULL, 10);

		if (!tid || has_row(w, tid))
			continue;
		threads++;
		look_at_thread(s, tid);
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (!is_open_elsewhere(s, &s->found[i]))
			hand_over(s, &s->found[i]);
}
