/* SPDX-License-Identifier: MIT */
/* The sealed mapping behind trace_buffer.c: creation, lanes, tables, fork. */
#ifndef WEFT_RUNTIME_TRACE_MAP_H
#define WEFT_RUNTIME_TRACE_MAP_H

#include "runtime/trace_buffer.h"

#pragma GCC visibility push(hidden)
struct weft_map_header *weft_map_header(void); /* NULL: no mapping in this process */
bool weft_map_forked(void); /* a forked child that has not started a runtime of its own */

/* A lane whose role is not yet published: fill in, then publish. NULL: none left. */
struct weft_lane *weft_map_lane_claim(const struct weft_trace_role *role);
void weft_map_lane_publish(struct weft_lane *lane);
void weft_map_lane_relabel(struct weft_lane *lane); /* to the calling thread's role of now */
void weft_map_lane_release(struct weft_lane *lane);

/* The calling thread, which has no lane of the mapping, gives up its own page when it ends. */
void weft_map_thread_leaves(struct weft_lane *page);

/* Counts the records in the committed part of a batch, for a thread that continues it. */
void weft_map_recount(const struct weft_batch *batch, uint32_t head, uint16_t *count);

/* Measures the clock once per process so that thresholds in ns can be compared with ticks. */
void weft_map_rate(void);
extern uint64_t weft_map_light_ticks; /* WEFT_LIGHT_POLL_NS in ticks */
#pragma GCC visibility pop

#endif
