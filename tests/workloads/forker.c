/* SPDX-License-Identifier: MIT */
/*
 * Makes children while its tasks tick: fork, vfork, posix_spawn, raw clone, in turn, every 20 ms. The forked child
 * works on with the runtime's memory for a while (stores that a probe would see) and must come to a good end.
 * --variant own: one child by fork starts a runtime of its own with 3 tasks child_load, one by two forks (as a daemon
 * does) another with 2 tasks grandchild_load; both go on after the parent has ended.
 * --variant exec: after 2 s it becomes another program (sleep), in the same pid.
 *
 * At the end: {"children":N,"ok":N,"signalled":N,"other":N}
 */
#include "tests/workloads/support/workload.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct fork_load {
	WEFT_FRAME;
	struct workload *w;
	struct weft_yield yield;
	struct weft_sleep pause;
	unsigned i;
};

/* Many polls, so that batches fill and flush probes fire around each fork. */
static weft_poll_t fork_load(struct weft_cx *cx, struct fork_load *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		for (f->i = 0; f->i < 200; f->i++)
			weft_await(f, weft_yield(cx, &f->yield));
		weft_await(f, weft_sleep(cx, &f->pause, 2 * MS));
	}
	weft_async_end(f, 0);
}

/* Nobody drives it and only children spawn there: at no fork does a thread of the parent hold one of its locks. */
static struct weft_runtime *undriven;

/* In the child no worker runs, but the code with the probes does: spawning passes several sites. */
static void child_of_fork(struct workload *w)
{
	for (unsigned i = 0; i < 500; i++)
		weft_spawn(undriven, fork_load, ((struct fork_load){ .w = w }), .detach = true);
	_exit(0);
}

static pid_t by_fork(struct workload *w)
{
	pid_t pid = fork();

	if (pid == 0)
		child_of_fork(w);
	return pid;
}

static pid_t by_clone(struct workload *w)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	(void)w;
	if (pid == 0)
		_exit(0);
	return pid;
}

static pid_t by_vfork(struct workload *w)
{
	pid_t pid = vfork();

	(void)w;
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static pid_t by_posix_spawn(struct workload *w)
{
	char *argv[] = { "true", NULL };
	pid_t pid;

	(void)w;
	return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) ? -1 : pid;
}

/* ---- children that start a runtime of their own ---- */

static weft_poll_t child_load(struct weft_cx *cx, struct fork_load *f)
{
	return fork_load(cx, f);
}

static weft_poll_t grandchild_load(struct weft_cx *cx, struct fork_load *f)
{
	return fork_load(cx, f);
}

static void run_own(struct workload *w, bool grandchild)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "own" };

	w->end_ns = weft_now() + 3 * SECOND;
	if (weft_runtime_new(&config, &w->rt) < 0)
		_exit(1);
	for (int i = 0; i < (grandchild ? 2 : 3); i++) {
		if (grandchild)
			weft_spawn(w->rt, grandchild_load, ((struct fork_load){ .w = w }),
				   .name = "grandchild_load", .detach = true);
		else
			weft_spawn(w->rt, child_load, ((struct fork_load){ .w = w }),
				   .name = "child_load", .detach = true);
	}
	workload_rest(w);
	_exit(workload_end(w));
}

static void make_own_children(struct workload *w)
{
	if (fork() == 0)
		run_own(w, false);
	if (fork() == 0) {
		if (fork() == 0) {
			workload_doze(100 * MS);
			run_own(w, true);
		}
		_exit(0);
	}
	while (workload_on(w))
		workload_doze(20 * MS);
}

struct tally {
	unsigned children, ok, signalled, other;
};

static void make_child(struct workload *w, unsigned i, struct tally *t)
{
	static pid_t (*const ways[])(struct workload *) = { by_fork, by_vfork, by_posix_spawn,
							    by_clone };
	pid_t pid = ways[i % 4](w);
	int status;

	t->children++;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		t->other++;
	else if (WIFSIGNALED(status))
		t->signalled++;
	else if (WEXITSTATUS(status) == 0)
		t->ok++;
	else
		t->other++;
}

int main(int argc, char **argv)
{
	static struct workload w;
	struct tally t = { 0 };
	uint64_t exec_at;

	workload_begin(&w, argc, argv, "fork own exec");
	for (int i = 0; i < 8; i++)
		workload_spawn(&w, fork_load, ((struct fork_load){ .w = &w }), .name = "fork_load");
	if (workload_is(&w, "fork") &&
	    weft_runtime_new(&(struct weft_config){ .size = sizeof(struct weft_config),
						    .flavour = WEFT_CURRENT_THREAD },
			     &undriven))
		return 1;
	workload_ready(&w, "fork_load", NULL);
	if (workload_is(&w, "own"))
		make_own_children(&w);
	exec_at = weft_now() + 2 * SECOND;
	for (unsigned i = 0; workload_on(&w); i++) {
		if (workload_is(&w, "exec") && weft_now() > exec_at)
			execl("/bin/sleep", "sleep", "3", (char *)NULL);
		if (!workload_is(&w, "exec"))
			make_child(&w, i, &t);
		workload_doze(20 * MS);
	}
	weft_runtime_free(undriven);
	printf("{\"children\":%u,\"ok\":%u,\"signalled\":%u,\"other\":%u}\n", t.children, t.ok,
	       t.signalled, t.other);
	return workload_end(&w);
}
