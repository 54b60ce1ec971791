/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Workers of Rust runtimes that wait in the kernel, as they leave the CPU: no probe in the target, so it costs it
 * nothing and needs no names. A thread that polls tasks and goes to sleep while none is being polled is parked: in
 * epoll_wait it owns the driver, in a futex it waits to be woken. A wait that finds what it asks for at once is none.
 */
#ifndef WEFT_BPF_PARK_H
#define WEFT_BPF_PARK_H

#include "probes/bpf/rows.bpf.h"

#define POLLERS (WEFT_ROW_WORKER | WEFT_ROW_CURRENT_THREAD | WEFT_ROW_ASYNC_TASK)
#define MS_NS   1000000ull

/* x86-64 */
#define SYS_EPOLL_WAIT  232
#define SYS_EPOLL_PWAIT 281
#define SYS_FUTEX       202

struct park_record {
	struct weft_ev ev;
	__u64 w1, ns;
};

/* ns: UNPARK. The session adds the worker. */
static __always_inline void tell_park(struct weft_row *row, __u32 process, const __u16 kind,
				      __u64 now, __u64 ns)
{
	const __u64 size = sizeof(struct weft_ev) + (kind == WEFT_K_WORKER_PARK ? 8 : 16);
	struct park_record *r = bpf_ringbuf_reserve(&ring, size, 0);

	row->emitted[kind]++;
	if (!r) {
		row->lost[kind]++;
		return;
	}
	r->ev.size = size;
	r->ev.kind = kind;
	r->ev.flags = 0;
	r->ev.process = process;
	r->ev.tid = row->tid;
	r->ev.time_ns = now;
	r->w1 = (__u64)row->park_on << 48;
	if (kind == WEFT_K_WORKER_UNPARK)
		r->ns = ns;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* epoll_wait(epfd, events, maxevents, ms): what it is told now is all that the driver has to wait for. */
static __always_inline void driver_waits(struct weft_row *row, const struct pt_regs *regs,
					 __u64 now)
{
	struct weft_driver_key key = { .follow = row->follow, .epoll = (__s32)regs->di };
	__s32 ms = (__s32)regs->r10;
	struct weft_driver d = { .deadline_ns = ms > 0 ? now + ms * MS_NS : 0 };

	row->epoll = key.epoll;
	row->due_ns = d.deadline_ns;
	bpf_map_update_elem(&drivers, &key, &d, BPF_ANY);
}

static __always_inline void park(struct task_struct *prev, __u32 lane, __u32 process)
{
	struct weft_row *row = bpf_map_lookup_elem(&rows, &lane);
	struct pt_regs regs;

	if (!row || row->quiet || row->depth || !(row->roles & POLLERS) || row->park_on ||
	    bpf_probe_read_kernel(&regs, sizeof(regs), (void *)bpf_task_pt_regs(prev)))
		return;
	row->park_start = bpf_ktime_get_ns();
	if (regs.orig_ax == SYS_EPOLL_WAIT || regs.orig_ax == SYS_EPOLL_PWAIT) {
		row->park_on = WEFT_PARK_DRIVER;
		driver_waits(row, &regs, row->park_start);
	} else if (regs.orig_ax == SYS_FUTEX) {
		row->park_on = WEFT_PARK_FUTEX;
		row->futex = regs.di;
	} else {
		return;
	}
	row->parks++;
	tell_park(row, process, WEFT_K_WORKER_PARK, row->park_start, 0);
}

static __always_inline void unpark(__u32 lane, __u32 process)
{
	struct weft_row *row = bpf_map_lookup_elem(&rows, &lane);
	__u64 now;

	if (!row || row->quiet || !row->park_on)
		return;
	now = bpf_ktime_get_ns();
	row->park_ns += now - row->park_start;
	if (row->park_on == WEFT_PARK_DRIVER)
		row->turn_ns = now;
	tell_park(row, process, WEFT_K_WORKER_UNPARK, now, now - row->park_start);
	row->park_on = 0;
}

#endif
