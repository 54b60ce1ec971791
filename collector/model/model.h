/* SPDX-License-Identifier: MIT */
/*
 * What is known of the traced processes now: tasks, types, workers, rates, stacks. Fed with records
 * in time order by the engine thread; read under live.c's lock. Collector-internal.
 *
 * Memory is bounded: ended tasks are kept a while (the most recent ones), then folded into their
 * type; ids are looked up in O(1). Off-CPU records inside an open poll are kept per lane and split
 * the poll when its record comes.
 */
#ifndef WEFT_MODEL_H
#define WEFT_MODEL_H

#include "collector/live.h"
#include "collector/model/await.h"
#include "collector/model/process.h"
#include "collector/model/stack.h"
#include "collector/model/task.h"
#include "collector/record.h"

struct model;

int model_new(struct model **ret);
struct model *model_free(struct model *m);

/* Takes one record; fills in r->d of polls. Never fails: what makes no sense is counted in model_oddities. */
void model_apply(struct model *m, struct record *r);
/* n records in a row, as with model_apply: from 1,000 tasks on faster. */
void model_apply_all(struct model *m, struct record *records, size_t n);
/* Rates, windows and ages as of now_ns. */
void model_tick(struct model *m, uint64_t now_ns);
uint64_t model_now(const struct model *m);
uint64_t model_oddities(const struct model *m);

/* Reading. Pointers stay good until the next model_apply or model_tick; NULL = there is none. */
struct model_task *model_task(struct model *m, uint64_t id);
struct model_task *model_task_each(
	struct model *m, uint32_t *cursor); /* cursor from 0; alive and recently ended ones */
const struct model_type *model_type(const struct model *m, uint32_t type);
struct model_type *model_type_edit(struct model *m, uint32_t type);
uint32_t model_types(const struct model *m);
const struct model_process *model_process(const struct model *m, uint32_t process);
uint32_t model_processes(const struct model *m);
const struct model_lane *model_lane(const struct model *m, uint32_t process, uint32_t lane);
const struct model_runtime *model_runtime(const struct model *m, uint32_t process,
					  uint32_t runtime);
const struct stack_store *model_stacks(const struct model *m);
const struct weft_ev_session *model_session(const struct model *m); /* NULL = not seen */
uint32_t model_tasks_alive(const struct model *m);
uint64_t model_births(
	const struct model *m); /* grows when a task is added or ends: a cached order is stale */

/* Timers that fired and whose effect is known by now, one by one; each reader has a cursor, 0 at first. */
struct timer_fired;
struct timer_armed;
bool model_timer_next(const struct model *m, uint64_t *cursor, struct timer_fired *ret);
/*
 * Each timer that is past its deadline, of a current-thread runtime: its task has not been polled nor woken since the poll that armed it.
 * *cursor starts at 0. Nothing of what was not watched since.
 */
struct model_task *model_timer_due(const struct model *m, uint32_t *cursor,
				   struct timer_armed *ret);

/* Misuse, and tasks taken off before they were done, one by one; *cursor from 0, one for each reader. */
struct notable;
bool model_notable_next(const struct model *m, uint64_t *cursor, struct notable *ret);

/* Where it waited when somebody asked last; false: nobody did. */
bool model_task_await(struct model *m, const struct model_task *t, struct live_await *ret);
/* The same in short: when that was, 0 = nobody did; *ret_mute: it does not say on what it waits. */
uint64_t model_task_await_when(const struct model *m, const struct model_task *t, bool *ret_mute);
/* The task whose end it awaited at the last walk that read await chains; 0 = none. */
uint64_t model_task_waits_for(const struct model *m, const struct model_task *t);
/* The open poll of a task. NULL = it is not being polled as far as is known. */
const struct model_lane *model_task_lane(const struct model *m, const struct model_task *t);
const char *model_task_name(const struct model *m, const struct model_task *t);
/* "key=value  key=value"; "" = none that is known. Good until the next record. */
const char *model_task_labels(const struct model *m, const struct model_task *t);
const char *model_task_location(const struct model *m, const struct model_task *t);
/* State with the lanes' part: RUNNING and BLOCKED. */
enum live_task_state model_task_state(const struct model *m, const struct model_task *t);
/* Are single polls and wakes of this process seen (level normal or higher)? */
bool model_sees_polls(const struct model *m, uint32_t process);
/* Are those of this task? At level light of one that is raised. */
bool model_sees_task(const struct model *m, const struct model_task *t);
/* Walks tell how often the task was polled: census_polls, census_rate. */
bool model_walks_tell_polls(const struct model *m, const struct model_task *t);
bool model_task_raised(const struct model *m, const struct model_task *t);
/* Since when without a gap. UINT64_MAX = they are not. */
uint64_t model_polls_since(const struct model *m, uint32_t process);

#endif
