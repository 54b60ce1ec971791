/* SPDX-License-Identifier: MIT */
/*
 * Stackless functions: weft_async_begin / weft_await / weft_async_end.
 *
 * A suspended function is its frame. The frame starts with WEFT_FRAME and holds all that lives
 * across an await; locals do not survive one. Resumption is a computed goto (GNU C labels as
 * values), so an await may stand in a loop, an `if` or a `switch`. The context parameter has to
 * be named `cx`: the macros use it to keep the await chain.
 *
 * An await site is a static descriptor that holds the resume address and the place in the source.
 * GCC never inlines or clones a function whose label addresses are in static storage ("Labels as
 * Values" in its manual), so that address is the only one.
 */
#ifndef WEFT_ASYNC_H
#define WEFT_ASYNC_H

#include <limits.h>
#include <stdint.h>

#include "runtime/await_chain.h"
#include "runtime/compiler.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a poll returns: WEFT_PENDING, or the result. Results are >= 0 for success and a negative
 * errno for failure; weft_await leaves them in f->rc.
 */
typedef int weft_poll_t;
#define WEFT_PENDING INT_MIN
#define WEFT_READY   0

/* rc: result of the last await. weft_on: enum weft_wait of the leaf that the function waits for. */
#define WEFT_FRAME              \
	struct weft_frame weft; \
	int rc;                 \
	uint32_t weft_on

struct weft_cx;
struct weft_cx_chain {
	struct weft_frame *leaf; /* innermost frame that was suspended in this poll so far */
	uint32_t on;             /* enum weft_wait */
	uint32_t pad;
};

/* Internal: link a frame that suspends to what it waits for. */
static inline void weft_frame_suspend(struct weft_cx_chain *chain, struct weft_frame *frame,
				      uint32_t *on, const struct weft_await_site *site)
{
	intptr_t distance = chain->leaf ? (intptr_t)chain->leaf - (intptr_t)frame : 0;

	frame->at = site;
	frame->self = (uint32_t)(uintptr_t)frame;
	frame->callee = distance == (int32_t)distance ? (int32_t)distance : 0;
	*on = chain->on;
	chain->leaf = frame;
}

/*
 * Opens the body. Between begin and end the function may be left by `return value` at any point:
 * the frame then starts from the top at its next call, which is how embedded frames are reused in
 * loops. A frame that was copied elsewhere while suspended gives -EFAULT and a misuse event.
 */
#define weft_async_begin(f)                                                            \
	{                                                                              \
		WEFT_SOME_LABEL                                                        \
		__typeof__(f) const weft_frame_ = (f);                                 \
		if (weft_frame_->weft.at) {                                            \
			const void *weft_resume_ = weft_frame_->weft.at->resume;       \
			weft_frame_->weft.at = NULL;                                   \
			if (__builtin_expect(weft_frame_->weft.self !=                 \
						     (uint32_t)(uintptr_t)weft_frame_, \
					     0))                                       \
				return weft_frame_moved(cx);                           \
			goto *weft_resume_;                                            \
		}

/* Closes the body and returns `value` (evaluated once). */
#define weft_async_end(f, value)                          \
	return (weft_poll_t)((void)weft_frame_, (value)); \
	}

/*
 * Evaluates `expression` (a weft_poll_t) now and again at each later poll until it isn't
 * WEFT_PENDING, then leaves its value in f->rc. Outside begin/end it does not compile.
 */
#define weft_await(f, expression)                                                           \
	do {                                                                                \
		__label__ weft_here_;                                                       \
		static const struct weft_await_site weft_site_ = { &&weft_here_, __func__,  \
								   __FILE__, __LINE__, 0 }; \
		weft_poll_t weft_result_;                                                   \
weft_here_:                                                                                 \
		weft_result_ = (expression);                                                \
		if (weft_result_ == WEFT_PENDING) {                                         \
			weft_frame_suspend((struct weft_cx_chain *)cx, &weft_frame_->weft,  \
					   &weft_frame_->weft_on, &weft_site_);             \
			return WEFT_PENDING;                                                \
		}                                                                           \
		(f)->rc = weft_result_;                                                     \
	} while (0)

#ifdef __cplusplus
}
#endif

#endif
