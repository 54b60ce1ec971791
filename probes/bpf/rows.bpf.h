/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Rows of Rust threads and their drivers: the session makes the maps, both objects are given them at load. */
#ifndef WEFT_BPF_ROWS_H
#define WEFT_BPF_ROWS_H

#include "probes/bpf/maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEFT_ROW_MAX);
	__type(key, __u32);
	__type(value, struct weft_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WEFT_DRIVER_MAX);
	__type(key, struct weft_driver_key);
	__type(value, struct weft_driver);
} drivers SEC(".maps");

#endif
