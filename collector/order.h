/* SPDX-License-Identifier: MIT */
/*
 * Merges the lanes by time. A lane's records are a sorted run already, so this is a k-way merge over
 * the heads of the runs; what comes unsorted (flat events of several CPUs) is dealt onto as many sorted runs as it needs
 * (patience sorting). A record leaves once the watermark has passed it, or when memory is short: then the oldest go
 * first, and what comes after its window is flagged RECORD_LATE, never dropped. One thread.
 */
#ifndef WEFT_ORDER_H
#define WEFT_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/record.h"

struct order;

int order_new(size_t max_records, struct order **ret); /* 0 = 1,000,000 */
struct order *order_free(struct order *o);             /* frees the `ev` of what is left as well */

/* A run for one source that is sorted by itself. Returns its number or negative errno. */
int order_run(struct order *o);
/* Room for n records at the end of a run, to be filled and then confirmed; NULL = no memory. */
struct record *order_room(struct order *o, unsigned run, size_t n);
void order_filled(struct order *o, unsigned run, size_t n);
/* One record of any time. */
int order_put(struct order *o, const struct record *r);

/* All with an earlier time has been put. Never goes back. */
void order_watermark(struct order *o, uint64_t t_ns);
uint64_t order_passed(const struct order *o); /* the latest time that was taken */
uint64_t order_mark(const struct order *o);   /* the watermark */
size_t order_pending(const struct order *o);
bool order_short(const struct order *o); /* memory is short: records leave ahead of the watermark */
uint64_t order_first(const struct order *o); /* the earliest time there; UINT64_MAX = none */

/* Takes up to max records, in order, with a time before both the watermark and `until`. */
size_t order_take(struct order *o, uint64_t until, struct record *out, size_t max);
/* The same without regard to the watermark: nothing more will come. */
size_t order_flush(struct order *o, uint64_t until, struct record *out, size_t max);

#endif
