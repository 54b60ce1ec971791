/* SPDX-License-Identifier: MIT */
/* What the C pieces of tui/knowledge/ may name: a child task, a piece of work, and a frame with one of each. */
#ifndef WEFT_KNOWLEDGE_PRELUDE_H
#define WEFT_KNOWLEDGE_PRELUDE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/weft.h"

struct child {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static inline weft_poll_t child(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 1));
	weft_async_end(f, 0);
}

static inline int crunch(void *arg)
{
	return arg != NULL;
}

static inline void step(int i)
{
	(void)i;
}

struct piece {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_interval interval;
	struct weft_job job;
	struct weft_join *task;
	struct weft_notify *changed;
	struct weft_waiter waiter;
	struct weft_mutex *mutex;
	struct weft_semaphore *slots;
	struct weft_acquire acquire;
	struct weft_yield yield;
	struct weft_listener *listener;
	struct weft_tcp *conn;
	struct weft_write_all out;
	struct weft_file file;
	struct weft_mpsc_tx *tx;
	struct weft_mpsc_rx *rx;
	size_t n;
	int i, value;
	char buf[64];
};

#endif
