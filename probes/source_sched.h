/* SPDX-License-Identifier: MIT */
/* What the session asks of the scheduler's source beside the ops of source.h. */
#ifndef WEFT_SOURCE_SCHED_H
#define WEFT_SOURCE_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct session;

/* Follow the descendants of this process, which the session is about to start. */
void source_sched_tree(struct session *s, pid_t pid);

struct weft_raw_stack;

/* Registers and stack of any thread, now, without a stop. Valid until the next call of a source. 0 or negative errno. */
int source_sched_stack(struct session *s, uint32_t tid, const struct weft_raw_stack **ret);

struct process;

struct weft_ev_stack;

/*
 * Tells the stack of a thread that is asleep outside of polls, for the reason that head says: why, open_ns and poll_seq (event.h). 0 or
 * negative errno.
 */
int source_sched_asleep(struct session *s, struct process *p, uint32_t tid,
			const struct weft_ev_stack *head);

/* Number of programs that a process has executed, as EXEC records carry it. 0 = not known. */
uint64_t source_sched_exec_id(struct session *s, pid_t pid);

/* Ends the helper thread; it starts again at need, with the rights that the session has then. */
void source_sched_pause(struct session *s);

#endif
