/* SPDX-License-Identifier: MIT */
/* One traced process: its lanes, places, runtimes, gauges and rates. */
#ifndef WEFT_MODEL_PROCESS_H
#define WEFT_MODEL_PROCESS_H

#include "collector/model/lane.h"
#include "collector/model/type.h"

#define MODEL_MAX_PROCESSES 4096u
#define MODEL_POINTS        128u /* of the rate window, 10 a second */
#define MODEL_CANNOT_SEE    32u
#define MODEL_RUNTIMES      (4 * WEFT_MAX_RUNTIMES) /* 64 at most: free_rows */

struct model_site {
	uint32_t line, kind;
	uint32_t type;      /* MODEL_NONE = none yet */
	bool known, raised; /* raised: polls of its tasks are all told, at level light too */
	char func[64], name[64], file[112];
};

/* Cumulative numbers as of one moment. */
struct model_point {
	uint64_t t_ns, polls, wakes, self_wakes, steals, spawns, ends, alive, rss, target_cpu,
		own_cost, own_self;
};

/* Who is in the block_on that drives a runtime, as of t_ns. */
struct model_block_on {
	uint64_t t_ns;     /* 0 = not told yet */
	uint32_t tid;      /* 0 = nobody */
	uint64_t due_task; /* 0 = none is due */
	struct weft_ev_block_on e;
};

struct model_runtime {
	struct weft_ev_runtime info;
	struct weft_ev_runtime_sample gauge;
	uint64_t sample_ns;             /* of the gauge, 0 = none */
	bool ended;                     /* it has stopped */
	struct model_block_on block_on; /* Tokio's current-thread flavour */
	uint64_t ready;                 /* tasks runnable */
	uint64_t sure;                  /* of them those told so since the last doubt */
	uint32_t fds[MODEL_SECONDS], timers[MODEL_SECONDS]; /* [second % MODEL_SECONDS] */
};

struct model_process {
	uint32_t index;
	struct weft_ev_process info;
	uint64_t attached_ns; /* since when it is watched: probes are in */
	uint64_t quiet_ns;    /* attach or change of level last disturbed the target */
	uint64_t looked_ns; /* last sample of any sort, 0 = none yet: what came later nobody has looked at */
	bool known, gone;
	int32_t exit_code, exit_signal;
	uint32_t level; /* enum weft_level in force, 0 = not known yet */
	bool level_auto;
	uint32_t raised_sites;
	uint64_t raised_task; /* of the types that are raised only this one, 0 = all of their tasks */
	struct model_lane **lanes;
	uint32_t nlanes; /* upper bound of the used ones */
	struct model_site *sites;
	uint32_t nsites;
	struct model_runtime runtime[MODEL_RUNTIMES];
	uint32_t nruntimes;
	uint64_t free_rows; /* bits of those that may be taken: their runtimes have stopped, and no task is of them */
	uint32_t alive, ready;
	uint64_t spawns, ends, seen_polls, seen_wakes, seen_self_wakes;
	uint64_t first_spawn, last_spawn; /* ids */
	struct hist recent[2];            /* poll durations of this and the last 5 s */
	uint64_t recent_slot, quarter;    /* of five seconds; of one */
	struct weft_ev_process_sample sample;
	uint64_t sample_ns;
	double cpu_share;            /* CPUs that it used between the last two samples */
	uint64_t rss[MODEL_SECONDS]; /* [second % MODEL_SECONDS], 0 = not seen */
	struct model_point point[MODEL_POINTS];
	uint64_t npoints;
	struct weft_ev_cpus cpus, cpus_before; /* the last two */
	uint64_t cpus_ns, cpus_before_ns;      /* when they came, 0 = not yet */
	uint64_t offcpu_ns; /* first off-CPU record at this level, 0 = none: what later polls lack of them, they ran */
	uint64_t gap_ns; /* when batches were last found missing */
	uint32_t doubts; /* grows with each moment before which polls may have gone unseen */
	uint64_t unsure_ns; /* polls that began before may lack records that were lost; UINT64_MAX = they are being lost */
	uint32_t walk; /* number of the census under way or last done */
	bool walk_polls; /* a walk told how often a task was polled: those of Rust runtimes never do */
	uint64_t walk_ns, walk_before_ns,
		walks;              /* when it and the one before began; complete ones */
	uint64_t walk_done_ns;      /* when the last one ended */
	struct await_store *awaits; /* NULL until a chain comes */
	uint64_t chain_walks;       /* walks that read await chains, ended */
	struct live_cannot_see cannot_see[MODEL_CANNOT_SEE];
	uint32_t ncannot_see;
};

/* Rates over the last second (alive and rss: 10 s), from the points. < 0 = not known. */
struct model_rates {
	double polls, wakes, steals, spawns, ends, alive, rss, own_cost, own_self;
};
/* CPUs that it may use: fewer than it may run on where a quota says so. 0 = not known. */
double process_cpus(const struct model_process *p);
/* Share of the last second in which the quota stopped it. */
double process_throttled(const struct model_process *p);
/* Share of all CPUs of the machine that were busy in it. */
double process_machine_busy(const struct model_process *p);
/* Share of process_cpus() that it used between the last two samples. 0 = not known. */
double process_own_share(const struct model_process *p);
/*
 * What being watched took since from_ns, but not before the level was changed last, as is estimated: part of its CPU time, 0 to 1, and
 * CPUs. False: not known, as the level was changed in the last 2.5 s.
 */
bool process_watching(const struct model_process *p, uint64_t from_ns, double *ret_part,
		      double *ret_rate);
void process_rates(const struct model_process *p, uint64_t now_ns, struct model_rates *ret);

#endif
