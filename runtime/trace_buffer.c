/* SPDX-License-Identifier: MIT */
#include "runtime/trace_buffer.h"

#ifndef WEFT_NO_PROBES

#include <pthread.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/trace_map.h"

__thread struct weft_trace_thread weft_trace_thread __attribute__((tls_model("initial-exec")));

static const uint8_t kind_words[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, words) [code] = words,
	WEFT_WIRE_EVENTS(X)
#undef X
};

static const uint8_t kind_level[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, words) [code] = level,
	WEFT_WIRE_EVENTS(X)
#undef X
};

static struct weft_lane no_lane; /* out of memory as well: status words that nobody reads */

#define FIRST_KIND WEFT_K_RUNTIME_START
#define LAST_KIND  WEFT_K_LABEL

#define X(name, code, text, level, words) \
	_Static_assert((words)*8u <= WEFT_TRACE_ROOM, "weft_trace_ready() leaves room");
WEFT_WIRE_EVENTS(X)
#undef X

static uint32_t seq_of(const struct weft_trace_thread *t)
{
	return (uint32_t)(t->commit >> 32);
}

/*
 * Opens batch `seq`: base counts, commit word, then the page. A reader that copied the old page
 * sees `seq` move (seqlock order, Boehm 2012): base counts before the release store of commit,
 * page stores after it.
 */
static void batch_open(struct weft_trace_thread *t, uint32_t seq, uint32_t level, uint64_t stamp)
{
	struct weft_batch *batch = t->batch;

	t->commit = (uint64_t)seq << 32 | sizeof(*batch);
	__atomic_store_n(&t->lane->commit, t->commit, __ATOMIC_RELEASE);
	arch_store_fence();
	WEFT_SET(batch->magic, WEFT_BATCH_MAGIC);
	WEFT_SET(batch->lane, (uint16_t)t->lane->index);
	WEFT_SET(batch->abi, (uint16_t)WEFT_ABI_VERSION);
	WEFT_SET(batch->seq, seq);
	WEFT_SET(batch->level, level);
	WEFT_SET(batch->emitted, t->total);
	WEFT_SET(batch->first_stamp, stamp);
}

/* Own function: exactly one site per flush point, and the argument registers are free. */
static __attribute__((noinline)) void fire_flush(struct weft_trace_thread *t, uint32_t level)
{
	uint64_t page = (uint64_t)(uintptr_t)t->batch, bytes = weft_trace_head(t);
	uint64_t id = t->lane->index | (uint64_t)seq_of(t) << 32, stamp = weft_clock_stamp();

	if (level == WEFT_LEVEL_FULL)
		weft_usdt_flush_full(page, bytes, id, stamp);
	else if (level == WEFT_LEVEL_NORMAL)
		weft_usdt_flush_normal(page, bytes, id, stamp);
	else if (level == WEFT_LEVEL_LIGHT)
		weft_usdt_flush_light(page, bytes, id, stamp);
}

/* stamp: of the record that didn't fit, so that no record is older than its batch. */
static void batch_flush(struct weft_trace_thread *t, uint64_t stamp)
{
	uint32_t level = weft_trace_level(weft_trace_up()), seq = seq_of(t);
	__u64 *base = t->lane->emitted[seq & 1], *next = t->lane->emitted[(seq + 1) & 1];

	fire_flush(t, level);
	for (unsigned k = FIRST_KIND; k <= LAST_KIND; k++) {
		WEFT_SET(next[k], base[k] + t->count[k]);
		t->total += t->count[k];
		t->count[k] = 0;
	}
	batch_open(t, seq + 1, level, stamp);
}

/* A record of any size. w: the words from w1 on. */
static void put(struct weft_trace_thread *t, unsigned kind, uint64_t stamp, const uint64_t *w,
		unsigned words)
{
	uint64_t *to;

	if (weft_trace_head(t) + words * 8 > WEFT_BATCH_BYTES)
		batch_flush(t, stamp);
	to = (uint64_t *)(void *)((char *)t->batch + weft_trace_head(t));
	WEFT_SET(to[0], WEFT_WORD0(kind, stamp));
	for (unsigned i = 1; i < words; i++)
		WEFT_SET(to[i], w[i - 1]);
	t->count[kind]++;
	t->commit += words * 8;
	/* Release: as in weft_trace_put(). */
	__atomic_store_n(&t->lane->commit, t->commit, __ATOMIC_RELEASE);
}

/* Continues the lane's counts and seq, whoever had it before. */
static bool lane_take(struct weft_trace_thread *t)
{
	struct weft_lane *old = t->lane, *lane = weft_map_lane_claim(&t->role);

	if (!lane)
		return false;
	t->lane = lane;
	t->batch = (struct weft_batch *)(void *)((char *)lane + WEFT_PAGE);
	t->commit = __atomic_load_n(&lane->commit, __ATOMIC_RELAXED);
	t->level = WEFT_LEVEL_OFF;
	t->ready = t->now = 0;
	memset(t->count, 0, sizeof(t->count));
	t->total = 0;
	for (unsigned k = FIRST_KIND; k <= LAST_KIND; k++)
		t->total += lane->emitted[seq_of(t) & 1][k];
	if (weft_trace_head(t))
		weft_map_recount(t->batch, weft_trace_head(t), t->count);
	else
		batch_open(t, seq_of(t), WEFT_LEVEL_OFF, lane->start_stamp);
	weft_map_lane_publish(lane);
	if (t->heap)
		weft_memory_free(old);
	t->heap = 0;
	return true;
}

/* Another thread took all lanes, or there is no mapping: the events are produced and lost. */
static void lane_missing(struct weft_trace_thread *t)
{
	struct weft_map_header *header = weft_map_header();

	if (!header)
		return;
	if (!t->lost) {
		t->lost = 1;
		__atomic_fetch_add(&header->lost_lanes, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&header->lost_events, 1, __ATOMIC_RELAXED);
}

bool weft_trace_prepare(struct weft_trace_thread *t, uint64_t up, uint64_t stamp)
{
	uint32_t level = weft_trace_level(up);
	uint64_t w = level;

	if (!*weft_trace_gate) {
		if (weft_map_forked())
			return false;
		weft_trace_init();
		if (!*weft_trace_gate)
			return false;
	}
	if (!t->batch && (t->tries++ % 1024 != 0 || !lane_take(t))) {
		lane_missing(t);
		return false;
	}
	if (t->level != level) {
		weft_map_rate();
		t->level = level;
		put(t, WEFT_K_LEVEL, stamp ? stamp : weft_clock_stamp(), &w,
		    kind_words[WEFT_K_LEVEL]);
	}
	t->gate = weft_trace_gate;
	t->ready = weft_clock_tsc ? up : 0;
	return true;
}

struct weft_trace_thread *weft_trace_make_ready(uint64_t up, uint64_t stamp)
{
	struct weft_trace_thread *t = weft_trace_enter(up, stamp);

	if (t && weft_trace_head(t) > WEFT_BATCH_BYTES - WEFT_TRACE_ROOM)
		batch_flush(t, stamp);
	return t;
}

void weft_trace_emit(unsigned kind, uint64_t stamp, uint64_t w1, uint64_t w2, uint64_t w3,
		     uint64_t w4)
{
	uint64_t w[4] = { w1, w2, w3, w4 }, up = weft_trace_up();
	struct weft_trace_thread *t;

	if (!up || weft_trace_skip(up, kind, kind_level[kind]))
		return;
	if (!stamp)
		stamp = weft_clock_stamp();
	t = weft_trace_enter(up, stamp);
	if (t)
		put(t, kind, stamp, w, kind_words[kind]);
}

static __attribute__((noinline)) void record_slow(uint64_t up, uint32_t code, uint64_t stamp,
						  uint64_t w1, uint64_t w2, uint64_t w3)
{
	uint64_t at = stamp ? stamp : weft_clock_stamp(), w[3] = { w1, w2, w3 };
	struct weft_trace_thread *t = weft_trace_make_ready(up, at);

	if (t)
		weft_trace_put(t, code, at, w);
}

void weft_trace_record_at(uint64_t up, uint32_t code, uint64_t stamp, uint64_t w1, uint64_t w2,
			  uint64_t w3)
{
	struct weft_trace_thread *t = weft_trace_self();

	if (weft_trace_ready(t, up))
		weft_trace_put(t, code, stamp ? stamp : arch_tsc(), (uint64_t[]){ w1, w2, w3 });
	else
		record_slow(up, code, stamp, w1, w2, w3);
}

void weft_trace_record(uint64_t up, uint32_t code, uint64_t w1, uint64_t w2, uint64_t w3)
{
	struct weft_trace_thread *t = weft_trace_self();

	if (weft_trace_ready(t, up))
		weft_trace_put(t, code, arch_tsc(), (uint64_t[]){ w1, w2, w3 });
	else
		record_slow(up, code, 0, w1, w2, w3);
}

void weft_trace_emit_text(unsigned kind, uint64_t w1, uint64_t task, const char *text,
			  uint32_t bytes)
{
	uint64_t w[2 + (2 * WEFT_NAME_MAX + 8) / 8] = { 0 };
	uint32_t words = 3 + (bytes + 7) / 8;
	uint64_t stamp = weft_clock_stamp(), up = weft_trace_up();
	struct weft_trace_thread *t = up ? weft_trace_enter(up, stamp) : NULL;

	if (!t || bytes > 2 * WEFT_NAME_MAX)
		return;
	w[0] = w1 | words * 8;
	w[1] = task;
	memcpy(&w[2], text, bytes);
	put(t, kind, stamp, w, words);
}

void weft_trace_flush(void)
{
	struct weft_trace_thread *t = &weft_trace_thread;

	if (t->batch && *weft_trace_gate && weft_trace_on() &&
	    weft_trace_head(t) > sizeof(struct weft_batch))
		batch_flush(t, weft_clock_stamp());
}

void weft_trace_thread_begin(const struct weft_trace_role *role, const char *name)
{
	struct weft_trace_thread *t = &weft_trace_thread;

	bool moved = memcmp(&t->role, role, sizeof(*role)) != 0;

	t->role = *role;
	if (name)
		pthread_setname_np(pthread_self(), name);
	if (t->batch && moved && *weft_trace_gate)
		weft_map_lane_relabel(t->lane);
	if (t->lane)
		return;
	weft_trace_init();
	if (*weft_trace_gate && lane_take(t))
		return;
	t->lane = weft_memory_alloc(
		sizeof(*t->lane)); /* status words of a thread that nobody can see */
	t->heap = t->lane != NULL;
	if (t->heap)
		weft_map_thread_leaves(t->lane);
	else
		t->lane = &no_lane;
}

void weft_trace_thread_end(void)
{
	struct weft_trace_thread *t = &weft_trace_thread;

	weft_trace_flush();
	if (t->batch) {
		if (*weft_trace_gate)
			weft_map_lane_release(t->lane);
	} else if (t->heap) {
		weft_memory_free(t->lane);
	}
	memset(t, 0, sizeof(*t));
}

#else
typedef int weft_trace_buffer_empty;
#endif
