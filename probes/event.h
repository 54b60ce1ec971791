/* SPDX-License-Identifier: MIT */
/*
 * Flat events: all that a session tells the collector, and the only thing a recording is made of.
 *
 * An event is struct weft_ev + payload, `size` bytes in all (a multiple of 8). Numbers are host
 * order, times are CLOCK_MONOTONIC ns of the machine (init time namespace) unless said otherwise.
 * No pointers: an event can be copied, queued, written to a file and replayed.
 *
 * Kinds 1..63 are the runtime's records (runtime/probe_points.h) and reach the collector in two forms:
 * packed inside WEFT_EV_BATCH (C runtime), or one by one as an event of that kind whose payload is
 * the record's words from w1 on (Rust sources; `time_ns` replaces the stamp, and ticks are ns).
 * Kinds from 128 up are made by the session or by its BPF programs.
 *
 * Everything in a payload that came from a target is hostile: sizes and indices are checked by the
 * reader of the payload (collector/decode.c), text by whoever shows it.
 */
#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

#include "runtime/probe_points.h"

#define WEFT_EVENT_VERSION 1u

struct weft_ev {
	__u32 size;  /* bytes, header included */
	__u16 kind;  /* enum weft_kind or enum weft_ev_kind */
	__u16 flags; /* enum weft_ev_flag */
	__u32 process; /* index given by the session at EV_PROCESS, from 0 up; never reused in a session */
	__u32 tid; /* thread in the init pid namespace, 0 = none */
	__u64 time_ns;
};

enum weft_ev_flag {
	WEFT_EVF_TAIL = 1,     /* read from the mapping after the target's death (crash tail) */
	WEFT_EVF_SNAPSHOT = 2, /* state as found, not a change seen happening */
	WEFT_EVF_LAST = 4,     /* last of its sort for this process */
	WEFT_EVF_CHAINS =
		8, /* SNAPSHOT_BEGIN, SNAPSHOT_END: of a walk that reads await chains too */
	WEFT_EVF_ESTIMATE =
		16, /* LANE_SAMPLE: polls were watched part of the time, counts are extrapolated */
	WEFT_EVF_DOUBT = 32, /* CANNOT_SEE: whatever is told of tasks may be wrong */
};

/*   X(ENUM, code, "name", what it is) */
#define WEFT_SESSION_EVENTS(X)                                                               \
	X(BATCH, 128, "batch", "records of one lane")                                        \
	X(SESSION, 129, "session", "start of the recording: boot id, clocks, level, kernel") \
	X(PROCESS, 130, "process", "a process is being watched")                             \
	X(PROCESS_FORK, 131, "process-fork", "a watched process forked")                     \
	X(PROCESS_EXEC, 132, "process-exec", "a watched process called exec")                \
	X(PROCESS_EXIT, 133, "process-exit", "a watched process ended")                      \
	X(RUNTIME, 134, "runtime", "a runtime in a process: kind, version, flavour")         \
	X(LANE, 135, "lane", "a lane and its thread")                                        \
	X(SITE, 136, "site", "a place in the source")                                        \
	X(CLOCK, 137, "clock", "stamp and CLOCK_MONOTONIC taken together")                   \
	X(WATERMARK, 138, "watermark", "all with an earlier time has been delivered")        \
	X(OFFCPU, 139, "off-cpu", "a thread was off the CPU inside an open poll")            \
	X(FRAME, 140, "frame", "one code place: module, offset, text")                       \
	X(MODULE, 141, "module", "one mapped file: build id, path")                          \
	X(STACK, 142, "stack", "stack of a thread inside an open poll")                      \
	X(LANE_SAMPLE, 143, "lane-sample", "what a lane is doing")                           \
	X(RUNTIME_SAMPLE, 144, "runtime-sample", "gauges of a runtime")                      \
	X(PROCESS_SAMPLE, 145, "process-sample", "memory and CPU of a process, own cost")    \
	X(SNAPSHOT_BEGIN, 146, "snapshot-begin", "a walk over all tasks begins")             \
	X(SNAPSHOT_TASK, 147, "snapshot-task", "one task as found")                          \
	X(SNAPSHOT_END, 148, "snapshot-end", "the walk is over")                             \
	X(COUNTS, 149, "counts", "emitted and filtered per kind since this watcher's base")  \
	X(GAP, 150, "gap", "batches of a lane are missing")                                  \
	X(LOST, 151, "lost", "events the kernel side had to drop, per kind")                 \
	X(LEVEL_SET, 152, "level-set", "trace level now asked for, and why")                 \
	X(CANNOT_SEE, 153, "cannot-see", "something that can't be seen here, and why")       \
	X(PLACE, 154, "place", "a place where async functions wait")                         \
	X(AWAIT, 155, "await", "where one suspended task waits, and on what")                \
	X(CPUS, 156, "cpus", "CPUs that a process may use, and how busy the machine is")     \
	X(AWAITED, 157, "awaited",                                                           \
	  "a task that another one waits for: to end, or to let a mutex go")                 \
	X(RAISED, 158, "raised", "the type or task whose polls are all told at level light") \
	X(BLOCK_ON, 159, "block-on", "who is in the block_on that drives a runtime, if anybody")

enum weft_ev_kind {
#define X(name, code, text, what) WEFT_EV_##name = code,
	WEFT_SESSION_EVENTS(X)
#undef X
		WEFT_EV_KINDS = 160 /* all kinds are below */
};

/* Runtime kinds, the same numbers in files, JSON and screens. */
enum weft_runtime_kind { WEFT_RT_WEFT = 1, WEFT_RT_TOKIO, WEFT_RT_ASYNC_STD, WEFT_RT_SMOL };

/*
 * BATCH. Payload: this, then `bytes` bytes of the batch page starting at `offset` (so a whole batch
 * has offset 0 and begins with struct weft_batch, a piece read from the mapping has offset >= 32 and
 * begins at a record), padded to 8. hit_ns = CLOCK_MONOTONIC at the flush probe and hit_stamp = the
 * stamp it carried, 0 when read from the mapping. Pieces may overlap: drop by (process, lane, seq, offset).
 */
struct weft_ev_batch {
	__u32 lane;
	__u32 seq;
	__u32 offset;
	__u32 bytes;
	__u64 hit_ns;
	__u64 hit_stamp;
};

struct weft_ev_session {
	__u32 version;     /* WEFT_EVENT_VERSION */
	__u32 level;       /* enum weft_level asked for; 0 = auto */
	__u64 realtime_ns; /* CLOCK_REALTIME beside time_ns */
	char boot_id[40];
	char kernel[72];
	char machine[72];
};

/* time_ns of the event = attach. Text fields are NUL padded, cut when long. */
struct weft_ev_process {
	__u32 pid, ns_pid, parent;
	__u32 uid;
	__u64 start_ticks; /* /proc/PID/stat field 22: with boot id and pid the process key */
	__u64 start_mono_ns;
	__u32 clock;      /* WEFT_CLOCK_* of its stamps */
	__u32 from_start; /* 1 = traced from its first instruction */
	char comm[32];
	char exe[256];
	char build_id[48]; /* hex */
};

struct weft_ev_fork {
	__u32 child;
	__u32 followed; /* 1 = the child gets links of its own */
};
struct weft_ev_exec {
	char exe[256];
};
struct weft_ev_exit {
	__s32 code;
	__s32 signal;
	__u32 core;
	__u32 pad;
}; /* code -1 = not known */

/* fingerprint: base of those of its tasks (runtime/fingerprint.h), 0 = the runtime gives its tasks no ids; absent in events of Weft before it. */
struct weft_ev_runtime {
	__u32 runtime;
	__u16 kind;    /* enum weft_runtime_kind */
	__u16 flavour; /* enum weft_flavour */
	__u32 workers;
	__u32 pad;
	char version[32];
	char name[56];
	__u64 fingerprint;
};

/* role: enum weft_lane_role; worker 0xffffffff = none. Sent again when a lane changes hands or dies. */
struct weft_ev_lane {
	__u32 lane, role, runtime, worker, generation;
	__u32 ns_tid;
	char name[32];
};

/*
 * kind: as in struct weft_site_entry, or WEFT_SITE_DEFINED: a Rust type, whose place is that of its definition, because its tasks
 * are spawned at several places or nobody knows where.
 */
#define WEFT_SITE_DEFINED 2u
struct weft_ev_site {
	__u32 site;
	__u32 line;
	__u32 kind;
	__u32 pad;
	char func[64];
	char name[64];
	char file[112];
};

/* ns = mono_ns + (stamp - this stamp) * mult / 2^32, valid from here to the next CLOCK of the process. */
struct weft_ev_clock {
	__u64 stamp;
	__u64 mono_ns;
	__u64 mult;
};

/*
 * OFFCPU: time_ns = back on CPU. wake_ns 0 = was never blocked: preempted, or runnable all along.
 * blocked = wake - off, runnable = on - wake. syscall -1 = none.
 */
struct weft_ev_offcpu {
	__u64 off_ns, wake_ns, on_ns;
	__u64 task;     /* being polled */
	__u64 poll_seq; /* of its lane */
	__u32 lane;
	__s32 syscall;
	__u32 prev_state; /* kernel task state at switch-out: 0 running, 1 interruptible, 2 uninterruptible ... */
#define WEFT_STATE_STOPPED 12u /* by SIGSTOP (4) or a debugger (8): bits of it */
	__u32 waker_tid;
};

/* MODULE and FRAME come before the first STACK that uses them; ids are per session. */
struct weft_ev_module {
	__u32 module;
	__u32 pad;
	__u64 address;
	char build_id[48];
	char path[256];
};

/* address is the pc as found, offset its file address in the module (call sites: the call itself, so lines are right). */
struct weft_ev_frame {
	__u32 frame;
	__u32 module; /* 0 = kernel, 0xffffffff = none */
	__u64 offset;
	__u32 line;    /* 0 = not known */
	__u32 inlined; /* 1 = inlined into the next frame */
	char func[160];
	char file[192];
};

/*
 * BLOCK_ON: of a runtime that only a thread inside of its block_on drives, some times a second while that thread (tid), for for_ns by now, has not
 * come back to its driver and has polled none of the runtime's tasks: the future that was given to block_on has it. Or no thread is in there.
 * due: timers of the runtime's tasks that are past their deadlines, as their memory tells.
 */
enum weft_block_on { WEFT_BLOCK_ON_NOBODY = 1, WEFT_BLOCK_ON_BLOCKED, WEFT_BLOCK_ON_COMPUTES };
struct weft_ev_block_on {
	__u32 runtime;
	__u32 doing;   /* enum weft_block_on */
	__s32 syscall; /* BLOCKED; else -1 */
	__u32 due;
	__u64 for_ns;
	__u64 overdue_ns; /* of the earliest of them */
	__u64 due_task;   /* whose that is */
};

/*
 * CANCELLER: of the thread that cancels the task, by the drop of its handle or else; it polls another, or none. WAITING: of a thread that
 * polls nothing that is known (no task, no lane), in a process none of whose threads has run for open_ns and which only a wake can
 * move; poll_seq 1: that may come from outside, as there are sockets or a child. ROOT: of the thread that a BLOCK_ON tells; poll_seq is its
 * runtime.
 */
enum weft_stack_why {
	WEFT_STACK_BLOCKED = 1,
	WEFT_STACK_ON_CPU,
	WEFT_STACK_ASKED,
	WEFT_STACK_CANCELLER,
	WEFT_STACK_WAITING,
	WEFT_STACK_ROOT
};

/* Payload: this, then `frames` frame ids (u32), kernel frames first, leaf first, padded to 8. */
struct weft_ev_stack {
	__u64 task;
	__u64 poll_seq;
	__u64 open_ns; /* the poll had been open for */
	__u32 lane;
	__u32 why;     /* enum weft_stack_why */
	__s32 syscall; /* -1 = none */
	__u32 kernel_frames;
	__u32 frames;   /* all */
	__u32 complete; /* 0 = the unwinder had to stop early */
	__u64 args[3];  /* of the syscall */
};

/*
 * LANE_SAMPLE: every 50 ms for each worker lane, and once flagged LAST at the end (with TAIL: what it was doing
 * when the process died). Cumulative values since this watcher's base. off_cpu: 0 on CPU, 1 runnable, 2 blocked, 3 not known.
 */
struct weft_ev_lane_sample {
	__u32 lane;
	__u32 state;   /* enum weft_worker_state */
	__u64 task;    /* 0 = no poll open */
	__u64 open_ns; /* the poll has been open for; ~0 = open, start not seen */
	__u64 poll_seq;
	__u64 polls, busy_ns, poll_max_ns, park_ns;
	__u64 wakes, self_wakes, steals, stolen_tasks, parks;
	__u64 cpu_ns;  /* of the thread, from the kernel; 0 = not known */
	__u64 runq_ns; /* it waited for a CPU */
	__u32 local_depth;
	__u32 off_cpu;
	__s32 syscall; /* while off the CPU in a poll; -1 = none */
	__u32 pad;
};

struct weft_ev_runtime_sample {
	__u32 runtime;
	__u32 driver_worker; /* 0xffffffff = nobody owns the driver */
	__u64 alive, inject_depth, timers, driver_age_ns;
	__u32 fds, pool_threads, pool_busy, stopped;
	__u64 pool_queue;
};

/* own_*: what watching costs. target_ns: estimated CPU added to the target since base; self_ns: the session's own CPU. */
struct weft_ev_process_sample {
	__u64 rss_bytes, cpu_user_ns, cpu_sys_ns;
	__u32 threads, level;
	__u64 own_target_ns, own_self_ns;
};

/* state: enum weft_task_bit as read; name: NUL-terminated when named; age_ns ~0 = not known. */
struct weft_ev_snapshot_task {
	__u64 task, parent, age_ns, state;
	__u64 wake_age_ns; /* since made runnable, ~0 = not known or not runnable */
	__u32 site, polls, bytes, runtime;
	char name[64];
};
struct weft_ev_snapshot {
	__u32 snapshot;
	__u32 tasks;
	__u32 torn;
	__u32 missed;
}; /* BEGIN: tasks = 0 */

/* Comes before the first AWAIT that uses it; numbers are per process, from 1 up. A long file keeps its tail. */
struct weft_ev_place {
	__u32 place;
	__u32 line;
	char func[64];
	char file[112];
};

/*
 * AWAIT: the chain of one task that is not being polled, read between two polls. Payload: this, then `places` u32,
 * the leaf's first, padded to 8. No places: not started, being polled, or not readable.
 */
struct weft_ev_await {
	__u64 task;
	__u32 on; /* enum weft_wait: what the leaf waits for */
	__u32 places;
	__u32 complete; /* 0 = the chain goes on, but can't be followed; with no places: nothing is known */
	__u32 polls; /* of the task so far, wraps */
};
#define WEFT_AWAIT_DEPTH 16u /* most places of a chain */

/*
 * CPUS: every second. cpus: that it may run on (affinity, cpuset). quota of its control group or of one above it, the
 * tightest, 0 = none; throttled_ns: that this one has stopped the group's threads for, cumulative. busy of total: all CPUs
 * of the machine since boot.
 */
struct weft_ev_cpus {
	__u32 cpus;
	__u32 pad;
	__u64 quota_us, period_us, throttled_ns;
	__u64 busy_ns, total_ns;
};

/*
 * AWAITED: in a walk that reads await chains, of each task whose handle another task awaits, or which holds the mutex that
 * another task's chain (AWAIT, on = mutex) ends at: that other one's id.
 */
struct weft_ev_awaited {
	__u64 task;
	__u64 by;
};

/* WATERMARK: no payload; time_ns is it. process = its index, or WEFT_EV_ALL for all together. */
#define WEFT_EV_ALL        0xffffffffu
#define WEFT_PROCESSES_MAX 1024u /* of one session: what came and went counts */

/*
 * COUNTS: every second and at the end (flag LAST). Since this watcher's base, all lanes together. emitted[0]:
 * events, of whatever kind, of threads that found no free lane: produced and lost.
 */
struct weft_ev_counts {
	__u64 emitted[WEFT_MAX_KINDS];
	__u64 filtered[WEFT_MAX_KINDS];
};

struct weft_ev_gap {
	__u32 lane;
	__u32 seq_from;
	__u32 seq_to;
	__u32 reason;
}; /* [from, to): enum weft_gap_reason */
enum weft_gap_reason { WEFT_GAP_RING_FULL = 1, WEFT_GAP_READ_FAILED, WEFT_GAP_NOT_ATTACHED };

/* Since base, by kind - 128 for OFFCPU, STACK ...; `produced` counts attempts, so produced = delivered + lost. */
struct weft_ev_lost {
	__u64 produced[32];
	__u64 lost[32];
};

struct weft_ev_level {
	__u32 level;
	__u32 automatic;
	char why[112];
};
/* One for each site of the types that are raised. */
struct weft_ev_raised {
	__u64 task;  /* only this one of their tasks, 0 = all */
	__u32 site;  /* ~0 = none */
	__u32 first; /* 1: what was raised before is not any more */
};
struct weft_ev_cannot_see {
	char what[64];
	char why[192];
};

WEFT_ASSERT(ev, sizeof(struct weft_ev) == 24);
WEFT_ASSERT(ev_raised, sizeof(struct weft_ev_raised) == 16);
WEFT_ASSERT(ev_block_on, sizeof(struct weft_ev_block_on) == 40);
WEFT_ASSERT(ev_batch, sizeof(struct weft_ev_batch) == 32);
WEFT_ASSERT(ev_lane, sizeof(struct weft_ev_lane) == 56);
WEFT_ASSERT(ev_site, sizeof(struct weft_ev_site) == 256);
WEFT_ASSERT(ev_place, sizeof(struct weft_ev_place) == 184);
WEFT_ASSERT(ev_await, sizeof(struct weft_ev_await) == 24);
WEFT_ASSERT(ev_offcpu, sizeof(struct weft_ev_offcpu) == 56);
WEFT_ASSERT(ev_frame, sizeof(struct weft_ev_frame) == 376);
WEFT_ASSERT(ev_stack, sizeof(struct weft_ev_stack) == 72);
WEFT_ASSERT(ev_lane_sample, sizeof(struct weft_ev_lane_sample) % 8 == 0);
WEFT_ASSERT(ev_counts, sizeof(struct weft_ev_counts) == 1024);

#endif
