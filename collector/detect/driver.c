/* SPDX-License-Identifier: MIT */
#include "collector/detect/driver.h"

#include <stdio.h>

#include "probes/symbols/resolver.h"

#define FRESH_NS 3000000000ull /* it is told some times a second while it lasts */
#define AFTER_NS 1000000000ull /* who is woken by then would have gone on */

static const struct model_block_on *told(const struct detect_run *run, uint32_t process,
					 uint32_t runtime)
{
	const struct model_process *p = model_process(run->model, process);

	return p && runtime < p->nruntimes ? &p->runtime[runtime].block_on : NULL;
}

enum detect_driver detect_driver_of(const struct detect_run *run, uint32_t process,
				    uint32_t runtime, uint64_t from_ns)
{
	const struct model_block_on *b = told(run, process, runtime);

	if (!b || !b->t_ns || run->now_ns > b->t_ns + FRESH_NS || b->t_ns < from_ns + AFTER_NS)
		return DETECT_DRIVER_UNKNOWN;
	switch (b->e.doing) {
	case WEFT_BLOCK_ON_NOBODY:
		return DETECT_DRIVER_NOBODY;
	case WEFT_BLOCK_ON_BLOCKED:
	case WEFT_BLOCK_ON_COMPUTES:
		return DETECT_DRIVER_HELD;
	default:
		return DETECT_DRIVER_UNKNOWN;
	}
}

const char *detect_driver_cause(const struct detect_run *run, uint32_t process, uint32_t runtime)
{
	const struct model_block_on *b = told(run, process, runtime);

	return b && b->e.doing == WEFT_BLOCK_ON_COMPUTES
		       ? "the future given to block_on keeps its thread busy"
		       : "the future given to block_on blocks its thread";
}

static const struct model_stack *stack_of(const struct detect_run *run, uint32_t process,
					  uint32_t runtime, uint32_t tid)
{
	const struct model_process *p = model_process(run->model, process);
	const struct model_stack *found = NULL, *k = NULL;

	while ((k = stack_store_next(model_stacks(run->model), k ? k->number : 0)))
		if (k->why == WEFT_STACK_ROOT && k->process == process && k->tid == tid &&
		    k->poll_seq == p->runtime[runtime].info.runtime)
			found = k;
	return found;
}

static void tell_place(const struct detect_run *run, struct live_finding *f,
		       const struct model_stack *k)
{
	const struct model_frame *at = stack_store_culprit(model_stacks(run->model), k);

	if (at && at->line)
		detect_evidence(f, 1, "place", "from %.90s (%.100s:%u)", at->func, at->file,
				at->line);
	else if (at)
		detect_evidence(f, 1, "place", "from %.160s", at->func);
	detect_stack(run, f, k);
}

void detect_driver_evidence(const struct detect_run *run, struct live_finding *f, uint32_t process,
			    uint32_t runtime)
{
	const struct model_block_on *b = told(run, process, runtime);
	const struct model_stack *k;
	char text[24];

	if (!b)
		return;
	detect_duration(b->e.for_ns, text);
	if (b->e.doing == WEFT_BLOCK_ON_COMPUTES || b->e.syscall < 0)
		detect_evidence(f, (double)b->e.for_ns / 1e6, "ms",
				"thread %u is in block_on and has computed for %s", b->tid, text);
	else
		detect_evidence(f, (double)b->e.for_ns / 1e6, "ms",
				"thread %u is in block_on and has been blocked for %s, in %s",
				b->tid, text, resolver_syscall_name(b->e.syscall));
	k = b->e.doing == WEFT_BLOCK_ON_BLOCKED ? stack_of(run, process, runtime, b->tid) : NULL;
	if (k)
		tell_place(run, f, k);
}
