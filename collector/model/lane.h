/* SPDX-License-Identifier: MIT */
/*
 * One lane (a thread that emits events): what it does now, shares of its time, and its long polls.
 *
 * Shares come from LANE_SAMPLE (thread CPU and run-queue time from the kernel, poll and park time
 * from the lane) and from the off-CPU records inside polls; where a lane is not sampled, from
 * its own poll and park records.
 */
#ifndef WEFT_MODEL_LANE_H
#define WEFT_MODEL_LANE_H

#include <stdbool.h>

#include "collector/record.h"

#define LANE_HISTORY 60u
#define LANE_SLICES  32u
#define LANE_LONG_NS 1000000u /* polls from here on are kept one by one */
/* A quarter of a second of them: readers wait up to 200 ms for what belongs to one. */
#define LANE_LONG_POLLS 256u

/* Parts of one stretch of time, ns; their sum is at most `span`. */
struct lane_parts {
	uint64_t span, busy, blocked, runnable, own, parked;
};

/* The poll that is open now, as samples show it. task 0 = none. Parts are up to sample_ns. */
struct lane_open {
	uint64_t task, seq;
	uint64_t start_ns; /* LIVE_UNKNOWN = not known */
	uint64_t seen_ns;  /* first sample that showed it */
	uint64_t sample_ns;
	uint64_t cpu_ns, runq_ns, blocked_ns; /* proven: at least this much since start */
	uint32_t samples, on_cpu, off_cpu;    /* how many showed it; on the CPU; blocked */
	uint32_t state;                       /* weft_ev_lane_sample.off_cpu of the last */
	int32_t syscall;
	uint64_t behind_ns; /* task-ns that others waited behind it, by queue depth */
};

/* A poll of LANE_LONG_NS and longer that has ended. */
struct lane_poll {
	uint64_t number; /* grows by one with each; 0 = none */
	uint64_t task, seq, start_ns, end_ns;
	uint64_t busy_ns, blocked_ns, runnable_ns; /* sum = end - start */
	bool split;                                /* by the kernel */
	bool sampled;     /* by samples: in the proportions that they prove */
	bool proven;      /* sampled, of the greater part */
	int32_t syscall;  /* of the longest block inside, -1 = none known */
	uint32_t victims; /* tasks polled here later that had been runnable meanwhile */
	uint64_t harm_ns; /* task-ns they waited for it */
	uint64_t worst_ns;
	uint64_t behind_ns; /* the same by queue depth, from samples */
};

/* Off-CPU time inside the poll of one task that has not ended yet; polls may nest. */
struct lane_off {
	uint64_t task, seq, first_ns, last_ns;
	uint64_t blocked_ns, runnable_ns, longest_ns;
	int32_t syscall;
};

struct model_lane {
	uint32_t process, lane, role, runtime, worker, tid, generation;
	char name[32];
	uint32_t state; /* enum weft_worker_state */
	bool estimated; /* polls were watched part of the time: counts and poll times are extrapolated */
	uint64_t sample_ns; /* of the last LANE_SAMPLE, 0 = none */
	struct weft_ev_lane_sample last;
	struct lane_open open;
	struct lane_off off[4];
	uint32_t noff;         /* of them that hold something of a task */
	struct lane_parts rec; /* from records, since the last slice was closed */
	uint64_t slice_ns;     /* when that was */
	struct {
		uint64_t end_ns;
		struct lane_parts p;
	} slice[LANE_SLICES];
	uint32_t nslices;               /* ever */
	struct lane_parts second;       /* since the last full second */
	uint64_t first_ns, first_polls; /* first sample */
	struct lane_parts watched; /* since, in all, between samples that are close enough to tell */
	float history[LANE_HISTORY],
		history_blocked[LANE_HISTORY]; /* [second % 60]; < 0 = not seen */
	uint64_t history_second;
	struct lane_poll poll[LANE_LONG_POLLS]; /* [number % LANE_LONG_POLLS] */
	uint64_t npolls;
	uint64_t polls, wakes, self_wakes, steals, stolen,
		parks; /* cumulative: the larger of samples and records */
	uint64_t rec_polls, rec_wakes, rec_self_wakes, rec_steals, rec_stolen, rec_parks;
	uint64_t driver_ns; /* when it last came back from a wait in the driver; UINT64_MAX = it is in there, 0 = never was */
	uint64_t poll_ns; /* end of the last poll that was told one by one; 0 = none */
	uint64_t parks_before;
	float parks_s;
	uint32_t local_depth;
	bool blocked;    /* inside a poll and off the CPU past 10 ms */
	uint64_t met_ns; /* since when its thread's switches are told; 0 = not known */
};

void lane_init(struct model_lane *l, uint32_t process, uint32_t lane);
/* behind: tasks that are runnable and have to wait for this lane's open poll. */
void lane_sample(struct model_lane *l, uint64_t t_ns, const struct weft_ev_lane_sample *s,
		 uint64_t behind);
/* Off-CPU stretch inside an open poll. */
void lane_offcpu(struct model_lane *l, const struct record *r);
/* Takes the off-CPU time of a task's poll [start, end]. false = nothing was seen. */
bool lane_take_off(struct model_lane *l, uint64_t task, uint64_t start_ns, uint64_t end_ns,
		   struct lane_off *ret);
/* A long poll ended; the split may be known. */
void lane_long_poll(struct model_lane *l, const struct lane_poll *p);
/* A task that was runnable (or whose timer was due) since ready_ns is polled here (its timer fires) at start_ns: was it a victim of the last long polls? */
void lane_victim(struct model_lane *l, uint64_t ready_ns, uint64_t start_ns);
/* From t_ns on records tell of all polls: the few they told of before are no shares of a lane that isn't sampled. */
void lane_seen_whole(struct model_lane *l, uint64_t t_ns);
/* Four times a second. */
void lane_tick(struct model_lane *l, uint64_t now_ns, bool new_second);
/* Shares of the last second before now_ns, the open poll counted; false = nothing known. */
bool lane_shares(const struct model_lane *l, uint64_t now_ns, struct lane_parts *ret);

/* How long the thread waited for a CPU in [from, to], by what it did between the samples around: at least, and at most. 0, 0 = not known. */
void lane_waited(const struct model_lane *l, uint64_t from_ns, uint64_t to_ns, uint64_t *ret_least,
		 uint64_t *ret_most);

/* Share of the time around [from, to] in which it had something to do that it waited for a CPU. */
double lane_waiting(const struct model_lane *l, uint64_t from_ns, uint64_t to_ns);

/* It did nothing at all in [from, to], and wanted no CPU, as several samples tell. */
bool lane_stood_still(const struct model_lane *l, uint64_t from_ns, uint64_t to_ns);

static inline uint64_t lane_open_ns(const struct model_lane *l, uint64_t now_ns)
{
	if (!l->open.task)
		return 0;
	if (l->open.start_ns == UINT64_MAX)
		return UINT64_MAX;
	return now_ns > l->open.start_ns ? now_ns - l->open.start_ns : 1;
}

#endif
