/* SPDX-License-Identifier: MIT */
/*
 * Placing probes takes half a second of CPU time and dozens of waits for the kernel's own threads: on a machine whose CPUs are all taken, where
 * one looks for the reason, that is many seconds. So the calling thread goes before others meanwhile; without the right to, it does not.
 *
 *     auto_priority int before = priority_raise();   (until the end of the block)
 *
 * A child or thread that is made meanwhile keeps it.
 */
#ifndef WEFT_PRIORITY_H
#define WEFT_PRIORITY_H

#define auto_priority __attribute__((cleanup(priority_restore)))

/* The nice value from before. */
int priority_raise(void);
/* Inside of such a block, for what takes long and waits for nobody: the thread is as others are. Returns what to go back to. */
int priority_rest(void);
void priority_restore(const int *before);

#endif
