/* SPDX-License-Identifier: MIT */
#include "probes/base/priority.h"

#include <sys/resource.h>

#define FIRST (-20)

static __thread int own = FIRST; /* before it was raised */

/* On Linux 0 is the calling thread, not the process. */
static int change(int to)
{
	int before = getpriority(PRIO_PROCESS, 0);

	setpriority(PRIO_PROCESS, 0, to);
	return before;
}

int priority_raise(void)
{
	int before = change(FIRST);

	own = before > FIRST ? before : own;
	return before;
}

int priority_rest(void)
{
	int now = getpriority(PRIO_PROCESS, 0);

	return now == FIRST ? change(own) : now;
}

void priority_restore(const int *before)
{
	setpriority(PRIO_PROCESS, 0, *before);
}
