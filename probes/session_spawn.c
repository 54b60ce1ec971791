// SPDX-License-Identifier: MIT
/*
 * Commands started under trace, and what descends from them. The child waits on a pipe before its exec;
 * when the program itself carries the probe points they are attached by its file then, before the
 * process has mapped it. Other programs of the tree are looked at after their exec, again and again
 * while they live: a library that is linked or opened dynamically is mapped later.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/session_internal.h"
#include "probes/source_sched.h"

#define RETRY_FIRST_NS 1000000ull
#define RETRY_LAST_NS  1000000000ull

/* ---- the child's side, between fork and exec: async-signal-safe calls only ---- */

struct child {
	char *const *argv;
	const char *path;
	const char *output;
	int go, report;                /* pipes: read end, write end */
	const struct child_user *user; /* NULL = stays who we are */
	const struct rlimit *files;    /* as they were for us; rlim_max 0 = as they are */
	char *const *env;
};

/* The user that a command runs as, from the user database. */
struct child_user {
	uid_t uid;
	gid_t gid, groups[256];
	int ngroups;
	char home[4096 + 8], name[264], logname[264]; /* "HOME=..." and so on; "" = not known */
};

static void child_fail(const struct child *c)
{
	int err = errno;

	if (write(c->report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

static void child_run(const struct child *c)
{
	sigset_t none;
	char byte;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (c->files->rlim_max)
		setrlimit(RLIMIT_NOFILE, c->files);
	if (c->output) {
		int fd = open(c->output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
			child_fail(c);
	}
	if (read(c->go, &byte, 1) != 1)
		_exit(127); /* the session has gone */
	execve(c->path, c->argv, c->env);
	child_fail(c);
}

static int become(const struct child_user *u)
{
	if (setgroups((size_t)u->ngroups, u->groups) || setgid(u->gid) || setuid(u->uid))
		return -errno;
	return 0;
}

/* ---- the session's side ---- */

/* Without an entry in the user database: no other groups, and the environment as it is. */
static void look_up(struct child_user *u, uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);

	*u = (struct child_user){ .uid = uid, .gid = gid };
	if (!pw)
		return;
	u->ngroups = (int)(sizeof(u->groups) / sizeof(u->groups[0]));
	if (getgrouplist(pw->pw_name, gid, u->groups, &u->ngroups) < 0)
		u->ngroups =
			(int)(sizeof(u->groups) / sizeof(u->groups[0])); /* the first of them */
	if (snprintf(u->home, sizeof(u->home), "HOME=%s", pw->pw_dir) >= (int)sizeof(u->home))
		u->home[0] = 0;
	snprintf(u->name, sizeof(u->name), "USER=%.256s", pw->pw_name);
	snprintf(u->logname, sizeof(u->logname), "LOGNAME=%.255s", pw->pw_name);
}

static bool same_variable(const char *a, const char *b)
{
	size_t len = strcspn(b, "=") + 1;

	return *b && strncmp(a, b, len) == 0;
}

/* Ours, but for what says who and where the user is: sudo has made that root's. Owned; the strings are not. */
static char **environment_of(const struct child_user *u)
{
	const char *const own[] = { u->home, u->name, u->logname };
	size_t n = 0, all = 0;
	char **env;

	while (environ[all])
		all++;
	env = calloc(all + 4, sizeof(*env));
	for (size_t i = 0; env && i < all; i++)
		if (!same_variable(environ[i], own[0]) && !same_variable(environ[i], own[1]) &&
		    !same_variable(environ[i], own[2]))
			env[n++] = environ[i];
	for (size_t i = 0; env && i < 3; i++)
		if (*own[i])
			env[n++] = (char *)(uintptr_t)own[i];
	return env;
}

static int find_program(const char *name, char *to, size_t size)
{
	const char *path = getenv("PATH");
	int err = ENOENT;

	if (strchr(name, '/')) {
		snprintf(to, size, "%s", name);
		return access(to, X_OK) ? -errno : 0;
	}
	for (path = path ? path : "/usr/bin:/bin"; *path; path += strcspn(path, ":")) {
		path += *path == ':';
		snprintf(to, size, "%.*s/%s", (int)strcspn(path, ":"), path, name);
		if (!access(to, X_OK))
			return 0;
		if (errno == EACCES)
			err = EACCES;
	}
	return -err;
}

static int watch_child(struct session *s, pid_t pid, const char *path)
{
	auto_close int exe = open(path, O_RDONLY | O_CLOEXEC);
	struct process *p;
	int err = process_new(s, pid, &p);

	if (err)
		return err;
	p->state = PROCESS_SPAWNED;
	source_sched_tree(s, pid);
	err = exe >= 0 ? process_attach(p, exe) : -ENOENT;
	p->from_start = !err;
	p->state = PROCESS_SPAWNED;
	return err == -ENOENT ? 0 : err;
}

/* The report pipe closes at exec; before that it brings the errno of a failed one. */
static int release(int go, int report)
{
	int err = 0;

	if (write(go, "", 1) != 1)
		return -errno;
	return read(report, &err, sizeof(err)) == sizeof(err) ? -err : 0;
}

static int spawn(struct session *s, const struct child *c, int go, int report, pid_t *ret_pid)
{
	pid_t pid = fork();
	int err;

	if (pid < 0) {
		err = session_fail(s, -errno, "cannot start %s: %s", c->path, strerror(errno));
		close(c->go);
		close(c->report);
		close(go);
		return err;
	}
	if (pid == 0) {
		close(go); /* or it would wait for itself when we give it up, or are gone */
		close(report);
		if (c->user && become(c->user))
			child_fail(c);
		child_run(c);
	}
	close(c->go);
	close(c->report);
	err = watch_child(s, pid, c->path);
	if (!err) {
		err = release(go, report);
		if (err)
			session_fail(s, err, "cannot start %s: %s", c->path, strerror(-err));
	}
	if (err) {
		struct process *p = process_of_pid(s, pid);

		if (p)
			process_detach(p);
		close(go); /* lets a child that still waits end */
		waitpid(pid, NULL, 0);
		return err;
	}
	if (!s->features.tp_btf)
		session_spawn_exec(s, process_of_pid(s, pid), pid);
	*ret_pid = pid;
	close(go);
	return 0;
}

int session_spawn(struct session *s, char *const argv[], const char *output_file, pid_t *ret_pid)
{
	const struct session_options *o = &s->options;
	struct child c = { .argv = argv, .output = output_file, .files = &s->files, .env = environ };
	int go[2] = { -1, -1 }, report[2] = { -1, -1 }, err;
	auto_free char **env = NULL;
	struct child_user user;
	char path[4096];

	err = find_program(argv[0], path, sizeof(path));
	if (err)
		return session_fail(s, err, "cannot start %s: %s; give its path", argv[0],
				    strerror(-err));
	if (pipe2(go, O_CLOEXEC) || pipe2(report, O_CLOEXEC)) {
		err = -errno;
		if (go[0] >= 0) {
			close(go[0]);
			close(go[1]);
		}
		return session_fail(s, err, "cannot start %s: %s", argv[0], strerror(-err));
	}
	if (o->run_as_uid && o->run_as_uid != geteuid()) {
		look_up(&user, o->run_as_uid, o->run_as_gid);
		c.user = &user;
		env = environment_of(&user);
		c.env = env ? env : environ;
	}
	c.path = path;
	c.go = go[0];
	c.report = report[1];
	err = spawn(s, &c, go[1], report[0], ret_pid);
	close(report[0]);
	return err;
}

/* ---- after an exec ---- */

static void make_candidate(struct process *p)
{
	p->state = PROCESS_CANDIDATE;
	p->attached_ns = clock_pair_now_ns();
	p->retry_ns = 0;
}

static int new_of_tree(struct session *s, pid_t pid, struct process **ret)
{
	int err = process_new(s, pid, ret);

	if (err == -EUSERS)
		session_cannot_see(s, WEFT_EV_ALL, "processes of the command", "%s", s->error);
	return err;
}

void session_spawn_exec(struct session *s, struct process *p, pid_t pid)
{
	if (!p && new_of_tree(s, pid, &p))
		return;
	if (p->replaced)
		return; /* its next image is made when this one has been finished */
	if (p->state == PROCESS_SPAWNED && p->runtime)
		p->state = PROCESS_WAITING;
	else if (!p->runtime)
		make_candidate(p);
}

void session_spawn_next_image(struct process *old)
{
	struct process *p;

	if (!new_of_tree(old->session, old->pid, &p))
		make_candidate(p);
}

static void retry(struct process *p)
{
	uint64_t wait = (p->session->now_ns - p->attached_ns) / 8;

	if (p->session->now_ns < p->retry_ns)
		return;
	p->retry_ns = p->session->now_ns + (wait < RETRY_FIRST_NS  ? RETRY_FIRST_NS
					    : wait > RETRY_LAST_NS ? RETRY_LAST_NS
								   : wait);
	/* Whatever the reason of a failure is: the process runs on without being watched, and is looked at again. */
	if (process_attach(p, -1) && p->state != PROCESS_ENDED)
		p->state = PROCESS_CANDIDATE;
}

void session_spawn_retry(struct session *s)
{
	for (struct process *p = s->processes, *next; p; p = next) {
		next = p->next;
		if (p->state == PROCESS_CANDIDATE)
			retry(p);
		else if (p->state == PROCESS_ENDED && !p->announced)
			process_free(p);
	}
}
