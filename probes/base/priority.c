/* SPDX-License-Identifier: MIT */
#include "probes/base/priority.h"

#include <sys/resource.h>

#define FIRST (-20)

/* On Linux 0 is the calling thread, not the process. */
int priority_raise(void)
{
	int before = getpriority(PRIO_PROCESS, 0);

	setpriority(PRIO_PROCESS, 0, FIRST);
	return before;
}

void priority_restore(const int *before)
{
	setpriority(PRIO_PROCESS, 0, *before);
}
