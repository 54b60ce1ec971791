/* SPDX-License-Identifier: MIT */
#include "runtime/fingerprint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/task.h"
#include "runtime/weft.h"

#define KIND_WEFT 1 /* WEFT_RT_WEFT (probes/event.h) */

static void read_text(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

	to[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Field 22; they are counted from behind the name, which may hold anything. 0: there is no /proc. */
static uint64_t start_ticks(void)
{
	char text[1024];
	const char *at;

	read_text("/proc/self/stat", text, sizeof(text));
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* A forked child has another. Threads that come here at once find the same. */
uint64_t weft_fingerprint_own(void)
{
	static uint64_t base;
	static uint32_t of_pid;
	uint32_t pid = (uint32_t)getpid();
	char boot_id[WEFT_BOOT_ID_BYTES + 1];
	uint64_t hash;

	/* Acquire: pairs with the release below. */
	if (__atomic_load_n(&of_pid, __ATOMIC_ACQUIRE) == pid)
		return __atomic_load_n(&base, __ATOMIC_RELAXED);
	read_text("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	hash = weft_fingerprint_base(
		&(struct weft_fingerprint_of){ boot_id, start_ticks(), pid, KIND_WEFT });
	__atomic_store_n(&base, hash, __ATOMIC_RELAXED);
	__atomic_store_n(&of_pid, pid, __ATOMIC_RELEASE);
	return hash;
}

struct weft_fingerprint weft_task_fingerprint(uint64_t task)
{
	struct weft_fingerprint f = { "-" };

	if (!task)
		task = weft_thread.task_id;
	if (task)
		snprintf(f.text, sizeof(f.text), "%016llx",
			 (unsigned long long)(weft_fingerprint_own() ^ task));
	return f;
}
