// SPDX-License-Identifier: MIT
#include "probes/stack_capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "sched.skel.h"

#define SAMPLE_HZ 199 /* odd: not in step with what the target does every 1, 5 or 10 ms */

struct stack_capture {
	struct sched_bpf *skel;
	bool iter, samples;
	bool no_filter; /* before 6.1 an iterator can't be bound to one thread */
	const struct weft_raw_stack *found;
};

int stack_capture_new(struct sched_bpf *skel, bool iter, bool samples, struct stack_capture **ret)
{
	struct stack_capture *c = calloc(1, sizeof(*c));
	void *found;

	if (!c)
		return -ENOMEM;
	c->skel = skel;
	c->iter = iter;
	c->samples = samples;
	found = mmap(NULL, sizeof(*c->found), PROT_READ, MAP_SHARED, bpf_map__fd(skel->maps.found),
		     0);
	if (found == MAP_FAILED) {
		free(c);
		return -errno;
	}
	c->found = found;
	*ret = c;
	return 0;
}

struct stack_capture *stack_capture_free(struct stack_capture *c)
{
	if (!c)
		return NULL;
	munmap((void *)(uintptr_t)c->found, sizeof(*c->found));
	free(c);
	return NULL;
}

static int make_link(struct stack_capture *c, struct bpf_program *program, uint32_t tid)
{
	union bpf_iter_link_info info = { .task = { .tid = tid } };
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int fd;

	if (!c->no_filter) {
		opts.iter_info = &info;
		opts.iter_info_len = sizeof(info);
	}
	fd = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, &opts);
	if (fd != -EINVAL || c->no_filter)
		return fd;
	c->no_filter = true;
	return make_link(c, program, tid);
}

static int run_iter(struct stack_capture *c, struct bpf_program *program, uint32_t tid)
{
	auto_close int link = make_link(c, program, tid);
	auto_close int iter = link < 0 ? link : bpf_iter_create(link);
	char none[64];

	if (iter < 0)
		return iter;
	c->skel->bss->wanted_tid = (int)tid;
	while (read(iter, none, sizeof(none)) > 0)
		;
	return 0;
}

int stack_capture_thread(struct stack_capture *c, uint32_t tid, const struct weft_raw_stack **ret)
{
	volatile __u64 *found_by = &c->skel->bss->stacks_found;
	uint64_t before = *found_by;
	int err = c->iter ? run_iter(c, c->skel->progs.thread_stack, tid) : -ENOTSUP;

	if (err)
		return err;
	if (*found_by == before)
		return -ESRCH;
	*ret = c->found;
	return 0;
}

uint64_t stack_capture_exec_id(struct stack_capture *c, uint32_t pid)
{
	volatile __u64 *id = &c->skel->bss->found_exec_id;

	*id = 0;
	return run_iter(c, c->skel->progs.exec_id, pid) ? 0 : *id;
}

int stack_capture_sample(struct stack_capture *c, uint32_t tid)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CPU_CLOCK,
					.freq = 1,
					.sample_freq = SAMPLE_HZ,
					.disabled = 1 };
	int fd, err;

	if (!c->samples)
		return -ENOTSUP;
	fd = (int)syscall(SYS_perf_event_open, &attr, (pid_t)tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(c->skel->progs.cpu_sample)) &&
	    !ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return fd;
	err = -errno;
	close(fd);
	return err;
}
