/* SPDX-License-Identifier: MIT */
#include "runtime/base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int weft_clock_tsc;
uint64_t weft_clock_fake;

static uint64_t start_stamp, start_ns;

/*
 * The kernel's own verdict: it drops tsc when a watchdog finds it unstable or out of step between
 * sockets.
 */
static bool kernel_trusts_tsc(void)
{
	char text[16] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n >= 3 && memcmp(text, "tsc", 3) == 0 && (n == 3 || text[3] == '\n');
}

void weft_clock_init(void)
{
	if (start_ns)
		return;
	weft_clock_tsc = arch_tsc_invariant() && kernel_trusts_tsc();
	start_ns = weft_clock_ns();
	start_stamp = weft_clock_stamp();
}

/*
 * The rate comes from the distance to weft_clock_init(); at least 1 ms lies between, else this
 * waits for it. Good to 0.1 %: used for thresholds only, never to convert stamps (a watcher takes
 * its own pairs).
 */
uint64_t weft_clock_ticks(uint64_t ns)
{
	uint64_t now, stamp;

	if (!weft_clock_tsc)
		return ns;
	do {
		now = weft_clock_ns();
		stamp = weft_clock_stamp();
	} while (now - start_ns < 1000000u);
	return (uint64_t)((double)ns * (double)(stamp - start_stamp) / (double)(now - start_ns));
}
