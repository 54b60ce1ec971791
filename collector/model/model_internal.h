/* SPDX-License-Identifier: MIT */
/* Inside of the model, for the files of this folder. */
#ifndef WEFT_MODEL_INTERNAL_H
#define WEFT_MODEL_INTERNAL_H

#include "collector/model/label.h"
#include "collector/model/model.h"
#include "collector/model/notable.h"
#include "collector/model/timer.h"

#define SECOND_NS 1000000000ull

struct model {
	uint64_t now_ns, second, oddities, births;
	struct task_table tasks;
	struct model_task *guess; /* who the record in hand is probably about; NULL = no idea */
	struct model_process *process[MODEL_MAX_PROCESSES];
	uint32_t nprocesses;
	struct model_type **types;
	uint32_t ntypes, room_types;
	struct stack_store *stacks;
	struct timer_log timers;
	struct timer_table armed;
	struct notable_log notables;
	struct label_store labels;
	struct weft_ev_session session;
	bool session_known;
	uint64_t offcpu_lost; /* by the last word of the session */
	bool losing;          /* that was more than by the one before */
};

static inline const void *model_payload(const struct record *r, size_t bytes)
{
	return r->ev && r->ev->size >= sizeof(*r->ev) + bytes ? r->ev + 1 : NULL;
}

/* A task id of the process's own, made unique. 0 stays 0. */
static inline uint64_t model_task_id(uint32_t process, uint64_t native)
{
	uint64_t mask = (1ull << WEFT_TASK_PROCESS_SHIFT) - 1;

	return native ? (uint64_t)process << WEFT_TASK_PROCESS_SHIFT | (native & mask) : 0;
}

/* model.c: all get what is there or make it; NULL = nonsense or no memory, counted. */
struct model_process *model_process_get(struct model *m, uint32_t process);
struct model_lane *model_lane_get(struct model *m, struct model_process *p, uint32_t lane);
struct model_type *model_type_get(struct model *m, struct model_process *p, uint32_t site);
struct model_site *model_site_get(struct model *m, struct model_process *p, uint32_t site);
uint16_t model_runtime_index(const struct model_process *p,
			     uint32_t runtime); /* MODEL_NO_RUNTIME = not known */
void model_type_held(struct model *m, struct model_process *p, uint32_t site);
void model_type_title(struct model_type *t, const struct model_site *s);

/* model_task.c: what happens to tasks */
void model_task_spawn(struct model *m, const struct record *r);
void model_task_poll(struct model *m, struct record *r);
void model_task_wake(struct model *m, const struct record *r);
void model_task_end(struct model *m, const struct record *r);
void model_task_named(struct model *m, const struct record *r);
void model_task_labelled(struct model *m, const struct record *r);
struct model_task *model_task_found(struct model *m, struct model_process *p, uint64_t id,
				    uint32_t site);
void model_task_retype(struct model *m, struct model_process *p, struct model_task *t,
		       uint32_t site);
void model_task_runtime(struct model_process *p, struct model_task *t, uint32_t runtime);
void model_task_finish(struct model *m, struct model_task *t, enum live_task_state how,
		       uint64_t t_ns);
void model_task_revive(struct model *m, struct model_task *t); /* its end was only supposed */
void model_task_ready(struct model *m, struct model_task *t,
		      uint64_t ready_ns); /* 0 = not any more */
/* Told before the last doubt, and not again: it may have been polled since. */
static inline bool model_task_doubted(const struct model *m, const struct model_task *t)
{
	return t->doubts != m->process[t->process]->doubts;
}

/* model_runtime.c */
struct model_runtime *model_runtime_get(struct model *m, uint32_t process, uint32_t runtime);
void model_runtime_stop(struct model *m, const struct record *r);

/* model_notable.c: what the detectors read one by one */
void model_notable_misuse(struct model *m, const struct record *r);
void model_notable_drop(struct model *m, const struct record *r);
/* The task is about to be finished as not done. */
void model_notable_end(struct model *m, const struct model_task *t, const struct record *r);

/* model_timer.c: timers that fire, and those that are armed */
void model_timer_fire(struct model *m, const struct record *r);
void model_timer_arm(struct model *m, const struct record *r);

/* model_session.c: events of the session */
void model_session_apply(struct model *m, const struct record *r);

/* model_census.c: walks over all tasks */
void model_census_begin(struct model *m, const struct record *r);
void model_census_task(struct model *m, const struct record *r);
void model_census_end(struct model *m, const struct record *r);
void model_await(struct model *m, const struct record *r); /* PLACE, AWAIT */

/* process.c */
void process_tick(struct model_process *p, uint64_t now_ns, bool new_second);

#endif
