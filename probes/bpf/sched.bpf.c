// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Kernel truth: off-CPU intervals inside open polls, life of processes, stacks of single threads. */
#include "probes/bpf/park.bpf.h"
#include "probes/bpf/stack.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define STATE_RUNNING 0

/* Status page words that are read at switch-out: task, poll_start, poll_seq. */
struct lane_now {
	__u64 task, poll_start, poll_seq;
};
#define LANE_NOW_OFFSET __builtin_offsetof(struct weft_lane, task)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WEFT_SLOT_MAX);
	__type(key, __u32);
	__type(value, __u32);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEFT_SLOT_MAX);
	__type(key, __u32);
	__type(value, struct weft_slot);
} slots SEC(".maps");

/* Where a thread's slot is, kept with the thread. */
struct seat {
	__u32 generation;
	__u32 slot_plus; /* index + 1; 0 = none */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct seat);
} seats SEC(".maps");

__u32 seats_generation = 1; /* grows with every change of `threads` */

/* Descendants of a command that the session started (value: its pid), forks of watched processes (WEFT_TREE_FORK). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WEFT_TREE_MAX);
	__type(key, __u32);
	__type(value, __u32);
} tree SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_raw_stack);
} found SEC(".maps");

__u64 offcpu_lost, sample_made, sample_lost, life_lost, stacks_found;
int wanted_tid; /* of the thread iterators */
__u64 found_exec_id;

static __always_inline struct weft_follow_entry *followed(__u32 tgid)
{
	__u32 zero = 0;
	struct weft_follow *f = bpf_map_lookup_elem(&follow, &zero);

	if (!f)
		return 0;
	for (__u32 i = 0; i < WEFT_FOLLOW_MAX && i < f->count; i++)
		if (f->entry[i].tgid == tgid)
			return &f->entry[i];
	return 0;
}

static __always_inline struct weft_slot *slot_of(__u32 tid)
{
	__u32 *index = bpf_map_lookup_elem(&threads, &tid);

	return index ? bpf_map_lookup_elem(&slots, index) : 0;
}

/* The same by the seat of the thread, a third of the hash's cost; filled again when `threads` has changed. */
static __always_inline struct weft_slot *seat_of(struct task_struct *task)
{
	struct seat *seat = bpf_task_storage_get(&seats, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u32 tid = task->pid, index, *found;

	if (!seat)
		return slot_of(tid);
	if (seat->generation != seats_generation) {
		found = bpf_map_lookup_elem(&threads, &tid);
		seat->slot_plus = found ? *found + 1 : 0;
		seat->generation = seats_generation;
	}
	if (!seat->slot_plus)
		return 0;
	index = seat->slot_plus - 1;
	return bpf_map_lookup_elem(&slots, &index);
}

/* orig_ax is -1 on every way into the kernel but a system call. */
static __always_inline __s32 syscall_of(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	unsigned long nr = -1;

	bpf_probe_read_kernel(&nr, sizeof(nr), &regs->orig_ax);
	return (__s32)nr;
}

/* Runs in the thread's address space. */
static __always_inline bool read_now(const struct weft_slot *s, struct lane_now *now)
{
	__u32 index = s->lane;
	const struct weft_row *row;

	if (s->address)
		return !bpf_probe_read_user(now, sizeof(*now),
					    (void *)(s->address + LANE_NOW_OFFSET)) &&
		       now->task;
	row = bpf_map_lookup_elem(&rows, &index);
	if (!row)
		return 0;
	now->task = row->task;
	now->poll_start = row->poll_start;
	now->poll_seq = row->poll_seq;
	return now->task;
}

static __always_inline void switch_out(struct task_struct *prev, bool preempt)
{
	struct weft_slot *s = seat_of(prev);
	struct lane_now now;

	if (!s)
		return;
	s->off_ns = 0;
	if (!read_now(s, &now)) {
		if (!s->address && !preempt && prev->__state != STATE_RUNNING)
			park(prev, s->lane, s->process);
		return;
	}
	s->task = now.task;
	s->poll_seq = now.poll_seq;
	s->wake_ns = 0;
	s->waker_tid = 0;
	s->prev_state = preempt ? STATE_RUNNING : prev->__state;
	s->syscall = syscall_of(prev);
	s->off_ns = bpf_ktime_get_ns();
}

static __always_inline void fill_offcpu(struct weft_ev *ev, const struct weft_slot *s)
{
	struct weft_ev_offcpu *o = (void *)(ev + 1);

	ev->size = sizeof(*ev) + sizeof(*o);
	ev->kind = WEFT_EV_OFFCPU;
	ev->flags = 0;
	ev->process = s->process;
	ev->tid = s->tid;
	ev->time_ns = bpf_ktime_get_ns();
	o->off_ns = s->off_ns;
	o->wake_ns = s->wake_ns;
	o->on_ns = ev->time_ns;
	o->task = s->task;
	o->poll_seq = s->poll_seq;
	o->lane = s->lane;
	o->syscall = s->syscall;
	o->prev_state = s->prev_state;
	o->waker_tid = s->waker_tid;
}

static __always_inline void switch_in(struct task_struct *next)
{
	struct weft_slot *s = seat_of(next);
	struct weft_ev *ev;

	if (s && !s->off_ns && !s->address)
		unpark(s->lane, s->process);
	if (!s || !s->off_ns)
		return;
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev) + sizeof(struct weft_ev_offcpu), 0);
	if (ev) {
		fill_offcpu(ev, s);
		bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	} else {
		__sync_fetch_and_add(&offcpu_lost, 1);
	}
	s->off_ns = 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (followed(prev->tgid))
		switch_out(prev, preempt);
	if (followed(next->tgid))
		switch_in(next);
	return 0;
}

/* sched_waking and not sched_wakeup: only here the current thread is the waker in every case. */
SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *task)
{
	struct weft_slot *s;

	if (!followed(task->tgid))
		return 0;
	s = seat_of(task);
	if (!s || !s->off_ns || s->wake_ns)
		return 0;
	s->waker_tid = bpf_get_current_pid_tgid();
	s->wake_ns = bpf_ktime_get_ns();
	return 0;
}

/* ---- life of processes ---- */

static __always_inline void fill_life(struct weft_ev *ev, __u32 size, __u16 kind, __u32 tgid)
{
	ev->size = size;
	ev->kind = kind;
	ev->flags = 0;
	ev->process = 0; /* the session goes by tid, which is the process here */
	ev->tid = tgid;
	ev->time_ns = bpf_ktime_get_ns();
}

static __always_inline void *reserve_life(__u64 size)
{
	return bpf_ringbuf_reserve(&ring, size, 0);
}

static __always_inline void count_life_lost(void)
{
	__sync_fetch_and_add(&life_lost, 1);
}

static __always_inline bool of_interest(__u32 tgid)
{
	return followed(tgid) || bpf_map_lookup_elem(&tree, &tgid);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid, fork_only = WEFT_TREE_FORK, *root;
	struct weft_raw_fork *r;

	if (from == to || !of_interest(from))
		return 0;
	root = bpf_map_lookup_elem(&tree, &from);
	bpf_map_update_elem(&tree, &to, root ? root : &fork_only, BPF_ANY);
	r = reserve_life(sizeof(*r));
	if (!r) {
		count_life_lost();
		return 0;
	}
	fill_life(&r->ev, sizeof(*r), WEFT_RAW_FORK, from);
	r->child = to;
	r->root = root ? *root : WEFT_TREE_FORK;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid, *root;
	struct weft_follow_entry *f;
	struct weft_raw_exec *r;

	if (!of_interest(tgid))
		return 0;
	root = bpf_map_lookup_elem(&tree, &tgid);
	r = reserve_life(sizeof(*r));
	if (r) {
		fill_life(&r->ev, sizeof(*r), WEFT_RAW_EXEC, tgid);
		r->exec_id = task->self_exec_id;
		r->root = root ? *root : WEFT_TREE_FORK;
		r->pad = 0;
	}
	if (root && *root == WEFT_TREE_FORK)
		bpf_map_delete_elem(&tree, &tgid);
	if (!r) {
		f = followed(tgid);
		if (f)
			f->exec_id = task->self_exec_id;
		else
			count_life_lost();
		return 0;
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

/* live is already 0 here when the last thread goes. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	struct weft_follow_entry *f;
	struct weft_raw_exit *r;
	__s32 code;

	if (!of_interest(tgid) || task->signal->live.counter)
		return 0;
	code = task->signal->group_exit_code ? task->signal->group_exit_code : task->exit_code;
	f = followed(tgid);
	if (f) { /* also kept here: a flooded ring has no room for it */
		f->exit_code = code;
		f->exited = 1;
	}
	bpf_map_delete_elem(&tree, &tgid);
	r = reserve_life(sizeof(*r));
	if (!r)
		return 0;
	fill_life(&r->ev, sizeof(*r), WEFT_RAW_EXIT, tgid);
	r->code = code;
	r->pad = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

/* ---- stacks ---- */

/* The stack's upper end is not known: whole pages while they can be read, then steps up to the end. */
static __always_inline void copy_stack_of(struct weft_raw_stack *out, struct task_struct *task)
{
	__u64 sp = out->regs[7];
	__u32 n = 0, page = 4096;

	for (__u32 i = 0; i < 4 && n == i * page; i++)
		if (n <= WEFT_STACK_COPY - page &&
		    !bpf_copy_from_user_task(out->stack + n, page, (void *)(sp + n), task, 0))
			n += page;
	for (__u32 i = 0; i < 8 && n <= WEFT_STACK_COPY - WEFT_STACK_STEP; i++) {
		if (bpf_copy_from_user_task(out->stack + n, WEFT_STACK_STEP, (void *)(sp + n), task,
					    0))
			break;
		n += WEFT_STACK_STEP;
	}
	out->stack_bytes = n;
}

/* How many programs the process has executed so far: the kernel counts before it maps the new one. */
SEC("iter/task")
int exec_id(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->pid == wanted_tid)
		found_exec_id = task->self_exec_id;
	return 0;
}

SEC("iter.s/task")
int thread_stack(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct weft_raw_stack *out;
	struct pt_regs regs = {};
	__u32 zero = 0;
	long n;

	out = bpf_map_lookup_elem(&found, &zero);
	if (!out || !task || task->pid != wanted_tid)
		return 0;
	if (bpf_probe_read_kernel(&regs, sizeof(regs), (void *)bpf_task_pt_regs(task)))
		return 0;
	copy_regs(out, &regs);
	out->state = task->__state;
	out->tls = task->thread.fsbase;
	n = bpf_get_task_stack(task, out->kernel, sizeof(out->kernel), 0);
	out->kernel_bytes = n > 0 ? n : 0;
	copy_stack_of(out, task);
	stacks_found++;
	return 0;
}

static __always_inline void fill_sample(struct weft_raw_sample *r, struct bpf_perf_event_data *ctx,
					const struct weft_slot *s, const struct lane_now *now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs regs = {};
	long n;

	fill_life(&r->ev, sizeof(*r), WEFT_RAW_SAMPLE, s->tid);
	r->ev.process = s->process;
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)bpf_task_pt_regs(task));
	copy_regs(&r->stack, &regs);
	r->stack.state = STATE_RUNNING;
	r->stack.task = now->task;
	r->stack.poll_seq = now->poll_seq;
	r->stack.poll_start = now->poll_start;
	n = bpf_get_stack(ctx, r->stack.kernel, sizeof(r->stack.kernel), 0);
	r->stack.kernel_bytes = n > 0 ? n : 0;
	copy_own_stack(&r->stack);
}

SEC("perf_event")
int cpu_sample(struct bpf_perf_event_data *ctx)
{
	struct weft_slot *s = slot_of(bpf_get_current_pid_tgid());
	struct weft_raw_sample *r;
	struct lane_now now;

	if (!s || !read_now(s, &now))
		return 0;
	__sync_fetch_and_add(&sample_made, 1);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&sample_lost, 1);
		return 0;
	}
	fill_sample(r, ctx, s, &now);
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}
