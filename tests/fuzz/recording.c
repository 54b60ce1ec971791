// SPDX-License-Identifier: MIT
/* A whole recording, damaged anywhere: opened and replayed as `weft diagnose FILE.db` does. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdio.h>

#include "collector/live.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WAIT_MS 5000

static void replay(const char *path)
{
	struct live_options options = { .replay_path = path };
	struct live *l;

	if (live_open(&options, &l))
		return;
	for (int ms = 0; ms < WAIT_MS && !live_done(l); ms += 10)
		live_wait(l, UINT64_MAX, 10);
	live_close(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("recording", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	replay(path);
	close(fd);
	return 0;
}
