// SPDX-License-Identifier: MIT
/* Processes: what is known of them, how sources are tied to them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "probes/base/cleanup.h"
#include "probes/base/priority.h"
#include "probes/session_internal.h"
#include "probes/symbols/elf_file.h"
#include "runtime/fingerprint.h"

/* ---- /proc ---- */

struct proc_stat {
	uint32_t parent, threads;
	uint64_t start_ticks, user_ticks, system_ticks, rss_pages;
};

static ssize_t read_file(const char *path, char *to, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

	to[n > 0 ? n : 0] = '\0';
	return n;
}

static ssize_t read_proc(pid_t pid, const char *name, char *to, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return read_file(path, to, size);
}

/* Fields of /proc/PID/stat are counted from behind the name, which may hold anything. */
static bool read_stat(pid_t pid, struct proc_stat *ret)
{
	unsigned long parent, user, system, threads, start, rss;
	const char *at;
	char text[1024];

	if (read_proc(pid, "stat", text, sizeof(text)) <= 0 || !(at = strrchr(text, ')')))
		return false;
	if (sscanf(at + 1,
		   " %*c %lu %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %lu %*d %lu %*u %lu",
		   &parent, &user, &system, &threads, &start, &rss) != 6)
		return false;
	*ret = (struct proc_stat){ .parent = (uint32_t)parent,
				   .threads = (uint32_t)threads,
				   .start_ticks = start,
				   .user_ticks = user,
				   .system_ticks = system,
				   .rss_pages = rss };
	return true;
}

/* The innermost pid, and whether `pid` is a process at all and not one of its threads. */
int process_ns_pid(pid_t pid, pid_t *ret_ns_pid)
{
	char text[4096];
	const char *at, *end;
	int tgid;

	if (read_proc(pid, "status", text, sizeof(text)) <= 0)
		return -ESRCH;
	at = strstr(text, "\nTgid:");
	if (!at || sscanf(at, "\nTgid: %d", &tgid) != 1 || tgid != pid)
		return -ESRCH;
	if (strstr(text, "\nState:\tZ")) /* has ended, its parent has not asked yet */
		return -ESRCH;
	*ret_ns_pid = pid;
	at = strstr(text, "\nNSpid:");
	end = at ? strchr(at + 1, '\n') : NULL;
	while (end && end > at && (end[-1] >= '0' && end[-1] <= '9'))
		end--;
	if (end)
		*ret_ns_pid = atoi(end);
	return 0;
}

static void read_build_id(pid_t pid, char *to)
{
	char path[64];
	auto_close int fd = -1;
	auto_elf Elf *elf = NULL;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !elf_file_open(fd, &elf))
		elf_file_build_id(elf, to);
}

void process_exe(pid_t pid, char *to, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, to, size - 1);
	to[n > 0 ? n : 0] = '\0';
}

uint64_t process_start_ns(const struct process *p)
{
	uint64_t mono = clock_pair_now_ns(), start, suspended;
	struct proc_stat now;
	struct timespec boot;

	if (!read_stat(p->pid, &now) || clock_gettime(CLOCK_BOOTTIME, &boot))
		return 0;
	suspended = (uint64_t)boot.tv_sec * 1000000000u + (uint64_t)boot.tv_nsec - mono;
	start = now.start_ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	return start > suspended ? start - suspended : 0;
}

/* Of a program that doesn't tell it; made as it would make it. */
uint64_t process_fingerprint(const struct process *p, uint8_t kind)
{
	char boot_id[WEFT_BOOT_ID_BYTES + 1];
	struct proc_stat now;

	if (!read_stat(p->pid, &now))
		return 0;
	read_file("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	return weft_fingerprint_base(&(struct weft_fingerprint_of){ boot_id, now.start_ticks,
								    (uint32_t)p->ns_pid, kind });
}

void process_announce(struct process *p)
{
	struct weft_ev_process e = { .pid = (uint32_t)p->pid,
				     .ns_pid = (uint32_t)p->ns_pid,
				     .clock = p->clock,
				     .from_start = p->from_start };
	struct proc_stat now;
	struct stat st;
	char path[64];

	process_exe(p->pid, e.exe, sizeof(e.exe));
	read_proc(p->pid, "comm", e.comm, sizeof(e.comm));
	e.comm[strcspn(e.comm, "\n")] = '\0';
	snprintf(path, sizeof(path), "/proc/%d", p->pid);
	if (!stat(path, &st))
		e.uid = st.st_uid;
	if (read_stat(p->pid, &now)) {
		e.parent = now.parent;
		e.start_ticks = now.start_ticks;
		/* starttime is in the boot clock; the difference to the monotonic one is time spent suspended */
		e.start_mono_ns = now.start_ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	}
	read_build_id(p->pid, e.build_id);
	session_emit(p->session,
		     (struct weft_ev){ .kind = WEFT_EV_PROCESS,
				       .process = p->index,
				       .tid = (uint32_t)p->pid,
				       .time_ns = p->attached_ns },
		     &e, sizeof(e));
	p->announced = true;
}

/* /proc counts in ticks of 10 ms; the process's CPU clock is exact. */
static uint64_t precise_cpu_ns(pid_t pid, uint64_t otherwise)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return otherwise;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Read on demand: the numbers that the level's arithmetic and the console need once per second. */
void process_sample(struct process *p)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	struct weft_ev_process_sample e = { .level = p->level };
	struct proc_stat now;
	struct rusage own;

	if (!read_stat(p->pid, &now))
		return;
	e.rss_bytes = now.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	e.cpu_user_ns = now.user_ticks * tick_ns;
	e.cpu_sys_ns = now.system_ticks * tick_ns;
	e.threads = now.threads;
	if (!getrusage(RUSAGE_SELF, &own))
		e.own_self_ns =
			(uint64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000000u +
			(uint64_t)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1000u;
	p->cpu_ns = precise_cpu_ns(p->pid, e.cpu_user_ns + e.cpu_sys_ns);
	session_level_count(p);
	e.own_target_ns = p->target_ns;
	session_emit(p->session,
		     (struct weft_ev){ .kind = WEFT_EV_PROCESS_SAMPLE,
				       .process = p->index,
				       .tid = (uint32_t)p->pid,
				       .time_ns = p->session->now_ns },
		     &e, sizeof(e));
}

/* ---- the table ---- */

static int take_follow(struct session *s, struct process *p)
{
	struct weft_follow *f = s->follow;

	for (uint32_t i = 0; i < WEFT_FOLLOW_MAX; i++) {
		bool taken = false;

		for (struct process *other = s->processes; other; other = other->next)
			taken |= other->state != PROCESS_ENDED && other->follow == i;
		if (taken)
			continue;
		p->follow = i;
		memset(&f->entry[i], 0, sizeof(f->entry[i]));
		f->entry[i].process = p->index;
		__atomic_store_n(&f->entry[i].tgid, (uint32_t)p->pid, __ATOMIC_RELEASE);
		if (i >= f->count)
			__atomic_store_n(&f->count, i + 1, __ATOMIC_RELEASE);
		return 0;
	}
	return session_fail(
		s, -EUSERS,
		"cannot trace process %d: this session already watches %u processes; start another",
		p->pid, WEFT_FOLLOW_MAX);
}

/*
 * The next one, as who comes first is told first. When there are no more: one that ended without being told, as most
 * of a command's tree do, has left its own to others.
 */
static struct process **free_index(struct session *s, uint32_t *ret_index)
{
	struct process **at = &s->processes;
	uint32_t index = 0;

	for (; *at; at = &(*at)->next)
		index = (*at)->index + 1;
	if (index == WEFT_PROCESSES_MAX)
		for (index = 0, at = &s->processes; *at && (*at)->index == index; at = &(*at)->next)
			index++;
	*ret_index = index;
	return at;
}

int process_new(struct session *s, pid_t pid, struct process **ret)
{
	struct process *p = calloc(1, sizeof(*p)), **at;
	uint32_t index;
	int err;

	if (!p)
		return session_fail(s, -ENOMEM, "out of memory");
	at = free_index(s, &index);
	if (index == WEFT_PROCESSES_MAX) {
		free(p);
		return session_fail(s, -EUSERS,
				    "cannot trace process %d: this session has seen %u processes "
				    "come and go, which is its bound; start another",
				    pid, WEFT_PROCESSES_MAX);
	}
	p->session = s;
	p->pid = pid;
	p->index = index;
	p->clock = WEFT_CLOCK_TSC;
	p->attached_ns = clock_pair_now_ns();
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p->pidfd < 0 || process_ns_pid(pid, &p->ns_pid)) {
		if (p->pidfd >= 0)
			close(p->pidfd);
		free(p);
		return session_fail(s, -ESRCH,
				    "cannot trace process %d: there is no such process (any more)",
				    pid);
	}
	err = take_follow(s, p);
	if (err) {
		close(p->pidfd);
		free(p);
		return err;
	}
	p->next = *at;
	*at = p;
	*ret = p;
	return 0;
}

/* Takes it out of the session's list too. */
void process_free(struct process *p)
{
	struct process **at = &p->session->processes;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	if (p->pidfd >= 0)
		close(p->pidfd);
	free(p->window);
	free(p);
}

struct process *process_of_pid(struct session *s, pid_t pid)
{
	for (struct process *p = s->processes; p; p = p->next)
		if (p->pid == pid && p->state != PROCESS_ENDED)
			return p;
	return NULL;
}

/* ---- sources ---- */

uint32_t process_source_id(const struct source *source)
{
	uint32_t i = 0;

	while (sources[i] && sources[i] != source)
		i++;
	return i;
}

static bool is_rust_service(pid_t pid)
{
	struct session_process about;

	if (session_inspect(pid, &about))
		return false;
	for (uint32_t i = 0; i < about.runtimes; i++)
		if (about.runtime[i].kind != WEFT_RT_WEFT)
			return true;
	return false;
}

/* running: it has begun, and is not still to become another program. */
static int refuse(struct process *p, bool running)
{
	const struct session *s = p->session;
	/* Those of a command's tree are tried again and again, and most carry none: nobody reads of each why. */
	bool asked = s->source_error[SOURCE_TOKIO] || p->state != PROCESS_CANDIDATE;
	bool rust = running && asked && is_rust_service(p->pid);
	bool lacks = rust && s->source_error[SOURCE_TOKIO];

	if (lacks && (!s->features.uprobe_multi || !s->features.uprobe_multi_pid))
		return session_fail(p->session, -ENOTSUP,
				    "cannot trace process %d: for Rust services this kernel lacks "
				    "uprobe_multi links with a pid filter; Linux 6.10 has them",
				    p->pid);
	if (lacks)
		return session_fail(p->session, -ENOTSUP,
				    "cannot trace process %d: this kernel did not take the "
				    "programs for Rust services (%s); please report it with the "
				    "output of `weft check`",
				    p->pid, strerror(-s->source_error[SOURCE_TOKIO]));
	if (rust)
		return session_fail(p->session, -ENOENT,
				    "cannot trace process %d: it looks like a Rust service, but "
				    "no code that polls tasks was recognised in it; "
				    "`weft list --full` tells more",
				    p->pid);
	return session_fail(p->session, -ENOENT,
			    "cannot trace process %d: it carries no runtime that Weft knows; "
			    "`weft list` shows the processes that do",
			    p->pid);
}

static void release(struct process *p)
{
	struct session *s = p->session;

	for (unsigned i = 0; sources[i]; i++)
		if (sources[i]->detach && s->source_state[i])
			sources[i]->detach(s->source_state[i], p);
}

int process_attach(struct process *p, int exe_fd)
{
	struct session *s = p->session;
	int err = -ENOENT;

	for (unsigned i = 0; sources[i] && err == -ENOENT; i++) {
		if (!sources[i]->attach || !s->source_state[i])
			continue;
		err = sources[i]->attach(s->source_state[i], p, exe_fd);
		if (!err)
			p->runtime = sources[i];
	}
	if (err == -ENOENT)
		err = refuse(p, exe_fd < 0);
	if (err)
		return err;
	err = session_level_start(p);
	if (err) { /* it may be tried again, from the start */
		release(p);
		p->runtime = NULL;
	}
	return err;
}

void process_detach(struct process *p)
{
	struct weft_follow_entry *f = &p->session->follow->entry[p->follow];
	auto_priority int before = priority_raise();

	release(p);
	if (f->process == p->index)
		__atomic_store_n(&f->tgid, 0, __ATOMIC_RELEASE);
	p->state = PROCESS_ENDED;
}

void process_thread_begin(struct process *p, uint32_t lane, uint32_t tid, uint64_t address)
{
	for (unsigned i = 0; sources[i]; i++)
		if (sources[i]->thread_begin && p->session->source_state[i])
			sources[i]->thread_begin(p->session->source_state[i], p, lane, tid,
						 address);
}

void process_thread_end(struct process *p, uint32_t lane)
{
	for (unsigned i = 0; sources[i]; i++)
		if (sources[i]->thread_end && p->session->source_state[i])
			sources[i]->thread_end(p->session->source_state[i], p, lane);
}

void process_off_cpu(struct process *p, uint32_t lane, struct weft_ev_lane_sample *sample)
{
	for (unsigned i = 0; sources[i]; i++)
		if (sources[i]->off_cpu && p->session->source_state[i])
			sources[i]->off_cpu(p->session->source_state[i], p, lane, sample);
}

bool process_poll_now(struct process *p, uint32_t lane, struct poll_now *ret)
{
	const struct source *r = p->runtime;

	return r && r->poll_now &&
	       r->poll_now(p->session->source_state[process_source_id(r)], p, lane, ret);
}

/* ---- time ---- */

uint64_t process_stamp_ns(const struct process *p, uint64_t low56)
{
	const struct clock_pair *c = &p->session->clock;

	return p->clock == WEFT_CLOCK_TSC ? clock_pair_to_ns(c, clock_pair_widen(c, low56)) : low56;
}

uint64_t process_ticks_ns(const struct process *p, uint64_t ticks)
{
	if (p->clock != WEFT_CLOCK_TSC)
		return ticks;
	return (uint64_t)(((unsigned __int128)ticks * p->session->clock.mult) >> 32);
}
