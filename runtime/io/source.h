/* SPDX-License-Identifier: MIT */
/*
 * A descriptor that tasks wait for.
 *
 * A source is registered with the driver once, edge-triggered for both directions; operations try the
 * system call first and wait only after EAGAIN. Sources come from a pool that is never unmapped,
 * and are known by handles: address | generation << 48 (struct weft_tcp and its like are handles
 * under another name, and so is the data of a driver's event). Closing starts a new generation, so
 * whoever comes with an older handle gets -EBADF, never another connection. A handle is mistaken
 * only when its source was reused 65,536 times meanwhile.
 *
 * Readiness of one direction is one word: 0 = nothing known; READY = an edge came since it was
 * cleared; else the waiting task (a reference). Only compare-and-swap changes it:
 *
 *	operation, after EAGAIN:	READY -> 0 and try again;  0 -> task and wait
 *	edge:				0 -> READY;  task -> 0 and wake
 *	close:				any -> 0 and wake
 *
 * An edge between the system call and the registration thus makes the registration fail. Acquire
 * on taking a task, release on leaving one.
 *
 * Closing while others use the source:
 *
 *	enter	refs + 1 (acquire), then compare the generation; another one: exit, -EBADF
 *	exit	refs - 1 (release); whoever swaps exactly CLOSING for 0 (acquire) closes the fd and
 *		frees the source
 *	close	generation + 1 (compare-and-swap: one caller wins), refs + CLOSING + 1 (release), take
 *		the waiters out, exit
 *	wait	register in the slot, then compare the generation; another one: take it back, -EBADF
 *
 * No fence is needed: `refs` and, while somebody is inside, the slots are only changed by
 * read-modify-writes, so the later one of two on the same word sees what was done before the
 * earlier one. An enter that comes after the close's addition sees the new generation, one that
 * comes before it keeps the fd open; the same holds for a registration and the close's look at
 * the slot. A stale enter may count up and down on a source that is free or used by others.
 */
#ifndef WEFT_RUNTIME_IO_SOURCE_H
#define WEFT_RUNTIME_IO_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct weft_cx;
struct weft_runtime;

#define WEFT_SOURCE_READY   1u
#define WEFT_SOURCE_CLOSING (1u << 31)
#define WEFT_SOURCE_AHEAD   0x80u /* of armed: ask the driver before the kernel */

struct weft_source {
	union {
		struct weft_source *next_free;
		struct weft_runtime *rt;
	};
	uintptr_t slot[2]; /* enum weft_direction */
	uint32_t refs;     /* operations inside, CLOSING */
	int32_t fd;        /* -1 = free. Written while nobody is inside */
	uint16_t generation;
	uint8_t ended;   /* peer's end seen (RDHUP, HUP, ERR): try before waiting */
	uint8_t drained; /* the last read took all there was */
	uint8_t kind;    /* enum weft_source_kind */
	union {
		uint8_t starved; /* listener: its last accept found no descriptor free */
		uint8_t sending; /* stream: the driver's, of the write it has yet to make. Atomic */
	};
	uint8_t lazy;  /* bit per direction: the driver is told when somebody waits. Atomic */
	uint8_t armed; /* WEFT_SOURCE_AHEAD, and the driver's own. Atomic */
};
_Static_assert(sizeof(struct weft_source) == 40, "every idle connection pays for this");
_Static_assert(sizeof(uintptr_t) == 8, "a handle has 48 bits of address");

enum weft_direction { WEFT_DIR_READ, WEFT_DIR_WRITE };

enum weft_source_kind {
	WEFT_SOURCE_TCP,
	WEFT_SOURCE_LISTENER,
	WEFT_SOURCE_SOCKET,  /* any other */
	WEFT_SOURCE_FILE,    /* a pipe's end or a terminal: read() and write() */
	WEFT_SOURCE_FOREIGN, /* weft_fd_wait(): the fd stays open, all events go to the read slot */
};

#pragma GCC visibility push(hidden)
/*
 * Takes over fd, which is non-blocking, for both directions. -ENOTSUP (and misuse) without IO,
 * -ESHUTDOWN, -ENOMEM, or what epoll_ctl says; the fd is then still the caller's.
 */
int weft_source_open(struct weft_runtime *rt, int fd, enum weft_source_kind kind,
		     uintptr_t *ret_handle);
/* The same, but closes fd on failure. */
int weft_source_adopt(struct weft_runtime *rt, int fd, enum weft_source_kind kind,
		      uintptr_t *ret_handle);
/* Watches these epoll events of an fd that stays its owner's. */
int weft_source_open_foreign(struct weft_runtime *rt, int fd, uint32_t events,
			     uintptr_t *ret_handle);
/* Wakes the waiters, who get -EBADF. A stale handle, or 0, is fine. Any thread. */
void weft_source_close(uintptr_t handle);
/*
 * The same, but gives the fd to the caller; -EBADF for a stale handle, -EBUSY if the driver has
 * received something that was not read.
 */
int weft_source_release(uintptr_t handle);

/* For weft_source_exit: the closed source has nobody inside, no waiters, no handle that fits. */
void weft_source_end(struct weft_source *source);

/*
 * Inside, after EAGAIN. True = waiting, return WEFT_PENDING; false = try again (0), closed
 * (-EBADF), or another task waits there (-EBUSY and misuse): *ret_rc.
 */
bool weft_source_wait(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir, int *ret_rc);
/* The same for an edge that the driver has promised: it isn't asked for any. */
bool weft_source_expect(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir, int *ret_rc);
/* Inside: takes the task's registration back, if there is one. */
void weft_source_leave(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir);
/*
 * The same from outside, for an operation that was cancelled. Bytes that it had written by then all
 * the same. A closed source has forgotten it.
 */
ssize_t weft_source_cancel(struct weft_cx *cx, uintptr_t handle, enum weft_direction dir);

/*
 * The process is out of descriptors: from now on the source's readers are woken, once, when a
 * source closes one. Afterwards the caller tries again before it waits, because a close may have
 * come before this. False: too many sources starve.
 */
bool weft_source_starve(uintptr_t handle);

/*
 * Hands poll events to the source; 1, or 0 for the driver's own (handle 0) and for sources closed
 * meanwhile. By the driver's owner.
 */
unsigned weft_source_event(uintptr_t handle, uint32_t events);
#pragma GCC visibility pop

/* The memory behind a handle; only its atomics may be touched outside enter and exit. */
static inline struct weft_source *weft_source_of(uintptr_t handle)
{
	return (struct weft_source *)(handle & ((1ull << 48) - 1));
}

/* Relaxed: a release changes it under those who are inside, who then finish as they began. */
static inline unsigned weft_source_kind(const struct weft_source *source)
{
	return __atomic_load_n(&source->kind, __ATOMIC_RELAXED);
}

/* Relaxed: the caller's read-modify-write before it has acquired what a close released. */
static inline bool weft_source_is_current(const struct weft_source *source, uintptr_t handle)
{
	return __atomic_load_n(&source->generation, __ATOMIC_RELAXED) == (uint16_t)(handle >> 48);
}

/*
 * Release: what was done inside comes before the fd is closed; acquire: and that after it. A stale
 * enter can bring the word to CLOSING more than once: the swap picks one.
 */
static inline void weft_source_exit(struct weft_source *source)
{
	uint32_t closing = WEFT_SOURCE_CLOSING;

	if (__builtin_expect(__atomic_sub_fetch(&source->refs, 1, __ATOMIC_RELEASE) == closing,
			     0) &&
	    __atomic_compare_exchange_n(&source->refs, &closing, 0, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		weft_source_end(source);
}

/* NULL: closed. Else the source and its fd stay until weft_source_exit. */
static inline struct weft_source *weft_source_enter(uintptr_t handle)
{
	struct weft_source *source = weft_source_of(handle);

	if (__builtin_expect(!source, 0))
		return NULL;
	__atomic_fetch_add(&source->refs, 1, __ATOMIC_ACQUIRE);
	if (__builtin_expect(weft_source_is_current(source, handle), 1))
		return source;
	weft_source_exit(source);
	return NULL;
}

#endif
