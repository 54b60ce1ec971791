/* SPDX-License-Identifier: MIT */
/*
 * Reads this process's own events as a watcher does: raises a level, then walks the batches that lie
 * open. Enough for a test that makes fewer events than a batch holds.
 */
#ifndef WEFT_TEST_EVENTS_H
#define WEFT_TEST_EVENTS_H

#include "runtime/trace.h"
#include "runtime/trace_map.h"

static inline void events_light(bool on)
{
	__atomic_store_n(&weft_sema_flush_light, on, __ATOMIC_SEQ_CST);
}

static inline void events_normal(bool on)
{
	__atomic_store_n(&weft_sema_flush_normal, on, __ATOMIC_SEQ_CST);
}

typedef bool events_match(const uint64_t *words, uint64_t arg);

static inline unsigned events_in_batch(const char *batch, uint32_t head, unsigned kind,
				       events_match *match, uint64_t arg)
{
	const struct weft_map_header *h = weft_map_header();
	uint32_t at = sizeof(struct weft_batch);
	unsigned n = 0;

	while (at + 8 <= head) {
		uint64_t w[4] = { 0 };
		uint32_t words;

		for (unsigned i = 0; i < 4 && at + 8 * i < head; i++)
			w[i] = __atomic_load_n((const uint64_t *)(const void *)(batch + at + 8 * i),
					       __ATOMIC_RELAXED);
		words = h->kind_words[w[0] >> WEFT_STAMP_BITS];
		if (w[0] >> WEFT_STAMP_BITS == kind && match(w, arg))
			n++;
		at += words ? words * 8 : (uint32_t)(w[1] & 0xffff);
	}
	return n;
}

/* Events of the kind, on all lanes, that match. */
static inline unsigned events_count(unsigned kind, events_match *match, uint64_t arg)
{
	const struct weft_map_header *h = weft_map_header();
	uint32_t lanes = __atomic_load_n(&h->lanes, __ATOMIC_ACQUIRE);
	unsigned n = 0;

	for (uint32_t i = 0; i < lanes; i++) {
		const char *page = (const char *)h + h->lane_offset + (size_t)i * h->lane_stride;
		const struct weft_lane *lane = (const void *)page;
		uint64_t commit = __atomic_load_n(&lane->commit, __ATOMIC_ACQUIRE);

		n += events_in_batch(page + WEFT_PAGE, (uint32_t)commit, kind, match, arg);
	}
	return n;
}

/* The low 48 bits of w1 or w2 are a task. */
static inline bool events_w1(const uint64_t *words, uint64_t task)
{
	return (words[1] & WEFT_ID_MASK) == task;
}

static inline bool events_w2(const uint64_t *words, uint64_t task)
{
	return (words[2] & WEFT_ID_MASK) == task;
}

/* task << 8 | what, where w1 is the task and w2 carries `what` (a reason, a way to drop) from bit 48. */
static inline bool events_task_what(const uint64_t *words, uint64_t arg)
{
	return (words[1] & WEFT_ID_MASK) == arg >> 8 && (words[2] >> 48 & 0xff) == (arg & 0xff);
}

/* Misuse: w1 low half is the code. */
static inline bool events_code(const uint64_t *words, uint64_t code)
{
	return (uint32_t)words[1] == code;
}

#endif
