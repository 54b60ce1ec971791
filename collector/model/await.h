/* SPDX-License-Identifier: MIT */
/*
 * Where the tasks of one process waited when somebody asked last: PLACE and AWAIT events. Chains are kept
 * per task until a walk over all tasks asks anew; a chain is of one moment (t_ns), the task may have gone on.
 */
#ifndef WEFT_MODEL_AWAIT_H
#define WEFT_MODEL_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/live.h"
#include "collector/model/task.h"
#include "collector/record.h"

struct await_store;

int await_store_new(struct await_store **ret);
struct await_store *await_store_free(struct await_store *s); /* takes NULL, returns NULL */
/* False: makes no sense, or no memory. */
bool await_store_place(struct await_store *s, const struct record *r);
bool await_store_put(struct await_store *s, const struct record *r, const struct model_task *t);
/* `by` waits for the end of `task`, or for a lock that it holds; kept until the walk's end. False: no memory, or too many. */
bool await_store_awaited(struct await_store *s, uint64_t by, uint64_t task);
/* Takes one of those out; false = there is none. */
bool await_store_next(struct await_store *s, uint64_t *ret_by, uint64_t *ret_task);
/* So it is. False: no memory. */
bool await_store_waits(struct await_store *s, const struct model_task *by, uint64_t task);
/* The task whose end it waited for at the last walk; 0 = none. */
uint64_t await_store_waits_for(const struct await_store *s, const struct model_task *by);
/* A walk begins: forgets the chains, keeps the places. */
void await_store_clear(struct await_store *s, uint64_t t_ns);
/* When its chain was read, 0 = it was not; *ret_mute: whole, and it does not say on what the task waits. Makes no text. */
uint64_t await_store_when(const struct await_store *s, const struct model_task *t, bool *ret_mute);
/* False: nothing is known of its waiting; *ret is as it was. */
bool await_store_get(const struct await_store *s, const struct model_task *t,
		     struct live_await *ret);

#endif
