/* SPDX-License-Identifier: MIT */
/*
 * The atomic operations of a source that is included after this, for interleave.h: each looks at what other
 * threads have stored, a store that isn't seq_cst waits in its thread's buffer, and what x86 does by a locked
 * instruction empties that. The includer defines step_if(order), the step before an operation.
 */
#ifndef WEFT_TEST_INTERLEAVE_ATOMICS_H
#define WEFT_TEST_INTERLEAVE_ATOMICS_H

#include "tests/support/interleave.h"

#define locked_(at, order) (step_if(order), interleave_look(at), interleave_fence())

#define __atomic_load_n(at, order) (step_if(order), interleave_look(at), __atomic_load_n(at, order))
#define __atomic_store_n(at, value, order)                             \
	do {                                                           \
		if ((order) == __ATOMIC_SEQ_CST)                       \
			locked_(at, order);                            \
		else                                                   \
			step_if(order);                                \
		__typeof__(*(at)) value_ = (value);                    \
		if ((order) == __ATOMIC_SEQ_CST)                       \
			__atomic_store_n(at, value_, order);           \
		else                                                   \
			interleave_store(at, &value_, sizeof(value_)); \
	} while (0)
#define __atomic_exchange_n(at, value, order) \
	(locked_(at, order), __atomic_exchange_n(at, value, order))
#define __atomic_fetch_add(at, value, order) \
	(locked_(at, order), __atomic_fetch_add(at, value, order))
#define __atomic_fetch_sub(at, value, order) \
	(locked_(at, order), __atomic_fetch_sub(at, value, order))
#define __atomic_fetch_or(at, value, order) \
	(locked_(at, order), __atomic_fetch_or(at, value, order))
#define __atomic_fetch_and(at, value, order) \
	(locked_(at, order), __atomic_fetch_and(at, value, order))
#define __atomic_compare_exchange_n(at, expected, value, weak, order, failure) \
	(locked_(at, order),                                                   \
	 __atomic_compare_exchange_n(at, expected, value, false, order, failure))

#endif
