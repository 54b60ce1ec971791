/* SPDX-License-Identifier: MIT */
#include "runtime/executor/parker.h"

#include "runtime/base/futex.h"
#include "runtime/io/driver.h"

void weft_parker_unpark(struct weft_parker *parker, struct weft_driver *driver)
{
	/* Acq_rel: what made the caller wake it is visible to it. */
	uint32_t old = __atomic_exchange_n(&parker->state, WEFT_PARKER_NOTIFIED, __ATOMIC_ACQ_REL);

	if (old == WEFT_PARKER_ON_FUTEX)
		weft_futex_wake(&parker->state, 1);
	else if (old == WEFT_PARKER_ON_DRIVER)
		weft_driver_wake(driver);
}

bool weft_parker_call(struct weft_parker *parker)
{
	uint32_t asleep = WEFT_PARKER_ON_FUTEX;

	/* Seq_cst: park_on_futex() of worker.c. Looked at first, so that the lines of those awake stay theirs. */
	if (__atomic_load_n(&parker->state, __ATOMIC_SEQ_CST) != asleep ||
	    !__atomic_compare_exchange_n(&parker->state, &asleep, WEFT_PARKER_NOTIFIED, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	weft_futex_wake(&parker->state, 1);
	return true;
}

bool weft_parker_sleep(struct weft_parker *parker, enum weft_parker_state how)
{
	uint32_t empty = WEFT_PARKER_EMPTY;

	/* Acq_rel: a notification that came first is consumed here, together with what it announces. */
	if (__atomic_compare_exchange_n(&parker->state, &empty, how, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return true;
	/*
	 * An exchange, not a store: another notification may come between the two, and what that one announces
	 * has to be seen by the looks that follow. They could pass a store.
	 */
	__atomic_exchange_n(&parker->state, WEFT_PARKER_EMPTY, __ATOMIC_ACQ_REL);
	return false;
}

void weft_parker_wait(struct weft_parker *parker, uint64_t timeout_ns)
{
	weft_futex_wait(&parker->state, WEFT_PARKER_ON_FUTEX, timeout_ns);
}

/* Acquire: with the notification, if there was one, comes what it announces. */
void weft_parker_awake(struct weft_parker *parker)
{
	__atomic_exchange_n(&parker->state, WEFT_PARKER_EMPTY, __ATOMIC_ACQ_REL);
}
