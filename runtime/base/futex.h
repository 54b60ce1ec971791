/* SPDX-License-Identifier: MIT */
/* Private futexes; timeouts are relative and may end early. */
#ifndef WEFT_RUNTIME_BASE_FUTEX_H
#define WEFT_RUNTIME_BASE_FUTEX_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* timeout_ns UINT64_MAX = for ever. */
static inline void weft_futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	struct timespec ts = { (time_t)(timeout_ns / 1000000000u),
			       (long)(timeout_ns % 1000000000u) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
		timeout_ns == UINT64_MAX ? NULL : &ts, NULL, 0);
}

static inline void weft_futex_wake(uint32_t *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

#endif
