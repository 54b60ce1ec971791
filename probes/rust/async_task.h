/* SPDX-License-Identifier: MIT */
/* async-task 4.0 to 4.7, on which async-std, smol and others run: vtables, wakers, the rest of a task's life. */
#ifndef WEFT_RUST_ASYNC_TASK_H
#define WEFT_RUST_ASYNC_TASK_H

#include "probes/rust/builder.h"

/* Slots of a vtable. All take the header in rdi. */
enum rust_async_slot {
	RUST_ASYNC_SCHEDULE,
	RUST_ASYNC_DROP_FUTURE,
	RUST_ASYNC_GET_OUTPUT,
	RUST_ASYNC_DROP_REF,
	RUST_ASYNC_DESTROY,
	RUST_ASYNC_RUN,
	RUST_ASYNC_CLONE_WAKER,
	RUST_ASYNC_SLOTS
};

/* Finds the vtables by their shape. */
void rust_async_task_types(struct rust_builder *b);
/* WAKE, SCHEDULE, DEALLOC, SHUTDOWN, and where in the header things are. */
void rust_async_task_tasks(struct rust_builder *b);

#endif
