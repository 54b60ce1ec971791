/* SPDX-License-Identifier: MIT */
/*
 * What the BPF programs and the session share beside events: maps' values and the ring records that never
 * leave the session. Not a contract with anybody else: both sides are built together.
 */
#ifndef WEFT_LAYOUT_H
#define WEFT_LAYOUT_H

#include "probes/event.h"

#define WEFT_FOLLOW_MAX 64u   /* processes watched at once */
#define WEFT_SLOT_MAX   1024u /* threads with a lane */
#define WEFT_TREE_MAX \
	1024u /* descendants of a command started by the session, and forked children */
#define WEFT_TREE_FORK     0u /* in the tree's map: a fork of a watched process, until its exec */
#define WEFT_STACK_COPY    16384u
#define WEFT_STACK_STEP    512u /* granularity in which the end of a stack is found */
#define WEFT_KERNEL_FRAMES 32u

/* Ring records for the session only, beyond every event kind. */
enum weft_raw_kind {
	WEFT_RAW_FORK = 0xff00,
	WEFT_RAW_EXEC,
	WEFT_RAW_EXIT,
	WEFT_RAW_SAMPLE,
	WEFT_RAW_TASK,  /* Rust: a task is seen for the first time */
	WEFT_RAW_SPAWN, /* Rust: a task of this type is being built */
	WEFT_RAW_STEAL, /* Rust: a task is polled by another worker than made it runnable; of async-task: than polled it before */
	WEFT_RAW_KEPT,  /* Rust: a task of Tokio's is done, and somebody has its handle */
	WEFT_RAW_CALLER, /* Rust: a weft_raw_sample of who does something to `task`; state: enum weft_stack_why */
};

struct weft_raw_task {
	struct weft_ev ev;
	__u64 task, state;
	__u64 owner; /* the runtime's (or LocalSet's) own number in the task's header; 0 = not known */
	__u32 site;
	__u32 newborn; /* it may be: seen where new tasks are seen first */
};
struct weft_raw_kept {
	struct weft_ev ev;
	__u64 task, header;
	__u32 site, pad;
};
struct weft_raw_steal {
	struct weft_ev ev;
	__u32 from, to; /* lanes */
};
#define WEFT_WAKE_LATE       1u /* of a probe of wakes: the state has changed when it is hit */
#define WEFT_TYPE_MARK(site) ((site) % 127u + 1) /* fits into a cookie, tells most types apart */
#define WEFT_SPAWN_PROBES    0xfffffu /* numbers of probes that fit into a cookie: below it */
struct weft_raw_spawn {
	struct weft_ev ev;
	__u64 parent;
	__s64 caller; /* return address that tells who spawns, from the probe; 0 = none is looked for, or not readable */
	__u32 probe; /* index in the plan */
	__u32 pad;
};

/*
 * One watched process. The index in the table is the cookie of its uprobe links. tgid is stored last and
 * cleared first; counters are written by BPF only (atomic adds), the rest by the session only.
 */
struct weft_follow_entry {
	__u32 tgid;      /* init pid namespace; 0 = free */
	__u32 process;   /* event index */
	__u64 hits;      /* flush probes that fired */
	__u64 bytes;     /* that they carried */
	__u64 full;      /* of them: no room in the ring */
	__u64 failed;    /* of them: unreadable or out of bounds */
	__u32 exited;    /* 1: exit_code is known */
	__s32 exit_code; /* wait status as the kernel keeps it */
	__u64 rowless;   /* Rust: hits of threads that found no free row */
	__u64 exec_id;   /* of the newest exec whose record found no room in the ring, 0 = none */
};

struct weft_follow {
	__u32 count; /* entries in use are below it */
	__u32 pad;
	struct weft_follow_entry entry[WEFT_FOLLOW_MAX];
};

/*
 * One thread that has a lane. `address` of its status page in the target (0: its row in `rows`, at `lane`), `lane`,
 * `process`, `tid`: written by the session before the tid is put into the map `threads`. The rest: written by the scheduler's programs
 * under the run queue's lock, read by the session at any time. off_ns != 0: off the CPU inside an open poll.
 */
struct weft_slot {
	__u64 address;
	__u32 tid;
	__u32 process;
	__u32 lane;
	__s32 syscall;
	__u64 off_ns, wake_ns;
	__u64 task, poll_seq;
	__u32 prev_state;
	__u32 waker_tid;
	__u64 pad[8];
};

/*
 * Rust: a thread that polls or wakes tasks of an unmodified runtime. The thread's own programs are the only writers
 * of all but the first two fields; the session and the scheduler's programs read it at any time. The index is the lane.
 */
#define WEFT_ROW_MAX 512u /* as many as there are lanes */
#define WEFT_POLL_DEPTH \
	4u /* polls that are open at once on one thread: a LocalSet in a task, block_in_place */
#define WEFT_ROW_KINDS 26u /* wire kinds that are counted: below it */

struct weft_open_poll {
	__u64 header, vtable; /* vtable: link-time address */
	__u64 task, start_ns;
	__u64 delay_ns; /* WEFT_TICKS_UNKNOWN = not known */
	__u32 state;    /* low word of the header's state when it began */
	__u32 flags;    /* enum weft_open_flag */
	__u32 number;   /* of the task's polls, as the programs count them; 0 = not counted */
	__u32 pad;
	__u64 sp;       /* stack pointer where it began */
	__u64 owner;    /* as in weft_raw_task */
	__u64 panic_ns; /* with WEFT_OPEN_PANICKED */
};
enum weft_open_flag {
	WEFT_OPEN_COMPLETED = 1,
	WEFT_OPEN_PANICKED = 2,
	WEFT_OPEN_WOKEN = 4,
	WEFT_OPEN_RAISED = 8,  /* told in full, at level light too */
	WEFT_OPEN_CLOSED = 16, /* cancelled before: the future is dropped, not polled */
};

enum weft_row_scope { WEFT_SCOPE_DRIVER = 1, WEFT_SCOPE_TIMERS = 2 };
enum weft_row_role {
	WEFT_ROW_WORKER = 1,
	WEFT_ROW_CURRENT_THREAD = 2,
	WEFT_ROW_POOL = 4,
	WEFT_ROW_OTHER = 8,       /* polls seen, not by which loop */
	WEFT_ROW_ASYNC_TASK = 16, /* of async-task's tasks: async-std, smol */
	WEFT_ROW_ANY_TYPE = 32,   /* not kept: a begin of polls of all types, jobs among them */
};

struct weft_row {
	/* What the scheduler's programs read, in the order of struct weft_lane. */
	__u64 task, poll_start, poll_seq;
	__u32 tid; /* 0 = free */
	__u32 follow;
	__u32 depth;    /* polls open now; those beyond WEFT_POLL_DEPTH are only counted */
	__u32 scope;    /* enum weft_row_scope */
	__u32 roles;    /* enum weft_row_role, as seen */
	__u32 building; /* async-task: mark of the type of which a task is being built, 0 = of none */
	__u64 hits, polls, busy_ns, poll_max_ns, wakes, self_wakes, parks, park_ns, park_start;
	__u64 unpaired; /* ends without a begin: the poll was open when the probes came */
	__u64 odd_type, odd_state;
	__u64 job, job_start; /* of the blocking pool, running now */
	__u64 steals;         /* as WEFT_RAW_STEAL */
	__u32 lane, pad2;     /* its own index */
	struct weft_open_poll open[WEFT_POLL_DEPTH];
	__u64 emitted[WEFT_ROW_KINDS], filtered[WEFT_ROW_KINDS], lost[WEFT_ROW_KINDS];
	__u64 tls;   /* the thread pointer: thread-local storage lies below it */
	__u64 clock; /* of the timers that it has looked at last, in the target */
	__u64 owner; /* of the tasks that its own loop polls: tells one runtime from another; 0 = not known */
	/* Written when the thread leaves the CPU and comes back to it. */
	__u64 turn_ns; /* it last came back from the driver's wait */
	__u64 due_ns;  /* what it told that wait to last until, 0 = no end, or told on already */
	__u32 park_on; /* enum weft_park while it waits in the kernel, else 0 */
	__s32 epoll;   /* the driver's descriptor */
	__u64 futex;   /* address of what it parked on last: its own parker is around it */
	__u32 quiet;   /* set by the session: its counts are final */
	__u32 pad3;
};

#define WEFT_DRIVER_MAX 1024u

/* Rust: what a runtime's driver has been told to wait until, by its epoll descriptor. */
struct weft_driver_key {
	__u32 follow;
	__s32 epoll; /* a descriptor of the target */
};
struct weft_driver {
	__u64 deadline_ns; /* CLOCK_MONOTONIC; 0 = none */
};

/* Of which libraries single timers are seen. */
enum weft_single_timers {
	WEFT_TIMERS_TOKIO = 1,
	WEFT_TIMERS_ASYNC_IO = 2,
	WEFT_TIMERS_DEADLINE = 4, /* Tokio's are armed by a deadline, not by its tick */
};

/* Rust: one watched process, by index in the follow table. Written by the session only. */
struct weft_rust {
	__u32 level;                /* enum weft_level */
	__s32 state, vtable, owner; /* in a task's header */
	__s32 id; /* the same in all types, -1 = to be looked up in the vtable, at vtable_id */
	__s32 vtable_id;
	__u64 slow_ns;                   /* at light, polls shorter than it are only counted */
	__s32 async_state, async_vtable; /* in the header of an async-task task */
	__u32 has_timers; /* enum weft_single_timers; of Tokio's, the driver's deadlines are only counted then */
	__u32 closed; /* between two windows (light): begins and ends of polls are not looked at */
	__u64 since_ns; /* wakes have been seen since then: what is kept of earlier ones may have been polled unseen */
	__u64 raised_task; /* of the raised types' tasks this one only, 0 = all */
	__u32 raised;      /* some types are: WEFT_SITE_RAISED in `types` says which */
	__u32 both; /* Tokio's tasks, which bring their ids, beside async-task's, which are given some */
};
/* Those begin here then: a trillion of its own ids are left to Tokio. */
#define WEFT_BOTH_IDS 1000000000000ull

/* Flags of a type's number in `types`. */
#define WEFT_SITE_RAISED 0x80000000u
#define WEFT_SITE_JOB    0x40000000u /* of the blocking pool: no task */

/* Rust: where a type is, and a task. */
struct weft_type_key {
	__u64 vtable; /* link-time address */
	__u32 follow;
	__u32 pad;
};
struct weft_task_key {
	__u64 header;
	__u32 follow;
	__u32 pad;
};
#define WEFT_TASK_TIMERS 2u /* armed at once that are kept */
struct weft_task {
	__u64 id;
	__u64 vtable; /* async-task: what else tells a task from the one before it at the same place */
	__u64 ready_ns; /* made runnable, 0 = it is not, or it is not known */
	__u64 aborter;  /* task that called abort */
	__u32 told, polls;
	__u32 ready_lane; /* of the worker that made it runnable, + 1; 0 = none or not known */
	__u32 dropped;    /* async-task: told that the drop of its handle cancels it */
	__u32 panicked;   /* in its last poll; that may have caught it */
	__u32 closed;     /* async-task: its last poll began after it was cancelled */
	__u32 waking; /* async-task: number of its last poll that was told to have woken it, unseen */
	__u32 ready_poll; /* its polls so far when it was made runnable */
	__u32 open_lane;  /* of the worker that began its last poll, + 1; 0 = none or not known */
	__u32 detached;   /* told that it goes on without its handle */
	__u64 open_ns;    /* its last poll began, 0 = and was seen to end */
	__u64 clock;      /* the runtime's, of its timers */
	struct weft_timer {
		__u64 entry,
			tick; /* tick: async-io's and WEFT_TIMERS_DEADLINE: CLOCK_MONOTONIC ns */
	} timer[WEFT_TASK_TIMERS];
};

/* Rust: a runtime's timers count milliseconds from its start. Key: address of its clock in the target. */
struct weft_tick_clock {
	__u64 start_ns; /* CLOCK_MONOTONIC, not before it and off by less than a tick; async-io: the look before these two */
	__u64 now,
		before; /* ticks of the last turn and the one before; async-io: its last looks at its timers, ns */
};

struct weft_raw_fork {
	struct weft_ev ev;
	__u32 child;
	__u32 root; /* as in weft_raw_exec: the child's next program is followed */
};
struct weft_raw_exec {
	struct weft_ev ev;
	__u64 exec_id;
	__u32 root; /* of the command's tree that it belongs to; WEFT_TREE_FORK = none */
	__u32 pad;
};
struct weft_raw_exit {
	struct weft_ev ev;
	__s32 code;
	__u32 pad;
}; /* wait status as the kernel keeps it */

/* A thread's registers and stacks as found. regs in DWARF order (resolver.h's unwind_regs). */
struct weft_raw_stack {
	__u64 regs[17];
	__u64 args[3];
	__s32 syscall;                    /* -1 = none */
	__u32 state;                      /* the kernel's task state; 0 = running or runnable */
	__u32 kernel_bytes;               /* of `kernel` */
	__u32 stack_bytes;                /* of `stack`, which begins at the stack pointer */
	__u64 task, poll_seq, poll_start; /* SAMPLE only: the poll that was open, its start stamp */
	__u64 tls; /* by the thread iterator only: thread-local storage lies below it */
	__u64 kernel[WEFT_KERNEL_FRAMES];
	__u8 stack[WEFT_STACK_COPY];
};
struct weft_raw_sample {
	struct weft_ev ev;
	struct weft_raw_stack stack;
};

WEFT_ASSERT(follow_entry, sizeof(struct weft_follow_entry) == 64);
WEFT_ASSERT(slot, sizeof(struct weft_slot) == 128);
WEFT_ASSERT(row, sizeof(struct weft_row) == 1184);
WEFT_ASSERT(rust, sizeof(struct weft_rust) == 72);
WEFT_ASSERT(raw_sample, sizeof(struct weft_raw_sample) % 8 == 0);

#endif
