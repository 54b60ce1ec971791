// SPDX-License-Identifier: MIT
/*
 * The C runtime: batches through its flush points, everything else from its mapping.
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

#include "probes/base/cleanup.h"
#include "probes/source_sched.h"
#include "probes/source_weft_internal.h"
#include "probes/symbols/proc_maps.h"
#include "probes/symbols/usdt_notes.h"
#include "weft.skel.h"

#define PIECE_AGE_NS 10000000ull
#define RETRY_NS 2000000ull      /* looking for a mapping that is not there yet: at first */
#define RETRY_MAX_NS 100000000ull /* and later */

struct weft_state {
	struct session *session;
	struct weft_bpf *skel;
	bool perf; /* perf-based links */
};

static struct weft_process *of(const struct process *p)
{
	return p->of_source[SOURCE_WEFT];
}

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
			bpf_program__set_expected_attach_type(prog, (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
	bpf_map__reuse_fd(state->skel->maps.ring, s->ring_fd);
	bpf_map__reuse_fd(state->skel->maps.follow, s->follow_fd);
	return weft_bpf__load(state->skel);
}

static int weft_open(struct session *s, void **ret_state)
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
		return session_fail(s, err, "cannot load the flush program: %s; `weft check` tells what is missing",
				    strerror(-err));
	}
	if (!attach_calibrate(bpf_program__fd(state->skel->progs.weft_calibrate), state->perf, &ns) && ns > 0)
		s->hit_ns = ns;
	*ret_state = state;
	return 0;
}

static void weft_close(void *ctx)
{
	struct weft_state *state = ctx;

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
		if (!strcmp(note->name, flush_names[i]) && w->flush.places < ATTACH_PLACES && (i == 0 || !w->light_only))
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

static int find_points_once(struct weft_process *w)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	uint64_t last = 0;
	int err = proc_maps_read(w->p->pid, &maps);

	if (err)
		return err;
	for (size_t i = 0; i < proc_maps_count(maps); i++) {
		const struct proc_map *map = proc_maps_at(maps, i);

		if (!(map->flags & PROC_MAP_EXEC) || !map->inode || map->inode == last)
			continue;
		last = map->inode;
		if (!try_file(w, proc_maps_open(maps, map)))
			return 0;
	}
	return -ENOENT;
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
		return session_fail(s, err, "cannot trace process %d: a probe place of its runtime is not a 1-byte nop, so its "
				    "file is damaged or was changed under it; restart the service", pid);
	case -EINVAL:
		return session_fail(s, err, "cannot trace process %d: the kernel refuses the probes, most likely because "
				    "another tool (bpftrace, perf) holds a flush point; end that tool", pid);
	case -EPERM:
	case -EACCES:
		return session_fail(s, err, "cannot trace process %d: no right to place probes; run as root, or with CAP_BPF, "
				    "CAP_PERFMON and CAP_SYS_PTRACE", pid);
	case -ESRCH:
		return session_fail(s, err, "cannot trace process %d: it has ended", pid);
	case -ENOTSUP:
		return session_fail(s, err, "cannot trace process %d: its libweft has another trace format than this version "
				    "of weft reads (%u and the one before); use the weft that fits it", pid, WEFT_ABI_VERSION);
	default:
		return session_fail(s, err, "cannot trace process %d: %s while placing probes", pid, strerror(-err));
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

static void weft_detach(void *ctx, struct process *p)
{
	struct weft_process *w = of(p);

	(void)ctx;
	if (!w)
		return;
	attach_close(&w->level_link); /* first: the runtime stops writing */
	attach_close(&w->flush_link);
	if (w->lanes)
		weft_forget_lanes(w);
	census_free(w->census);
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
		target_map_load64(w->map, offsetof(struct weft_map_header, lost_events), &w->lost_base);
	return census_new(w->p->pid, w->map, &w->census);
}

/* base: the runtime was there before the probes, so what it has written so far is not ours. */
static int open_mapping(struct weft_process *w, bool base)
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
		session_cannot_see(w->p->session, w->p->index, "fast reading of the trace mapping",
				   "the mapping is not sealed, the process could cut it; it is read by system calls");
	return 0;
}

static int fail_mapping(struct weft_process *w, int err)
{
	struct session *s = w->p->session;

	if (err == -EPERM)
		return session_fail(s, err, "cannot read the trace mapping of process %d: its descriptor is closed and "
				    "/proc/%d/map_files needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE; run as root",
				    w->p->pid, w->p->pid);
	if (err == -EPROTO || err == -EIO)
		return session_fail(s, err, "cannot read the trace mapping of process %d: its header makes no sense, it was "
				    "overwritten or is not Weft's; restart the service", w->p->pid);
	return fail_attach(w, err);
}

static int begin(struct weft_state *state, struct weft_process *w, bool spawned)
{
	int err = place_probes(state, w);

	if (err)
		return fail_attach(w, err);
	w->p->state = spawned ? PROCESS_SPAWNED : PROCESS_WAITING;
	if (spawned)
		return 0;
	err = open_mapping(w, true);
	return err == -ENOENT ? 0 : err ? fail_mapping(w, err) : 0;
}

static int weft_attach(void *ctx, struct process *p, int exe_fd)
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
		weft_detach(ctx, p);
	return err;
}

static int weft_level(void *ctx, struct process *p, enum weft_level level)
{
	struct weft_state *state = ctx;
	struct weft_process *w = of(p);
	struct attachment fresh = { 0 };
	struct attach_request r;
	int err;

	if (!w || level < WEFT_LEVEL_LIGHT || level > WEFT_LEVEL_FULL)
		return -EINVAL;
	if (state->perf && level != WEFT_LEVEL_LIGHT)
		return -ENOTSUP;
	r = (struct attach_request){ .prog_fd = bpf_program__fd(state->skel->progs.weft_level), .file_fd = w->file,
				     .pid = p->pid, .perf = state->perf, .places = 1,
				     .place = { w->raise[level - 1] } };
	if (!r.place[0].counter)
		return session_fail(p->session, -ENOENT, "cannot trace process %d: its libweft has no point for level %s; "
				    "rebuild it with this version", p->pid, level_names[level - 1]);
	err = attach_open(&r, &fresh);
	if (err)
		return fail_attach(w, err);
	attach_close(&w->level_link);
	w->level_link = fresh;
	return 0;
}

/* ---- rounds ---- */

static struct weft_ev event_of(const struct weft_process *w, uint16_t kind)
{
	return (struct weft_ev){ .kind = kind, .flags = w->p->dead ? WEFT_EVF_TAIL : 0, .process = w->p->index,
				 .time_ns = w->p->session->now_ns };
}

static void emit_piece(void *ctx, uint32_t lane, uint32_t seq, uint32_t offset, const void *records, uint32_t bytes)
{
	struct weft_process *w = ctx;
	struct { struct weft_ev_batch head; uint8_t records[WEFT_BATCH_BYTES]; } e;
	struct weft_ev ev = event_of(w, WEFT_EV_BATCH);

	e.head = (struct weft_ev_batch){ .lane = lane, .seq = seq, .offset = offset, .bytes = bytes };
	memcpy(e.records, records, bytes);
	ev.tid = lane < w->lanes_told ? w->told[lane].tid : 0;
	session_emit(w->p->session, ev, &e, sizeof(e.head) + bytes);
}

static void emit_gap(void *ctx, uint32_t lane, uint32_t from, uint32_t to)
{
	struct weft_process *w = ctx;
	const struct weft_follow_entry *f = &w->p->session->follow->entry[w->p->follow];
	struct weft_ev_gap e = { .lane = lane, .seq_from = from, .seq_to = to, .reason = WEFT_GAP_NOT_ATTACHED };
	uint64_t full = __atomic_load_n(&f->full, __ATOMIC_RELAXED), failed = __atomic_load_n(&f->failed, __ATOMIC_RELAXED);

	if (full != w->full_seen)
		e.reason = WEFT_GAP_RING_FULL;
	else if (failed != w->failed_seen)
		e.reason = WEFT_GAP_READ_FAILED;
	w->full_seen = full;
	w->failed_seen = failed;
	session_emit(w->p->session, event_of(w, WEFT_EV_GAP), &e, sizeof(e));
}

static struct lanes_out lanes_out_of(struct weft_process *w)
{
	return (struct lanes_out){ .ctx = w, .piece = emit_piece, .gap = emit_gap };
}

/* Looks for the mapping of a runtime that had not started yet, less and less often. */
static void look_for_mapping(struct weft_process *w)
{
	struct process *p = w->p;
	uint64_t wait = (p->session->now_ns - p->attached_ns) / 8;
	int err;

	if (p->state != PROCESS_WAITING || p->session->now_ns < p->retry_ns)
		return;
	p->retry_ns = p->session->now_ns + (wait < RETRY_NS ? RETRY_NS : wait > RETRY_MAX_NS ? RETRY_MAX_NS : wait);
	err = open_mapping(w, false);
	if (err && err != -ENOENT && !w->broken) {
		w->broken = true;
		fail_mapping(w, err);
		session_cannot_see(p->session, p->index, "the runtime", "%s", p->session->error);
	}
}

static void weft_look(void *ctx, struct process *p)
{
	struct weft_process *w = of(p);

	(void)ctx;
	if (w && !w->map)
		look_for_mapping(w);
	if (w && w->map)
		lanes_look(w->lanes);
}

static bool deliver_batch(struct weft_process *w, const struct weft_ev *ev)
{
	const struct weft_ev_batch *batch = (const struct weft_ev_batch *)(const void *)(ev + 1);
	struct session *s = w->p->session;
	struct lanes_out out = lanes_out_of(w);
	struct { struct weft_ev_batch head; uint8_t records[WEFT_BATCH_BYTES]; } e;
	uint32_t from, to;

	if (!lanes_batch(w->lanes, batch, &out, &from, &to))
		return true;
	if (from == 0 && to == batch->bytes) {
		s->sink(s->sink_ctx, ev);
		s->delivered++;
		return true;
	}
	e.head = *batch;
	e.head.offset = from;
	e.head.bytes = to - from;
	memcpy(e.records, (const uint8_t *)(batch + 1) + from, to - from);
	session_emit(s, *ev, &e, sizeof(e.head) + e.head.bytes);
	return true;
}

static bool weft_record(void *ctx, struct process *p, const struct weft_ev *ev, size_t bytes)
{
	struct weft_process *w = of(p);
	const struct weft_ev_batch *batch = (const struct weft_ev_batch *)(const void *)(ev + 1);

	(void)ctx;
	if (ev->kind != WEFT_EV_BATCH)
		return false;
	if (!w || p->replaced || bytes < sizeof(*ev) + sizeof(*batch) || batch->bytes > bytes - sizeof(*ev) - sizeof(*batch))
		return true;
	if (!w->map) {
		p->retry_ns = 0;
		look_for_mapping(w); /* it writes, so the mapping is there now */
	}
	return w->map ? deliver_batch(w, ev) : true;
}

static void weft_settle(void *ctx, struct process *p)
{
	struct weft_process *w = of(p);
	struct lanes_out out;

	(void)ctx;
	if (!w || !w->map)
		return;
	weft_tell_runtimes(w, false);
	weft_tell_sites(w);
	weft_tell_lanes(w);
	out = lanes_out_of(w);
	lanes_settle(w->lanes, p->session->now_ns, PIECE_AGE_NS, &out);
	weft_census_step(w);
}

static bool weft_oldest(void *ctx, struct process *p, uint64_t *ret_ns)
{
	struct weft_process *w = of(p);
	uint64_t stamp;

	(void)ctx;
	if (!w || !w->map || !lanes_oldest(w->lanes, &stamp))
		return false;
	*ret_ns = process_stamp_ns(p, stamp);
	return true;
}

static void weft_sample(void *ctx, struct process *p)
{
	struct weft_process *w = of(p);

	(void)ctx;
	if (!w || !w->map)
		return;
	weft_sample_lanes(w, 0);
	weft_sample_runtimes(w);
}

static void weft_second(void *ctx, struct process *p)
{
	struct weft_process *w = of(p);

	(void)ctx;
	if (!w || !w->map)
		return;
	if (!w->broken && !target_map_whole(w->map)) {
		w->broken = true;
		session_cannot_see(p->session, p->index, "the trace mapping",
				   "the process has cut it; what was not flushed before is lost");
	}
	weft_tell_counts(w, 0);
	weft_census_due(w);
}

static void weft_cut(void *ctx, struct process *p, bool dead)
{
	struct weft_process *w = of(p);

	(void)ctx;
	(void)dead;
	if (w && w->map)
		lanes_cut(w->lanes);
}

static void weft_tail(void *ctx, struct process *p, bool dead)
{
	struct weft_process *w = of(p);
	uint16_t flags = WEFT_EVF_LAST | (dead ? WEFT_EVF_TAIL : 0);
	struct lanes_out out;

	(void)ctx;
	if (!w || !w->map)
		return;
	weft_tell_sites(w);
	weft_tell_lanes(w);
	out = lanes_out_of(w);
	lanes_tail(w->lanes, &out);
	weft_sample_lanes(w, flags);
	weft_sample_runtimes(w);
	weft_tell_counts(w, flags);
}

static bool weft_load(void *ctx, struct process *p, struct source_load *ret)
{
	struct weft_process *w = of(p);

	(void)ctx;
	if (!w || !w->map)
		return false;
	weft_read_load(w, ret);
	return true;
}

static bool weft_poll_now(void *ctx, struct process *p, uint32_t lane, struct poll_now *ret)
{
	struct weft_process *w = of(p);
	uint64_t at, start, now = p->session->now_ns;

	(void)ctx;
	if (!w || !w->map || lane >= lanes_count(w->lanes))
		return false;
	at = target_map_lane_offset(w->map, lane);
	if (!target_map_load64(w->map, at + offsetof(struct weft_lane, task), &ret->task) ||
	    !target_map_load64(w->map, at + offsetof(struct weft_lane, poll_start), &start) ||
	    !target_map_load64(w->map, at + offsetof(struct weft_lane, poll_seq), &ret->poll_seq))
		return false;
	start = start ? process_stamp_ns(p, start) : 0;
	ret->open_ns = !start ? UINT64_MAX : now > start ? now - start : 0;
	return true;
}

static int weft_want(void *ctx, struct process *p, const struct session_want *want)
{
	struct weft_process *w = of(p);

	(void)ctx;
	if (want->kind != SESSION_WANT_SNAPSHOT || !w || !w->map)
		return -EOPNOTSUPP;
	weft_census_begin(w);
	return 0;
}

const struct source source_weft = {
	.name = "weft",
	.open = weft_open,
	.close = weft_close,
	.attach = weft_attach,
	.detach = weft_detach,
	.level = weft_level,
	.load = weft_load,
	.look = weft_look,
	.record = weft_record,
	.settle = weft_settle,
	.oldest = weft_oldest,
	.sample = weft_sample,
	.second = weft_second,
	.cut = weft_cut,
	.tail = weft_tail,
	.poll_now = weft_poll_now,
	.want = weft_want,
};
