/* SPDX-License-Identifier: MIT */
/*
 * Channels: oneshot, mpsc, broadcast, watch. Part of weft.h.
 *
 * A message is `bytes` bytes, fixed when the channel is made, copied in and out; 0 bytes are
 * allowed, and then the addresses may be NULL. Copies are made under a spin lock: send a pointer to
 * what is larger than some hundred bytes. What a message points to is the program's: a receiver
 * that goes away leaves messages behind, so empty the channel first if they own something.
 *
 * Each end is a handle, good in any task and thread. tx_unref, rx_free and their like take it back
 * and return NULL; NULL is fine. When one side is gone the other gets -EPIPE. A handle that is
 * given back while an operation on it is still pending is a `misuse` event and a leak.
 *
 * Operations with a `cx` are awaited, can be cancelled or bounded by weft_timeout() at any point,
 * and then have not happened: no message is lost or sent twice. try_ gives -EAGAIN instead of
 * waiting. blocking_ is for threads that poll no task (-EDEADLK and a `misuse` event in one that
 * does).
 */
#ifndef WEFT_API_CHANNEL_H
#define WEFT_API_CHANNEL_H

#include "runtime/api/waiter.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One message. send gives the tx handle back whether it succeeds or not: 0, or -EPIPE when the
 * receiver is gone. recv: 0; -EPIPE when the sender went without sending; -EINVAL once the message
 * has been taken. new: 0 or -ENOMEM.
 */
struct weft_oneshot_tx;
struct weft_oneshot_rx;
WEFT_API int weft_oneshot_new(size_t bytes, struct weft_oneshot_tx **ret_tx,
			      struct weft_oneshot_rx **ret_rx);
WEFT_API int weft_oneshot_send(struct weft_oneshot_tx *tx, const void *value);
WEFT_API struct weft_oneshot_tx *weft_oneshot_tx_free(struct weft_oneshot_tx *tx);
WEFT_API bool weft_oneshot_tx_closed(const struct weft_oneshot_tx *tx); /* the receiver is gone */
WEFT_API weft_poll_t weft_oneshot_recv(struct weft_cx *cx, struct weft_oneshot_rx *rx,
				       struct weft_waiter *f, void *ret);
WEFT_API int weft_oneshot_blocking_recv(struct weft_oneshot_rx *rx, void *ret);
WEFT_API int weft_oneshot_try_recv(struct weft_oneshot_rx *rx, void *ret);
WEFT_API struct weft_oneshot_rx *weft_oneshot_rx_free(struct weft_oneshot_rx *rx);

/*
 * Queue from many senders to one receiver. capacity: messages that fit, 0 = unbounded (blocks of 32
 * messages; send never waits, and gives -ENOMEM without memory). Senders that find it full are
 * served in the order of arrival. new: 0, -ENOMEM, -EINVAL (too large).
 *
 * send: 0, or -EPIPE once the receiver is gone or has closed. recv, by one task at a time (-EBUSY):
 * 0; -EPIPE, the end, when the channel is empty and all senders are gone or the receiver has closed
 * it. tx_ref gives another sender's handle (the same pointer).
 */
struct weft_mpsc_tx;
struct weft_mpsc_rx;
WEFT_API int weft_mpsc_new(size_t bytes, uint32_t capacity, struct weft_mpsc_tx **ret_tx,
			   struct weft_mpsc_rx **ret_rx);
WEFT_API struct weft_mpsc_tx *weft_mpsc_tx_ref(struct weft_mpsc_tx *tx);
WEFT_API struct weft_mpsc_tx *weft_mpsc_tx_unref(struct weft_mpsc_tx *tx);
WEFT_API weft_poll_t weft_mpsc_send(struct weft_cx *cx, struct weft_mpsc_tx *tx,
				    struct weft_waiter *f, const void *value);
WEFT_API int weft_mpsc_blocking_send(struct weft_mpsc_tx *tx, const void *value);
WEFT_API int weft_mpsc_try_send(struct weft_mpsc_tx *tx, const void *value);
/*
 * A place of its own: once reserve is ready with 0, send_reserved doesn't wait. Each place is to be given up by
 * send_reserved (0, -EPIPE if the receiver has closed meanwhile, -ENOMEM) or unreserve, once, by
 * whoever holds a tx handle. try_reserve: -EAGAIN instead of waiting.
 */
WEFT_API weft_poll_t weft_mpsc_reserve(struct weft_cx *cx, struct weft_mpsc_tx *tx,
				       struct weft_waiter *f);
WEFT_API int weft_mpsc_try_reserve(struct weft_mpsc_tx *tx);
WEFT_API int weft_mpsc_send_reserved(struct weft_mpsc_tx *tx, const void *value);
WEFT_API void weft_mpsc_unreserve(struct weft_mpsc_tx *tx);
/* Ready with 0 once the receiver is gone or has closed. Any number of tasks. */
WEFT_API weft_poll_t weft_mpsc_closed(struct weft_cx *cx, struct weft_mpsc_tx *tx,
				      struct weft_waiter *f);
WEFT_API bool weft_mpsc_is_closed(const struct weft_mpsc_tx *tx);
WEFT_API weft_poll_t weft_mpsc_recv(struct weft_cx *cx, struct weft_mpsc_rx *rx,
				    struct weft_waiter *f, void *ret);
WEFT_API int weft_mpsc_blocking_recv(struct weft_mpsc_rx *rx, void *ret);
WEFT_API int weft_mpsc_try_recv(struct weft_mpsc_rx *rx, void *ret);
WEFT_API void weft_mpsc_close(struct weft_mpsc_rx *rx); /* no more sends; what is in it stays */
WEFT_API size_t weft_mpsc_len(const struct weft_mpsc_rx *rx);
WEFT_API struct weft_mpsc_rx *weft_mpsc_rx_free(struct weft_mpsc_rx *rx);

/*
 * Each message to every receiver. Holds the last `capacity` messages (rounded up to a power of two;
 * -EINVAL: 0 or too large): send never waits and overwrites the oldest. subscribe gives a receiver
 * of all that is sent from then on. send: the number of receivers (> 0), or -EPIPE when there is
 * none. recv: 0; -EPIPE when all senders are gone and it has seen all; -EOVERFLOW when it was too
 * slow: *ret_missed (may be NULL) messages were overwritten, the next recv gives the oldest left.
 */
struct weft_broadcast_tx;
struct weft_broadcast_rx;
WEFT_API int weft_broadcast_new(size_t bytes, uint32_t capacity, struct weft_broadcast_tx **ret);
WEFT_API struct weft_broadcast_tx *weft_broadcast_tx_ref(struct weft_broadcast_tx *tx);
WEFT_API struct weft_broadcast_tx *weft_broadcast_tx_unref(struct weft_broadcast_tx *tx);
WEFT_API int weft_broadcast_send(struct weft_broadcast_tx *tx, const void *value);
WEFT_API int weft_broadcast_subscribe(struct weft_broadcast_tx *tx, struct weft_broadcast_rx **ret);
WEFT_API weft_poll_t weft_broadcast_recv(struct weft_cx *cx, struct weft_broadcast_rx *rx,
					 struct weft_waiter *f, void *ret, uint64_t *ret_missed);
WEFT_API int weft_broadcast_blocking_recv(struct weft_broadcast_rx *rx, void *ret,
					  uint64_t *ret_missed);
WEFT_API int weft_broadcast_try_recv(struct weft_broadcast_rx *rx, void *ret, uint64_t *ret_missed);
WEFT_API struct weft_broadcast_rx *weft_broadcast_rx_free(struct weft_broadcast_rx *rx);

/*
 * The latest value. Begins with *initial, which counts as seen by the first receiver and by those
 * that subscribe before anything is sent; later ones have seen what is there when they subscribe.
 * send replaces the value: 0, or -EPIPE when there is no receiver (the value is replaced all the
 * same). changed: 0 once there is a value that this receiver has not seen, and marks it seen;
 * -EPIPE when the last sender went without a newer one. get copies the latest value and marks it
 * seen, peek does not mark. One task at a time may await changed on one receiver (-EBUSY).
 */
struct weft_watch_tx;
struct weft_watch_rx;
WEFT_API int weft_watch_new(size_t bytes, const void *initial, struct weft_watch_tx **ret_tx,
			    struct weft_watch_rx **ret_rx);
WEFT_API struct weft_watch_tx *weft_watch_tx_ref(struct weft_watch_tx *tx);
WEFT_API struct weft_watch_tx *weft_watch_tx_unref(struct weft_watch_tx *tx);
WEFT_API int weft_watch_send(struct weft_watch_tx *tx, const void *value);
WEFT_API int weft_watch_subscribe(struct weft_watch_tx *tx, struct weft_watch_rx **ret);
WEFT_API weft_poll_t weft_watch_changed(struct weft_cx *cx, struct weft_watch_rx *rx,
					struct weft_waiter *f);
WEFT_API int weft_watch_blocking_changed(struct weft_watch_rx *rx);
WEFT_API bool weft_watch_has_changed(const struct weft_watch_rx *rx);
WEFT_API void weft_watch_get(struct weft_watch_rx *rx, void *ret);
WEFT_API void weft_watch_peek(const struct weft_watch_rx *rx, void *ret);
WEFT_API struct weft_watch_rx *weft_watch_rx_free(struct weft_watch_rx *rx);

#ifdef __cplusplus
}
#endif

#endif
