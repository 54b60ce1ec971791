/* SPDX-License-Identifier: MIT */
/*
 * A service with a log: "shift" writes a line when it begins and then sleeps, "order", one every 50 ms, writes one and ends. A line:
 * fingerprint, name of the task, its id. Those of a forked child begin with "child ".
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/workloads/support/workload.h"

static const char *whose = "";

struct part {
	WEFT_FRAME;
	struct workload *w;
	struct weft_sleep pause;
	struct weft_join *order;
};

/* As a program's own logging function does: it has no cx. */
static void say(const char *name, uint64_t id)
{
	printf("%s%s %s %llu\n", whose, weft_task_fingerprint(0).text, name,
	       (unsigned long long)id);
	fflush(stdout);
}

static weft_poll_t order(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	say("order", weft_task_id(cx));
	weft_async_end(f, 0);
}

static weft_poll_t shift(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	say("shift", weft_task_id(cx));
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		weft_spawn(NULL, order, ((struct part){ .w = f->w }), .name = "order",
			   .join = &f->order);
		weft_await(f, weft_join(cx, &f->order));
		weft_await(f, weft_sleep(cx, &f->pause, 50 * MS));
	}
	weft_async_end(f, 0);
}

static int run_child(struct workload *w)
{
	struct weft_config config = { .size = sizeof(config), .flavour = WEFT_CURRENT_THREAD };
	struct part f = { .w = w };
	struct weft_runtime *rt = NULL;
	int rc = weft_runtime_new(&config, &rt);

	whose = "child ";
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (rc == 0)
		rc = weft_block_on(rt, shift, &f);
	weft_runtime_free(rt);
	return rc < 0;
}

int main(int argc, char **argv)
{
	static struct workload w;
	pid_t child = -1;
	int rc;

	workload_begin(&w, argc, argv, "alone fork");
	workload_ready(&w, NULL, NULL);
	if (workload_is(&w, "fork"))
		child = fork();
	if (child == 0)
		_exit(run_child(&w));
	rc = workload_spawn(&w, shift, ((struct part){ .w = &w }), .name = "shift");
	workload_rest(&w);
	if (child > 0 && kill(child, SIGTERM) == 0)
		waitpid(child, NULL, 0);
	return rc < 0 ? 1 : workload_end(&w);
}
