/* SPDX-License-Identifier: MIT */
/*
 * What brings events from the kernel: one per runtime, turned by whoever owns it at the moment.
 *
 * A member of the family is one file with a struct weft_driver_ops and a line in driver.c. Events
 * are edges: after an add, and after each change of the descriptor, its source gets what is ready
 * (weft_source_event).
 */
#ifndef WEFT_RUNTIME_IO_DRIVER_H
#define WEFT_RUNTIME_IO_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/io/source.h"

#define WEFT_DRIVER_DIRECT (-2)
#define WEFT_DRIVER_LATER  (-3)

struct iovec;
struct weft_driver;
struct weft_runtime;
struct weft_thread;

struct weft_driver_ops {
	const char *name;
	/*
	 * Makes driver->state. A negative errno that also says why where the kernel refuses:
	 * driver->why.
	 */
	int (*open)(struct weft_driver *driver, bool one_thread);
	void (*close)(struct weft_driver *driver);
	/* Any thread: ends the owner's wait, or its next one. */
	void (*wake)(struct weft_driver *driver);
	/*
	 * Any thread: from now on the handle's source gets these poll events of fd. What the kernel
	 * says when it refuses.
	 */
	int (*add)(struct weft_driver *driver, int fd, uint32_t events, uintptr_t handle);
	/*
	 * Any thread, inside: somebody waits in this direction of a source that has it set in
	 * source->lazy, which add() may do where asking the kernel costs something.
	 */
	int (*want)(struct weft_driver *driver, struct weft_source *source, uintptr_t handle,
		    enum weft_direction dir);
	/*
	 * Any thread, inside a source that has WEFT_SOURCE_AHEAD: what read or accept4 would give,
	 * out of what the driver has taken from the kernel before anybody asked; -1 with errno,
	 * EAGAIN if the next will come that way; WEFT_DRIVER_DIRECT: ask the kernel.
	 */
	ssize_t (*receive)(struct weft_driver *driver, struct weft_source *source,
			   const struct iovec *to, unsigned parts);
	ssize_t (*accept)(struct weft_driver *driver, struct weft_source *source);
	/*
	 * Inside a source that has WEFT_SOURCE_AHEAD: from now on the kernel keeps what comes. -EBUSY:
	 * something was taken already, or it can't be told yet.
	 */
	int (*settle)(struct weft_driver *driver, struct weft_source *source, uintptr_t handle);
	/*
	 * Any thread, inside a source that has WEFT_SOURCE_AHEAD: what send would give, or
	 * WEFT_DRIVER_LATER: the source gets an edge once the same call of the same task (its id) has
	 * its result. One at a time; a call with other bytes gives the one before up, as recall()
	 * does: it isn't made any more, or recall() says how much was written (by the thread that
	 * turns the driver; another one isn't told). WEFT_DRIVER_DIRECT: ask the kernel.
	 */
	ssize_t (*send)(struct weft_driver *driver, struct weft_source *source, uintptr_t handle,
			uint64_t task, const struct iovec *from);
	ssize_t (*recall)(struct weft_driver *driver, struct weft_source *source, uint64_t task);
	/* By the owner, who stops turning it: what waits for its next turn goes out. NULL: nothing does. */
	void (*flush)(struct weft_driver *driver);
	/* Any thread, before weft_source_close() of a foreign fd returns. NULL: nothing to do. */
	void (*remove)(struct weft_driver *driver, int fd);
	/*
	 * Any thread: nobody is inside the source any more, and its fd is about to be closed.
	 * `handle` is the one it was added with. NULL: nothing to do.
	 */
	void (*end)(struct weft_driver *driver, struct weft_source *source, uintptr_t handle);
	/* A thread that has turned it ends, because the runtime does. NULL: nothing to do. */
	void (*leave)(struct weft_driver *driver);
	/*
	 * By the owner: waits until there is something, at most ns (0 = looks, UINT64_MAX = for
	 * ever). How much there is; 0 = nothing, negative = interrupted or failed.
	 */
	int (*wait)(struct weft_driver *driver, uint64_t ns);
	/* By the owner: hands n of what wait() has seen to the sources. Events of sources. */
	unsigned (*dispatch)(struct weft_driver *driver, int n);
};

struct weft_driver {
	const struct weft_driver_ops *ops;
	void *state;     /* of the member */
	const char *why; /* it isn't the one that was asked for, NULL = it is. Static */
	int32_t owner;   /* worker that turns the driver, -1 = nobody; atomic */
	uint64_t turns;  /* atomic, written by the owner */
	/* The owner, if it polls tasks while it is that. NULL = not known. Atomic */
	const struct weft_thread *holder;
};

#pragma GCC visibility push(hidden)
extern const struct weft_driver_ops weft_epoll_ops;
extern const struct weft_driver_ops weft_uring_ops;

/* kind: WEFT_DRIVER_*; -ENOTSUP for any other. one_thread: nobody but one thread ever turns it. */
int weft_driver_init(struct weft_driver *driver, uint32_t kind, bool one_thread);
void weft_driver_done(struct weft_driver *driver);

/* Ends the owner's wait. Any thread. */
void weft_driver_wake(struct weft_driver *driver);

/* The calling thread, which may have turned it, stops working for the runtime. */
void weft_driver_leave(struct weft_runtime *rt);

/* The owner stops turning it for a while: what was written, and waits for a turn, goes out. */
void weft_driver_flush(struct weft_driver *driver);

/* Ownership. Acquire and release order one owner's turns before the next one's. */
bool weft_driver_take(struct weft_driver *driver, int32_t worker);
void weft_driver_give(struct weft_driver *driver);

/*
 * One turn: waits for events until the next timer at most (block) or not at all, wakes tasks
 * through the runtime's schedule op. The caller owns the driver.
 */
void weft_driver_turn(struct weft_runtime *rt, bool block);
#pragma GCC visibility pop

#endif
