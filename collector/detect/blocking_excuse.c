/* SPDX-License-Identifier: MIT */
/*
 * blocking-call: blocks that are nothing that the task does, or could do differently, and those of which that is not known yet. The
 * runtime's locks, the kernel's on a machine that is full, the table of open files as it grows, block_in_place.
 */
#include "collector/detect/blocking_internal.h"

#include "probes/symbols/resolver.h"

#include <string.h>

#define STARVED_NS 10000000000ull /* in place of BLOCKING_RUNTIME_NS in a process that lacks CPUs */

bool blocking_has_doubts(const struct blocking_place *p)
{
	return p->used && p->lock == BLOCKING_LOCK_UNKNOWN && blocking_is_call(p->syscall, "futex");
}

void blocking_forget(struct blocking_state *s, struct blocking_place *p)
{
	if (blocking_has_doubts(p))
		s->doubts += p->count;
	p->used = false;
}

struct blocking_place *blocking_place(struct blocking_state *s, uint32_t process, uint32_t type)
{
	struct blocking_place *oldest = &s->place[0];

	for (uint32_t i = 0; i < BLOCKING_PLACES; i++) {
		struct blocking_place *p = &s->place[i];

		if (p->used && p->process == process && p->type == type)
			return p;
		if (!p->used || (oldest->used && p->last_ns < oldest->last_ns))
			oldest = p;
	}
	blocking_forget(s, oldest);
	*oldest = (struct blocking_place){
		.process = process, .type = type, .used = true, .syscall = -1
	};
	return oldest;
}

bool blocking_is_one_of(const char *name, const char *list)
{
	size_t n = strlen(name);

	for (const char *p = n ? strstr(list, name) : NULL; p; p = strstr(p + 1, name))
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

bool blocking_is_call(int32_t syscall, const char *list)
{
	return syscall >= 0 && blocking_is_one_of(resolver_syscall_name(syscall), list);
}

/* Its holder is then as likely to have lost its CPU, for as long. Mutex::lock_slow, or <Mutex>::lock_slow, by the mangling. */
static bool is_rust_lock(const struct model_frame *f)
{
	return strstr(f->func, "::lock_") && (strstr(f->func, "utex") || strstr(f->func, "wLock"));
}

/*
 * A lock inside the runtime, met in one of its functions that the task called. Its holder has only lost its CPU
 * to others: nothing that the task does, or could do differently. A nested block_on of Rust's looks so but for the lock.
 */
static bool is_runtimes_lock(const struct detect_run *run, uint32_t process,
			     const struct model_stack *k)
{
	bool locks = detect_runtime_kind(run->model, process, MODEL_NONE) == WEFT_RT_WEFT;

	if (!k || !blocking_is_call(k->syscall, "futex"))
		return false;
	for (uint32_t i = k->kernel; i < k->nframes; i++) {
		const struct model_frame *f =
			stack_store_frame(model_stacks(run->model), k->frame[i]);

		if (f && f->origin != FRAME_SYSTEM)
			return locks && f->origin == FRAME_RUNTIME;
		locks |= f && is_rust_lock(f);
	}
	return false;
}

/* Do the workers of a process wait for CPUs that others have, a fifth of the time, or half of what they want of them, and more? */
static bool is_starved(const struct detect_run *run, uint32_t process)
{
	const struct model_process *p = model_process(run->model, process);
	struct lane_parts parts;

	for (uint32_t i = 0; p && i < p->nlanes; i++)
		if (p->lanes[i] && detect_is_worker(p->lanes[i]) &&
		    lane_shares(p->lanes[i], run->now_ns, &parts) &&
		    (parts.runnable * 5 > parts.span ||
		     (parts.runnable > parts.busy + parts.own && parts.runnable * 20 > parts.span)))
			return true;
	return false;
}

static bool was_starved(const struct detect_run *run, uint32_t process)
{
	const struct blocking_state *s = run->state;
	uint64_t last_ns = process < MODEL_MAX_PROCESSES ? s->starved_ns[process] : 0;

	return is_starved(run, process) || (last_ns && last_ns + BLOCKING_RECENT_NS > run->now_ns);
}

void blocking_note_starved(struct detect_run *run)
{
	struct blocking_state *s = run->state;

	for (uint32_t i = 0; i < model_processes(run->model) && i < MODEL_MAX_PROCESSES; i++)
		if (is_starved(run, i))
			s->starved_ns[i] = run->now_ns;
}

/*
 * The kernel's locks of an open file, its inode, its pages, of the address space: who waits for one is in the function that asked
 * for it.
 */
static bool is_kernels_lock(const struct detect_run *run, const struct model_stack *k)
{
	static const char locks[] =
		"fdget_pos __fdget_pos ext4_buffered_write_iter ext4_file_write_iter xfs_ilock btrfs_inode_lock "
		"generic_file_write_iter __filemap_get_folio unlink_anon_vmas lock_mm_and_find_vma "
		"do_user_addr_fault vm_mmap_pgoff __vm_munmap do_mprotect_pkey do_madvise";
	const struct model_frame *f =
		k && k->kernel ? stack_store_frame(model_stacks(run->model), k->frame[0]) : NULL;

	return f && blocking_is_one_of(f->func, locks);
}

/* Did a poll on another worker, that went on meanwhile, wait for a CPU for half of that time? */
static bool another_waited(const struct detect_run *run, const struct model_lane *l,
			   const struct lane_poll *poll)
{
	const struct model_process *p = model_process(run->model, l->process);

	for (uint32_t k = 0; p && k < p->nlanes; k++) {
		const struct model_lane *o = p->lanes[k];

		for (uint32_t i = 0; o && o != l && i < LANE_LONG_POLLS && i < o->npolls; i++) {
			const struct lane_poll *q = &o->poll[(o->npolls - i) % LANE_LONG_POLLS];

			if (!q->number || q->end_ns <= poll->start_ns)
				break;
			if (q->start_ns < poll->end_ns && q->runnable_ns * 2 >= poll->blocked_ns)
				return true;
		}
	}
	return false;
}

/* The table of open files grows, and the kernel waits for all CPUs: so often as it doubles, in every program with many. */
static bool is_table_growing(const struct detect_run *run, const struct model_stack *k)
{
	for (uint32_t i = 0; k && i < k->kernel; i++) {
		const struct model_frame *f =
			stack_store_frame(model_stacks(run->model), k->frame[i]);

		if (f && !strcmp(f->func, "expand_files"))
			return true;
	}
	return false;
}

/*
 * It may have been that table where no stack tells. But it doubles each time, and all workers may wait for it: who waits more often
 * than that waits for something else, a peer that std's accept waits for, say.
 */
#define MAKES_FILES \
	"accept accept4 socket dup dup2 dup3 eventfd2 pipe2 epoll_create1 timerfd_create"
#define GROWTHS 64u
static bool may_be_table_growing(const struct detect_run *run, uint32_t process, int32_t syscall)
{
	struct blocking_state *s = run->state;

	if (!blocking_is_call(syscall, MAKES_FILES) || process >= MODEL_MAX_PROCESSES)
		return false;
	if (!s->files_ns[process] || s->files_ns[process] + BLOCKING_RECENT_NS < run->now_ns) {
		s->files_ns[process] = run->now_ns;
		s->files[process] = 0;
	}
	return ++s->files[process] <= GROWTHS;
}

/* In block_in_place nobody waits behind it. Where no stack tells, what the same type was in lately does. */
bool blocking_is_in_place(const struct detect_run *run, const struct model_lane *l, uint32_t type,
			  const struct model_stack *k)
{
	struct blocking_place *p;

	if (k && !detect_is_in_place(run, k))
		return false;
	p = blocking_place(run->state, l->process, type);
	if (k) {
		p->in_place_ns = p->last_ns = run->now_ns;
		p->untold = 0;
	}
	return p->in_place_ns && p->in_place_ns + BLOCKING_RECENT_NS > run->now_ns;
}

/* What was counted before a stack came was that lock, too. */
static void take_lock(struct blocking_place *p, uint64_t now_ns, bool runtimes)
{
	if (runtimes && p->lock == BLOCKING_LOCK_UNKNOWN) {
		p->count = p->times = p->total_ns = p->worst_ns = 0;
		p->harm_ns = p->victims = p->first_ns = p->worst_wait_ns = 0;
		memset(p->when, 0, sizeof(p->when));
	}
	p->lock = runtimes ? BLOCKING_LOCK_RUNTIMES : BLOCKING_LOCK_PROGRAMS;
	p->lock_ns = p->last_ns = now_ns;
}

/*
 * Where no stack tells, what the same type was in last does: of a short block for as long as nothing else is told, of one of which a stack
 * was due for ten seconds.
 */
static bool is_in_runtimes_lock(const struct detect_run *run, const struct model_lane *l,
				uint32_t type, int32_t syscall, uint64_t blocked_ns,
				const struct model_stack *k)
{
	struct blocking_place *p;

	if (!blocking_is_call(k ? k->syscall : syscall, "futex"))
		return false;
	p = blocking_place(run->state, l->process, type);
	if (k)
		take_lock(p, run->now_ns, is_runtimes_lock(run, l->process, k));
	return p->lock == BLOCKING_LOCK_RUNTIMES && (blocked_ns < BLOCKING_STACK_DUE_NS ||
						     p->lock_ns + BLOCKING_RECENT_NS > run->now_ns);
}

/* Of a millisecond or two one block of fifty gets a stack, as threads are looked at every few ms. */
bool blocking_is_doubtful(const struct blocking_place *p, const struct lane_poll *poll)
{
	return p->lock == BLOCKING_LOCK_UNKNOWN && poll->blocked_ns < BLOCKING_STACK_DUE_NS &&
	       blocking_is_call(poll->syscall, "futex");
}

/* Some blocks of a type of Tokio's that no stack has told of yet: it may be block_in_place. */
bool blocking_is_untold(const struct detect_run *run, const struct model_lane *l,
			const struct model_task *t, const struct blocking_place *p)
{
	return p->untold < BLOCKING_UNTOLD &&
	       detect_runtime_kind(run->model, l->process, l->runtime) == WEFT_RT_TOKIO &&
	       !stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_BLOCKED, LIVE_UNKNOWN);
}

/*
 * Nothing that the task does, or could do differently. In a process that lacks CPUs that goes for locks of the program and of the
 * kernel, too, that may be held for no time at all: who holds it has lost his CPU, and so is late. Whose lock it was is
 * not known where the stack is not. poll: NULL = lasts.
 */
#define LOCKS "read write pread64 pwrite64 readv writev pwritev mmap munmap mprotect madvise brk"
bool blocking_is_excused(const struct detect_run *run, const struct model_lane *l, uint32_t type,
			 const struct lane_poll *poll, uint64_t blocked_ns,
			 const struct model_stack *k)
{
	bool starved = was_starved(run, l->process);
	int32_t syscall = poll ? poll->syscall : l->open.syscall;
	/* As long as one may be held whose holder has lost its CPU. */
	bool in_lock = is_in_runtimes_lock(run, l, type, syscall, blocked_ns, k);

	if (in_lock && blocked_ns < (starved ? STARVED_NS : BLOCKING_RUNTIME_NS))
		return true;
	if (blocked_ns >= BLOCKING_RUNTIME_NS)
		return false;
	/* While it lasts a stack may come. */
	if (is_table_growing(run, k) ||
	    (!k && (poll ? may_be_table_growing(run, l->process, syscall)
			 : blocking_is_call(syscall, MAKES_FILES))))
		return true;
	if (!starved)
		return false;
	if (blocking_is_call(syscall, "futex"))
		return !k || !poll || another_waited(run, l, poll);
	return k ? is_kernels_lock(run, k) : syscall < 0 || blocking_is_call(syscall, LOCKS);
}
