/* SPDX-License-Identifier: MIT */
/*
 * The writer's side of the wire format: lanes, batches, the mapping and its tables.
 *
 * A lane belongs to the thread that claimed it and is written by that thread only. Claims, the
 * site table and the slab table are under one lock and off the hot path.
 */
#ifndef WEFT_RUNTIME_TRACE_BUFFER_H
#define WEFT_RUNTIME_TRACE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/clock.h"
#include "runtime/base/usdt.h"
#include "runtime/probe_points.h"

struct weft_site;

#pragma GCC visibility push(hidden)

/* Tables exist with and without a mapping: ids must not depend on whether memfd_create worked. */
/*
 * Index in the site table; 0 = the table is full. name: becomes the site's default task name;
 * NULL = as it is.
 */
uint32_t weft_trace_site(struct weft_site *site, const char *name);
const struct weft_site *weft_trace_site_get(uint32_t index);
void weft_trace_slab(const void *address, uint32_t slot_bytes, uint32_t slots);
void weft_trace_slab_missed(void);
/* Calls fn for each registered slab; new ones may or may not be seen. */
void weft_trace_each_slab(void (*fn)(const struct weft_slab *slab, void *arg), void *arg);

/*
 * Entry of the mapping for a runtime, or a private one when there is no mapping or no free entry.
 * NULL: no memory.
 */
struct weft_runtime_entry *weft_trace_runtime_open(uint32_t *ret_id, bool *ret_heap);
void weft_trace_runtime_close(struct weft_runtime_entry *entry, bool heap);

/* Idempotent; called by the first runtime and by the first thread that emits. */
void weft_trace_init(void);

/* The calling thread's identity, before it emits for the first time. */
struct weft_trace_role {
	uint32_t role, runtime, worker;
};
void weft_trace_thread_begin(const struct weft_trace_role *role, const char *name);
void weft_trace_thread_end(void); /* flushes and gives the lane back */

/* One load per field, one writer: plain stores that readers may not see torn. */
#define WEFT_SET(lvalue, value) __atomic_store_n(&(lvalue), (value), __ATOMIC_RELAXED)
#define WEFT_ADD(lvalue, value) WEFT_SET(lvalue, (lvalue) + (value))

#ifndef WEFT_NO_PROBES

/* Lowest level of each kind, as a constant. */
enum weft_kind_level {
#define X(name, code, text, level, words) WEFT_AT_##name = level,
	WEFT_WIRE_EVENTS(X)
#undef X
};

/* Kind and words of each kind of fixed size, as one constant. */
enum weft_kind_code {
#define X(name, code, text, level, words) WEFT_CODE_##name = (code) | (words) << 8,
	WEFT_WIRE_EVENTS(X)
#undef X
};

/*
 * Per-thread writer state. `lane` is never NULL after weft_trace_thread_begin(): without a mapping
 * it is a private page, so that the scheduler stores its status words without a branch.
 */
struct weft_trace_thread {
	/* One cache line: all that an event needs, between system calls that leave little cached. */
	struct weft_lane *lane;
	struct weft_batch *batch; /* NULL: no lane in the mapping */
	uint64_t commit;          /* what lane->commit holds: seq << 32 | head of the open batch */
	/*
	 * weft_trace_up() that `level` stands for; 0 = look again, and always where stamps are no TSC.
	 */
	uint64_t ready;
	const uint32_t *gate; /* weft_trace_gate when `ready` was set */
	uint64_t now;      /* a worker's last traced poll ended at this stamp; 0 = not just now */
	uint64_t now_poll; /* and was this one (lane->poll_seq) */
	uint32_t level;    /* of the newest record */
	uint16_t lost;     /* 1: counted in lost_lanes */
	uint16_t heap;     /* 1: `lane` is a private page of this thread */
	/* Second line. */
	uint16_t count[WEFT_MAX_KINDS]; /* in the open batch */
	uint64_t total;                 /* records of this lane before the open batch */
	struct weft_trace_role role;
	uint32_t tries;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct weft_trace_thread, count) == 64, "hot words share a line");
extern __thread struct weft_trace_thread weft_trace_thread
	__attribute__((tls_model("initial-exec")));

/*
 * One private page that a forked child reads as zero (MADV_WIPEONFORK), whatever made the child:
 * word 0 is 1 in the process that owns the mapping. Points to a zero word before weft_trace_init().
 */
extern const uint32_t *weft_trace_gate;

/* The three flush semaphores in one load; 0 = nobody traces. */
static inline uint64_t weft_trace_up(void)
{
	return __atomic_load_n(&weft_sema_word, __ATOMIC_RELAXED) << 16;
}

static inline bool weft_trace_on(void)
{
	return __builtin_expect(weft_trace_up() != 0, 0);
}

/* Level full is up. */
static inline bool weft_trace_full(void)
{
	return __builtin_expect(weft_trace_up() >> 48 != 0, 0);
}

/*
 * Highest semaphore up. The shift in weft_trace_up() leaves full, normal, light in the upper
 * three 16-bit fields.
 */
static inline uint32_t weft_trace_level(uint64_t up)
{
	if (up >> 48)
		return WEFT_LEVEL_FULL;
	if (up >> 32)
		return WEFT_LEVEL_NORMAL;
	return up ? WEFT_LEVEL_LIGHT : WEFT_LEVEL_OFF;
}

/* trace_buffer.c: gate, lane, LEVEL record when the level moved. False: nothing may be written. */
bool weft_trace_prepare(struct weft_trace_thread *t, uint64_t up, uint64_t stamp);

static inline struct weft_trace_thread *weft_trace_self(void)
{
	struct weft_trace_thread *t = &weft_trace_thread;

#ifdef __SANITIZE_ADDRESS__
	/* gcc 12's null check takes the address of this thread-local for NULL on some paths. */
	__asm__("" : "+r"(t));
#endif
	return t;
}

/*
 * Prepares the thread for counting. NULL: nothing may be written. `up` is a non-zero
 * weft_trace_up(), read once per event: t->level is its level. stamp: of the record to come (0 =
 * not taken yet); a lane's records are in stamp order.
 */
static inline struct weft_trace_thread *weft_trace_enter(uint64_t up, uint64_t stamp)
{
	struct weft_trace_thread *t = weft_trace_self();

	if (__builtin_expect(t->ready == up && *t->gate, 1))
		return t;
	return weft_trace_prepare(t, up, stamp) ? t : NULL;
}

static inline uint32_t weft_trace_head(const struct weft_trace_thread *t)
{
	return (uint32_t)t->commit;
}

/* Bytes of the longest record of fixed size. */
#define WEFT_TRACE_ROOM 40u

/*
 * True: weft_trace_put() may follow at once, with a stamp from arch_tsc(). False: the rare way,
 * weft_trace_make_ready(). Hot functions leave the rare way to a function of its own, called last:
 * so the common way calls nothing and saves no registers, a third of its cost.
 */
static inline bool weft_trace_ready(const struct weft_trace_thread *t, uint64_t up)
{
	return __builtin_expect(t->ready == up && *t->gate &&
					weft_trace_head(t) <= WEFT_BATCH_BYTES - WEFT_TRACE_ROOM,
				1);
}

/* trace_buffer.c: prepare, and room for one record of fixed size. NULL: nothing may be written. */
struct weft_trace_thread *weft_trace_make_ready(uint64_t up, uint64_t stamp);

/* code: enum weft_kind_code. w: always three words from w1 on; those beyond the record's end are stored, not kept. */
static inline void weft_trace_put(struct weft_trace_thread *t, uint32_t code, uint64_t stamp,
				  const uint64_t w[3])
{
	uint64_t commit = t->commit,
		 *to = (uint64_t *)(void *)((char *)t->batch + (uint32_t)commit);

	WEFT_SET(to[0], WEFT_WORD0(code & 0xff, stamp));
	WEFT_SET(to[1], w[0]);
	WEFT_SET(to[2], w[1]);
	WEFT_SET(to[3], w[2]);
	t->count[code & 0xff]++;
	commit += code >> 8 << 3;
	t->commit = commit;
	/* Release: the words before the head that covers them. */
	__atomic_store_n(&t->lane->commit, commit, __ATOMIC_RELEASE);
}

/* True: the level leaves this event out; it is counted, and no stamp was taken for it. */
static inline bool weft_trace_skip(uint64_t up, unsigned kind, uint32_t lowest)
{
	struct weft_trace_thread *t;

	if (weft_trace_level(up) >= lowest)
		return false;
	t = weft_trace_enter(up, 0);
	if (t)
		WEFT_ADD(t->lane->filtered[kind], 1);
	return true;
}

/* Between two polls the worker did more than take the next task from its own queue. */
static inline void weft_trace_stale(void)
{
	weft_trace_thread.now = 0;
}

/* enter + level filter + put. The stamp must have been taken just before; 0 = take it here. */
void weft_trace_emit(unsigned kind, uint64_t stamp, uint64_t w1, uint64_t w2, uint64_t w3,
		     uint64_t w4);
/*
 * The same for a kind of up to 4 words that `up` lets through; code: enum weft_kind_code. The
 * second takes the stamp itself, which is cheaper.
 */
void weft_trace_record_at(uint64_t up, uint32_t code, uint64_t stamp, uint64_t w1, uint64_t w2,
			  uint64_t w3);
void weft_trace_record(uint64_t up, uint32_t code, uint64_t w1, uint64_t w2, uint64_t w3);
/* Variable-size record: w1's low 16 bits are set here; text = two strings behind each other. */
void weft_trace_emit_text(unsigned kind, uint64_t w1, uint64_t task, const char *text,
			  uint32_t bytes);

/* Hands the open batch to whoever attached; nothing when it is empty. */
void weft_trace_flush(void);
/* At park: only a batch that is at least half full is worth a probe hit. */
static inline void weft_trace_park(void)
{
	if (weft_trace_on() && weft_trace_head(&weft_trace_thread) >= WEFT_BATCH_BYTES / 2)
		weft_trace_flush();
}

#else
static inline bool weft_trace_on(void)
{
	return false;
}
static inline void weft_trace_flush(void) {}
static inline void weft_trace_park(void) {}
static inline bool weft_trace_full(void)
{
	return false;
}
static inline void weft_trace_stale(void) {}
#endif

#pragma GCC visibility pop

#endif
