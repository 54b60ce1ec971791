/* SPDX-License-Identifier: MIT */
/*
 * Records made by hand for the model and the detectors, past decode and order: the shortest way to put a
 * program's behaviour in front of them. Times are ns since the start and must not go back. Each call first ticks the model
 * and the detectors every 50 ms up to its time, as the engine does.
 *
 *     struct feed *f = feed_new(&(struct live_options){ 0 });
 *     feed_worker(f, 0, 0);                       (lane, worker; process 0 with runtime 1 is there)
 *     feed_site(f, 1, "session", "svc.c", 42);
 *     feed_spawn(f, MS, 7, 1, 512);               (task 7 at site 1, 512 bytes)
 *     feed_poll(f, 3 * MS, 0, 7, MS);             (lane, task, duration; time = end)
 */
#ifndef WEFT_FEED_H
#define WEFT_FEED_H

#include "collector/live_internal.h"

#define US         1000ull
#define MS         1000000ull
#define S          1000000000ull
#define FEED_LANES 8

struct feed {
	struct live *l;
	struct model *m;
	uint64_t now, ticked;
	struct weft_ev_lane_sample lane[FEED_LANES]; /* cumulative numbers */
	struct record last;
};

struct feed *feed_new(const struct live_options *options);
struct feed *feed_free(struct feed *f);
void feed_tick_to(struct feed *f, uint64_t t);
void feed_record(struct feed *f, struct record *r);
/* A session event for process 0. */
void feed_event(struct feed *f, uint64_t t, unsigned kind, const void *payload, size_t bytes);
void feed_flagged(struct feed *f, uint64_t t, unsigned kind, unsigned flags, const void *payload,
		  size_t bytes); /* flags: enum weft_ev_flag */

void feed_runtime(struct feed *f, uint32_t runtime, uint16_t kind);
/* Thread 100, of runtime 1 unless e says another; due_task as it is. */
void feed_block_on(struct feed *f, uint64_t t, struct weft_ev_block_on e);
void feed_level(struct feed *f, uint64_t t, uint32_t level);
void feed_worker(struct feed *f, uint32_t lane, uint32_t worker);
void feed_lane(struct feed *f, uint32_t lane, uint32_t role);
void feed_site(struct feed *f, uint32_t site, const char *name, const char *file, uint32_t line);

void feed_spawn(struct feed *f, uint64_t t, uint64_t task, uint32_t site, uint32_t bytes);
void feed_child(struct feed *f, uint64_t t, uint64_t task, uint64_t parent, uint32_t site);
void feed_wake(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t by,
	       unsigned kind);
void feed_poll(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t dur);
void feed_poll_delay(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t dur,
		     uint64_t delay);
void feed_end(struct feed *f, uint64_t t, uint64_t task, unsigned reason);
void feed_offcpu(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t blocked,
		 uint64_t runnable, int syscall);
void feed_stack(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t seq,
		unsigned why, int syscall);
/* Off-CPU records were lost, so many by now. */
void feed_lost(struct feed *f, uint64_t t, uint64_t lost);
/* Blocked on a lock of the runtime, lane 0. */
void feed_stack_of_runtime(struct feed *f, uint64_t t, uint64_t task, uint64_t seq);
/* Blocked on lane 0 in functions of the kernel, called from those of the user; both end with NULL. std::, parking_lot:: ... are system code. */
void feed_stack_named(struct feed *f, uint64_t t, uint64_t task, uint64_t seq, int syscall,
		      const char *const *kernel, const char *const *user);
/* A thread outside of polls, in a process that has been still for quiet_ns; line 10 and up of src/lib.rs. */
void feed_stack_waiting(struct feed *f, uint64_t t, uint64_t quiet_ns, bool company,
			const char *const *user);
/* On the CPU on lane 0, in these functions. */
void feed_sample_named(struct feed *f, uint64_t t, uint64_t task, uint64_t seq,
		       const char *const *user);
void feed_rss(struct feed *f, uint64_t t, uint64_t bytes);
void feed_gauge(struct feed *f, uint64_t t, uint64_t timers, uint32_t fds);
void feed_walk(struct feed *f, uint64_t t, const struct weft_ev_snapshot_task *tasks, uint32_t n);

/* What a lane did since its last sample. */
struct feed_sample {
	uint64_t cpu, runq, park; /* thread time by the kernel, park time */
	uint64_t polls, busy;     /* that ended since */
	uint64_t wakes, self_wakes;
	uint64_t task, open_ns, seq;    /* open poll; 0 = none */
	uint32_t off_cpu, state, depth; /* state 0 = RUNNING */
	int syscall;                    /* 0 = none */
};
void feed_sample(struct feed *f, uint64_t t, uint32_t lane, const struct feed_sample *s);

/* The first open finding of this id; NULL = none. Valid until the next call. */
const struct live_finding *feed_finding(struct feed *f, const char *id);
size_t feed_findings(struct feed *f);
const char *feed_verdict(struct feed *f, const char *id);
const char *feed_why(struct feed *f, const char *id);

#endif
