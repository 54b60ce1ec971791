/* SPDX-License-Identifier: MIT */
/* Inside of the live side, for collector/live*.c and their tests. */
#ifndef WEFT_LIVE_INTERNAL_H
#define WEFT_LIVE_INTERNAL_H

#include <pthread.h>

#include "collector/detect/detect.h"
#include "collector/engine.h"
#include "collector/live.h"
#include "collector/model/model.h"

/* A task in the order that was asked for. */
struct live_ranked {
	uint64_t key;
	struct model_task *task;
};

/* Tasks in tree order, kept while it stays true. */
struct live_tree {
	uint64_t births, built_ns; /* model_births and time when it was made */
	uint32_t process;
	bool ended, valid;
	size_t n;
	struct live_branch {
		uint64_t id;
		uint32_t depth;
	} * row;
};

/* What the rows in the store are up to (live_store.c). */
struct live_rows {
	uint64_t second;
	uint32_t task_cursor; /* where the round over all tasks goes on */
	uint32_t timers;      /* rows of those that fired in timer_second */
	uint64_t timer_second, timer_cursor;
	bool ended;
};

struct live {
	pthread_mutex_t lock;  /* everything below but engine, which has locks of its own */
	pthread_cond_t moved;  /* time passed, a finding changed */
	struct engine *engine; /* NULL in tests without one */
	struct model *model;
	struct detect *detect;
	struct live_ranked *ranked; /* room for `room` tasks */
	size_t room;
	struct live_tree tree;
	struct live_rows rows;
	uint64_t account_second;
	double lost;                     /* share */
	const struct baseline *baseline; /* borrowed; NULL = none */
	bool replay, paused, stopped;
	char error[256];
};

/* live.c: without an engine; the records come by live_feed. */
int live_make(const struct live_options *options, struct live **ret);
void live_feed(struct live *l, struct record *records, size_t n);
void live_tick(struct live *l, uint64_t now_ns);

/* live_tasks.c */
uint64_t live_fingerprint(const struct live *l, const struct model_task *t); /* 0 = none */
void live_task_fill(struct live *l, const struct model_task *t, struct live_task *ret);
void live_tasks_done(struct live *l);
struct model_second live_last_second(const struct model_task *t, uint64_t now_ns);

/* live_tree.c: rows of the cached order; made anew when stale. NULL = no memory. */
const struct live_tree *live_tree_get(struct live *l, uint32_t process, bool ended);

/* live_store.c: engine thread */
void live_store_record(struct live *l, struct store *s, const struct record *r);
/* What comes after the end of its task, of before it: the row has to take it, too. */
void live_store_late(struct live *l, struct store *s, const struct record *r);
void live_store_tick(struct live *l, struct store *s);
void live_store_end(struct live *l, struct store *s);
void live_store_finding(struct live *l, struct store *s, const struct live_finding *f);

#endif
