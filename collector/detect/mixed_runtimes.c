/* SPDX-License-Identifier: MIT */
/*
 * mixed-runtimes: several runtimes alone are no fault. What is: block_on inside a task, of the same runtime or of another one,
 * which would block the worker and which libweft refuses. (Rust runtimes: kinds and versions that drive one program.)
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"
#include "collector/model/notable.h"

struct state {
	uint64_t cursor, times;
};

static const struct detector_option none[] = { { NULL, 0, NULL, NULL } };

static void raise_nested(struct detect_run *run, const struct notable *n)
{
	struct state *s = run->state;
	const struct model_process *p = model_process(run->model, n->process);
	const struct model_type *type = model_type(run->model, n->type);
	struct model_task *t = n->task ? model_task(run->model, n->task) : NULL;
	struct detect_subject subject;
	struct live_finding *f;

	if (!type || !p)
		return;
	subject = t ? detect_subject_task(run->model, t) : detect_subject_type(type);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = "block_on inside a task",
						   .severity = LIVE_WARN,
						   .confidence = 1,
						   .first_ns = n->t_ns });
	if (!f)
		return;
	detect_evidence(f, (double)s->times, "times",
			"refused %llu %s by the runtime: it would block the worker",
			(unsigned long long)s->times, s->times == 1 ? "time" : "times");
	if (p->nruntimes > 1)
		detect_evidence(f, p->nruntimes, "runtimes", "%u runtimes in this process",
				p->nruntimes);
	detect_advice(f, "%s",
		      advice_text(ADVICE_NESTED,
				  detect_runtime_kind(run->model, n->process, MODEL_NONE)));
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	struct notable n;

	while (model_notable_next(run->model, &s->cursor, &n)) {
		if (n.kind != NOTABLE_MISUSE || n.code != WEFT_M_NESTED_BLOCK_ON)
			continue;
		s->times++;
		raise_nested(run, &n);
	}
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	(void)run, (void)why, (void)size;
	return false;
}

const struct detector mixed_runtimes_detector = {
	.id = "mixed-runtimes",
	.symptom = SYMPTOM_MIXED_RUNTIMES,
	.options = none,
	.state_bytes = sizeof(struct state),
	.hold_ns = 60000000000ull,
	.tick = tick,
	.blind = blind,
	.not_on_rust = "a block_on inside another is not seen on Rust runtimes",
};
