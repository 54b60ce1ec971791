/* SPDX-License-Identifier: MIT */
/*
 * Weft wire format: what a traced process leaves for a watcher, and where.
 *
 * Freestanding: read by the runtime that writes it, by BPF programs and by the user side that reads
 * it out of another process. Everything here is an ABI: libweft is linked into services that nobody
 * rebuilds, so a reader supports WEFT_ABI_VERSION and the one before it.
 *
 * One sealed memfd named "weft-trace" per process holds
 *
 *     struct weft_map_header | slab table | site table | lane 0 | lane 1 | ...
 *
 * (offsets and strides are in the header). A *lane* belongs to one thread that emits events: a
 * worker, a blocking-pool thread or a foreign thread that spawns or wakes. It has one page of
 * status (struct weft_lane), behind it WEFT_BATCH_BYTES of batch (struct weft_batch + records).
 * A hit costs as much as 30 records, hence four pages: see the measurements in README.md.
 *
 * Commit protocol. `weft_lane.commit` = seq << 32 | head is the only commit point: records in
 * [sizeof(struct weft_batch), head) of the batch are complete when the word is read with acquire
 * order; what lies beyond is nobody's. When a record of any fixed size might not fit any more the writer fires
 * one flush probe, writes the base counts of the next batch, then release-stores (seq + 1) << 32 |
 * header size and reuses the bytes. A reader copies, then loads the word again (acquire fence between): if seq has moved
 * the copy is void and the bytes went through the flush probe. Consumers drop what they already
 * have by (lane, seq, offset).
 *
 * Counts. emitted(kind) of a lane = emitted[seq & 1][kind] + the records of that kind in the
 * committed part of the batch; nothing else has to be consistent at a kill -9. filtered[kind] counts
 * what the level left out. produced = emitted + filtered.
 *
 * All multi-byte fields are little endian (x86-64, aarch64).
 */
#ifndef WEFT_PROBE_POINTS_H
#define WEFT_PROBE_POINTS_H

#include <linux/types.h>

#include "runtime/await_chain.h"

#define WEFT_ABI_VERSION  2u /* 1: batches of one page, lane_stride two pages; else the same */
#define WEFT_MAP_MAGIC    0x31504d5446455757ull /* "WWEFTMP1" */
#define WEFT_MAP_NAME     "weft-trace"
#define WEFT_PAGE         4096u
#define WEFT_MAX_LANES    512u
#define WEFT_MAX_SITES    4096u
#define WEFT_MAX_SLABS    4096u
#define WEFT_MAX_RUNTIMES 16u
#define WEFT_MAX_KINDS \
	64u /* wire kinds are 1..63; sessions add kinds from 128 up (probes/event.h) */
#define WEFT_NAME_MAX 255u /* bytes of a dynamic task name that reach a record */

/* Trace levels; the highest flush semaphore that is up wins. */
enum weft_level { WEFT_LEVEL_OFF, WEFT_LEVEL_LIGHT, WEFT_LEVEL_NORMAL, WEFT_LEVEL_FULL };

/*
 * Records. Word 0 of each is kind << 56 | stamp, the stamp's low 56 bits in clock units of the
 * mapping (TSC ticks or CLOCK_MONOTONIC ns); further words as listed (w1..). `words` counts all
 * of them; 0 = variable size: the low 16 bits of w1 hold the record's bytes (a multiple of 8).
 * "ticks" are clock units. tNN is a task id (48 bits, never 0; 0 = no task).
 *
 *   X(ENUM, code, "name", lowest level, words)
 *
 *  RUNTIME_START  w1 runtime:32 | flavour:8 << 32 | driver:8 << 40 (enum weft_driver_kind) | workers:16 << 48
 *  RUNTIME_STOP   w1 runtime:32
 *  WORKER_START   w1 runtime:32 | worker:16 << 32          w2 tid (own pid namespace)
 *  WORKER_STOP    w1 as above                              w2 tid
 *  WORKER_PARK    w1 runtime:32 | worker:16 << 32 | on:8 << 48   (enum weft_park)
 *  WORKER_UNPARK  w1 as park                               w2 ticks parked
 *  TASK_SPAWN     w1 task:48 | flags:16 << 48 (enum weft_spawn_flag)  w2 parent task or 0
 *                 w3 site:32 | bytes of the task's block:32 << 32     w4 runtime:32
 *  TASK_NAME      w1 bytes:16 | text length:16 << 16 | flags:8 << 32 (1 = cut short)  w2 task  w3.. text, NUL padded
 *  TASK_POLL      w1 task    w2 ticks polled:48 | result:8 << 48 (enum weft_result) | flags:8 << 56
 *                 w3 ticks from made-runnable to this poll:48 (all ones = not known)
 *                 the stamp is the poll's END; one record per poll, written at its end
 *  TASK_WAKE      w1 task    w2 waking task:48 or 0 | kind:8 << 48 (enum weft_waker_kind) | flags:8 << 56 (1 = made runnable,
 *                 0 = was already notified or running)
 *  TASK_END       w1 task:48 | site:16 << 48 of the call that took it off, 0 = none or not known
 *                 w2 by task:48 or 0 | reason:8 << 48 (enum weft_end) | errno:8 << 56 (of WEFT_E_ERROR, 255 and more
 *                 as 255; 0 = not known)
 *  HANDLE_DROP    w1 task    w2 by task:48 or 0 | what:8 << 48 (enum weft_drop)
 *  STEAL          w1 from worker:16 | to worker:16 << 16 | tasks:32 << 32   w2 runtime:32
 *  QUEUE_DEPTH    w1 local:32 | inject:32 << 32            w2 runtime:32 | worker:16 << 32
 *  TIMER_ARM      w1 timer id  w2 task  w3 deadline, CLOCK_MONOTONIC ns
 *  TIMER_FIRE     w1 timer id  w2 task  w3 deadline, CLOCK_MONOTONIC ns
 *                 w2 0: no single timer is known, but what a driver was told to wait until, and w1 is WEFT_TIMER_OF_DRIVER | ticks
 *                 since it came back from that wait; the stamp is the first poll after it
 *  TIMER_CANCEL   w1 timer id  w2 task  w3 deadline, CLOCK_MONOTONIC ns
 *  JOB_START      w1 job id    w2 task that asked, or 0   w3 ticks it waited in the pool's queue
 *  JOB_END        w1 job id    w2 task that asked, or 0   w3 ticks it ran
 *  IO_READY       w1 fd:32 | epoll events:32 << 32         w2 task woken, or 0
 *  DRIVER_TURN    w1 io events:32 | timers fired:32 << 32  w2 ticks waited in the kernel
 *  LOCK_WAIT      w1 resource address  w2 task:48 | op:8 << 48 (0 wait, 1 acquired, 2 released,
 *                 3 gave up waiting)
 *  MISUSE         w1 code:32 (enum weft_misuse) | site:32 << 32   w2 task or 0
 *  LEVEL          w1 level now in force on this lane (first record of the lane at that level)
 *  LABEL          w1 bytes:16 | key length:16 << 16 | value length:16 << 32   w2 task   w3.. key, value
 */
#define WEFT_WIRE_EVENTS(X)                        \
	X(RUNTIME_START, 1, "runtime-start", 1, 2) \
	X(RUNTIME_STOP, 2, "runtime-stop", 1, 2)   \
	X(WORKER_START, 3, "worker-start", 1, 3)   \
	X(WORKER_STOP, 4, "worker-stop", 1, 3)     \
	X(WORKER_PARK, 5, "worker-park", 2, 2)     \
	X(WORKER_UNPARK, 6, "worker-unpark", 2, 3) \
	X(TASK_SPAWN, 7, "task-spawn", 1, 5)       \
	X(TASK_NAME, 8, "task-name", 1, 0)         \
	X(TASK_POLL, 9, "task-poll", 1, 4)         \
	X(TASK_WAKE, 10, "task-wake", 2, 3)        \
	X(TASK_END, 11, "task-end", 1, 3)          \
	X(HANDLE_DROP, 12, "handle-drop", 1, 3)    \
	X(STEAL, 13, "steal", 2, 3)                \
	X(QUEUE_DEPTH, 14, "queue-depth", 3, 3)    \
	X(TIMER_ARM, 15, "timer-arm", 2, 4)        \
	X(TIMER_FIRE, 16, "timer-fire", 2, 4)      \
	X(TIMER_CANCEL, 17, "timer-cancel", 2, 4)  \
	X(JOB_START, 18, "job-start", 2, 4)        \
	X(JOB_END, 19, "job-end", 2, 4)            \
	X(IO_READY, 20, "io-ready", 3, 3)          \
	X(DRIVER_TURN, 21, "driver-turn", 3, 3)    \
	X(LOCK_WAIT, 22, "lock-wait", 3, 3)        \
	X(MISUSE, 23, "misuse", 1, 3)              \
	X(LEVEL, 24, "level", 1, 2)                \
	X(LABEL, 25, "label", 1, 0)

enum weft_kind {
#define X(name, code, text, level, words) WEFT_K_##name = code,
	WEFT_WIRE_EVENTS(X)
#undef X
};

#define WEFT_STAMP_BITS         56
#define WEFT_STAMP_MASK         ((1ull << WEFT_STAMP_BITS) - 1)
#define WEFT_ID_MASK            ((1ull << 48) - 1)
#define WEFT_TICKS_UNKNOWN      ((1ull << 48) - 1)
#define WEFT_WORD0(kind, stamp) ((__u64)(kind) << WEFT_STAMP_BITS | ((stamp)&WEFT_STAMP_MASK))
#define WEFT_LIGHT_POLL_NS      1000000u /* at `light`, polls shorter than this are only counted */

enum weft_flavour {
	WEFT_F_MULTI_THREAD = 1,
	WEFT_F_CURRENT_THREAD,
	WEFT_F_REACTOR_POOL,
	WEFT_F_EXECUTOR
};
enum weft_park { WEFT_PARK_DRIVER = 1, WEFT_PARK_FUTEX = 2 };
#define WEFT_TIMER_OF_DRIVER (1ull << 63) /* in a TIMER_FIRE without a task */
enum weft_result { WEFT_R_PENDING = 0, WEFT_R_READY = 1, WEFT_R_CANCELLED = 2, WEFT_R_ERROR = 3 };
enum weft_waker_kind {
	WEFT_W_TASK = 1,
	WEFT_W_TIMER,
	WEFT_W_IO,
	WEFT_W_FOREIGN,
	WEFT_W_JOB,
	WEFT_W_SPAWN,
	WEFT_W_RUNTIME
};
enum weft_end { WEFT_E_DONE = 1, WEFT_E_CANCELLED, WEFT_E_ERROR, WEFT_E_SHUTDOWN };
enum weft_drop { WEFT_D_DETACH = 1, WEFT_D_CANCEL, WEFT_D_COMPLETE };
enum weft_spawn_flag {
	WEFT_S_DETACHED = 1,
	WEFT_S_LOCAL = 2,
	WEFT_S_BLOCK_ON = 4,
	WEFT_S_NAMED = 8,
	WEFT_S_GROUP = 16,
};
enum weft_misuse {
	WEFT_M_TIME_OFF = 1, /* timer used in a runtime built without timers */
	WEFT_M_IO_OFF,       /* IO used in a runtime built without IO */
	WEFT_M_NESTED_BLOCK_ON,
	WEFT_M_FRAME_MOVED, /* frame at another address than at its first poll */
	WEFT_M_WRONG_THREAD, /* thread-bound task spawned off the thread it would be bound to; site: of that spawn */
	WEFT_M_DOUBLE_AWAIT,
	WEFT_M_AFTER_SHUTDOWN,
	WEFT_M_NOT_HELD,         /* a lock let go that nobody held */
	WEFT_M_FREED_IN_USE,     /* a lock or channel freed while held or waited for */
	WEFT_M_BLOCKING_IN_TASK, /* a blocking_ call in a thread that polls a task */
	WEFT_M_BLOCK_IN_PLACE,   /* no other thread could drive meanwhile, or not in its own poll */
};

/* A batch: this header, then records up to the committed head. 32 bytes. */
struct weft_batch {
	__u32 magic; /* WEFT_BATCH_MAGIC */
	__u16 lane;
	__u16 abi;
	__u32 seq;
	__u32 level;       /* level when the batch was opened */
	__u64 emitted;     /* records emitted by this lane before this batch, all kinds */
	__u64 first_stamp; /* full 64-bit stamp when the batch was opened */
};
#define WEFT_BATCH_MAGIC   0x54414257u /* "WBAT" */
#define WEFT_BATCH_BYTES   16384u
#define WEFT_BATCH_BYTES_1 4096u /* ABI 1 */

enum weft_lane_role {
	WEFT_LANE_FREE,
	WEFT_LANE_WORKER,
	WEFT_LANE_POOL,
	WEFT_LANE_FOREIGN,
	WEFT_LANE_DEAD
};
enum weft_worker_state {
	WEFT_WS_STOPPED,
	WEFT_WS_RUNNING,
	WEFT_WS_SEARCHING,
	WEFT_WS_PARKED_DRIVER,
	WEFT_WS_PARKED_FUTEX
};

/*
 * Status page of one lane: one writer (its thread), any number of outside readers; every field is
 * stored and loaded as a single aligned word (relaxed) unless said otherwise. A lane whose thread has ended
 * becomes DEAD and is reused only with its counters and seq continued.
 */
struct weft_lane {
	/* identity: written once before `role` is release-stored */
	__u32 role;  /* enum weft_lane_role */
	__u32 index; /* own index */
	__u32 tid;   /* in the process's own pid namespace */
	__u32 runtime;
	__u32 worker;     /* index in its runtime; 0xffffffff = not a worker */
	__u32 generation; /* grows when a dead lane is taken by another thread */
	__u64 start_stamp;
	char name[32];

	__u64 commit; /* seq << 32 | head: see the top of the file. Offset 64 */
	__u64 pad0[7];

	/* what it does now. Offset 128 */
	__u64 task;       /* id of the task being polled, 0 = none; kept even when nobody traces */
	__u64 poll_start; /* stamp, 0 = no poll open or not traced when it began */
	__u64 poll_seq;   /* polls begun by this lane, ever (wraps never) */
	__u32 state;      /* enum weft_worker_state */
	__u32 local_depth; /* local queue + LIFO slot; refreshed at park and once per scheduler tick */
	__u64 state_stamp; /* when `state` was entered, 0 = not traced then */
	__u64 pad1[3];

	/* cumulative while a level is on; ticks are clock units. Offset 192 */
	__u64 polls, busy_ticks, poll_max_ticks, park_ticks;
	__u64 wakes, self_wakes, steals, stolen_tasks, parks, pad2[7];

	__u64 emitted[2][WEFT_MAX_KINDS]; /* base counts of batch seq at [seq & 1]. Offset 320 */
	__u64 filtered[WEFT_MAX_KINDS];   /* produced but left out by the level. Offset 1344 */
	__u32 poll_hist[64];              /* polls by floor(log2(ticks)), wraps. Offset 1856 */
};

/* A place in the source: where a task is spawned or awaits. Appended once, published by header.sites. 256 bytes. */
struct weft_site_entry {
	__u64 address; /* of the static descriptor in the target */
	__u32 line;
	__u32 kind; /* 0 spawn, 1 await, 3 a call that takes tasks off */
	char func[64];
	char name[64];  /* default task name */
	char file[112]; /* as the compiler was given it; a long one keeps its tail */
};

/* A run of task blocks, for reading all tasks from outside. 16 bytes; published by header.slabs. */
struct weft_slab {
	__u64 address; /* of the first slot, in the target */
	__u32 slot_bytes;
	__u32 slots;
};

/*
 * Head of each task block (the start of each slot). A reader takes a copy that may be torn: it
 * checks id (0 = free, and unchanged on a second read), site < header.sites, legal state.
 */
struct weft_task_head {
	__u64 id;    /* 0 = slot is free */
	__u64 state; /* enum weft_task_bit | references << WEFT_TASK_REF_SHIFT */
	__u32 site;
	__u32 polls;  /* wraps */
	__u64 parent; /* id, 0 = none */
	__u64 spawn_stamp;
	__u64 wake_stamp; /* made runnable at, while traced; 0 = not known */
	__u64 name;  /* address of a NUL-terminated dynamic name in the target, 0 = the site's */
	__u32 bytes; /* of the whole block */
	__u32 runtime;
};
enum weft_driver_kind {
	WEFT_D_EPOLL = 0, /* also of writers that knew no other */
	WEFT_D_URING = 1,
	WEFT_D_EPOLL_INSTEAD = 2, /* of io_uring, which the builder would have taken */
};
enum weft_task_bit {
	WEFT_T_RUNNING = 1,
	WEFT_T_COMPLETE = 2,
	WEFT_T_NOTIFIED = 4,
	WEFT_T_JOIN_INTEREST = 8,
	WEFT_T_JOIN_WAKER = 16,
	WEFT_T_CANCELLED = 32,
};
#define WEFT_TASK_REF_SHIFT 8

/* One runtime in the process: gauges, refreshed by whoever changes them (relaxed). 128 bytes. */
struct weft_runtime_entry {
	__u32 id;      /* 0 = free entry; ids grow and are not reused in a process */
	__u32 flavour; /* enum weft_flavour */
	__u32 workers;
	__u32 stopped;
	__u64 alive; /* tasks alive */
	__u64 inject_depth;
	__u64 timers;        /* armed */
	__u64 driver_stamp;  /* last turn of the driver (while traced) */
	__u32 driver_worker; /* who owns the driver now, 0xffffffff = nobody, WEFT_REACTOR */
	__u32 fds;
	__u32 pool_threads, pool_busy;
	__u64 pool_queue;
	char name[56];
};

#define WEFT_REACTOR 0xfffffffeu /* a thread that is no worker owns the driver, for good */

#define WEFT_CLOCK_MONOTONIC 0u
#define WEFT_CLOCK_TSC       1u

/* First page of the mapping. */
struct weft_map_header {
	__u64 magic;
	__u32 abi;
	__u32 header_bytes; /* of this struct as the writer knew it */
	__u32 pid;          /* own pid namespace */
	__u32 clock;        /* WEFT_CLOCK_* : unit of every stamp and tick */
	__u64 start_stamp;
	__u64 start_mono_ns; /* CLOCK_MONOTONIC beside start_stamp; a hint (time namespaces), the reader takes its own pairs */
	__u64 map_bytes;
	__u32 lane_offset,
		lane_stride;    /* status page; the batch is at + WEFT_PAGE, to the lane's end */
	__u32 max_lanes, lanes; /* lanes: release-stored, only grows */
	__u32 site_offset, site_stride, max_sites, sites; /* sites: release-stored, only grows */
	__u32 slab_offset, max_slabs, slabs,
		slabs_missed; /* slabs: release-stored, only grows; missed: blocks not in the table */
	__u32 task_head_bytes, lost_lanes; /* lost_lanes: threads that found no free lane */
	__u64 lost_events;                 /* their events: produced and lost, all kinds */
	__u8 kind_words[WEFT_MAX_KINDS];   /* words of each kind; 0 = variable or unknown */
	struct weft_runtime_entry runtime[WEFT_MAX_RUNTIMES];
	__u32 frame_offset; /* of a task's root frame from its head; absent when header_bytes ends before it */
	__u32 first_runtime; /* task blocks with a lower runtime are a forked child's copy of its parent's; ABI 1: 0 */
	/* Of the address of the task that awaits this one's end, while WEFT_T_JOIN_WAKER is set, from its head. May be absent. */
	__u32 joiner_offset;
	/*
	 * A wait for a lock, wherever in the task's block: byte offsets in it of the task's address, of the queue's address and
	 * of its state:32, which is waiter_queued while it waits. A queue begins with the holder's task id:64. All 0: not told.
	 */
	__u8 waiter_task, waiter_queue, waiter_state, waiter_queued;
	__u64 fingerprint; /* base of what the process prints of its tasks (fingerprint.h). May be absent */
};

#define WEFT_ASSERT(name, cond) \
	typedef char weft_assert_##name[(cond) ? 1 : -1] __attribute__((unused))
WEFT_ASSERT(batch, sizeof(struct weft_batch) == 32);
WEFT_ASSERT(lane, sizeof(struct weft_lane) == 2112 && sizeof(struct weft_lane) <= WEFT_PAGE);
WEFT_ASSERT(lane_commit, __builtin_offsetof(struct weft_lane, commit) == 64);
WEFT_ASSERT(lane_task, __builtin_offsetof(struct weft_lane, task) == 128);
WEFT_ASSERT(lane_emitted, __builtin_offsetof(struct weft_lane, emitted) == 320);
WEFT_ASSERT(site, sizeof(struct weft_site_entry) == 256);
WEFT_ASSERT(slab, sizeof(struct weft_slab) == 16);
WEFT_ASSERT(task_head, sizeof(struct weft_task_head) == 64);
WEFT_ASSERT(runtime_entry, sizeof(struct weft_runtime_entry) == 128);
WEFT_ASSERT(header, sizeof(struct weft_map_header) <= WEFT_PAGE);

/*
 * USDT points, provider "weft", one semaphore each (weft_sema_<name with _>). Arguments are u64
 * in rdi, rsi, rdx, rcx, r8 in this order. Text arguments are addresses of NUL-terminated strings.
 *
 *   X(c_name, "probe-name", arguments)
 *
 * The three flush points carry whole batches: arg0 the batch, arg1 bytes (header + records),
 * arg2 lane | seq << 32, arg3 stamp just before the probe. Exactly one of the three is fired per
 * batch, that of the level in force. A watcher attaches its program to all three, without a
 * semaphore, and raises the level through a level point (below).
 */
#define WEFT_USDT_POINTS(X)                                                                   \
	X(flush_light, "flush_light", 4)                                                      \
	X(flush_normal, "flush_normal", 4)                                                    \
	X(flush_full, "flush_full", 4)                                                        \
	X(task_spawn, "task-spawn", 5)                   /* task, name, parent, file, line */ \
	X(task_poll_start, "task-poll-start", 3)         /* task, name, worker */             \
	X(task_poll_end, "task-poll-end", 3)             /* task, name, result */             \
	X(task_terminate, "task-terminate", 3)           /* task, name, reason */             \
	X(task_wake, "task-wake", 3)                     /* task, waking task, waker kind */  \
	X(task_steal, "task-steal", 3)                   /* tasks, from worker, to worker */  \
	X(worker_thread_start, "worker-thread-start", 2) /* worker, runtime */                \
	X(worker_thread_stop, "worker-thread-stop", 2)                                        \
	X(worker_thread_park, "worker-thread-park", 2)                                        \
	X(worker_thread_unpark, "worker-thread-unpark", 2)                                    \
	X(timer_arm, "timer-arm", 3)   /* task, timer, deadline ns */                         \
	X(timer_fire, "timer-fire", 3) /* task, timer, lateness ns */                         \
	X(job_start, "job-start", 2)   /* task, job */                                        \
	X(job_end, "job-end", 2)                                                              \
	X(misuse, "misuse", 3) /* task, code, file */

/*
 * Level points: 1-byte nops, each with a note of provider "weft", that no thread ever executes (they
 * lie in a function nobody calls). Their notes name the semaphore of the flush point of that level: a
 * breakpoint here raises the level. They exist because the kernel ties a breakpoint place to one
 * semaphore for all watchers (a second link with another one, or none, gets EINVAL, 5.x to 6.18): were the
 * semaphore raised at the flush point itself, two watchers of different levels would exclude each other,
 * and no level could change without losing the batches in flight.
 *
 *   X(c_name, "probe-name", c_name of the point whose semaphore it carries)
 */
#define WEFT_LEVEL_POINTS(X)                          \
	X(level_light, "level_light", flush_light)    \
	X(level_normal, "level_normal", flush_normal) \
	X(level_full, "level_full", flush_full)

#endif
