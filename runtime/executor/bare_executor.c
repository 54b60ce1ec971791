/* SPDX-License-Identifier: MIT */
/*
 * The flavour like smol's: no threads of its own. Whoever is inside weft_block_on is a worker for
 * as long, one thread or several; whoever of them waits turns the driver. Dropping a task's handle
 * cancels the task.
 */
#include <errno.h>

#include "runtime/executor/crew.h"
#include "runtime/executor/line.h"
#include "runtime/executor/root.h"
#include "runtime/trace.h"

static bool drive(struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_worker *worker = weft_crew_join(rt->executor);
	uint32_t index = worker->index;
	bool ended;

	weft_root_drives(root, index);
	weft_duty_begin(rt, index, NULL);
	weft_thread = (struct weft_thread){ .rt = rt, .worker = worker, .root = root };
	ended = weft_worker_drive(worker, root);
	weft_thread = (struct weft_thread){ .rt = NULL };
	weft_duty_end(&worker->duty, rt, index, true);
	weft_crew_leave(worker);
	if (!ended)
		weft_root_drives_not(root);
	return ended;
}

static void block_on(struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_crew *crew = rt->executor;

	weft_line_block_on(&crew->line, rt, root);
}

/* The other threads that drive take over; a thread that is alone has nobody. */
static int lend(struct weft_runtime *rt)
{
	if (rt->workers == 1)
		return -ENOTSUP;
	weft_worker_shed(weft_thread.worker);
	return 0;
}

/* A weft_block_on() inside the call may have driven as another worker. */
static void regain(struct weft_runtime *rt)
{
	struct weft_trace_role role = { WEFT_LANE_WORKER, rt->id,
					((struct weft_worker *)weft_thread.worker)->index };

	weft_trace_thread_begin(&role, NULL);
	weft_trace_state(WEFT_WS_RUNNING, weft_trace_stamp());
}

static int stop(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct weft_crew *crew = rt->executor;

	weft_crew_unpark_all(crew);
	return weft_line_stop(&crew->line, deadline_ns);
}

static void done(struct weft_runtime *rt)
{
	struct weft_crew *crew = rt->executor;

	weft_line_done(&crew->line);
	weft_crew_free(rt);
}

static int start(struct weft_runtime *rt)
{
	struct weft_crew *crew;
	int rc = weft_crew_new(rt, rt->workers, 0);

	if (rc)
		return rc;
	crew = rt->executor;
	weft_line_init(&crew->line, rt->workers, drive);
	WEFT_SET(rt->entry->workers, 0);
	return 0;
}

const struct weft_executor_ops weft_bare_executor_ops = {
	.flavour = WEFT_F_EXECUTOR,
	.name = "executor",
	.drop_cancels = true,
	.start = start,
	.schedule = weft_crew_schedule,
	.block_on = block_on,
	.unpark = weft_crew_unpark,
	.lend = lend,
	.regain = regain,
	.take = weft_crew_take,
	.stop = stop,
	.free = done,
};
