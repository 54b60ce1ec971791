/* SPDX-License-Identifier: MIT */
/* What the files source_weft*.c share: one process on the C runtime. */
#ifndef WEFT_SOURCE_WEFT_INTERNAL_H
#define WEFT_SOURCE_WEFT_INTERNAL_H

#include "probes/attach.h"
#include "probes/await_reader.h"
#include "probes/census.h"
#include "probes/lanes.h"
#include "probes/session_internal.h"
#include "probes/target_map.h"

#define WEFT_LEVELS 3u /* light, normal, full */

/* A lane as last told to the collector. */
struct lane_told {
	uint32_t role, generation;
	uint32_t tid;  /* in the init pid namespace; 0 = no thread */
	int schedstat; /* fd, -1 = none */
	uint64_t cpu_base_ns, runq_base_ns, cpu_ns, runq_ns;
};

struct weft_process {
	struct process *p;
	bool light_only; /* perf-based links cost 0.1 s each at detach: the lightest point only */
	int file;        /* the ELF file that carries the points */
	struct attach_request flush;
	struct attach_place raise[WEFT_LEVELS];
	struct attachment flush_link, level_link;
	struct target_map *map; /* NULL until the runtime has started */
	struct lanes *lanes;
	struct census *census;
	struct await_reader *awaits; /* NULL until somebody asks */
	bool chains_asked, chains;   /* a walk with await chains: the next one, this one */
	uint64_t one_asked, one; /* await chain of one task: the next walk, this one; 0 = none */
	struct lane_told *told;  /* of max_lanes */
	uint32_t lanes_told, sites_told;
	uint32_t runtime_told[WEFT_MAX_RUNTIMES];
	uint64_t lost_base;
	uint64_t full_ns, failed_ns;     /* they grew last */
	uint64_t full_seen, failed_seen; /* of the follow entry: why a batch is missing */
	uint32_t snapshots;
	uint64_t census_ns;    /* of the last one's start */
	uint64_t census_tasks; /* found by the last one */
	bool broken;           /* the mapping can't be read any more; said once */
};

static inline struct weft_process *weft_of(const struct process *p)
{
	return p->of_source[SOURCE_WEFT];
}

/* ---- source_weft_attach.c ---- */

int source_weft_open(struct session *s, void **ret_state);
void source_weft_close(void *state);
int source_weft_attach(void *state, struct process *p, int exe_fd);
void source_weft_detach(void *state, struct process *p);
int source_weft_level(void *state, struct process *p, enum weft_level level);

/* base: the runtime was there before the probes, so what it has written so far is not ours. -ENOENT: not yet. */
int weft_open_mapping(struct weft_process *w, bool base);
int weft_fail_mapping(struct weft_process *w, int err); /* sets the error text, returns err */

/* ---- source_weft_events.c: what the mapping tells beside records ---- */

void weft_tell_runtimes(struct weft_process *w, bool all);
void weft_tell_sites(struct weft_process *w);
void weft_tell_lanes(struct weft_process *w);
void weft_sample_lanes(struct weft_process *w, uint16_t flags);
void weft_sample_runtimes(struct weft_process *w);
void weft_tell_counts(struct weft_process *w, uint16_t flags);
void weft_read_load(struct weft_process *w, struct source_load *ret);
void weft_forget_lanes(struct weft_process *w); /* ends their threads, closes their files */

/* ---- source_weft_census.c ---- */

void weft_census_ask(struct weft_process *w,
		     bool chains); /* a walk, as soon as none is under way */
void weft_census_ask_one(struct weft_process *w, uint64_t task); /* its await chain */
void weft_census_due(struct weft_process *w);                    /* every second */
void weft_census_step(struct weft_process *w);

#endif
