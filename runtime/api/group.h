/* SPDX-License-Identifier: MIT */
/* Tasks that belong together. Part of weft.h. */
#ifndef WEFT_API_GROUP_H
#define WEFT_API_GROUP_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A group owns the handles of its members: tasks spawned with `.group = group` (then .join and
 * .detach don't count). Members may be added at any time and by any thread, also by members. One task at a time
 * waits for a group; a second one gets -EBUSY and a misuse event.
 *
 * weft_group_free() aborts the members that are left, gives up their handles and returns NULL; they
 * end by themselves. Nobody may wait for the group then. NULL is fine.
 */
struct weft_group;
WEFT_API int weft_group_new(struct weft_group **ret); /* -ENOMEM */
WEFT_API struct weft_group *weft_group_free(struct weft_group *group);

struct weft_group_result {
	uint64_t task;  /* id */
	uint32_t index; /* order of spawning in this group, from 0 */
	int rc;         /* as from weft_join() */
};
/* Ready with 0 and *ret when a member has ended, in order of ending; -ENOENT: no member is left. */
WEFT_API weft_poll_t weft_group_next(struct weft_cx *cx, struct weft_group *group,
				     struct weft_group_result *ret);
/*
 * Ready when no member is left that runs: 0, or the first error among the results that nobody took
 * with weft_group_next(), in order of ending. They are gone then.
 */
WEFT_API weft_poll_t weft_group_all(struct weft_cx *cx, struct weft_group *group);

/* The first member that ends wins; the rest is aborted and waited for. Zero before first use. */
struct weft_group_any {
	struct weft_group_result first;
	uint32_t won;
};
WEFT_API weft_poll_t weft_group_any(struct weft_cx *cx, struct weft_group_any *f,
				    struct weft_group *group, struct weft_group_result *ret);

/* Aborts all members that run now. Their results, mostly -ECANCELED, come as any other. Any thread. */
WEFT_API void weft_group_abort(struct weft_group *group);
WEFT_API uint32_t weft_group_running(struct weft_group *group); /* members that haven't ended */

#ifdef __cplusplus
}
#endif

#endif
