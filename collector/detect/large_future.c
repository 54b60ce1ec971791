/* SPDX-License-Identifier: MIT */
/* large-future: a type of task with a large block of memory each, of which many are alive: together they make megabytes. */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

enum { BYTES, TOTAL_MIB, SOME_BYTES, SOME_MIB, SOME_PART };

static const struct detector_option options[] = {
	[BYTES] = { "large.bytes", 8192, "bytes", "of one task of the type" },
	[TOTAL_MIB] = { "large.total_mib", 8, "MiB", "of all that are alive, together" },
	[SOME_BYTES] = { "large.some_bytes", 1024, "bytes",
			 "or of one task, where all make more:" },
	[SOME_MIB] = { "large.some_mib", 128, "MiB", "of all that are alive, together" },
	[SOME_PART] = { "large.some_part", 0.25, "", "and of the memory of the process" },
	{ NULL, 0, NULL, NULL },
};

/* Kilobytes each are common; then it takes very many of them, and that they make up much of the process. */
static bool is_much(const struct detect_run *run, const struct model_process *p, double each,
		    double mib)
{
	if (each >= run->value[BYTES] && mib >= run->value[TOTAL_MIB])
		return true;
	return each >= run->value[SOME_BYTES] && mib >= run->value[SOME_MIB] &&
	       p->sample.rss_bytes &&
	       mib * 1048576 >= run->value[SOME_PART] * (double)p->sample.rss_bytes;
}

static void look(struct detect_run *run, const struct model_type *t)
{
	double each = t->one_bytes, mib = each * (double)(t->alive + t->held) / 1048576;
	const struct model_process *p = model_process(run->model, t->process);
	struct detect_subject subject;
	struct live_finding *f;

	if (!p || p->gone || !is_much(run, p, each, mib))
		return;
	subject = detect_subject_type(t);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = "each of its tasks carries kilobytes",
						   .severity = LIVE_WARN,
						   .confidence = 0.95f });
	if (!f)
		return;
	detect_evidence(f, each, "bytes", "%.0f bytes a task", each);
	detect_evidence(f, mib, "MiB", "%u tasks hold %.1f MiB", t->alive + t->held, mib);
	if (p->sample.rss_bytes)
		detect_evidence(f, mib * 1048576 / (double)p->sample.rss_bytes, "",
				"%.0f %% of the memory of the process",
				100 * mib * 1048576 / (double)p->sample.rss_bytes);
	detect_advice(f, "%s",
		      advice_text(ADVICE_LARGE,
				  detect_runtime_kind(run->model, t->process, MODEL_NONE)));
}

static void tick(struct detect_run *run)
{
	for (uint32_t i = 0; run->new_second && i < model_types(run->model); i++) {
		const struct model_type *t = model_type(run->model, i);

		if (t)
			look(run, t);
	}
}

/* async-task puts futures of 2 KiB and more into a box of their own: their tasks' blocks are small. */
const struct detector large_future_detector = {
	.id = "large-future",
	.symptom = SYMPTOM_LARGE_FUTURE,
	.options = options,
	.state_bytes = 0,
	.hold_ns = 5000000000ull,
	.tick = tick,
	.blind = detect_load_blind,
};
