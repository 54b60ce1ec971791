/* SPDX-License-Identifier: MIT */
/*
 * The flavour like Tokio's: threads with queues of their own that steal from each other, and one
 * driver that a parked one owns.
 */
#include "runtime/executor/crew.h"
#include "runtime/executor/root.h"

static int start(struct weft_runtime *rt)
{
	struct weft_crew *crew;
	int rc = weft_crew_new(rt, rt->workers, rt->workers);

	if (rc)
		return rc;
	crew = rt->executor;
	crew->lifo = true;
	rc = weft_crew_start_threads(rt);
	if (rc)
		weft_crew_free(rt);
	return rc;
}

const struct weft_executor_ops weft_multi_thread_ops = {
	.flavour = WEFT_F_MULTI_THREAD,
	.name = "multi_thread",
	.start = start,
	.schedule = weft_crew_schedule,
	.block_on = weft_root_run,
	.lend = weft_stand_in_lend,
	.regain = weft_stand_in_regain,
	.take = weft_crew_take,
	.stop = weft_crew_stop_threads,
	.free = weft_crew_free,
};
