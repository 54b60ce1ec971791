/* SPDX-License-Identifier: MIT */
#include "collector/model/model_internal.h"

/* No single timer: the record is of the first poll after the driver came back. */
static void driver_late(struct model *m, const struct model_lane *l, const struct record *r,
			struct timer_fired f)
{
	uint64_t since = r->a & WEFT_ID_MASK;

	f.timer = 0;
	f.runtime = l ? l->runtime : 0;
	f.fire_ns = since < r->t_ns ? r->t_ns - since : 0;
	f.poll_ns = r->t_ns;
	timer_log_fire(&m->timers, &f);
}

void model_timer_fire(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);
	struct model_task *t = r->task ? task_table_find(&m->tasks, r->task) : NULL;
	struct timer_fired f = { .task = r->task,
				 .timer = r->a,
				 .process = r->process,
				 .deadline_ns = (int64_t)r->b,
				 .fire_ns = r->t_ns,
				 .poll_ns = UINT64_MAX };
	struct timer_armed fired = { .task = r->task, .timer = r->a, .deadline_ns = r->b };
	struct model_lane *l;

	if (!p)
		return;
	if (t)
		f.deadline_ns = (int64_t)timer_table_due(&m->armed, &fired, t->polls, t->poll_ns);
	/* Nobody turned the driver while the lane was stuck: the task waited since its deadline. */
	l = model_lane_get(m, p, r->lane);
	if (l && l->npolls && f.deadline_ns > 0 && f.deadline_ns < (int64_t)r->t_ns)
		lane_victim(l, (uint64_t)f.deadline_ns, r->t_ns);
	if (!r->task && r->a & WEFT_TIMER_OF_DRIVER) {
		driver_late(m, l, r, f);
		return;
	}
	if (t ? t->runtime < p->nruntimes : p->nruntimes == 1)
		f.runtime = p->runtime[t ? t->runtime : 0].info.runtime;
	timer_log_fire(&m->timers, &f);
	if (t && task_alive(t))
		t->flags |= MODEL_T_TIMER;
}

/* Where the runtime has threads of its own, one of them always turns the driver. */
void model_timer_arm(struct model *m, const struct record *r)
{
	const struct model_process *p = model_process(m, r->process);
	const struct model_task *t = r->task ? task_table_find(&m->tasks, r->task) : NULL;
	struct timer_armed a = { .task = r->task,
				 .timer = r->a,
				 .deadline_ns = r->b,
				 .armed_ns = r->t_ns,
				 .polls = t ? t->polls : 0 };

	if (!p || !r->task)
		return;
	if ((int64_t)r->b <= (int64_t)r->t_ns)
		timer_table_arm_past(&m->armed, &a);
	if (r->b > INT64_MAX)
		return;
	if (a.deadline_ns < a.armed_ns)
		a.deadline_ns = a.armed_ns;
	if (!t || t->runtime >= p->nruntimes ||
	    (p->runtime[t->runtime].info.kind == WEFT_RT_TOKIO &&
	     p->runtime[t->runtime].info.flavour == WEFT_F_CURRENT_THREAD))
		timer_table_arm(&m->armed, &a);
}
