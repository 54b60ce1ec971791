/* SPDX-License-Identifier: MIT */
/* The columns of the Tasks screen: title, sort order, key, width, from which screen width on. */
#ifndef WEFT_TASKS_H
#define WEFT_TASKS_H

/*   X(NAME, "title", key, sort, width, from, right, "help") */
/* clang-format off */
#define TASKS_COLUMNS(X)                                                                                        \
	X(MARK, "!", '!', TROUBLE, 1, 0, false, "!: subject of a finding, +: all its polls are told; this order: findings, then what blocks, then what is busy") \
	X(ID, "ID", 'N', ID, 7, 0, true, "the runtime's own task id")                                           \
	X(STATE, "STATE", 'S', STATE, 8, 0, false, "!blocked: off the CPU inside a poll; run, ready, idle, ended") \
	X(BUSY, "BUSY%", 'P', BUSY, 5, 0, true, "share of the last second on the CPU in polls")                 \
	X(BLOCK, "BLOCK", 'B', BLOCKED, 5, 0, true, "share of the last second off the CPU inside a poll, per cent") \
	X(POLLS, "POLL/s", 'C', POLLS, 6, 0, true, "polls in a second")                                         \
	X(P99, "P99", 'M', P99, 7, 0, true, "99 of 100 polls were shorter; an open poll counts up to now")      \
	X(DELAY, "DELAY", 'D', DELAY, 7, 0, true, "from being woken to being polled, 99 of 100 were shorter")   \
	X(AGE, "AGE", 'A', AGE, 7, 0, true, "since the spawn; >: older than the attach")                        \
	X(MAX, "MAX", 'X', POLL_MAX, 7, 100, true, "longest poll")                                              \
	X(WAKES, "WAKES", 'W', WAKES, 7, 110, true, "times it was woken")                                       \
	X(BYTES, "BYTES", 'R', BYTES, 5, 120, true, "of memory for the task itself")                            \
	X(NAME, "TASK", 'O', NAME, 0, 0, false, "name or type")                                                 \
	X(LOCATION, "SPAWNED AT", 0, NAME, 24, 128, false, "file:line")
/* clang-format on */

#endif
