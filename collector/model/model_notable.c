/* SPDX-License-Identifier: MIT */
#include "collector/model/model_internal.h"

void model_notable_misuse(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);
	const struct model_task *t = r->task ? task_table_find(&m->tasks, r->task) : NULL;
	const struct model_type *type =
		t   ? m->types[t->type]
		: p ? model_type_get(m, p, r->b ? (uint32_t)r->b : MODEL_NONE)
		    : NULL;

	if (!type)
		return;
	notable_log_add(&m->notables, &(struct notable){ .kind = NOTABLE_MISUSE,
							 .process = r->process,
							 .type = type->id,
							 .code = (uint32_t)r->a,
							 .site = (uint32_t)r->b,
							 .t_ns = r->t_ns,
							 .task = r->task,
							 .age_ns = UINT64_MAX });
}

void model_notable_drop(struct model *m, const struct record *r)
{
	struct model_task *t = r->task ? task_table_find(&m->tasks, r->task) : NULL;

	if (!t || !task_alive(t))
		return;
	if (r->b == WEFT_D_CANCEL)
		t->flags |= MODEL_T_DROPPED;
	else if (r->b == WEFT_D_DETACH)
		t->flags |= MODEL_T_DETACHED;
}

static enum notable_kind kind_of_end(const struct model_task *t)
{
	switch (t->end_reason) {
	case WEFT_E_SHUTDOWN:
		return NOTABLE_SHUTDOWN;
	case WEFT_E_ERROR:
		return NOTABLE_FAILED;
	default:
		return t->flags & MODEL_T_DROPPED ? NOTABLE_DROPPED : NOTABLE_CANCELLED;
	}
}

void model_notable_end(struct model *m, const struct model_task *t, const struct record *r)
{
	bool known = task_born_here(t) && t->spawn_ns <= r->t_ns;

	m->types[t->type]->off++;
	notable_log_end(&m->notables,
			&(struct notable){ .kind = kind_of_end(t),
					   .code = (uint32_t)(r->b >> 8 & 0xff),
					   .site = (uint32_t)(r->b >> 16 & 0xffff),
					   .detached = t->flags & MODEL_T_DETACHED,
					   .process = t->process,
					   .type = t->type,
					   .t_ns = r->t_ns,
					   .task = t->id,
					   .by = r->a,
					   .age_ns = known ? r->t_ns - t->spawn_ns : UINT64_MAX,
					   .polls = t->polls,
					   .whole = known && !(t->flags & MODEL_T_FOUND) &&
						    model_polls_since(m, t->process) <
							    t->spawn_ns });
}
