/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Maps that both objects use: weft.bpf.c makes them, sched.bpf.c is given the same ones at load. */
#ifndef WEFT_BPF_MAPS_H
#define WEFT_BPF_MAPS_H

#include "probes/bpf/core.h"
#include "probes/layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 25);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_follow);
} follow SEC(".maps");

static __always_inline struct weft_follow_entry *follow_at(__u32 index)
{
	__u32 zero = 0;
	struct weft_follow *f = bpf_map_lookup_elem(&follow, &zero);

	if (!f)
		return 0;
	barrier_var(
		index); /* or clang compares a copy that the verifier does not connect with the index */
	if (index >= WEFT_FOLLOW_MAX)
		return 0;
	return &f->entry[index];
}

#endif
