/* SPDX-License-Identifier: MIT */
/*
 * Membership in a group. A member's task has no handle: its joiner field holds the struct
 * weft_member from birth, JOIN_WAKER set, and the group has the handle's reference.
 */
#ifndef WEFT_RUNTIME_GROUP_H
#define WEFT_RUNTIME_GROUP_H

#include "runtime/weft.h"

struct weft_member;
struct weft_task;

#pragma GCC visibility push(hidden)
/* NULL: no memory. Given back by one of the two that follow. */
struct weft_member *weft_group_member_new(struct weft_group *group);
void weft_group_member_free(struct weft_member *member);
/* Before the task is scheduled. */
void weft_group_enter(struct weft_member *member, struct weft_task *task);
/* By the thread that ended the task, COMPLETE being set. */
void weft_group_leave(struct weft_member *member);
#pragma GCC visibility pop

#endif
