// SPDX-License-Identifier: MIT
/*
 * The C runtime: its points found, its probes placed, its mapping opened.
 *
 * The program sits on all three flush points for as long as the process is watched, without a semaphore; a
 * second, exchangeable link on a level point raises the level (probe_points.h says why). So a change
 * of level loses nothing: the new link is made first, then the old one closed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/kernel_features.h"
#include "probes/base/cleanup.h"
#include "probes/source_sched.h"
#include "probes/source_weft_internal.h"
#include "probes/symbols/proc_maps.h"
#include "probes/symbols/usdt_notes.h"
#include "weft.skel.h"

struct weft_state {
	struct session *session;
	struct weft_bpf *skel;
	bool perf; /* perf-based links */
	struct attach_closing *closing;
};

/* ---- programs ---- */

static int load(struct weft_state *state)
{
	struct session *s = state->session;
	struct bpf_program *prog;

	state->skel = weft_bpf__open();
	if (!state->skel)
		return -errno;
	if (!state->perf) /* libbpf before 1.3 knows no section name for it */
		bpf_object__for_each_program(prog, state->skel->obj)
			bpf_program__set_expected_attach_type(prog, (enum bpf_attach_type)
									    ATTACH_UPROBE_MULTI);
	bpf_map__reuse_fd(state->skel->maps.ring, s->ring_fd);
	bpf_map__reuse_fd(state->skel->maps.follow, s->follow_fd);
	return weft_bpf__load(state->skel);
}

int source_weft_open(struct session *s, void **ret_state)
{
	struct weft_state *state = calloc(1, sizeof(*state));
	double ns;
	int err;

	if (!state)
		return session_fail(s, -ENOMEM, "out of memory");
	state->session = s;
	state->perf = !s->features.uprobe_multi || !s->features.uprobe_multi_pid;
	err = load(state);
	if (err) {
		weft_bpf__destroy(state->skel);
		free(state);
		return session_fail(
			s, err,
			"cannot load the flush program: %s; `weft check` tells what is missing",
			strerror(-err));
	}
	if (!attach_calibrate(bpf_program__fd(state->skel->progs.weft_calibrate), state->perf,
			      &ns) &&
	    ns > 0)
		s->hit_ns = ns;
	*ret_state = state;
	return 0;
}

void source_weft_close(void *ctx)
{
	struct weft_state *state = ctx;

	attach_close_end(&state->closing);
	weft_bpf__destroy(state->skel);
	free(state);
}

/* ---- finding the points ---- */

static const char *const flush_names[WEFT_LEVELS] = { "flush_light", "flush_normal", "flush_full" };
static const char *const level_names[WEFT_LEVELS] = { "level_light", "level_normal", "level_full" };

static int on_note(void *ctx, const struct usdt_note *note)
{
	struct weft_process *w = ctx;

	for (unsigned i = 0; i < WEFT_LEVELS; i++) {
		if (!strcmp(note->name, flush_names[i]) && w->flush.places < ATTACH_PLACES &&
		    (i == 0 || !w->light_only))
			w->flush.place[w->flush.places++].offset = note->offset;
		if (!strcmp(note->name, level_names[i]) && note->semaphore_offset)
			w->raise[i] = (struct attach_place){ note->offset, note->semaphore_offset };
	}
	return 0;
}

/* Takes the descriptor over. 0: this file carries the points. */
static int try_file(struct weft_process *w, int fd)
{
	w->flush.places = 0;
	if (fd < 0)
		return -ENOENT;
	if (usdt_notes_read(fd, "weft", on_note, w) <= 0 || !w->flush.places) {
		close(fd);
		return -ENOENT;
	}
	w->file = fd;
	return 0;
}

/* -ENOENT: none of its files carries the points; -EACCES: none of them could even be opened. */
static int find_points_once(struct weft_process *w)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	uint64_t last = 0;
	unsigned opened = 0, denied = 0;
	int fd, err = proc_maps_read(w->p->pid, &maps);

	if (err)
		return err;
	for (size_t i = 0; i < proc_maps_count(maps); i++) {
		const struct proc_map *map = proc_maps_at(maps, i);

		if (!(map->flags & PROC_MAP_EXEC) || !map->inode || map->inode == last)
			continue;
		last = map->inode;
		fd = proc_maps_open(maps, map);
		opened += fd >= 0;
		denied += fd == -EACCES || fd == -EPERM;
		if (!try_file(w, fd))
			return 0;
	}
	return denied && !opened ? -EACCES : -ENOENT;
}

/* Of one and the same program image: an exec may be under way. */
static int find_points(struct weft_process *w)
{
	struct session *s = w->p->session;
	uint64_t before = source_sched_exec_id(s, w->p->pid);

	for (;;) {
		int err = find_points_once(w);

		w->p->exec_id = source_sched_exec_id(s, w->p->pid);
		if (w->p->exec_id == before || err)
			return err;
		before = w->p->exec_id;
		close(w->file);
		w->file = -1;
	}
}

/* ---- attaching ---- */

static int fail_attach(struct weft_process *w, int err)
{
	struct session *s = w->p->session;
	pid_t pid = w->p->pid;

	switch (err) {
	case -EILSEQ:
		return session_fail(
			s, err,
			"cannot trace process %d: a probe place of its runtime is not a 1-byte nop, so its "
			"file is damaged or was changed under it; restart the service",
			pid);
	case -EINVAL:
		return session_fail(
			s, err,
			"cannot trace process %d: the kernel refuses the probes, most likely because "
			"another tool (bpftrace, perf) holds a flush point; end that tool",
			pid);
	case -EPERM:
	case -EACCES:
		return session_no_right(s, err, pid);
	case -ESRCH:
		return session_fail(s, err, "cannot trace process %d: it has ended", pid);
	case -ENOTSUP:
		return session_fail(
			s, err,
			"cannot trace process %d: its libweft has another trace format than this version "
			"of weft reads (%u and the one before); use the weft that fits it",
			pid, WEFT_ABI_VERSION);
	default:
		return session_fail(s, err, "cannot trace process %d: %s while placing probes", pid,
				    strerror(-err));
	}
}

static int place_probes(struct weft_state *state, struct weft_process *w)
{
	w->flush.prog_fd = bpf_program__fd(state->skel->progs.weft_flush);
	w->flush.file_fd = w->file;
	w->flush.pid = w->p->pid;
	w->flush.cookie = w->p->follow;
	w->flush.perf = state->perf;
	return attach_open(&w->flush, &w->flush_link);
}

void source_weft_detach(void *ctx, struct process *p)
{
	struct weft_state *state = ctx;
	struct weft_process *w = weft_of(p);

	if (!w)
		return;
	/* The level first: the runtime stops writing. */
	if (p->dead) {
		attach_close(&w->level_link);
		attach_close(&w->flush_link);
	} else { /* others are still watched meanwhile */
		attach_close_begin(&state->closing, &w->level_link, &w->flush_link);
	}
	if (w->lanes)
		weft_forget_lanes(w);
	census_free(w->census);
	await_reader_free(w->awaits);
	lanes_free(w->lanes);
	target_map_close(w->map);
	if (w->file >= 0)
		close(w->file);
	free(w->told);
	free(w);
	p->of_source[SOURCE_WEFT] = NULL;
}

static int open_readers(struct weft_process *w)
{
	const struct target_map_shape *shape = target_map_shape(w->map);
	int err = lanes_new(w->map, &w->lanes);

	if (err)
		return err;
	w->told = calloc(shape->max_lanes, sizeof(*w->told));
	if (!w->told)
		return -ENOMEM;
	for (uint32_t i = 0; i < shape->max_lanes; i++)
		w->told[i].schedstat = -1;
	w->p->clock = shape->clock;
	if (!w->p->from_start)
		target_map_load64(w->map, offsetof(struct weft_map_header, lost_events),
				  &w->lost_base);
	return census_new(w->p->pid, w->map, &w->census);
}

int weft_open_mapping(struct weft_process *w, bool base)
{
	int err = target_map_open(w->p->pid, w->p->ns_pid, &w->map);

	if (!err)
		err = open_readers(w);
	if (!err && base)
		err = lanes_base(w->lanes);
	if (err) {
		w->lanes = lanes_free(w->lanes);
		w->map = target_map_close(w->map);
		return err;
	}
	w->p->state = PROCESS_LIVE;
	session_announce(w->p);
	if (!target_map_shape(w->map)->sealed)
		session_cannot_see(
			w->p->session, w->p->index, "fast reading of the trace mapping",
			"the mapping is not sealed, the process could cut it; it is read by system calls");
	if (!kernel_features_first_pids())
		session_cannot_see(
			w->p->session, w->p->index,
			"what the kernel tells of it, and bursts of events",
			"weft runs in a pid namespace of its own: run it on the host, or in a container with --pid=host");
	if (w->p->session->options.raise)
		session_cannot_see(
			w->p->session, w->p->index, "all polls of what is raised",
			"the C runtime has one level for all its tasks: normal tells all polls, 15 ns for each");
	return 0;
}

int weft_fail_mapping(struct weft_process *w, int err)
{
	struct session *s = w->p->session;

	if (err == -EPERM)
		return session_fail(
			s, err,
			"cannot read the trace mapping of process %d: its descriptor is closed and "
			"/proc/%d/map_files needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE; run as root",
			w->p->pid, w->p->pid);
	if (err == -EPROTO || err == -EIO)
		return session_fail(
			s, err,
			"cannot read the trace mapping of process %d: its header makes no sense, it was "
			"overwritten or is not Weft's; restart the service",
			w->p->pid);
	return fail_attach(w, err);
}

static int open_level(struct weft_state *state, struct weft_process *w, enum weft_level level,
		      struct attachment *ret)
{
	struct attach_request r = { .prog_fd = bpf_program__fd(state->skel->progs.weft_level),
				    .file_fd = w->file,
				    .pid = w->p->pid,
				    .perf = state->perf,
				    .places = 1,
				    .place = { w->raise[level - 1] } };

	if (!r.place[0].counter)
		return session_fail(
			w->p->session, -ENOENT,
			"cannot trace process %d: its libweft has no point for level %s; "
			"rebuild it with this version",
			w->p->pid, level_names[level - 1]);
	return attach_open(&r, ret);
}

/*
 * The child of a fork has the breakpoints of its parent's level, and the semaphore with them. Where one is, a new
 * link counts nothing; when the last link of such a place closes, the kernel visits each process and clears up.
 */
static void lower_inherited(struct weft_state *state, struct weft_process *w)
{
	bool up[WEFT_LEVELS + 1] = { false };
	struct attachment a = { 0 };

	for (const struct process *p = w->p->session->processes; p; p = p->next)
		if (p != w->p && p->state != PROCESS_ENDED)
			up[p->level] = true;
	for (unsigned level = WEFT_LEVEL_LIGHT; level <= WEFT_LEVELS; level++)
		if (up[level] && !open_level(state, w, (enum weft_level)level, &a))
			attach_close(&a);
}

static int begin(struct weft_state *state, struct weft_process *w, bool spawned)
{
	int err = place_probes(state, w);

	if (err)
		return fail_attach(w, err);
	if (w->p->forked)
		lower_inherited(state, w);
	w->p->state = spawned ? PROCESS_SPAWNED : PROCESS_WAITING;
	if (spawned)
		return 0;
	err = weft_open_mapping(w, true);
	return err == -ENOENT ? 0 : err ? weft_fail_mapping(w, err) : 0;
}

int source_weft_attach(void *ctx, struct process *p, int exe_fd)
{
	struct weft_process *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return session_fail(p->session, -ENOMEM, "out of memory");
	w->p = p;
	w->file = -1;
	w->light_only = ((struct weft_state *)ctx)->perf;
	p->of_source[SOURCE_WEFT] = w;
	err = exe_fd >= 0 ? try_file(w, dup(exe_fd)) : find_points(w);
	if (!err)
		err = begin(ctx, w, exe_fd >= 0);
	else if (err != -ENOENT)
		err = fail_attach(w, err);
	if (err)
		source_weft_detach(ctx, p);
	return err;
}

int source_weft_level(void *ctx, struct process *p, enum weft_level level)
{
	struct weft_state *state = ctx;
	struct weft_process *w = weft_of(p);
	struct attachment fresh = { 0 };
	int err;

	if (!w || level < WEFT_LEVEL_LIGHT || level > WEFT_LEVEL_FULL)
		return -EINVAL;
	if (state->perf && level != WEFT_LEVEL_LIGHT)
		return -ENOTSUP;
	err = open_level(state, w, level, &fresh);
	if (err)
		return err == -ENOENT ? err : fail_attach(w, err);
	/* The highest one that is up counts: a rise need not wait for the old one to go, while nobody reads the ring. */
	if (level > p->level)
		attach_close_begin(&state->closing, &w->level_link, NULL);
	else
		attach_close(&w->level_link);
	w->level_link = fresh;
	return 0;
}
