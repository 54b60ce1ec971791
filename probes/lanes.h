/* SPDX-License-Identifier: MIT */
/*
 * What has been delivered of each lane of one mapping, so that each record is delivered once and
 * everything else is accounted for.
 *
 * Positions are (seq, offset in the batch page). A lane's records come by two ways: whole batches
 * through the ring (flush probe), and pieces read from the mapping when they have lain there for too long
 * or the writer is dead. One round:
 *
 *     lanes_look()     read every commit word
 *     (the caller reads the ring up to where it is after that: all batches before each word's seq are in it)
 *     lanes_batch()    per batch of the ring: which part of it is new
 *     lanes_settle()   batches that did not come are gaps; old pieces are copied out
 *
 * Base: where this watcher began. Records before it are skipped, counts are relative to it. Lanes that appear
 * after lanes_base() begin at zero. Cut: where it ends; later records are neither delivered nor counted.
 */
#ifndef WEFT_LANES_H
#define WEFT_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/event.h"
#include "probes/target_map.h"

struct lanes;

struct lanes_out {
	void *ctx;
	void (*piece)(void *ctx, uint32_t lane, uint32_t seq, uint32_t offset, const void *records,
		      uint32_t bytes);
	void (*gap)(void *ctx, uint32_t lane, uint32_t seq_from, uint32_t seq_to);
};

/* Borrows the map. */
int lanes_new(const struct target_map *map, struct lanes **ret);
struct lanes *lanes_free(struct lanes *l); /* takes NULL, returns NULL */
uint32_t lanes_count(const struct lanes *l);

/* Takes the base of every lane that exists now; the flush probes must be in place. -EIO: unreadable. */
int lanes_base(struct lanes *l);

void lanes_look(struct lanes *l);

/* Bytes [*from, *to) of this batch, whose bytes follow the header, are new; false: none. Reports a gap before it. */
bool lanes_batch(struct lanes *l, const struct weft_ev_batch *batch, const struct lanes_out *out,
		 uint32_t *from, uint32_t *to);

/* Only after all of the ring up to lanes_look() was handed in. age_ns: pieces that lie this long are delivered. */
void lanes_settle(struct lanes *l, uint64_t now_ns, uint64_t age_ns, const struct lanes_out *out);

/* Stamp (56 bits) of the oldest record not delivered; false: there is none. */
bool lanes_oldest(const struct lanes *l, uint64_t *ret_stamp);

/* The end: lanes_cut() fixes it, then the ring is read as above, then lanes_tail() delivers the last pieces. */
int lanes_cut(struct lanes *l);
void lanes_tail(struct lanes *l, const struct lanes_out *out);

/*
 * Since base, up to the cut if there is one; fills both arrays of WEFT_MAX_KINDS. Of a lane that can't be read any
 * more (the target has cut the mapping): what was delivered of it.
 */
void lanes_counts(struct lanes *l, __u64 *emitted, __u64 *filtered);

/* Status page now (at the cut after lanes_cut), and what it was at the base (zeroes without one). */
bool lanes_status(const struct lanes *l, uint32_t lane, struct weft_lane *ret);
const struct weft_lane *lanes_status_base(const struct lanes *l, uint32_t lane);

#endif
