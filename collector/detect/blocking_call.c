/* SPDX-License-Identifier: MIT */
/*
 * blocking-call: a poll that is off the CPU because it waits for the kernel, not for a CPU. Judged while it
 * lasts (samples prove how much of the open poll was neither on the CPU nor waiting for one) and when it has ended (the
 * kernel's off-CPU records). The place is the task's type: many tasks of one type that block are one finding.
 */
#include "collector/detect/blocking_internal.h"

#include "collector/detect/advice.h"
#include "collector/detect/load.h"
#include "probes/symbols/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARN_MS, CRIT_MS, SHORT_MS, SHORT_TIMES, FAULT_FACTOR };

static const struct detector_option options[] = {
	[WARN_MS] = { "blocking.warn_ms", 10, "ms", "blocked inside one poll: warn" },
	[CRIT_MS] = { "blocking.crit_ms", 50, "ms", "blocked inside one poll: crit" },
	[SHORT_MS] = { "blocking.short_ms", 1, "ms",
		       "shorter blocks count when others were delayed" },
	[SHORT_TIMES] = { "blocking.short_times", 3, "times", "so many of them within 10 s: warn" },
	[FAULT_FACTOR] = { "blocking.fault_factor", 5, "",
			   "page faults, and calls for memory, need so many times more" },
	{ NULL, 0, NULL, NULL },
};

#define SETTLE_NS 100000000ull
#define STACK_NS  250000000ull /* a stack that was asked for comes sooner, if at all */

/* ---- causes ---- */

static bool stack_has(const struct detect_run *run, const struct model_stack *k, const char *text)
{
	for (uint32_t i = 0; k && i < k->nframes; i++) {
		const struct model_frame *f =
			stack_store_frame(model_stacks(run->model), k->frame[i]);

		if (f && strstr(f->func, text))
			return true;
	}
	return false;
}

static bool is_look_up(const struct detect_run *run, const struct model_stack *k)
{
	return stack_has(run, k, "getaddrinfo") || stack_has(run, k, "gethostby");
}

static enum advice advice_for(const struct detect_run *run, int32_t syscall,
			      const struct model_stack *k)
{
	const char *name = syscall >= 0 ? resolver_syscall_name(syscall) : "";

	if (is_look_up(run, k))
		return ADVICE_DNS;
	if (blocking_is_one_of(name, "futex"))
		return stack_has(run, k, "pthread_join") || stack_has(run, k, "pthread_clockjoin")
			       ? ADVICE_JOIN
			       : ADVICE_LOCK;
	if (blocking_is_one_of(name, "nanosleep clock_nanosleep pause"))
		return ADVICE_SLEEP;
	if (blocking_is_one_of(name, "wait4 waitid"))
		return ADVICE_CHILD;
	if (blocking_is_one_of(
		    name,
		    "connect accept accept4 recvfrom recvmsg sendto sendmsg poll ppoll select pselect6 epoll_wait epoll_pwait"))
		return ADVICE_NET;
	if (blocking_is_one_of(
		    name,
		    "read write pread64 pwrite64 readv writev preadv pwritev open openat fsync fdatasync sync_file_range flock "
		    "fcntl stat newfstatat statx getdents64 unlink unlinkat rename renameat2 mkdir mkdirat ftruncate fallocate "
		    "sendfile copy_file_range splice io_uring_enter"))
		return ADVICE_FILE;
	return syscall < 0 ? ADVICE_FAULT : ADVICE_BLOCK;
}

/* The stack holds the whole path. */
static const char *file_end(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? slash + 1 : file;
}

static void cause_text(const struct detect_run *run, int32_t syscall, const struct model_stack *k,
		       char *text, size_t size)
{
	const struct model_frame *f = k ? stack_store_culprit(model_stacks(run->model), k) : NULL;
	const char *name = is_look_up(run, k) ? "getaddrinfo"
			   : syscall >= 0     ? resolver_syscall_name(syscall)
			   : k                ? "a page fault"
					      : "the kernel";

	if (f && f->line)
		snprintf(text, size, "%.18s in %.28s at %.28s:%u", name, f->func, file_end(f->file),
			 f->line);
	else if (f)
		snprintf(text, size, "%.20s in %.60s", name, f->func);
	else
		snprintf(text, size, "%.20s inside a poll", name);
}

/* ---- raising ---- */

/* Of that poll; else of the task's last block, unless it was in another call than this one. */
static const struct model_stack *blocker_stack(const struct detect_run *run, uint64_t task,
					       uint64_t seq, int32_t syscall)
{
	const struct stack_store *s = model_stacks(run->model);
	const struct model_stack *k = stack_store_last(s, task, WEFT_STACK_BLOCKED, seq);

	if (!k)
		k = stack_store_last(s, task, WEFT_STACK_ASKED, seq);
	if (k)
		return k;
	k = stack_store_last(s, task, WEFT_STACK_BLOCKED, LIVE_UNKNOWN);
	return k && syscall >= 0 && k->syscall != syscall ? NULL : k;
}

/* open_blocked_ns: of a poll that still lasts, 0 = none does. */
static void raise_place(struct detect_run *run, const struct blocking_place *p,
			uint64_t open_blocked_ns, uint64_t open_harm_ns)
{
	struct model_task *t = model_task(run->model, p->worst_task);
	const struct model_stack *k = blocker_stack(run, p->worst_task, p->worst_seq, p->syscall);
	int32_t syscall = p->syscall < 0 && k ? k->syscall : p->syscall;
	uint64_t harm = p->harm_ns + open_harm_ns;
	struct detect_subject subject;
	struct live_finding *f;
	char cause[96], text[24];

	if (!t)
		return;
	subject = detect_subject_task(run->model, t);
	cause_text(run, syscall, k, cause, sizeof(cause));
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = cause,
						   .severity = p->severity,
						   .confidence = (p->split ? 0.97f : 0.9f) -
								 (k ? 0 : 0.1f),
						   .harm_task_ms = (double)harm / 1e6,
						   .first_ns = p->first_ns });
	if (!f)
		return;
	if (open_blocked_ns)
		detect_evidence(f, (double)open_blocked_ns / 1e6, "ms",
				"%s blocked so far in the poll that is open now",
				detect_duration(open_blocked_ns, text));
	detect_evidence(f, (double)p->worst_ns / 1e6, "ms",
			"%s blocked in the worst poll: off the CPU, and not because others had it",
			detect_duration(p->worst_ns, text));
	if (p->times)
		detect_evidence(f, (double)p->times, "polls", "%llu %s blocked, %s together",
				(unsigned long long)p->times, p->times == 1 ? "poll" : "polls",
				detect_duration(p->total_ns, text));
	if (syscall >= 0)
		detect_evidence(f, syscall, "syscall", "the system call is %s, number %d",
				resolver_syscall_name(syscall), syscall);
	if (is_look_up(run, k))
		detect_evidence(f, 1, "", "it looks up a name and waits for the name server");
	if (p->victims)
		detect_evidence(f, (double)p->victims, "polls",
				"%llu polls of other tasks were delayed behind it, the worst by %s",
				(unsigned long long)p->victims,
				detect_duration(p->worst_wait_ns, text));
	if (open_harm_ns)
		detect_evidence(f, (double)open_harm_ns / 1e6, "task-ms",
				"%.4g task-ms that runnable tasks have waited behind it by now",
				(double)open_harm_ns / 1e6);
	detect_stack(run, f, k);
	detect_advice(f, "%s",
		      advice_text(advice_for(run, syscall, k),
				  detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

/* Calls for memory wait for the lock of the address space, as page faults do: for other threads' faults, and for whoever reads /proc. */
#define MEMORY "mmap munmap mprotect mremap madvise brk"

static double threshold_ns(const struct detect_run *run, int option, int32_t syscall,
			   const struct model_stack *k)
{
	bool fault = (syscall < 0 && !(k && k->syscall >= 0)) || blocking_is_call(syscall, MEMORY);

	return run->value[option] * 1e6 * (fault ? run->value[FAULT_FACTOR] : 1);
}

static void keep_worst(struct blocking_place *p, uint64_t blocked_ns, uint64_t task, uint64_t seq,
		       int32_t syscall)
{
	if (blocked_ns < p->worst_ns)
		return;
	p->worst_ns = blocked_ns;
	p->worst_task = task;
	p->worst_seq = seq;
	if (syscall >= 0)
		p->syscall = syscall;
}

static void worsen(struct blocking_place *p, const struct detect_run *run, double blocked_ns,
		   double crit_ns)
{
	enum live_severity severity = blocked_ns >= crit_ns ? LIVE_CRIT : LIVE_WARN;

	if (!p->raised || severity > p->severity)
		p->severity = severity;
	p->raised = true;
	p->last_ns = run->now_ns;
}

/* ---- polls that have ended ---- */

static uint64_t recent_blocks(const struct blocking_place *p, uint64_t now_ns)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < BLOCKING_RECENT; i++)
		n += p->when[i] && p->when[i] + BLOCKING_RECENT_NS > now_ns;
	return n;
}

static void ended(struct detect_run *run, const struct model_lane *l, const struct lane_poll *poll)
{
	struct blocking_state *s = run->state;
	struct model_task *t = model_task(run->model, poll->task);
	const struct model_stack *k =
		t ? stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_BLOCKED, poll->seq)
		  : NULL;
	double blocked = (double)poll->blocked_ns;
	struct blocking_place *p;
	bool enough;

	if (!t || blocked < threshold_ns(run, SHORT_MS, poll->syscall, k) ||
	    blocking_is_in_place(run, l, t->type, k) ||
	    blocking_is_excused(run, l, t->type, poll, poll->blocked_ns, k))
		return;
	if (poll->sampled && poll->syscall < 0 && !k)
		return; /* samples alone, with neither call nor stack, are no proof */
	if (detect_disturbed(run, l->process, poll->start_ns) && poll->blocked_ns < 200000000)
		return;
	p = blocking_place(s, l->process, t->type);
	if (p->untold < BLOCKING_UNTOLD)
		p->untold += k                                           ? BLOCKING_UNTOLD
			     : poll->blocked_ns >= BLOCKING_STACK_DUE_NS ? BLOCKING_DUE
									 : 1;
	p->times++;
	p->total_ns += poll->blocked_ns;
	p->harm_ns += poll->harm_ns > poll->behind_ns ? poll->harm_ns : poll->behind_ns;
	p->victims += poll->victims;
	p->worst_wait_ns = poll->worst_ns > p->worst_wait_ns ? poll->worst_ns : p->worst_wait_ns;
	p->split |= poll->split;
	p->last_ns = run->now_ns;
	p->first_ns = p->first_ns ? p->first_ns : poll->start_ns;
	keep_worst(p, poll->blocked_ns, t->id, poll->seq, poll->syscall);
	if (poll->victims || poll->behind_ns)
		p->when[p->count++ % BLOCKING_RECENT] = poll->end_ns;
	enough = blocked >= threshold_ns(run, WARN_MS, poll->syscall, k);
	if (!enough && (double)recent_blocks(p, run->now_ns) < run->value[SHORT_TIMES])
		return;
	if (blocking_is_untold(run, l, t, p) || blocking_is_doubtful(p, poll))
		return;
	worsen(p, run, blocked, threshold_ns(run, CRIT_MS, poll->syscall, k));
	raise_place(run, p, 0, 0);
}

/* ---- polls that last ---- */

static void lasting(struct detect_run *run, const struct model_lane *l)
{
	const struct lane_open *o = &l->open;
	struct model_task *t = o->task ? model_task(run->model, o->task) : NULL;
	const struct model_stack *k;
	struct blocking_place *p;

	if (!t || (double)o->blocked_ns < run->value[WARN_MS] * 1e6 || !o->off_cpu ||
	    o->off_cpu * 4 < o->samples)
		return;
	k = stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_BLOCKED, o->seq);
	if (!k)
		detect_want(run, l, SESSION_WANT_STACK);
	if (blocking_is_in_place(run, l, t->type, k) ||
	    blocking_is_excused(run, l, t->type, NULL, o->blocked_ns, k))
		return;
	/* Only a stack tells of block_in_place. */
	if (!k && o->blocked_ns < STACK_NS &&
	    detect_runtime_kind(run->model, l->process, l->runtime) == WEFT_RT_TOKIO)
		return;
	/* Neither call nor stack is no proof; a futex may be the runtime's. The record of the whole poll will tell. */
	if (!k && (o->syscall < 0 ||
		   (blocking_is_call(o->syscall, "futex") && o->blocked_ns < BLOCKING_RUNTIME_NS)))
		return;
	if ((double)o->blocked_ns < threshold_ns(run, WARN_MS, o->syscall, k))
		return;
	if (detect_disturbed(run, l->process, o->start_ns == LIVE_UNKNOWN ? 0 : o->start_ns) &&
	    o->blocked_ns < 200000000)
		return;
	p = blocking_place(run->state, l->process, t->type);
	p->first_ns = p->first_ns                   ? p->first_ns
		      : o->start_ns == LIVE_UNKNOWN ? o->seen_ns
						    : o->start_ns;
	keep_worst(p, o->blocked_ns, t->id, o->seq, o->syscall);
	worsen(p, run, (double)o->blocked_ns, threshold_ns(run, CRIT_MS, o->syscall, k));
	raise_place(run, p, o->blocked_ns, o->behind_ns);
}

static void tick(struct detect_run *run)
{
	struct blocking_state *s = run->state;

	if (run->new_second)
		blocking_note_starved(run);
	detect_each_long_poll(run, &s->cursor, SETTLE_NS, ended);
	detect_each_worker(run, lasting);
	for (uint32_t i = 0; run->new_second && i < BLOCKING_PLACES; i++)
		if (s->place[i].used && s->place[i].last_ns + 60000000000ull < run->now_ns)
			blocking_forget(s, &s->place[i]);
}

static void done(void *state)
{
	struct blocking_state *s = state;

	detect_cursor_free(s->cursor);
}

static void tell_doubts(const struct detect_run *run, char *why, size_t size)
{
	const struct blocking_state *s = run->state;
	uint64_t n = s->doubts;

	for (uint32_t i = 0; i < BLOCKING_PLACES; i++)
		n += blocking_has_doubts(&s->place[i]) ? s->place[i].count : 0;
	if ((double)n >= run->value[SHORT_TIMES])
		snprintf(
			why, size,
			"no stack told whose lock it was: %llu blocks of under 10 ms behind which others waited",
			(unsigned long long)n);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	bool seen = false, split = false;

	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && k < p->nlanes; k++)
			seen |= p->lanes[k] && p->lanes[k]->sample_ns;
		split |= p && (p->offcpu_ns || model_sees_polls(run->model, i));
	}
	if (!seen && !split)
		snprintf(why, size, "no worker was seen at work");
	if (detect_load_scant(run, why, size) || (!seen && !split))
		return true;
	tell_doubts(run, why, size);
	return false;
}

const struct detector blocking_call_detector = {
	.id = "blocking-call",
	.symptom = SYMPTOM_BLOCKING_CALL,
	.options = options,
	.state_bytes = sizeof(struct blocking_state),
	.hold_ns = 3000000000ull,
	.tick = tick,
	.done = done,
	.blind = blind,
};
