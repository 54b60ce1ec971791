/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * How late a driver is for what it was told to wait until, in any build: park.bpf.h keeps the deadline, and the first poll
 * after it tells. A driver that IO has called back early and that a poll then holds up does not sleep again until its
 * timers have fired, so it is not seen to turn: of it, the end of the wait for that poll is the least it can be late.
 */
#ifndef WEFT_BPF_TOKIO_LATE_H
#define WEFT_BPF_TOKIO_LATE_H

#include "probes/bpf/tokio_record.bpf.h"

/* Takes it: another worker may have, or have told the driver something else since. */
static __always_inline bool take_deadline(const struct hit *x)
{
	struct weft_driver_key key = { .follow = x->follow, .epoll = x->row->epoll };
	struct weft_driver *d = bpf_map_lookup_elem(&drivers, &key);

	return d &&
	       __sync_val_compare_and_swap(&d->deadline_ns, x->row->due_ns, 0) == x->row->due_ns;
}

static __always_inline void look_at_driver(const struct hit *x)
{
	__u64 due = x->row->due_ns, turn = x->row->turn_ns;

	if (due > x->now || x->rust->level <= WEFT_LEVEL_LIGHT)
		return;
	if (take_deadline(x)) {
		if (turn < due)
			turn = x->now;
		if (x->rust->has_timers & WEFT_TIMERS_TOKIO)
			x->row->filtered[WEFT_K_TIMER_FIRE]++;
		else
			emit4(x, WEFT_K_TIMER_FIRE,
			      WEFT_TIMER_OF_DRIVER | ((x->now - turn) & WEFT_ID_MASK), 0, due);
	}
	x->row->due_ns = 0;
}

#endif
