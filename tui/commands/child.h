/* SPDX-License-Identifier: MIT */
/* The end of a -- CMD that still runs. */
#ifndef WEFT_CHILD_H
#define WEFT_CHILD_H

#include <sys/types.h>

/*
 * The command, which is a child of ours, and what descends from it by now: `cargo test` leaves its test program behind when it alone is
 * ended. SIGTERM; what is there after 3 s gets SIGKILL. Who has left the command's tree (a daemon) is left alone.
 */
void child_end(pid_t pid, int *ret_status);

#endif
