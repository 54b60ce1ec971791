/* SPDX-License-Identifier: MIT */
/*
 * Task fingerprints: 64 bits that a task has alone among all tasks of all processes and boots, so that a line of a log leads
 * to a task. Freestanding: the runtime prints them, whoever watches computes the same from outside.
 *
 *     fingerprint = base ^ task id, written as 16 hex digits
 *     base        = FNV-1a 64 of boot id (as text, 36 bytes), start (8 bytes), pid (4), kind (1)
 *
 * start: when the process began, in ticks since boot (/proc/PID/stat, field 22); pid: its own, in its own namespace; kind:
 * enum weft_runtime_kind, as each kind of runtime counts its tasks by itself. Numbers with the low byte first. The exclusive
 * or can be undone: with the base of a process one has the id of a task that nobody remembers.
 */
#ifndef WEFT_RUNTIME_FINGERPRINT_H
#define WEFT_RUNTIME_FINGERPRINT_H

#include <linux/types.h>

#define WEFT_BOOT_ID_BYTES 36u

struct weft_fingerprint_of {
	const char *boot_id; /* up to WEFT_BOOT_ID_BYTES of it, to its NUL; not known: "" */
	__u64 start;
	__u32 pid;
	__u8 kind;
};

static inline __u64 weft_fnv(__u64 hash, __u8 byte)
{
	return (hash ^ byte) * 0x100000001b3ull;
}

/* Never 0, which stands for "none". */
static inline __u64 weft_fingerprint_base(const struct weft_fingerprint_of *of)
{
	__u64 hash = 0xcbf29ce484222325ull;

	for (unsigned i = 0; i < WEFT_BOOT_ID_BYTES && of->boot_id[i]; i++)
		hash = weft_fnv(hash, (__u8)of->boot_id[i]);
	for (unsigned i = 0; i < 8; i++)
		hash = weft_fnv(hash, (__u8)(of->start >> 8 * i));
	for (unsigned i = 0; i < 4; i++)
		hash = weft_fnv(hash, (__u8)(of->pid >> 8 * i));
	hash = weft_fnv(hash, of->kind);
	return hash ? hash : 1;
}

#endif
