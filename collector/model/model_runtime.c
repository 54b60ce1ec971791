/* SPDX-License-Identifier: MIT */
/*
 * The rows of a process's runtimes. A program may make them one after another without end: rows of those that have stopped are
 * taken for new ones. There are more than a program can tell of at once, so that the end of one comes before its row is needed.
 */
#include "collector/model/model_internal.h"

/* *ret_empty: of them those of which no task is runnable. */
static uint64_t ended_rows(const struct model_process *p, uint64_t *ret_empty)
{
	uint64_t rows = 0;

	*ret_empty = 0;
	for (uint32_t i = 0; i < p->nruntimes; i++) {
		rows |= (uint64_t)p->runtime[i].ended << i;
		*ret_empty |= (uint64_t)(p->runtime[i].ended && !p->runtime[i].ready) << i;
	}
	return rows;
}

/* Tasks of which no end was told may still be there, and those that have ended are remembered. */
static void forget_tasks(struct model *m, struct model_process *p, uint64_t rows)
{
	struct model_task *t;
	uint32_t cursor = 0;

	while ((t = model_task_each(m, &cursor))) {
		if (t->process != p->index || t->runtime >= p->nruntimes ||
		    !(rows >> t->runtime & 1))
			continue;
		if (task_alive(t))
			model_task_runtime(p, t, MODEL_NONE);
		else
			t->runtime = MODEL_NO_RUNTIME;
	}
}

/* One pass over the tasks for all rows that are free by now. */
static struct model_runtime *take_ended(struct model *m, struct model_process *p)
{
	uint64_t empty, ended = ended_rows(p, &empty);
	uint32_t row;

	if (!ended)
		return NULL;
	/* Something late may have been told of one since. */
	p->free_rows &= empty;
	if (!p->free_rows) {
		p->free_rows = ended;
		forget_tasks(m, p, ended);
	}
	row = (uint32_t)__builtin_ctzll(p->free_rows);
	p->free_rows &= ~(1ull << row);
	return &p->runtime[row];
}

struct model_runtime *model_runtime_get(struct model *m, uint32_t process, uint32_t runtime)
{
	struct model_process *p = model_process_get(m, process);
	uint16_t i = p ? model_runtime_index(p, runtime) : MODEL_NO_RUNTIME;
	struct model_runtime *rt;

	if (!p)
		return NULL;
	if (i != MODEL_NO_RUNTIME)
		return &p->runtime[i];
	rt = p->nruntimes < MODEL_RUNTIMES ? &p->runtime[p->nruntimes++] : take_ended(m, p);
	if (!rt) {
		m->oddities++;
		return NULL;
	}
	*rt = (struct model_runtime){ .info.runtime = runtime };
	return rt;
}

/* Where its stop took too long it goes on, as the next sample tells. */
void model_runtime_stop(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);
	uint16_t i = p ? model_runtime_index(p, (uint32_t)r->a) : MODEL_NO_RUNTIME;

	if (i != MODEL_NO_RUNTIME)
		p->runtime[i].ended = true;
}
