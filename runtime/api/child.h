/* SPDX-License-Identifier: MIT */
/* Child processes. Part of weft.h. */
#ifndef WEFT_API_CHILD_H
#define WEFT_API_CHILD_H

#include <sys/types.h>

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weft_child_flags {
	WEFT_CHILD_IN = 1,   /* a pipe to its standard input */
	WEFT_CHILD_OUT = 2,  /* ... from its standard output */
	WEFT_CHILD_ERR = 4,  /* ... from its standard error */
	WEFT_CHILD_NULL = 8, /* what has no pipe is /dev/null; else it is inherited */
	WEFT_CHILD_KILL = 16 /* weft_child_free() kills it if it still runs */
};

struct weft_child_options {
	const char *const *argv; /* NULL at the end; argv[0] without a slash is looked for in PATH */
	const char *const *env;  /* NULL = this process's */
	const char *dir;         /* NULL = this process's */
	uint32_t flags;          /* enum weft_child_flags */
};

/*
 * Starts a program. The calling thread waits until it is executed (about 1 ms, not more for a big
 * process). The child has no blocked signals and default actions. A negative errno: of the pipes, of fork, or of exec.
 * SIGCHLD must not be ignored. Any thread.
 */
struct weft_child;
WEFT_API int weft_child_start(struct weft_runtime *rt, const struct weft_child_options *options,
			      struct weft_child **ret);
WEFT_API pid_t weft_child_pid(const struct weft_child *child);

/*
 * Ready once it has ended: *ret as from waitpid(2), for WIFEXITED() and its kin. Again and again the
 * same. One task at a time. By pidfd; on kernels before 5.3 by looking every 1 to 20 ms.
 */
WEFT_API weft_poll_t weft_child_wait(struct weft_cx *cx, struct weft_child *child, int *ret);
/* -ESRCH once it has been waited for. Any thread. */
WEFT_API int weft_child_kill(struct weft_child *child, int signal);

/* The pipes. One task per pipe; *ret = bytes, 0 from read = it has closed. -EBADF: no such pipe. */
WEFT_API weft_poll_t weft_child_read(struct weft_cx *cx, struct weft_child *child, void *buf,
				     size_t cap, size_t *ret);
WEFT_API weft_poll_t weft_child_read_error(struct weft_cx *cx, struct weft_child *child, void *buf,
					   size_t cap, size_t *ret);
/* -EPIPE: it reads no more (SIGPIPE is not sent). */
WEFT_API weft_poll_t weft_child_write(struct weft_cx *cx, struct weft_child *child, const void *buf,
				      size_t bytes, size_t *ret);
WEFT_API void weft_child_close_input(struct weft_child *child); /* it reads the end */

/*
 * Closes the pipes and lets go of the child, which goes on unless WEFT_CHILD_KILL is set; the
 * runtime takes its status when it ends. No task may be using it. Returns NULL; NULL is fine.
 */
WEFT_API struct weft_child *weft_child_free(struct weft_child *child);

#ifdef __cplusplus
}
#endif

#endif
