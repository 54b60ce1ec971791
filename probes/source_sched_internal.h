/* SPDX-License-Identifier: MIT */
/* What the files source_sched*.c share. */
#ifndef WEFT_SOURCE_SCHED_INTERNAL_H
#define WEFT_SOURCE_SCHED_INTERNAL_H

#include "probes/session_internal.h"
#include "probes/stack_capture.h"
#include "probes/unwinder.h"

struct sched_bpf;

/* The session's side of one slot of the shared array. */
struct sched_thread {
	struct process *owner;        /* NULL = free */
	uint64_t poll_seq, seen_ns;   /* the open poll and when it was first seen */
	uint64_t stack_seq, stack_ns; /* of the newest stack */
	uint64_t sample_until_ns, asked_until_ns;
	int sample_fd; /* -1 = none */
};

struct sched_state {
	struct session *session;
	struct sched_bpf *skel;
	struct weft_slot *slots; /* shared with the programs */
	struct sched_thread thread[WEFT_SLOT_MAX];
	uint32_t slots_used; /* those in use are below it */
	bool switching;      /* the switch programs are attached */
	struct stack_capture *capture;
	struct unwinder *unwinder;
	uint64_t budget_ns; /* start of the second that the two counts are of */
	unsigned captures, samples;
	uint64_t lost_seen; /* of the program's count of switches it had no room for */
	bool life_said;     /* that forks or execs found none */
};

/* ---- source_sched_stacks.c ---- */

void sched_stacks_settle(struct sched_state *state, struct process *p);
void sched_stacks_sample(struct sched_state *state, struct process *p,
			 const struct weft_raw_sample *raw);
/* Of a thread that did something to a task; taken by its own hit. */
void sched_stacks_caller(struct sched_state *state, struct process *p,
			 const struct weft_raw_sample *raw);
int sched_stacks_want(struct sched_state *state, struct process *p,
		      const struct session_want *want);
/* Of a thread that polls nothing. -EAGAIN: it is not asleep. */
int sched_stacks_asleep(struct sched_state *state, struct process *p, uint32_t tid,
			const struct weft_ev_stack *head);
void sched_stacks_stop(struct sched_thread *t); /* sampling of a thread */
bool sched_stacks_oldest(struct sched_state *state, uint64_t *ret_ns);
void sched_stacks_begin(struct sched_state *state, struct process *p); /* read its symbols */

#endif
