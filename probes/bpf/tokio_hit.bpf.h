/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * One hit of a probe in a Tokio program: whose it is, the thread's row, the header of the task it is about. Cookie of a
 * probe: follow index : 8 | register of the header : 8 << 8 | what : 7 << 16 | async-task : 1 << 23 |
 * link-time address : 40 << 24. What: a role, a scope, WEFT_WAKE_LATE, or of a spawn in async-task the WEFT_TYPE_MARK.
 *
 * async-task has other headers and no ids: states are told in Tokio's bits, ids are given here at a task's first event.
 */
#ifndef WEFT_BPF_TOKIO_HIT_H
#define WEFT_BPF_TOKIO_HIT_H

#include "probes/bpf/rows.bpf.h"
#include "probes/bpf/stack.bpf.h"

#define TASKS_MAX 262144u
#define TYPES_MAX 16384u
#define ID_LIMIT  (1ull << 40) /* ids beyond it are not ids: the collector has no room for them */

#define STATE_RUNNING   1u
#define STATE_COMPLETE  2u
#define STATE_NOTIFIED  4u
#define STATE_HANDLE    8u  /* somebody holds the handle */
#define STATE_AWAITED   16u /* and waits for the end */
#define STATE_CANCELLED 32u
#define STATE_REFS      (~0ull << 6)

/* Where a thread's row is, kept with the thread. */
struct row_seat {
	__u32 row_plus; /* index + 1; 0 = none */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct row_seat);
} row_seats SEC(".maps");

/* Indices of blank rows; the session puts them in. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, WEFT_ROW_MAX);
	__uint(value_size, sizeof(__u32));
} row_free SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEFT_FOLLOW_MAX);
	__type(key, __u32);
	__type(value, struct weft_rust);
} rust SEC(".maps");

/* vtable -> number of its site, and whether the type is raised */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TYPES_MAX);
	__type(key, struct weft_type_key);
	__type(value, __u32);
} types SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TASKS_MAX);
	__type(key, struct weft_task_key);
	__type(value, struct weft_task);
} tasks SEC(".maps");

/* When the last stack of this kind of event was taken, of tasks of this type. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct weft_type_key);
	__type(value, __u64);
} stacks_taken SEC(".maps");

__u64 rows_claimed; /* by threads */
__u64 ids_given;    /* to async-task's tasks */

/* One hit of a probe. */
struct hit {
	struct weft_row *row;
	const struct weft_rust *rust;
	__u64 now, address, ip, header;
	__u32 follow, process, what;
	bool async_task;
};

struct head {
	__u64 state, vtable, id;
	__u64 owner; /* 0 = it has none, or none is known */
};

/* ---- threads ---- */

static __always_inline struct weft_row *claim(struct row_seat *seat, struct task_struct *task,
					      __u32 follow, __u32 tid)
{
	struct weft_row *row;
	__u32 index;

	if (bpf_map_pop_elem(&row_free, &index))
		return 0;
	row = bpf_map_lookup_elem(&rows, &index);
	if (!row)
		return 0;
	seat->row_plus = index + 1;
	row->follow = follow;
	row->lane = index;
	row->tls = task->thread.fsbase;
	row->tid = tid;
	__sync_fetch_and_add(&rows_claimed, 1);
	return row;
}

static __always_inline struct weft_row *own_row(__u32 follow, __u32 tid)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct row_seat *seat =
		bpf_task_storage_get(&row_seats, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct weft_row *row;
	__u32 index;

	if (!seat)
		return 0;
	if (seat->row_plus) {
		index = seat->row_plus - 1;
		row = bpf_map_lookup_elem(&rows, &index);
		if (row && row->tid == tid && row->follow == follow) {
			if (!row->tls) /* a row that the session made */
				row->tls = task->thread.fsbase;
			return row;
		}
	}
	return claim(seat, task, follow, tid);
}

/* In assembler: or clang makes one load from a computed place of them, which the verifier does not take. */
#define READ(reg)                                                                       \
	({                                                                              \
		__u64 value_;                                                           \
		asm volatile("%0 = *(u64 *)(%1 + %2)"                                   \
			     : "=r"(value_)                                             \
			     : "r"(ctx), "i"(__builtin_offsetof(struct pt_regs, reg))); \
		value_;                                                                 \
	})

static __always_inline __u64 reg_of(const struct pt_regs *ctx, __u8 reg)
{
	switch (reg) {
	case 5:
		return READ(di);
	case 4:
		return READ(si);
	case 3:
		return READ(bx);
	case 0:
		return READ(ax);
	case 1:
		return READ(dx);
	case 2:
		return READ(cx);
	case 6:
		return READ(bp);
	case 8:
		return READ(r8);
	case 9:
		return READ(r9);
	case 10:
		return READ(r10);
	case 11:
		return READ(r11);
	case 12:
		return READ(r12);
	case 13:
		return READ(r13);
	case 14:
		return READ(r14);
	case 15:
		return READ(r15);
	}
	return 0;
}

static __always_inline bool enter(const struct pt_regs *ctx, __u64 cookie, struct hit *x)
{
	struct weft_follow_entry *f = follow_at(cookie & 0xff);
	__u64 id = bpf_get_current_pid_tgid();
	__u32 follow = cookie & 0xff;

	if (!f || f->tgid != id >> 32)
		return 0;
	x->rust = bpf_map_lookup_elem(&rust, &follow);
	x->row = own_row(follow, id);
	if (!x->rust || !x->row) {
		__sync_fetch_and_add(&f->rowless, 1);
		return 0;
	}
	x->row->hits++;
	x->follow = follow;
	x->process = f->process;
	x->what = cookie >> 16 & 0x7f;
	x->async_task = cookie >> 23 & 1;
	x->address = cookie >> 24;
	x->ip = ctx->ip;
	x->header = reg_of(ctx, cookie >> 8);
	x->now = bpf_ktime_get_ns();
	return 1;
}

/* ---- types ---- */

static __always_inline __u64 link_time(const struct hit *x, __u64 vtable)
{
	return vtable - (x->ip - x->address);
}

/* Number of the type's site, ~0 = not a task's vtable that is known. */
static __always_inline __u32 site_of(const struct hit *x, __u64 vtable)
{
	struct weft_type_key key = { .vtable = vtable, .follow = x->follow };
	__u32 *site = bpf_map_lookup_elem(&types, &key);

	return site ? *site & ~(WEFT_SITE_RAISED | WEFT_SITE_JOB) : ~0u;
}

/* A job of the blocking pool has a header of another size: its id lies elsewhere. */
static __always_inline bool is_task_type(const struct hit *x, __u64 vtable)
{
	struct weft_type_key key = { .vtable = link_time(x, vtable), .follow = x->follow };
	__u32 *site = bpf_map_lookup_elem(&types, &key);

	return site && !(*site & WEFT_SITE_JOB);
}

/* ---- what a task's header tells ---- */

static __always_inline bool read_id(const struct weft_rust *w, __u64 header, struct head *h)
{
	__u64 offset;

	if (bpf_probe_read_user(&offset, sizeof(offset), (void *)(h->vtable + w->vtable_id)) ||
	    offset >= 4096)
		return 0;
	return !bpf_probe_read_user(&h->id, sizeof(h->id), (void *)(header + offset));
}

#define ASYNC_SCHEDULED 1u
#define ASYNC_RUNNING   2u
#define ASYNC_COMPLETED 4u
#define ASYNC_CLOSED    8u
#define ASYNC_TASK      16u
#define ASYNC_AWAITER   32u

/* Closed and neither queued nor being polled: its future is gone. */
static __always_inline __u64 tokio_state(__u64 a)
{
	__u64 s = a >> 8 << 6;

	s |= a & ASYNC_SCHEDULED ? STATE_NOTIFIED : 0;
	s |= a & ASYNC_RUNNING ? STATE_RUNNING : 0;
	s |= a & ASYNC_TASK ? STATE_HANDLE : 0;
	s |= a & ASYNC_AWAITER ? STATE_AWAITED : 0;
	if (a & ASYNC_COMPLETED)
		return s | STATE_COMPLETE;
	if (a & ASYNC_CLOSED)
		s |= STATE_CANCELLED | (a & (ASYNC_SCHEDULED | ASYNC_RUNNING) ? 0 : STATE_COMPLETE);
	return s;
}

static __always_inline bool read_async_state(const struct hit *x, __u64 header, __u64 *state)
{
	__u64 word;

	if (bpf_probe_read_user(&word, sizeof(word), (void *)(header + x->rust->async_state)))
		return 0;
	*state = tokio_state(word);
	return 1;
}

/* Gives an id to a task that has none yet and has not ended. */
static __always_inline bool async_id(const struct hit *x, __u64 header, struct head *h)
{
	struct weft_task_key key = { .header = header, .follow = x->follow };
	struct weft_task fresh = { .vtable = h->vtable }, *t = bpf_map_lookup_elem(&tasks, &key);

	/* One that has panicked is not run again. */
	if (t && t->vtable == h->vtable && !(t->panicked && h->state & STATE_NOTIFIED)) {
		h->id = t->id;
		return 1;
	}
	if (h->state & STATE_COMPLETE || site_of(x, link_time(x, h->vtable)) == ~0u)
		return 0;
	fresh.id = __sync_fetch_and_add(&ids_given, 1) + 1;
	h->id = fresh.id += x->rust->both ? WEFT_BOTH_IDS : 0;
	return !bpf_map_update_elem(&tasks, &key, &fresh, BPF_ANY);
}

static __always_inline bool read_async_head(const struct hit *x, __u64 header, struct head *h)
{
	return read_async_state(x, header, &h->state) &&
	       !bpf_probe_read_user(&h->vtable, sizeof(h->vtable),
				    (void *)(header + x->rust->async_vtable)) &&
	       async_id(x, header, h);
}

static __always_inline bool read_state(const struct hit *x, __u64 header, __u64 *state)
{
	if (x->async_task)
		return read_async_state(x, header, state);
	return !bpf_probe_read_user(state, sizeof(*state), (void *)header);
}

static __always_inline bool read_head(const struct hit *x, __u64 header, struct head *h)
{
	__u64 w[6];

	h->owner = 0;
	if (x->async_task)
		return read_async_head(x, header, h);

	if (bpf_probe_read_user(w, sizeof(w), (void *)header))
		return 0;
	h->state = w[0];
	h->vtable = w[2];
	h->owner = w[3];
	if (x->rust->id == 40)
		h->id = w[5];
	else if (x->rust->id == 32)
		h->id = w[4];
	else if (!read_id(x->rust, header, h))
		return 0;
	return h->id && h->id < ID_LIMIT;
}

/* At a place that jobs of the blocking pool pass, too. */
static __always_inline bool is_job(const struct hit *x)
{
	struct weft_type_key key = { .follow = x->follow };
	__u64 vtable;
	__u32 *site;

	if (!(x->what & WEFT_ROW_ANY_TYPE) ||
	    bpf_probe_read_user(&vtable, sizeof(vtable), (void *)(x->header + x->rust->vtable)))
		return 0;
	key.vtable = link_time(x, vtable);
	site = bpf_map_lookup_elem(&types, &key);
	return site && *site & WEFT_SITE_JOB;
}

/* Somebody wants to know all of this task, or of its type. */
static __always_inline bool is_raised(const struct hit *x, const struct head *h)
{
	struct weft_type_key key = { .vtable = link_time(x, h->vtable), .follow = x->follow };
	__u32 *site;

	if (!x->rust->raised || (x->rust->raised_task && x->rust->raised_task != h->id))
		return 0;
	site = bpf_map_lookup_elem(&types, &key);
	return site && *site & WEFT_SITE_RAISED;
}

#endif
