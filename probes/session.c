// SPDX-License-Identifier: MIT
/* Life of a session: its maps, its sources, its processes. */
#include "probes/session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>

#include "probes/base/cleanup.h"
#include "probes/base/priority.h"
#include "probes/session_internal.h"

#define RING_BYTES ((size_t)32 << 20)
#define HIT_NS     700.0 /* of a flush probe, where it could not be measured */

static char open_error[sizeof(((struct session *)0)->error)];

int session_fail(struct session *s, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->error, sizeof(s->error), format, args);
	va_end(args);
	return err;
}

const char *session_error(const struct session *s)
{
	return s ? s->error : open_error;
}

static void set_defaults(struct session_options *o)
{
	if (o->max_overhead <= 0)
		o->max_overhead = 0.05;
	if (!o->block_stack_ns)
		o->block_stack_ns = 1000000;
	if (!o->oncpu_stack_ns)
		o->oncpu_stack_ns = 10000000;
	if (!o->ring_bytes)
		o->ring_bytes = RING_BYTES;
	if (!o->census_ms)
		o->census_ms = 2000;
}

static int check_kernel(struct session *s)
{
	struct kernel_features *f = &s->features;

	if (kernel_features_probe(s->options.mask_features, f))
		return session_fail(s, -EINVAL,
				    "unknown kernel feature in the mask '%s'; see `weft check`",
				    s->options.mask_features);
	if (!f->bpf && (f->bpf_error == -EPERM || f->bpf_error == -EACCES))
		return session_fail(s, -EPERM,
				    "cannot load eBPF programs: %s; run as root, or with CAP_BPF, "
				    "CAP_PERFMON and CAP_SYS_PTRACE",
				    strerror(-f->bpf_error));
	if (!f->bpf || !f->ringbuf || !f->btf)
		return session_fail(
			s, -ENOSYS,
			"this kernel cannot trace: no %s; Linux 5.15 or newer with BTF is needed, "
			"`weft check` tells more",
			!f->bpf       ? "eBPF"
			: !f->ringbuf ? "BPF ring buffer"
				      : "BTF");
	if (!f->uprobe_multi && !f->uprobe_perf)
		return session_fail(
			s, -ENOSYS,
			"this kernel cannot place probes: neither uprobe_multi nor uprobe events; "
			"it needs CONFIG_UPROBE_EVENTS");
	return 0;
}

static void *map_shared(int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int open_maps(struct session *s)
{
	LIBBPF_OPTS(bpf_map_create_opts, mmapable, .map_flags = BPF_F_MMAPABLE);
	size_t bytes = s->options.ring_bytes;
	int err;

	s->ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, (uint32_t)bytes, NULL);
	if (s->ring_fd < 0)
		return session_fail(
			s, s->ring_fd,
			"cannot make a ring of %zu bytes: %s; give a power of two, not larger "
			"than memory allows",
			bytes, strerror(-s->ring_fd));
	s->follow_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "follow", sizeof(uint32_t),
				      sizeof(*s->follow), 1, &mmapable);
	if (s->follow_fd < 0)
		return session_fail(s, s->follow_fd, "cannot make a BPF map: %s",
				    strerror(-s->follow_fd));
	s->rows_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rows", sizeof(uint32_t), sizeof(*s->rows),
				    WEFT_ROW_MAX, &mmapable);
	if (s->rows_fd < 0)
		return session_fail(s, s->rows_fd, "cannot make a BPF map: %s",
				    strerror(-s->rows_fd));
	s->drivers_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "drivers", sizeof(struct weft_driver_key),
				       sizeof(struct weft_driver), WEFT_DRIVER_MAX, NULL);
	if (s->drivers_fd < 0)
		return session_fail(s, s->drivers_fd, "cannot make a BPF map: %s",
				    strerror(-s->drivers_fd));
	s->follow = map_shared(s->follow_fd, sizeof(*s->follow));
	s->rows = map_shared(s->rows_fd, sizeof(*s->rows) * WEFT_ROW_MAX);
	if (!s->follow || !s->rows)
		return session_fail(s, -errno, "cannot map a BPF map: %s", strerror(errno));
	err = ring_open(s->ring_fd, bytes, &s->ring);
	return err ? session_fail(s, err, "cannot map the ring: %s", strerror(-err)) : 0;
}

static int open_sources(struct session *s)
{
	for (unsigned i = 0; sources[i]; i++) {
		int err = sources[i]->open(s, &s->source_state[i]);

		s->source_error[i] = err;
		if (err && i == 0)
			return err;
	}
	return 0;
}

static void read_line(const char *path, char *to, size_t size)
{
	auto_fclose FILE *f = fopen(path, "re");

	if (f && fgets(to, (int)size, f))
		to[strcspn(to, "\n")] = '\0';
}

static void emit_session(struct session *s)
{
	struct weft_ev_session e = { .version = WEFT_EVENT_VERSION, .level = s->options.level };
	uint64_t before, after;
	struct timespec real;
	struct utsname u;

	/* Both clocks at one moment: files are dated by it to the millisecond. */
	for (int tries = 0; tries < 10; tries++) {
		before = clock_pair_now_ns();
		clock_gettime(CLOCK_REALTIME, &real);
		after = clock_pair_now_ns();
		if (after - before < 20000)
			break;
	}
	e.realtime_ns = (uint64_t)real.tv_sec * 1000000000u + (uint64_t)real.tv_nsec;
	read_line("/proc/sys/kernel/random/boot_id", e.boot_id, sizeof(e.boot_id));
	if (!uname(&u)) {
		session_text(e.kernel, sizeof(e.kernel), u.release);
		session_text(e.machine, sizeof(e.machine), u.nodename);
	}
	session_emit(s, (struct weft_ev){ .kind = WEFT_EV_SESSION, .time_ns = before }, &e,
		     sizeof(e));
}

static int open_all(struct session *s)
{
	auto_priority int before = priority_raise();
	int err = check_kernel(s);

	if (!err)
		err = open_maps(s);
	if (!err)
		err = open_sources(s);
	return err;
}

int session_open(const struct session_options *options, struct session **ret)
{
	struct session *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	set_defaults(&s->options);
	s->level = s->options.level;
	s->hit_ns = HIT_NS;
	s->ring_fd = s->follow_fd = s->rows_fd = s->drivers_fd = -1;
	s->queue_end = &s->queue;
	libbpf_set_print(NULL);
	session_more_files(s);
	clock_pair_init(&s->clock);
	emit_session(s);
	err = open_all(s);
	if (err) {
		memcpy(open_error, s->error, sizeof(open_error));
		session_close(s);
		return err;
	}
	clock_pair_update(&s->clock);
	*ret = s;
	return 0;
}

struct session *session_close(struct session *s)
{
	if (!s)
		return NULL;
	while (s->processes) {
		struct process *p = s->processes;

		s->processes = p->next;
		process_detach(p);
		process_free(p);
	}
	session_fork_free(s);
	for (unsigned i = 0; sources[i]; i++)
		if (s->source_state[i])
			sources[i]->close(s->source_state[i]);
	ring_close(s->ring);
	if (s->follow)
		munmap(s->follow, sizeof(*s->follow));
	if (s->rows)
		munmap(s->rows, sizeof(*s->rows) * WEFT_ROW_MAX);
	if (s->rows_fd >= 0)
		close(s->rows_fd);
	if (s->drivers_fd >= 0)
		close(s->drivers_fd);
	if (s->ring_fd >= 0)
		close(s->ring_fd);
	if (s->follow_fd >= 0)
		close(s->follow_fd);
	session_queue_free(s);
	if (s->files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &s->files);
	free(s);
	return NULL;
}

int session_attach(struct session *s, pid_t pid)
{
	return session_attach_one(s, pid, false);
}

int session_attach_one(struct session *s, pid_t pid, bool forked)
{
	auto_priority int before = priority_raise();
	struct process *p;
	int err;

	if (process_of_pid(s, pid))
		return session_fail(s, -EALREADY,
				    "process %d is already being traced by this session", pid);
	err = process_new(s, pid, &p);
	if (err)
		return err;
	p->forked = forked;
	clock_pair_update(&s->clock);
	err = process_attach(p, -1);
	if (err) {
		process_detach(p);
		process_free(p);
	}
	return err;
}

bool session_alive(const struct session *s)
{
	if (s->options.stay)
		return !s->finished;
	for (const struct process *p = s->processes; p; p = p->next)
		if (p->state != PROCESS_ENDED)
			return true;
	return false;
}

/* One that has ended meanwhile, or has not made its runtime yet, is asked for again by whoever looks. */
static int attach_wanted(struct session *s, pid_t pid)
{
	int err = process_of_pid(s, pid) ? 0 : session_attach_one(s, pid, false);

	if (err && err != -ESRCH && err != -ENOENT)
		session_cannot_see(s, WEFT_EV_ALL, "a process that came up", "%s", s->error);
	return err;
}

int session_request(struct session *s, const struct session_want *want)
{
	if (want->kind == SESSION_WANT_LEVEL)
		return session_level_want(s, (enum weft_level)want->value);
	if (want->kind == SESSION_WANT_ATTACH)
		return attach_wanted(s, (pid_t)want->value);
	for (struct process *p = s->processes; p; p = p->next) {
		if (p->index != want->process || p->state != PROCESS_LIVE)
			continue;
		if (want->kind == SESSION_WANT_CLOSER)
			return session_level_closer(p, want->value);
		for (unsigned i = 0; sources[i]; i++) {
			int err = sources[i]->want && s->source_state[i]
					  ? sources[i]->want(s->source_state[i], p, want)
					  : -EOPNOTSUPP;

			if (err != -EOPNOTSUPP)
				return err;
		}
		return session_fail(s, -EOPNOTSUPP, "nothing here answers request %u", want->kind);
	}
	return session_fail(s, -ESRCH, "no process %u in this session is alive", want->process);
}
