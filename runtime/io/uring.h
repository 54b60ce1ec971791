/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the io_uring driver share: uring.c turns it, uring_request.c makes and cancels
 * requests, uring_ahead.c has what the kernel gave before anybody asked.
 */
#ifndef WEFT_RUNTIME_IO_URING_H
#define WEFT_RUNTIME_IO_URING_H

#include <liburing.h>
#include <pthread.h>
#include <stdint.h>

#include "runtime/io/driver.h"
#include "runtime/io/source.h"

/* In the low bits of a request's handle (sources are aligned to 8). 0 with no handle: nobody's. */
enum weft_uring_tag {
	WEFT_URING_POLL, /* for all that the source is for, or the read side of one that goes ahead */
	WEFT_URING_POLL_OUT, /* the write side of one that goes ahead */
	WEFT_URING_RECEIVE,
	WEFT_URING_ACCEPT,
	WEFT_URING_SEND /* with a number and no handle */
};
#define WEFT_URING_TAGS 7u

/* Bits of source->armed, beside WEFT_SOURCE_AHEAD. Changed by read-modify-writes. */
enum {
	WEFT_URING_IN = 1, /* what a plain source is polled for */
	WEFT_URING_OUT = 2,
	WEFT_URING_POLLED = 4, /* the kernel has the request */
	WEFT_URING_POLLED_OUT = 8,
	WEFT_URING_ON = 16 /* WEFT_URING_RECEIVE or _ACCEPT */
};

struct weft_uring_ahead;
struct weft_uring_sends;

struct weft_uring {
	struct io_uring ring;
	pthread_mutex_t lock; /* of the submission queue and of all from n to words */
	uint32_t todo;        /* 1: the owner has something to submit; atomic */
	uint32_t waiting;     /* 1: the owner sleeps, or is about to; atomic */
	uint32_t n, cap;
	uintptr_t *fresh;  /* handles with tags that wait for the owner to submit their requests */
	uint64_t *watched; /* bit per fd */
	size_t words;
	struct weft_uring_ahead *ahead; /* NULL: the kernel can't */
	struct weft_uring_sends *sends; /* NULL: no memory */
};

#pragma GCC visibility push(hidden)
/* Under the lock. */
int weft_uring_submit(struct weft_uring *uring);
/* Under the lock. NULL: the kernel takes nothing. */
struct io_uring_sqe *weft_uring_sqe(struct weft_uring *uring);
/* Under the lock: the request of this handle and tag. Submits nothing. */
void weft_uring_cancel(struct weft_uring *uring, uintptr_t handle, unsigned tag);

/* Members of struct weft_driver_ops. */
void weft_uring_wake(struct weft_driver *driver);
int weft_uring_add(struct weft_driver *driver, int fd, uint32_t events, uintptr_t handle);
int weft_uring_want(struct weft_driver *driver, struct weft_source *source, uintptr_t handle,
		    enum weft_direction dir);
void weft_uring_remove(struct weft_driver *driver, int fd);
void weft_uring_end(struct weft_driver *driver, struct weft_source *source, uintptr_t handle);
void weft_uring_leave(struct weft_driver *driver);
ssize_t weft_uring_receive(struct weft_driver *driver, struct weft_source *source,
			   const struct iovec *to, unsigned parts);
ssize_t weft_uring_accept(struct weft_driver *driver, struct weft_source *source);
int weft_uring_settle(struct weft_driver *driver, struct weft_source *source, uintptr_t handle);
ssize_t weft_uring_send(struct weft_driver *driver, struct weft_source *source, uintptr_t handle,
			uint64_t task, const struct iovec *from);
ssize_t weft_uring_recall(struct weft_driver *driver, struct weft_source *source, uint64_t task);
void weft_uring_sends_flush(struct weft_driver *driver);

/* By the owner, before it waits: makes the requests of fresh[]. */
void weft_uring_flush(struct weft_uring *uring);
/* By the owner: the request of the handle is over, though its source may not be. */
void weft_uring_again(struct weft_uring *uring, uintptr_t handle, unsigned tag);

/* NULL: the kernel can't (Linux 6.0), or there is no memory. */
struct weft_uring_ahead *weft_uring_ahead_open(struct io_uring *ring);
/* The ring takes nothing from the kernel any more. */
void weft_uring_ahead_close(struct weft_uring *uring);
/* Under the lock, inside: which request the read side should have, its tag. */
unsigned weft_uring_ahead_choose(struct weft_uring *uring, struct weft_source *source);
/* Under the lock, inside. False: it was chosen, but not any more. */
bool weft_uring_ahead_prepare(struct weft_uring *uring, struct weft_source *source, unsigned tag,
			      struct io_uring_sqe *sqe);
/* By the owner. Events of sources. */
unsigned weft_uring_ahead_completed(struct weft_uring *uring, uintptr_t handle, unsigned tag,
				    const struct io_uring_cqe *cqe);
/* The source ends: gives back what nobody took. */
void weft_uring_ahead_forget(struct weft_uring *uring, int fd, bool listener);

/* NULL: no memory. */
struct weft_uring_sends *weft_uring_sends_open(void);
/* The ring gives no completions any more. */
void weft_uring_sends_close(struct weft_uring_sends *sends);
/* By the owner. Events of sources. */
unsigned weft_uring_send_completed(struct weft_uring *uring, const struct io_uring_cqe *cqe);
/* Inside, or nobody is any more: the write the source is at is given up. */
void weft_uring_send_forget(struct weft_driver *driver, struct weft_source *source);
#pragma GCC visibility pop

#endif
