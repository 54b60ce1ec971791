/* SPDX-License-Identifier: MIT */
/*
 * Many uprobe places in one file for one program, as few links: uprobe_multi refuses a whole group for one bad
 * place, so a refused group is halved until the bad ones stand alone.
 */
#ifndef WEFT_ATTACH_GROUP_H
#define WEFT_ATTACH_GROUP_H

#include <stdint.h>
#include <sys/types.h>

struct attach_group {
	int *fd; /* links */
	unsigned links, room;
	unsigned places,
		refused; /* attached; left out, by the kernel or because no probe may be there */
};

/*
 * Adds links. pid filters. 0 also when single places were refused (counted); an error that is none of a place
 * (-ESRCH, -EPERM, -ENOMEM) leaves the group as it was. A place whose byte is no instruction on which a probe is
 * harmless (a long nop, a lock prefix) is refused here.
 */
int attach_group_add(struct attach_group *g, int prog_fd, int file_fd, pid_t pid,
		     const uint64_t *offsets, const uint64_t *cookies, unsigned n);
/*
 * Take zeroed and closed ones. Each link waits in the kernel until all CPUs have passed by, which on a busy machine takes
 * seconds: so all are closed at once, each by a thread of its own. Return when the last one is gone.
 */
#define ATTACH_GROUPS_MAX 8u
void attach_groups_close(struct attach_group *g, unsigned n);
void attach_group_close(struct attach_group *g);

#endif
