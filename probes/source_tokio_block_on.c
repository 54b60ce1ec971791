// SPDX-License-Identifier: MIT
/*
 * Who drives a current-thread runtime: the thread that is in its block_on. While one is, Tokio keeps in the thread's own storage a pointer to a
 * context on the thread's stack, which has the scheduler's handle, the one that each of the runtime's tasks has, too. So it is told without
 * names, without a poll, and whether the probes were in when it went there. What it does there is told where it has polled nothing for a
 * second and is not in its driver: the future that was given to block_on has the thread.
 *
 * A LocalSet's list of tasks looks like a runtime's; its context lies in the heap. That is enough to know that somebody is in it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/source_sched.h"
#include "probes/source_tokio_internal.h"
#include "probes/thread_stat.h"

#define THREADS_MAX   256u
#define TLS_MAX       16384u
#define CONTEXT_WORDS 8u
#define STACK_MOST    (64ull << 20) /* from one place on a stack to another */
#define LOOK_NS       250000000ull
#define HOLD_NS       900000000ull  /* told from then on */
#define NOBODY_NS     200000000ull  /* the same */
#define DUE_NS        950000000ull  /* timers are looked at again */
#define STACK_NS      2000000000ull /* again */
#define LEADS_NS      1000000000ull
#define SEARCHES      4u /* of stacks, in one look: some ms each */
#define PAGE          4096u

struct thread {
	uint32_t tid;
	bool told;     /* its context led to a runtime */
	bool searched; /* its stack was looked at for more */
	uint64_t tls, sp;
};

/* What was found at the last looks, unchanged since. */
struct hold {
	uint32_t tid, doing; /* doing 0: nothing to tell */
	uint64_t since_ns, look_ns, stack_ns, due_ns;
	uint64_t polls, cpu_ns, runq_ns, slices;
	struct weft_ev_block_on timers; /* what it tells of them, as of due_ns */
};

struct tokio_block_on {
	uint64_t tls_bytes; /* of the program's own, below the thread pointer; 0 = not known */
	uint64_t look_ns, leads_ns;
	struct thread thread[THREADS_MAX];
	uint32_t threads;
	bool all; /* all threads are there, and where their storage is */
	struct hold hold[TOKIO_RUNTIMES];
	uint64_t tls[TLS_MAX / 8];
};

/* ---- thread-local storage ---- */

/* The program's own lies right below the thread pointer; a library's lies wherever there was room. */
static bool is_program(const struct tokio_process *w)
{
	struct stat file, exe;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/exe", w->p->pid);
	return !fstat(w->file, &file) && !stat(path, &exe) && file.st_ino == exe.st_ino &&
	       file.st_dev == exe.st_dev;
}

static uint64_t tls_bytes_of(const struct tokio_process *w)
{
	auto_elf Elf *elf = NULL;
	GElf_Phdr h;
	size_t n = 0;

	if (!is_program(w) || elf_file_open(w->file, &elf) || elf_getphdrnum(elf, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && i < 64; i++) {
		uint64_t align;

		if (!gelf_getphdr(elf, (int)i, &h) || h.p_type != PT_TLS)
			continue;
		align = h.p_align > 8 && h.p_align <= PAGE ? h.p_align : 8;
		return h.p_memsz <= TLS_MAX - align ? (h.p_memsz + align - 1) / align * align : 0;
	}
	return 0;
}

static struct thread *thread_of(struct tokio_block_on *b, uint32_t tid)
{
	for (uint32_t i = 0; i < b->threads; i++)
		if (b->thread[i].tid == tid)
			return &b->thread[i];
	return NULL;
}

static bool meet(struct tokio_process *w, struct thread *t, uint32_t tid)
{
	const struct weft_raw_stack *raw;

	if (source_sched_stack(w->p->session, tid, &raw) || !raw->tls)
		return false;
	*t = (struct thread){ .tid = tid, .tls = raw->tls, .sp = raw->regs[7] };
	return true;
}

/* Those that came since the last look; those that went leave their place. */
static void look_threads(struct tokio_process *w)
{
	struct tokio_block_on *b = w->block_on;
	struct thread was[THREADS_MAX], now[THREADS_MAX];
	auto_closedir DIR *dir = NULL;
	uint32_t n = 0;
	char path[32];
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", w->p->pid);
	dir = opendir(path);
	b->all = dir;
	while (dir && (e = readdir(dir)) && b->all) {
		uint32_t tid = (uint32_t)strtoul(e->d_name, NULL, 10);
		const struct thread *known = tid ? thread_of(b, tid) : NULL;

		if (!tid)
			continue;
		if (n == THREADS_MAX)
			b->all = false;
		else if (known)
			now[n++] = *known;
		else if (meet(w, &was[n], tid)) {
			now[n] = was[n];
			n++;
		} else
			b->all = false;
	}
	memcpy(b->thread, now, n * sizeof(*now));
	b->threads = n;
}

/* ---- contexts ---- */

static bool is_near(const struct thread *t, uint64_t word)
{
	return word % 8 == 0 && (word > t->sp ? word - t->sp : t->sp - word) < STACK_MOST;
}

static bool read_tls(const struct tokio_process *w, const struct thread *t)
{
	struct tokio_block_on *b = w->block_on;

	return t->tls > b->tls_bytes && tokio_read(w, t->tls - b->tls_bytes, b->tls, b->tls_bytes);
}

static bool has_word(const uint64_t *word, uint32_t n, uint64_t what)
{
	for (uint32_t i = 0; i < n; i++)
		if (word[i] == what)
			return true;
	return false;
}

enum inside { OUTSIDE, IN_SET, IN_BLOCK_ON, NOT_READ };

/* Whether the thread's storage points to something that begins with this handle. */
static enum inside look_inside(const struct tokio_process *w, const struct thread *t,
			       uint64_t handle)
{
	const struct tokio_block_on *b = w->block_on;
	enum inside inside = OUTSIDE;
	uint64_t word[CONTEXT_WORDS];

	if (!read_tls(w, t))
		return NOT_READ;
	for (uint32_t i = 0; i < b->tls_bytes / 8; i++) {
		uint64_t at = b->tls[i];

		if (at == handle || at % 8 || at < PAGE || at >= 1ull << 47 ||
		    !tokio_read(w, at, word, sizeof(word)) ||
		    !has_word(word, CONTEXT_WORDS, handle))
			continue;
		if (is_near(t, at))
			return IN_BLOCK_ON;
		/* Behind an Rc's counts; else it is what std keeps of the thread, with an old word in it where an unnamed one has no name. */
		if (tokio_is_arc(word))
			inside = IN_SET;
	}
	return inside;
}

/* Runtimes that nothing else has led to: those whose block_on a thread is in. */
static void follow_context(struct tokio_process *w, struct thread *t)
{
	const struct tokio_block_on *b = w->block_on;
	uint64_t word[CONTEXT_WORDS];

	if (!read_tls(w, t))
		return;
	for (uint32_t i = 0; i < b->tls_bytes / 8; i++) {
		if (!is_near(t, b->tls[i]) || !tokio_read(w, b->tls[i], word, sizeof(word)))
			continue;
		for (uint32_t k = 0; k < CONTEXT_WORDS && !t->told; k++)
			t->told = tokio_lead_handle(w, word[k]);
	}
}

static bool has_lane(const struct tokio_process *w, uint32_t tid, const struct weft_row **ret)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		const struct tokio_lane *lane = &w->state->lane[i];

		*ret = tokio_row(w->state, i);
		if (lane->owner == w->p && lane->tid == tid)
			return true;
	}
	return false;
}

/* What a thread polls leads to its runtime; one that has polled nothing since the probes came may be in a block_on since before. */
static void follow_contexts(struct tokio_process *w)
{
	struct tokio_block_on *b = w->block_on;
	const struct weft_row *row;

	if (w->p->session->now_ns < b->leads_ns + LEADS_NS)
		return;
	b->leads_ns = w->p->session->now_ns;
	look_threads(w);
	for (uint32_t i = 0; i < b->threads; i++)
		if (!b->thread[i].told && !has_lane(w, b->thread[i].tid, &row))
			follow_context(w, &b->thread[i]);
	/* A worker has no other runtime on its stack, and where there are many of them searching all took the drain's time for seconds. */
	for (uint32_t i = 0, n = 0; i < b->threads && n < SEARCHES && !w->p->from_start; i++) {
		if (b->thread[i].searched || has_lane(w, b->thread[i].tid, &row))
			continue;
		tokio_lead_stack(w, b->thread[i].tid);
		b->thread[i].searched = true;
		n++;
	}
}

/* ---- what the thread does ---- */

/* It may be parked. */
static bool is_driver_wait(int32_t syscall)
{
	return syscall == SYS_epoll_wait || syscall == SYS_epoll_pwait ||
	       syscall == SYS_epoll_pwait2 || syscall == SYS_poll || syscall == SYS_ppoll;
}

static bool read_stat(const struct tokio_process *w, uint32_t tid, struct hold *to)
{
	auto_close int fd = thread_stat_open(w->p->pid, tid);

	return thread_stat_read_slices(fd, &to->cpu_ns, &to->runq_ns, &to->slices);
}

/* In a poll, as far as is known; where polls are not watched all the time the list of tasks has to tell. */
static bool may_poll(const struct tokio_process *w, uint32_t tid, const struct tokio_list *list)
{
	const struct weft_row *row;

	if (has_lane(w, tid, &row) && !tokio_window_blind(w))
		return row->depth || row->task;
	return list->running;
}

/* All that time but for what it waited for a CPU, and it had one for long enough to have gone on. */
static bool has_computed(const struct hold *h, const struct hold *now)
{
	uint64_t took = now->look_ns - h->look_ns, cpu = now->cpu_ns - h->cpu_ns;

	return cpu >= took / 5 && cpu + (now->runq_ns - h->runq_ns) >= took / 10 * 9;
}

/* What it does now, as `h` says it did since h->since_ns; 0 = nothing that can be told. */
static uint32_t doing_of(const struct tokio_process *w, const struct hold *h, struct hold *now,
			 int32_t *ret_syscall)
{
	bool before = h->tid == now->tid && h->look_ns;
	const struct weft_raw_stack *raw;

	if (!read_stat(w, now->tid, now) || source_sched_stack(w->p->session, now->tid, &raw))
		return 0;
	*ret_syscall = raw->state ? raw->syscall : -1;
	if (raw->state & WEFT_STATE_STOPPED)
		return 0;
	/* Asleep all the time, or it has polled nothing though every poll is told. */
	if (raw->state & 3)
		return raw->syscall < 0 || is_driver_wait(raw->syscall) ||
				       (before && now->slices != h->slices && tokio_window_blind(w))
			       ? 0
			       : WEFT_BLOCK_ON_BLOCKED;
	/* One that waits for a CPU is none that computes. */
	return raw->state || tokio_window_blind(w) || (before && !has_computed(h, now))
		       ? 0
		       : WEFT_BLOCK_ON_COMPUTES;
}

/* ---- one runtime ---- */

static uint64_t polls_of(const struct tokio_process *w, uint32_t runtime)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p && w->state->lane[i].runtime == runtime)
			n += tokio_row(w->state, i)->poll_seq;
	return n;
}

/* Who is in its block_on, and what that one does. *ret_syscall: -1 = none. */
static void look_at(struct tokio_process *w, const struct tokio_list *list, struct hold *h,
		    int32_t *ret_syscall)
{
	struct tokio_block_on *b = w->block_on;
	struct hold now = { .look_ns = w->p->session->now_ns,
			    .since_ns = w->p->session->now_ns,
			    .polls = h->polls };
	bool seen = b->all;

	for (uint32_t i = 0; i < b->threads && !now.tid; i++) {
		enum inside inside = look_inside(w, &b->thread[i], list->handle);

		seen &= inside == OUTSIDE;
		if (inside == IN_BLOCK_ON)
			now.tid = b->thread[i].tid;
	}
	*ret_syscall = -1;
	if (now.tid && !may_poll(w, now.tid, list))
		now.doing = doing_of(w, h, &now, ret_syscall);
	else if (!now.tid && seen)
		now.doing = WEFT_BLOCK_ON_NOBODY;
	if (now.doing == h->doing && now.tid == h->tid) {
		now.since_ns = h->since_ns;
		now.stack_ns = h->stack_ns;
		now.due_ns = h->due_ns;
		now.timers = h->timers;
	}
	*h = now;
}

static void tell(struct tokio_process *w, const struct tokio_runtime *r,
		 const struct tokio_list *list, struct hold *h, int32_t syscall)
{
	struct weft_ev_block_on e = { .runtime = r->id,
				      .doing = h->doing,
				      .syscall = h->doing == WEFT_BLOCK_ON_BLOCKED ? syscall : -1,
				      .for_ns = h->look_ns - h->since_ns };
	const struct weft_ev_stack stack = { .why = WEFT_STACK_ROOT,
					     .open_ns = e.for_ns,
					     .poll_seq = r->id };
	struct weft_ev ev = tokio_event(w, WEFT_EV_BLOCK_ON, 0);

	if (h->look_ns >= h->due_ns + DUE_NS) {
		h->timers = (struct weft_ev_block_on){ .due = 0 };
		tokio_due(w, list, &h->timers);
		h->due_ns = h->look_ns;
	}
	e.due = h->timers.due;
	e.due_task = h->timers.due_task;
	e.overdue_ns = h->timers.overdue_ns + (e.due ? h->look_ns - h->due_ns : 0);
	ev.tid = h->tid;
	if (h->doing == WEFT_BLOCK_ON_BLOCKED && h->look_ns >= h->stack_ns + STACK_NS &&
	    !source_sched_asleep(w->p->session, w->p, h->tid, &stack))
		h->stack_ns = h->look_ns;
	session_emit(w->p->session, ev, &e, sizeof(e));
}

static void look_at_runtime(struct tokio_process *w, const struct tokio_runtime *r, struct hold *h)
{
	uint64_t polls = polls_of(w, r->id), lasted;
	struct tokio_list list;
	int32_t syscall;

	if (r->flavour != WEFT_F_CURRENT_THREAD || !r->owner || polls != h->polls ||
	    !tokio_list_of(w, r->owner, &list)) {
		*h = (struct hold){ .polls = polls };
		return;
	}
	look_at(w, &list, h, &syscall);
	lasted = h->look_ns - h->since_ns;
	if (h->doing && lasted >= (h->doing == WEFT_BLOCK_ON_NOBODY ? NOBODY_NS : HOLD_NS))
		tell(w, r, &list, h, syscall);
}

static bool has_quiet(const struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->runtimes; i++)
		if (w->runtime[i].flavour == WEFT_F_CURRENT_THREAD && w->runtime[i].owner &&
		    w->block_on->hold[i].polls == polls_of(w, w->runtime[i].id))
			return true;
	return false;
}

/* Its loop is in the file. */
static bool has_current_thread(const struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->plan->n_probes; i++)
		if (w->plan->probes[i].family == RUST_TOKIO &&
		    w->plan->probes[i].poller == RUST_BY_CURRENT_THREAD)
			return true;
	return false;
}

static bool begin(struct tokio_process *w)
{
	if (w->block_on)
		return w->block_on->tls_bytes;
	w->block_on = calloc(1, sizeof(*w->block_on));
	if (!w->block_on)
		return false;
	w->block_on->tls_bytes = tls_bytes_of(w);
	if (!w->block_on->tls_bytes && has_current_thread(w))
		session_cannot_see(
			w->p->session, w->p->index, "who drives a current-thread runtime",
			"Tokio is in a library, or the program's thread-local storage is too large: whether a thread is in its block_on is not known");
	return w->block_on->tls_bytes;
}

void tokio_block_on_look(struct tokio_process *w)
{
	if (w->p->state != PROCESS_LIVE || w->p->dead || !begin(w) ||
	    w->p->session->now_ns < w->block_on->look_ns + LOOK_NS)
		return;
	w->block_on->look_ns = w->p->session->now_ns;
	follow_contexts(w);
	if (has_quiet(w))
		look_threads(w);
	for (uint32_t i = 0; i < w->runtimes; i++)
		look_at_runtime(w, &w->runtime[i], &w->block_on->hold[i]);
}

struct tokio_block_on *tokio_block_on_free(struct tokio_block_on *b)
{
	free(b);
	return NULL;
}
