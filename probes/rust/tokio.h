/* SPDX-License-Identifier: MIT */
/* Tokio 1.23 and later: its task vtables, where they are polled, spawned and woken. */
#ifndef WEFT_RUST_TOKIO_H
#define WEFT_RUST_TOKIO_H

#include "probes/rust/builder.h"

/* Slots of a vtable. All but TRY_READ take the header in rdi. */
enum rust_tokio_slot {
	RUST_TOKIO_POLL,
	RUST_TOKIO_SCHEDULE,
	RUST_TOKIO_DEALLOC,
	RUST_TOKIO_TRY_READ,
	RUST_TOKIO_HANDLE_DROP,
	RUST_TOKIO_ABORT_HANDLE_DROP,
	RUST_TOKIO_SHUTDOWN,
	RUST_TOKIO_SLOTS
};

/* Finds the vtables by their shape. Adds types, the layout, and the gaps where there are none. */
void rust_tokio_types(struct rust_builder *b);
/* Of the vtables' functions SCHEDULE, DEALLOC, HANDLE_DROP and SHUTDOWN. */
void rust_tokio_tasks(struct rust_builder *b);
/* WAKE and COMPLETE. */
void rust_tokio_wakes(struct rust_builder *b);

#endif
