/* SPDX-License-Identifier: MIT */
/*
 * What the BPF programs and the session share beside events: maps' values and the ring records that never
 * leave the session. Not a contract with anybody else: both sides are built together.
 */
#ifndef WEFT_LAYOUT_H
#define WEFT_LAYOUT_H

#include "probes/event.h"

#define WEFT_FOLLOW_MAX    64u   /* processes watched at once */
#define WEFT_SLOT_MAX      1024u /* threads with a lane */
#define WEFT_TREE_MAX      1024u /* descendants of a command started by the session */
#define WEFT_STACK_COPY    16384u
#define WEFT_STACK_STEP    512u /* granularity in which the end of a stack is found */
#define WEFT_KERNEL_FRAMES 32u

/* Ring records for the session only, beyond every event kind. */
enum weft_raw_kind {
	WEFT_RAW_FORK = 0xff00,
	WEFT_RAW_EXEC,
	WEFT_RAW_EXIT,
	WEFT_RAW_SAMPLE,
};

/*
 * One watched process. The index in the table is the cookie of its uprobe links. tgid is stored last and
 * cleared first; counters are written by BPF only (atomic adds), the rest by the session only.
 */
struct weft_follow_entry {
	__u32 tgid;    /* init pid namespace; 0 = free */
	__u32 process; /* event index */
	__u64 hits;    /* flush probes that fired */
	__u64 bytes;   /* that they carried */
	__u64 full;    /* of them: no room in the ring */
	__u64 failed;  /* of them: unreadable or out of bounds */
	__u64 pad;
};

struct weft_follow {
	__u32 count; /* entries in use are below it */
	__u32 pad;
	struct weft_follow_entry entry[WEFT_FOLLOW_MAX];
};

/*
 * One thread that has a lane. `address` of its status page in the target, `lane`, `process`, `tid`: written by
 * the session before the tid is put into the map `threads`. The rest: written by the scheduler's programs
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

struct weft_raw_fork {
	struct weft_ev ev;
	__u32 child;
	__u32 pad;
};
struct weft_raw_exec {
	struct weft_ev ev;
	__u64 exec_id;
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
	__u64 kernel[WEFT_KERNEL_FRAMES];
	__u8 stack[WEFT_STACK_COPY];
};
struct weft_raw_sample {
	struct weft_ev ev;
	struct weft_raw_stack stack;
};

WEFT_ASSERT(follow_entry, sizeof(struct weft_follow_entry) == 48);
WEFT_ASSERT(slot, sizeof(struct weft_slot) == 128);
WEFT_ASSERT(raw_sample, sizeof(struct weft_raw_sample) % 8 == 0);

#endif
