/* SPDX-License-Identifier: MIT */
/*
 * Uprobe links. uprobe_multi through the bare system call: libbpf before 1.3 has no call for it.
 *
 * Kernel facts this file keeps to: a probe never goes on a 5- or 10-byte nop (6.18 turns it into a call
 * that overwrites the red zone and kills forked children); one place has one reference counter for all
 * watchers (EINVAL else); perf-based links take 0.1 s each to detach; 6.6 to 6.9 lose the hits of
 * all threads but the leader under uprobe_multi's pid filter.
 */
#ifndef WEFT_ATTACH_H
#define WEFT_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ATTACH_UPROBE_MULTI 48 /* enum bpf_attach_type; the headers of older systems lack it */
#define ATTACH_PLACES       8u

struct attach_place {
	uint64_t offset;  /* in the file */
	uint64_t counter; /* file offset of the semaphore to raise, 0 = none */
};

struct attach_request {
	int prog_fd;
	int file_fd; /* the ELF file */
	pid_t pid;
	uint64_t cookie;
	bool perf;       /* perf-based links instead of uprobe_multi */
	unsigned places; /* up to ATTACH_PLACES */
	struct attach_place place[ATTACH_PLACES];
};

/* The open links of one request. */
struct attachment {
	unsigned links;
	int fd[2 * ATTACH_PLACES];
};

/*
 * -EILSEQ: a place is not a 1-byte nop. Otherwise the kernel's errno: -EINVAL also when another tool has
 * another reference counter at a place. On failure nothing stays attached.
 */
int attach_open(const struct attach_request *request, struct attachment *ret);
void attach_close(struct attachment *a); /* takes a zeroed or a closed one */

/*
 * The kernel lets a link go when all CPUs have passed by: up to seconds on a busy machine. Takes the links over and closes
 * them in a thread, `first` before `then`; any of both may be NULL. Without a thread it closes them itself.
 */
struct attach_closing; /* a list, NULL at first */
void attach_close_begin(struct attach_closing **list, struct attachment *first,
			struct attachment *then);
void attach_close_end(struct attach_closing **list); /* waits for all of them */

/* Any number of places without counters, one uprobe_multi link: its descriptor, or the kernel's errno, negative. */
struct attach_many {
	int prog_fd, file_fd;
	pid_t pid;
	unsigned n;
	const uint64_t *offsets, *cookies;
};
int attach_many(const struct attach_many *request);

/*
 * CPU time of one hit, ns: hits a probe of our own that does a flush probe's work, from a second thread. 0, or
 * negative errno.
 */
int attach_calibrate(int prog_fd, bool perf, double *ret_ns);

#endif
