/* SPDX-License-Identifier: MIT */
/*
 * Findings about load, beyond the ten:
 *   long       polls of 20 ms while tickers wait (--workers 1); cure: the same work in pieces of 1 ms
 *   backlog    2,000 tasks that are always runnable; cure: 8
 *   imbalance  the tasks are bound to the thread inside block_on, the workers idle; cure: spawned for all of them
 *   count      eight workers a CPU, all of them busy; cure: one a CPU
 *   quota      eight workers for the one CPU that the control group may use; cure: one (as root, who may make a group)
 *   late       20 tasks that compute for a millisecond before each yield, without a pause: who is woken waits behind all of them;
 *              cure: for 50 us
 *   starved    other processes take the CPUs; cure: there are none
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/workloads/support/workload.h"

static struct workload w;

struct part {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_yield yield;
	uint64_t ns, i, n;
};

/* Computes, lets others run, and goes on. */
static weft_poll_t grinder(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		workload_burn(f->ns);
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, 0);
}

/* 20 ms of work every 200 ms, in so many pieces. */
static weft_poll_t cruncher(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		for (f->i = 0; f->i < f->n; f->i++) {
			workload_burn(20 * MS / f->n);
			weft_await(f, weft_yield(cx, &f->yield));
		}
		weft_await(f, weft_sleep(cx, &f->pause, 200 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t punctual(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx))
		weft_await(f, weft_sleep(cx, &f->pause, 20 * MS));
	weft_async_end(f, 0);
}

static int grinders(struct weft_runtime *rt, unsigned n, uint64_t ns)
{
	int rc = 0;

	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = workload_spawn_on(&w, rt, grinder, ((struct part){ .ns = ns }),
				       .name = "grinder");
	return rc;
}

static int long_polls(void)
{
	int rc = workload_spawn(&w, cruncher, ((struct part){ .n = w.healthy ? 20 : 1 }),
				.name = "cruncher");

	workload_tickers(&w, 8);
	workload_ready(&w, "cruncher", NULL);
	return rc;
}

static int backlog(void)
{
	int rc = grinders(w.rt, w.healthy ? 8 : 2000, 100000);

	workload_ready(&w, NULL, "task=pressure at="); /* the subject is the runtime */
	return rc;
}

/* Inside block_on: bound to its thread, or not. Short polls: the driver is turned once in 61, and its timers are to be in time. */
static weft_poll_t root(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 4; f->i++) {
		if (w.healthy)
			weft_spawn(w.rt, grinder, ((struct part){ .ns = MS / 10 }),
				   .name = "grinder", .detach = true);
		else
			weft_spawn_local(grinder, ((struct part){ .ns = MS / 10 }),
					 .name = "grinder", .detach = true);
	}
	workload_ready(&w, NULL, "task=pressure at=");
	while (workload_on(&w))
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	weft_async_end(f, 0);
}

static int imbalance(void)
{
	struct part f = { .ns = 0 };

	return weft_block_on(w.rt, root, &f);
}

static unsigned cpus_here(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static int count(unsigned cpus, struct weft_runtime **ret)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = w.healthy ? cpus : 8 * cpus };
	int rc = weft_runtime_new(&config, ret);

	if (rc == 0)
		rc = grinders(*ret, 16 * cpus, 500000);
	workload_ready(&w, NULL, "task=weft at=");
	return rc;
}

/* A control group of its own, below the root; of the version whose cpu controller is there. */
static char group[64];

static int put(const char *dir, const char *name, const char *text)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static void leave_group(void)
{
	*strrchr(group, '/') = 0;
	put(group, "cgroup.procs", "0");
	group[strlen(group)] = '/';
	rmdir(group);
}

static int enter_group(void)
{
	bool v1 = access("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", F_OK) == 0 ||
		  access("/sys/fs/cgroup/cpu/cgroup.procs", F_OK) == 0;
	const char *root = v1 ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup";

	snprintf(group, sizeof(group), "%s/weft-pressure-%d", root, (int)getpid());
	if (!v1)
		put(root, "cgroup.subtree_control", "+cpu");
	if (mkdir(group, 0755))
		return -1;
	atexit(leave_group);
	if (v1)
		return put(group, "cpu.cfs_period_us", "100000") ||
				       put(group, "cpu.cfs_quota_us", "100000")
			       ? -1
			       : put(group, "cgroup.procs", "0");
	return put(group, "cpu.max", "100000 100000") ? -1 : put(group, "cgroup.procs", "0");
}

static int late(void)
{
	int rc = grinders(w.rt, 20, w.healthy ? 50000 : MS);

	/* Several, for the slot of who is woken last has no queue. */
	for (int i = 0; i < 8 && rc == 0; i++)
		rc = workload_spawn(&w, punctual, ((struct part){ .n = 0 }), .name = "punctual");
	workload_ready(&w, "punctual", NULL);
	return rc;
}

/* Neighbours that end with this process. */
static int starved(void)
{
	long n = w.healthy ? 0 : 8 * (long)cpus_here();
	int rc = grinders(w.rt, 1, 200000);

	for (long i = 0; i < n; i++) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			workload_burn(SECOND);
	}
	workload_ready(&w, NULL, "task=pressure at="); /* the subject is the process */
	return rc;
}

int main(int argc, char **argv)
{
	struct weft_runtime *rt = NULL;
	int rc;

	workload_begin(&w, argc, argv, "long backlog imbalance count quota late starved");
	rc = workload_is(&w, "long")        ? long_polls()
	     : workload_is(&w, "backlog")   ? backlog()
	     : workload_is(&w, "imbalance") ? imbalance()
	     : workload_is(&w, "count")     ? count(cpus_here(), &rt)
	     : workload_is(&w, "quota")     ? (enter_group() ? -1 : count(1, &rt))
	     : workload_is(&w, "late")      ? late()
					    : starved();
	workload_rest(&w);
	weft_runtime_free(rt);
	return rc < 0 ? 1 : workload_end(&w);
}
