// SPDX-License-Identifier: MIT
/*
 * Fork, exec and exit. The ring tells them in order with everything else; a pidfd tells an end that the
 * ring could not (programs missing, ring full). A process that has ended is finished only after
 * the ring was read to its end, so nothing of it comes later.
 */
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "probes/session_internal.h"

static struct weft_ev event(const struct process *p, uint16_t kind, uint64_t time_ns)
{
	return (struct weft_ev){
		.kind = kind, .process = p->index, .tid = (uint32_t)p->pid, .time_ns = time_ns
	};
}

static void say_fork(struct session *s, struct process *p, pid_t child, bool watched)
{
	if (p->fork_said)
		return;
	p->fork_said = true;
	session_cannot_see(
		s, p->index, "forked child",
		"process %d is a fork of %d: nothing of it is seen before it starts a runtime of its own%s",
		child, p->pid,
		watched ? ", then it is followed"
		: p->runtime->own_runtime
			? "; there are too many to follow, attach to it by pid then"
			: "; attach to it by pid then");
}

/* p: NULL = a forked child that is not attached to has forked in its turn. */
static void on_fork(struct session *s, struct process *p, const struct weft_ev *ev)
{
	const struct weft_raw_fork *r = (const struct weft_raw_fork *)(const void *)ev;
	struct weft_ev_fork e = { .child = r->child };
	bool watched;

	if (p ? !p->runtime || p->state == PROCESS_SPAWNED : !session_fork_known(s, (pid_t)ev->tid))
		return;
	/* Of Rust's nobody tells whether they have. */
	watched = (!p || p->runtime->own_runtime) &&
		  session_fork_add(s, (pid_t)r->child, ev->time_ns);
	if (!p || p->state != PROCESS_LIVE)
		return;
	session_emit(s, event(p, WEFT_EV_PROCESS_FORK, ev->time_ns), &e, sizeof(e));
	if (!r->root) /* most forks of a command exec at once, and are followed then */
		say_fork(s, p, (pid_t)r->child, watched);
}

static void set_exit(struct process *p, int status, uint64_t time_ns)
{
	p->exit = (struct weft_ev_exit){ .code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
					 .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
					 .core = WIFSIGNALED(status) && WCOREDUMP(status) };
	p->exit_known = true;
	p->exit_ns = time_ns;
	p->gone = true;
}

/* Maps show a new image before its record is made; the count grows before either. */
static void on_exec(struct session *s, struct process *p, pid_t pid, uint64_t exec_id)
{
	if (p && p->exec_id && exec_id <= p->exec_id)
		return;
	if (p && p->state != PROCESS_SPAWNED)
		p->replaced = true;
	session_spawn_exec(s, p, pid);
}

void session_life_record(struct session *s, const struct weft_ev *ev, size_t bytes)
{
	struct process *p = process_of_pid(s, (pid_t)ev->tid);

	/* Of the image before the one that was attached to, or of another process that had this pid. */
	if (p && ev->time_ns < p->attached_ns)
		return;
	if (ev->kind == WEFT_RAW_EXEC && bytes >= sizeof(struct weft_raw_exec)) {
		const struct weft_raw_exec *r = (const struct weft_raw_exec *)(const void *)ev;

		session_fork_forget(s, (pid_t)ev->tid);
		if (!p && !r->root)
			return; /* it was of interest as a fork only */
		on_exec(s, p, (pid_t)ev->tid, r->exec_id);
	} else if (ev->kind == WEFT_RAW_FORK && bytes >= sizeof(struct weft_raw_fork)) {
		on_fork(s, p, ev);
	} else if (ev->kind == WEFT_RAW_EXIT && p && bytes >= sizeof(struct weft_raw_exit)) {
		set_exit(p, ((const struct weft_raw_exit *)(const void *)ev)->code, ev->time_ns);
	}
}

void session_life_check(struct session *s)
{
	for (struct process *p = s->processes; p; p = p->next) {
		struct pollfd poll_fd = { .fd = p->pidfd, .events = POLLIN };

		if (p->state != PROCESS_ENDED && !p->gone && poll(&poll_fd, 1, 0) > 0)
			p->gone = true;
	}
}

#define EACH_SOURCE(p, op)                                                         \
	for (unsigned source_i = 0; sources[source_i]; source_i++)                 \
		if (sources[source_i]->op && (p)->session->source_state[source_i]) \
	sources[source_i]->op((p)->session->source_state[source_i], (p), dead)

void session_life_end(struct process *p, bool dead)
{
	struct session *s = p->session;

	p->dead = dead;
	if (p->state == PROCESS_LIVE) {
		EACH_SOURCE(p, cut);
		session_read_ring(s);
		EACH_SOURCE(p, tail);
	}
	process_detach(p);
}

static void end_by_exit(struct process *p)
{
	const struct weft_follow_entry *f = &p->session->follow->entry[p->follow];
	bool told = p->announced;

	/* The pidfd told of the end, the record found no room in the ring. */
	if (!p->exit_known && f->exited)
		set_exit(p, f->exit_code, p->session->now_ns);
	session_life_end(p, true);
	if (!p->exit_known)
		p->exit = (struct weft_ev_exit){ .code = -1 };
	if (told)
		session_emit(p->session,
			     event(p, WEFT_EV_PROCESS_EXIT,
				   p->exit_known ? p->exit_ns : p->session->now_ns),
			     &p->exit, sizeof(p->exit));
}

static void end_by_exec(struct process *p)
{
	struct weft_ev_exec e = { 0 };
	struct weft_ev ev = event(p, WEFT_EV_PROCESS_EXEC, p->session->now_ns);
	bool told = p->announced;

	session_life_end(p, true);
	process_exe(p->pid, e.exe, sizeof(e.exe));
	ev.flags = WEFT_EVF_LAST;
	if (told)
		session_emit(p->session, ev, &e, sizeof(e));
	session_spawn_next_image(p);
}

/* One whose record found no room. Looked for when the ring has been read: what was in it came before. */
static void find_exec(struct process *p)
{
	struct weft_follow_entry *f = &p->session->follow->entry[p->follow];
	uint64_t id = __atomic_load_n(&f->exec_id, __ATOMIC_RELAXED);

	/* Relaxed: nothing else goes with it. A later one that comes between is not wiped out. */
	if (id)
		id = __atomic_exchange_n(&f->exec_id, 0, __ATOMIC_RELAXED);
	if (id)
		on_exec(p->session, p, p->pid, id);
}

void session_life_settle(struct session *s)
{
	for (struct process *p = s->processes; p; p = p->next) {
		if (p->state == PROCESS_ENDED)
			continue;
		find_exec(p);
		if (p->replaced)
			end_by_exec(p);
		else if (p->gone)
			end_by_exit(p);
	}
	session_spawn_retry(s);
	session_fork_look(s);
}
