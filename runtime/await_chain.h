/* SPDX-License-Identifier: MIT */
/*
 * The await chain: where a suspended task stands, and on what it waits. Part of the wire format
 * (probe_points.h) because a watcher reads it out of the task's frame, and of the public API
 * because frames begin with it.
 *
 * A root frame lies in its task's block, weft_map_header.frame_offset bytes behind the start of
 * struct weft_task_head.
 */
#ifndef WEFT_AWAIT_CHAIN_H
#define WEFT_AWAIT_CHAIN_H

#include <linux/types.h>

/* Where an async function waits. Read from outside by address: layout is fixed. */
struct weft_await_site {
	const void *resume;
	const char *func;
	const char *file;
	__u32 line;
	__u32 pad;
};

/*
 * Head of every frame, 16 bytes. The await chain of a suspended task is root frame -> callee ->
 * callee ...; it is complete whenever the task is not being polled.
 */
struct weft_frame {
	const struct weft_await_site *at; /* NULL: not started, running, or done */
	__u32 self;                       /* low half of the address at the first suspension */
	__s32 callee; /* byte distance to the awaited frame's head, 0 = a leaf */
};

/*
 * What the leaf of a chain waits for (weft_on, the word 4 bytes behind the leaf's struct
 * weft_frame). Numbers are an ABI: append only.
 *
 *   X(NAME, number, "text")
 */
#define WEFT_WAITS(X)                 \
	X(UNKNOWN, 0, "?")            \
	X(YIELD, 1, "yield")          \
	X(SLEEP, 2, "sleep")          \
	X(READ, 3, "read")            \
	X(WRITE, 4, "write")          \
	X(ACCEPT, 5, "accept")        \
	X(CONNECT, 6, "connect")      \
	X(FD, 7, "fd")                \
	X(JOIN, 8, "join")            \
	X(JOB, 9, "blocking job")     \
	X(NOTIFY, 10, "notify")       \
	X(SEMAPHORE, 11, "semaphore") \
	X(MUTEX, 12, "mutex")         \
	X(RWLOCK, 13, "rwlock")       \
	X(BARRIER, 14, "barrier")     \
	X(ONCE, 15, "once")           \
	X(ONESHOT, 16, "oneshot")     \
	X(SEND, 17, "channel send")   \
	X(RECV, 18, "channel recv")   \
	X(BROADCAST, 19, "broadcast") \
	X(WATCH, 20, "watch")         \
	X(GROUP, 21, "task group")    \
	X(INTERVAL, 22, "interval")   \
	X(RESOLVE, 23, "DNS")         \
	X(FILE, 24, "file")           \
	X(CHILD, 25, "child process") \
	X(SIGNAL, 26, "signal")

enum weft_wait {
#define X(name, code, text) WEFT_WAIT_##name = code,
	WEFT_WAITS(X)
#undef X
};

#endif
