// SPDX-License-Identifier: MIT
/*
 * Tokio: its programs loaded, its file found and analysed, its probes placed. The probes of polls are in for as
 * long as the process is watched, those of `normal` come and go with the level.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/attach.h"
#include "probes/base/cleanup.h"
#include "probes/base/priority.h"
#include "probes/clock_pair.h"
#include "probes/kernel_features.h"
#include "probes/source_sched.h"
#include "probes/source_tokio_internal.h"
#include "probes/symbols/proc_maps.h"
#include "tokio.skel.h"

#define VTABLE_ID  72      /* offset of the id's offset in a vtable, Tokio 1.23 up */
#define MAX_FILES  512u    /* mapped files that are looked at */
#define TASK_STEPS 524288u /* twice as many as there can be tasks */

/* ---- programs ---- */

static int load(struct tokio_state *state)
{
	struct session *s = state->session;
	struct bpf_program *prog;
	int err;

	state->skel = tokio_bpf__open();
	if (!state->skel)
		return -errno;
	bpf_object__for_each_program(prog, state->skel->obj)
		bpf_program__set_expected_attach_type(prog,
						      (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
	bpf_map__reuse_fd(state->skel->maps.ring, s->ring_fd);
	bpf_map__reuse_fd(state->skel->maps.follow, s->follow_fd);
	bpf_map__reuse_fd(state->skel->maps.rows, s->rows_fd);
	bpf_map__reuse_fd(state->skel->maps.drivers, s->drivers_fd);
	err = tokio_bpf__load(state->skel);
	if (err)
		return err;
	state->rust = mmap(NULL, sizeof(*state->rust) * WEFT_FOLLOW_MAX, PROT_READ | PROT_WRITE,
			   MAP_SHARED, bpf_map__fd(state->skel->maps.rust), 0);
	if (state->rust == MAP_FAILED) {
		state->rust = NULL;
		return -errno;
	}
	for (uint32_t i = WEFT_ROW_MAX; i-- > 0 && !err;) {
		state->lane[i].schedstat = -1;
		err = bpf_map_update_elem(bpf_map__fd(state->skel->maps.row_free), NULL, &i,
					  BPF_ANY);
	}
	return err;
}

int source_tokio_open(struct session *s, void **ret_state)
{
	bool able = s->features.uprobe_multi && s->features.uprobe_multi_pid;
	struct tokio_state *state = able ? calloc(1, sizeof(*state)) : NULL;
	int err = able ? state ? 0 : -ENOMEM : -ENOTSUP;

	if (state) {
		state->session = s;
		err = load(state);
	}
	if (err) {
		if (able)
			session_cannot_see(s, WEFT_EV_ALL, "Rust services",
					   "their programs could not be loaded (%s)",
					   strerror(-err));
		if (state)
			source_tokio_close(state);
		return err;
	}
	*ret_state = state;
	return 0;
}

void source_tokio_close(void *ctx)
{
	struct tokio_state *state = ctx;

	if (state->rust)
		munmap(state->rust, sizeof(*state->rust) * WEFT_FOLLOW_MAX);
	tokio_bpf__destroy(state->skel);
	free(state);
}

/* ---- the file ---- */

static bool stat_plain(int fd, struct tokio_plain *ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*ret = (struct tokio_plain){ st.st_dev, st.st_ino,
				     (uint64_t)st.st_mtim.tv_sec * 1000000000u +
					     (uint64_t)st.st_mtim.tv_nsec };
	return true;
}

/* Known to have no runtime. */
static bool is_plain(const struct tokio_state *state, int fd)
{
	struct tokio_plain file;

	if (!stat_plain(fd, &file))
		return false;
	for (uint32_t i = 0; i < TOKIO_PLAIN_FILES && i < state->plains; i++)
		if (!memcmp(&state->plain[i], &file, sizeof(file)))
			return true;
	return false;
}

static void note_plain(struct tokio_state *state, int fd)
{
	struct tokio_plain file;

	if (stat_plain(fd, &file))
		state->plain[state->plains++ % TOKIO_PLAIN_FILES] = file;
}

static bool carries_runtime(struct tokio_state *state, int fd)
{
	if (is_plain(state, fd))
		return false;
	if (rust_plan_has_runtime(fd))
		return true;
	note_plain(state, fd);
	return false;
}

static int plan_of(struct tokio_process *w, int fd)
{
	auto_priority int placing =
		priority_rest(); /* up to 2 s of CPU time, the target's perhaps */
	bool carries = carries_runtime(w->state, fd);
	int err = carries ? rust_plan_new(fd, &w->plan) : -ENOENT;

	if (carries && err == -ENOENT)
		note_plain(w->state, fd);
	return err;
}

/* Takes the descriptor over. 0: this file carries Tokio or async-task. */
static int try_file(struct tokio_process *w, int fd)
{
	int err = fd < 0 ? fd : plan_of(w, fd);

	if (!err && !rust_plan_has_polls(w->plan)) {
		w->plan = rust_plan_free(w->plan);
		err = -ENOENT;
	}
	if (!err)
		w->file = fd;
	else if (fd >= 0)
		close(fd);
	return err;
}

/* The files with code that a process has mapped, one after the other. */
struct mapped_files {
	const struct proc_maps *maps;
	size_t at;
	uint64_t inode; /* of the newest that was given */
	unsigned given;
};

static const struct proc_map *next_file(struct mapped_files *f)
{
	while (f->at < proc_maps_count(f->maps) && f->given < MAX_FILES) {
		const struct proc_map *map = proc_maps_at(f->maps, f->at++);

		if (!(map->flags & PROC_MAP_EXEC) || !map->inode || map->inode == f->inode)
			continue;
		f->inode = map->inode;
		f->given++;
		return map;
	}
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The extensions of an interpreter, the plug-ins of a service: each with a runtime of its own. */
static void say_unwatched(struct tokio_process *w, struct mapped_files *rest, uint64_t watched)
{
	auto_priority int looking = priority_rest();
	const struct proc_map *map, *first = NULL;
	char more[32] = "";
	unsigned files = 0;

	while ((map = next_file(rest))) {
		int fd = map->inode == watched ? -1 : proc_maps_open(rest->maps, map);

		if (fd < 0)
			continue;
		if (carries_runtime(w->state, fd) && !files++)
			first = map;
		close(fd);
	}
	if (!first)
		return;
	if (files > 1)
		snprintf(more, sizeof(more), " and %u more", files - 1);
	session_cannot_see(w->p->session, w->p->index, "a second file with a runtime",
			   "'%.100s'%s; only the first such file of a process is watched",
			   base_name(first->path), more);
}

static int find_file_once(struct tokio_process *w)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	struct mapped_files files = { 0 };
	const struct proc_map *map;
	int err = proc_maps_read(w->p->pid, &maps);

	if (err)
		return err;
	files.maps = maps;
	while ((map = next_file(&files)))
		if (!try_file(w, proc_maps_open(maps, map))) {
			say_unwatched(w, &files, map->inode);
			return 0;
		}
	return -ENOENT;
}

/* Of one and the same program image: an exec may be under way. */
static int find_file(struct tokio_process *w)
{
	struct session *s = w->p->session;
	uint64_t before = source_sched_exec_id(s, w->p->pid);

	for (;;) {
		int err = find_file_once(w);

		w->p->exec_id = source_sched_exec_id(s, w->p->pid);
		if (w->p->exec_id == before || err)
			return err;
		before = w->p->exec_id;
		close(w->file);
		w->file = -1;
		w->plan = rust_plan_free(w->plan);
	}
}

/* ---- what the programs have to know ---- */

/* The place of the id when it is the same in all types: one read instead of three. */
static int32_t common_id(const struct rust_plan *plan)
{
	int32_t id = -1;

	for (uint32_t i = 0; i < plan->n_types; i++) {
		const struct rust_type *t = &plan->types[i];

		if (t->family != RUST_TOKIO || t->blocking)
			continue;
		if (id >= 0 && t->id_offset != id)
			return -1;
		id = t->id_offset;
	}
	return id;
}

static void set_rust(struct tokio_process *w)
{
	struct weft_rust *r = &w->state->rust[w->p->follow];
	const struct rust_layout *l = &w->plan->layout[RUST_TOKIO];

	/* At once what is asked for: or the first polls would have no type. */
	enum weft_level level = w->p->session->level;

	*r = (struct weft_rust){ .level = level ? level : WEFT_LEVEL_LIGHT,
				 .state = l->state,
				 .vtable = l->vtable,
				 .owner = l->owner,
				 .id = common_id(w->plan),
				 .vtable_id = VTABLE_ID,
				 .slow_ns = WEFT_LIGHT_POLL_NS,
				 .async_state = w->plan->layout[RUST_ASYNC_TASK].state,
				 .async_vtable = w->plan->layout[RUST_ASYNC_TASK].vtable,
				 .both = rust_plan_has_types(w->plan, RUST_TOKIO) &&
					 rust_plan_has_types(w->plan, RUST_ASYNC_TASK),
				 .has_timers = tokio_single_timers(w->plan) };
}

/* ---- attaching ---- */

static int fail(struct tokio_process *w, int err)
{
	struct session *s = w->p->session;
	pid_t pid = w->p->pid;

	switch (err) {
	case -EPERM:
	case -EACCES:
		return session_fail(
			s, err,
			"cannot trace process %d: no right to place probes; run as root, or with CAP_BPF, "
			"CAP_PERFMON and CAP_SYS_PTRACE",
			pid);
	case -ESRCH:
		return session_fail(s, err, "cannot trace process %d: it has ended", pid);
	case -EXDEV:
		return session_fail(
			s, err,
			"cannot trace process %d: weft runs in a pid namespace of its own, where the kernel's "
			"events of a Rust service can't be told apart; run weft on the host, or in a container "
			"with the host's pids (--pid=host)",
			pid);
	default:
		return session_fail(s, err, "cannot trace process %d: %s while placing probes", pid,
				    strerror(-err));
	}
}

/* A command that was started runs on without it. */
static int raise_failed(struct tokio_process *w, int err, bool spawned)
{
	struct session *s = w->p->session;
	const char *name = s->options.raise;

	if (!spawned)
		return session_fail(s, err, "cannot raise '%.64s' in process %d: %s", name,
				    w->p->pid, tokio_raise_error(err));
	session_cannot_see(s, w->p->index, "all polls of what is raised", "'%.64s': %s", name,
			   tokio_raise_error(err));
	return 0;
}

static int begin(struct tokio_process *w, bool spawned)
{
	const char *raise = w->p->session->options.raise;
	int err = raise && !spawned ? tokio_raise_check(w, raise) : 0;

	if (err)
		return raise_failed(w, err, spawned);
	tokio_set_types(w, true);
	set_rust(w);
	err = tokio_place_polls(w);
	if (err)
		return fail(w, err);
	w->p->clock = WEFT_CLOCK_MONOTONIC;
	w->p->state = PROCESS_SPAWNED;
	if (raise)
		err = tokio_raise_named(w, raise);
	if (err)
		err = raise_failed(w, err, spawned);
	if (!err && !spawned)
		tokio_go_live(w);
	return err;
}

int source_tokio_attach(void *ctx, struct process *p, int exe_fd)
{
	struct tokio_process *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return session_fail(p->session, -ENOMEM, "out of memory");
	w->p = p;
	w->state = ctx;
	w->file = -1;
	p->of_source[SOURCE_TOKIO] = w;
	err = exe_fd >= 0 ? try_file(w, dup(exe_fd)) : find_file(w);
	if (!err)
		err = kernel_features_first_pids() ? begin(w, exe_fd >= 0) : fail(w, -EXDEV);
	else if (err != -ENOENT && err != -ENOEXEC)
		err = fail(w, err);
	else
		err = -ENOENT;
	if (err)
		source_tokio_detach(ctx, p);
	return err;
}

/* Tasks of this process out of the programs' table. After one that ends meanwhile, of another process, it goes back to the first. */
static void forget_tasks(struct tokio_process *w)
{
	int fd = bpf_map__fd(w->state->skel->maps.tasks);
	struct weft_task_key key, next;
	bool have = !bpf_map_get_next_key(fd, NULL, &key);

	for (uint32_t i = 0; have && i < TASK_STEPS; i++) {
		have = !bpf_map_get_next_key(fd, &key, &next);
		if (key.follow == w->p->follow)
			bpf_map_delete_elem(fd, &key);
		key = next;
	}
}

void source_tokio_detach(void *ctx, struct process *p)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (!w)
		return;
	tokio_stop(w);
	tokio_end_lanes(w, true);
	tokio_births_done(&w->births);
	tokio_kept_done(&w->kept);
	tokio_queues_done(w);
	w->census = tokio_census_free(w->census);
	w->block_on = tokio_block_on_free(w->block_on);
	w->executors = tokio_executors_free(w->executors);
	free(w->window);
	free(w->raise.type);
	w->raise.type = NULL;
	if (w->plan) {
		tokio_set_types(w, false);
		forget_tasks(w);
	}
	free(w->place_site);
	free(w->unborn);
	rust_plan_free(w->plan);
	if (w->file >= 0)
		close(w->file);
	free(w);
	p->of_source[SOURCE_TOKIO] = NULL;
}

int source_tokio_level(void *ctx, struct process *p, enum weft_level level)
{
	struct tokio_state *state = ctx;
	struct tokio_process *w = tokio_of(p);
	int err = 0;

	if (!w || level < WEFT_LEVEL_LIGHT || level > WEFT_LEVEL_FULL)
		return -EINVAL;
	if (level == WEFT_LEVEL_LIGHT) {
		__atomic_store_n(&state->rust[p->follow].level, level, __ATOMIC_RELEASE);
		attach_group_close(&w->group[TOKIO_MORE]);
		return 0;
	}
	err = tokio_window_hold(w);
	if (!err && !w->group[TOKIO_MORE].links) {
		err = tokio_place(w, TOKIO_MORE);
		tokio_say_refused(w, TOKIO_MORE);
	}
	if (err)
		return fail(w, err);
	if (state->rust[p->follow].level == WEFT_LEVEL_LIGHT)
		__atomic_store_n(&state->rust[p->follow].since_ns, clock_pair_now_ns(),
				 __ATOMIC_RELAXED);
	__atomic_store_n(&state->rust[p->follow].level, level, __ATOMIC_RELEASE);
	return 0;
}
