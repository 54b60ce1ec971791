// SPDX-License-Identifier: MIT
/*
 * Forked children of watched processes. Such a child has its parent's program and none of its threads: there is
 * nothing to see before it starts a runtime of its own. Until then it costs a look at its maps now and then, and
 * neither an index nor probes; most children exec or end soon.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/session_internal.h"

#define FORKS_MAX    256u
#define LOOK_MIN_NS  1000000ull
#define LOOK_MAX_NS  500000000ull
#define LOOK_PORTION 8 /* of its age between two looks */

struct forked {
	struct forked *next;
	pid_t pid;
	int pidfd;
	uint64_t born_ns, look_ns;
};

static struct forked **find(struct session *s, pid_t pid)
{
	struct forked **at = &s->forked;

	while (*at && (*at)->pid != pid)
		at = &(*at)->next;
	return at;
}

static void drop(struct session *s, struct forked **at)
{
	struct forked *f = *at;

	*at = f->next;
	close(f->pidfd);
	free(f);
	s->forks--;
}

bool session_fork_known(struct session *s, pid_t pid)
{
	return *find(s, pid) != NULL;
}

void session_fork_forget(struct session *s, pid_t pid)
{
	struct forked **at = find(s, pid);

	if (*at)
		drop(s, at);
}

void session_fork_free(struct session *s)
{
	while (s->forked)
		drop(s, &s->forked);
}

bool session_fork_add(struct session *s, pid_t pid, uint64_t time_ns)
{
	struct forked *f;

	if (s->forks == FORKS_MAX || session_fork_known(s, pid))
		return false;
	f = calloc(1, sizeof(*f));
	if (!f)
		return false;
	f->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (f->pidfd < 0) {
		free(f);
		return true; /* it has ended already: nothing is left out */
	}
	f->pid = pid;
	f->born_ns = time_ns;
	f->next = s->forked;
	s->forked = f;
	s->forks++;
	return true;
}

static bool has_ended(const struct forked *f)
{
	struct pollfd poll_fd = { .fd = f->pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) > 0;
}

static bool has_runtime(struct session *s, pid_t pid)
{
	for (unsigned i = 0; sources[i]; i++)
		if (sources[i]->own_runtime && s->source_state[i] &&
		    sources[i]->own_runtime(s->source_state[i], pid))
			return true;
	return false;
}

static void follow(struct session *s, pid_t pid)
{
	if (session_attach_one(s, pid, true))
		session_cannot_see(s, WEFT_EV_ALL, "forked child", "%s", s->error);
}

void session_fork_look(struct session *s)
{
	for (struct forked **at = &s->forked, *f; (f = *at);) {
		uint64_t wait = (s->now_ns - f->born_ns) / LOOK_PORTION;
		pid_t pid = f->pid;
		bool ended;

		if (s->now_ns < f->look_ns) {
			at = &f->next;
			continue;
		}
		f->look_ns = s->now_ns + (wait < LOOK_MIN_NS   ? LOOK_MIN_NS
					  : wait > LOOK_MAX_NS ? LOOK_MAX_NS
							       : wait);
		ended = has_ended(f);
		if (ended || has_runtime(s, pid)) {
			drop(s, at);
			if (!ended)
				follow(s, pid);
		} else {
			at = &f->next;
		}
	}
}
