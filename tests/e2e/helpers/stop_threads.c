/* SPDX-License-Identifier: MIT */
/*
 * stop_threads PID SECONDS: what a debugger does at a breakpoint: all threads of PID in a ptrace stop for so long, then they go on.
 * Exit: 0, 1 when it can't, 2 usage.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS_MAX 1024

static pid_t threads[THREADS_MAX];
static unsigned n;

static int stop(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return errno == ESRCH ? 0 : -errno;
	threads[n++] = tid;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return -errno;
	return waitpid(tid, &status, __WALL) == tid ? 0 : -errno;
}

/* Threads that appear meanwhile are left alone. */
static int stop_all(const char *pid)
{
	char path[64];
	struct dirent *e;
	DIR *dir;
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!rc && n < THREADS_MAX && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			rc = stop((pid_t)atoi(e->d_name));
	closedir(dir);
	return rc;
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 ? atof(argv[2]) : 0;
	struct timespec pause = { (time_t)seconds,
				  (long)((seconds - (double)(time_t)seconds) * 1e9) };
	int rc;

	if (seconds <= 0 || seconds > 600) {
		fprintf(stderr, "usage: stop_threads PID SECONDS\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the threads then go on */
	rc = stop_all(argv[1]);
	if (!rc)
		nanosleep(&pause, NULL);
	for (unsigned i = 0; i < n; i++)
		ptrace(PTRACE_DETACH, threads[i], NULL, NULL);
	if (rc)
		fprintf(stderr, "stop_threads: %s: %s\n", argv[1], strerror(-rc));
	return rc ? 1 : 0;
}
