/* SPDX-License-Identifier: MIT */
/* One task: what it is, what it does, how long its polls took, who wakes it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tui/format.h"
#include "tui/names.h"
#include "tui/screens/raise.h"
#include "tui/screens/screens.h"
#include "tui/widgets/histogram.h"
#include "tui/widgets/lines.h"

#define ASK_NS 1000000000u

struct details {
	struct lines lines;
	struct live_task_detail d;
	uint64_t task;
	uint64_t asked_ns; /* for the await chain, last */
	bool known, gone;
	struct live_finding finding; /* about this task; key 0 = none */
};

static void *details_open(struct view *v, uint64_t arg)
{
	struct details *s = calloc(1, sizeof(*s));

	(void)v;
	if (s)
		s->task = arg;
	return s;
}

static void details_close(void *state)
{
	struct details *s = state;

	lines_done(&s->lines);
	free(s);
}

/* About the task itself, or about all tasks of its name from its place. */
static bool is_about(const struct live_finding *f, const struct details *s)
{
	const struct live_task *t = &s->d.task;

	if (f->process != t->process)
		return false;
	if (strcmp(f->subject_kind, "task_type") == 0)
		return strcmp(f->subject_name, t->name) == 0 &&
		       strcmp(f->location, t->location) == 0;
	return strcmp(f->subject_kind, "task") == 0 &&
	       (f->subject_id == t->native_id || f->subject_id == s->task);
}

static void find_finding(struct details *s, const struct view *v)
{
	s->finding.key = 0;
	for (uint32_t i = 0; i < v->tops && !s->finding.key; i++)
		if (is_about(&v->top[i], s))
			s->finding = v->top[i];
}

/* The chain is read on demand only: once a second while this screen is open. */
static void ask_await(struct details *s, const struct view *v)
{
	struct session_want want = { .kind = SESSION_WANT_AWAIT,
				     .process = s->d.task.process,
				     .task = s->d.task.native_id };

	if (v->head.replay || s->gone || v->head.now_ns < s->asked_ns)
		return;
	s->asked_ns = v->head.now_ns + ASK_NS;
	live_request(v->live, &want);
}

static void details_refresh(void *state, struct view *v, int height)
{
	struct details *s = state;

	(void)height;
	s->gone = live_task_detail(v->live, s->task, &s->d) != 0;
	s->known |= !s->gone;
	ask_await(s, v);
	find_finding(s, v);
}

/* ---- the lines ---- */

static void spawn_text(const struct details *s, const struct view *v, char *text, size_t size)
{
	const struct live_task *t = &s->d.task;
	uint64_t now = v->head.now_ns, attached = v->head.attached_ns;
	size_t len;

	if (t->age_ns == LIVE_UNKNOWN) {
		snprintf(text, size, "before the attach, >%s ago",
			 format_age(now > attached ? now - attached : 0).s);
		return;
	}
	len = (size_t)snprintf(text, size, "%s%s ago",
			       t->spawn_ns == LIVE_UNKNOWN ? "before the attach, " : "",
			       format_age(t->age_ns).s);
	if (*s->d.spawn_func)
		len += (size_t)snprintf(text + len, size - len, " in %.63s", s->d.spawn_func);
	if (t->parent)
		snprintf(text + len, size - len, " by %.63s",
			 *s->d.parent_name ? s->d.parent_name : "a task");
}

static void add_head(struct details *s, const struct view *v, int width)
{
	const struct live_task *t = &s->d.task;
	uint64_t id = t->native_id == LIVE_UNKNOWN || !t->native_id ? t->id : t->native_id;
	char when[192], text[640];

	spawn_text(s, v, when, sizeof(when));
	lines_add(&s->lines, ROLE_TITLE, "task %llu  %s", (unsigned long long)id,
		  *t->name ? t->name : "?");
	snprintf(text, sizeof(text), "%s  %s%s%s", *t->location ? t->location : "?", when,
		 t->bytes ? ", " : "", t->bytes ? format_bytes(t->bytes).s : "");
	lines_wrap(&s->lines, "spawned", ROLE_TEXT, width, text);
	if (t->fingerprint)
		lines_label(&s->lines, "in logs", ROLE_TEXT, "%016llx",
			    (unsigned long long)t->fingerprint);
	if (t->raised)
		lines_label(&s->lines, "raised", ROLE_TEXT, "all polls of %s are told; %s",
			    v->head.raised_task ? "this task" : "its type",
			    v->head.raised_task ? "+: of its type, -: take it back"
						: "-: take it back");
	if (*s->d.labels)
		lines_wrap(&s->lines, "labels", ROLE_TEXT, width, s->d.labels);
}

static void add_state(struct details *s)
{
	const struct live_task *t = &s->d.task;
	char where[48] = "";

	if (t->worker != UINT32_MAX)
		snprintf(where, sizeof(where), t->open_ns ? " on W%u" : ", last on W%u", t->worker);
	if (t->state == LIVE_BLOCKED)
		lines_label(&s->lines, "state", ROLE_STATE_BLOCKED,
			    "blocked inside a poll for %s%s%s%s", format_ns(t->open_ns).s, where,
			    *s->d.syscall ? " in " : "", s->d.syscall);
	else if (t->open_ns)
		lines_label(&s->lines, "state", ROLE_STATE_RUN, "in a poll for %s%s",
			    format_ns(t->open_ns).s, where);
	else
		lines_label(&s->lines, "state", ROLE_TEXT, "%s for %s%s",
			    names_task_state(t->state), format_ns(t->idle_ns).s, where);
}

#define CHAIN_TEXT 256

/* "sleep at order (demo_service.c:170) < session (session.c:12)"; innermost first. */
static void await_text(const struct live_await *a, char *text, size_t size)
{
	size_t len = (size_t)snprintf(text, size, "%s", a->on);

	if (a->task)
		len += (size_t)snprintf(text + len, size - len, " of task %llu",
					(unsigned long long)a->task);
	for (uint32_t i = 0; i < a->places && i < WEFT_AWAIT_DEPTH && len < size; i++) {
		const char *location = a->place[i].location, *base = strrchr(location, '/');

		len += (size_t)snprintf(text + len, size - len, "%s%s (%s)", i ? " < " : " at ",
					a->place[i].func,
					*location ? (base ? base + 1 : location) : "?");
	}
	if (len < size && !a->complete)
		snprintf(text + len, size - len, " < ?");
}

static void add_await(struct details *s, const struct view *v, int width)
{
	const struct live_await *a = &s->d.await;
	char text[WEFT_AWAIT_DEPTH * CHAIN_TEXT];

	if (s->d.task.open_ns || s->gone)
		return;
	if (a->t_ns == LIVE_UNKNOWN)
		lines_label(&s->lines, "waits", ROLE_DIM, "%s",
			    v->head.replay ? "? (nobody asked when this was recorded)"
			    : v->head.runtime.kind == WEFT_RT_WEFT
				    ? "? (being read)"
				    : "? (a Rust task tells only whose handle it awaits)");
	else if (!a->places && a->task)
		lines_label(&s->lines, "waits", ROLE_TEXT, "for the end of task %llu",
			    (unsigned long long)a->task);
	else if (!a->places)
		lines_label(&s->lines, "waits", ROLE_DIM, "%s",
			    a->complete ? "not started" : "? (can't be read out of its memory)");
	if (!a->places)
		return;
	await_text(a, text, sizeof(text));
	lines_wrap(&s->lines, "waits", ROLE_TEXT, width, text);
	if (v->head.now_ns > a->t_ns + 3 * ASK_NS)
		lines_label(&s->lines, "", ROLE_DIM, "read %s ago",
			    format_ns(v->head.now_ns - a->t_ns).s);
}

#define BRIEF_FRAMES 5
#define FRAME_TEXT   96

/* "db_retry (src/db/retry.c:41)" as "db_retry (retry.c:41)": the whole path is in the list of frames below. */
static void brief_frame(const char *frame, char *text, size_t size)
{
	const char *open = strstr(frame, " ("), *slash = open ? strrchr(open, '/') : NULL;

	if (slash)
		snprintf(text, size, "%.*s (%s", (int)(open - frame), frame, slash + 1);
	else
		snprintf(text, size, "%s", frame);
}

/* On one line or two: who called whom, innermost first, without the kernel's own frames. */
static void add_brief_stack(struct details *s, const struct view *v, int width)
{
	uint64_t age = v->head.now_ns > s->d.stack_ns ? v->head.now_ns - s->d.stack_ns : 0;
	char text[BRIEF_FRAMES * (FRAME_TEXT + 3) + 1] = "", frame[FRAME_TEXT];
	size_t len = 0;

	for (uint32_t i = 0, shown = 0; i < s->d.nstack && i < 48 && shown < BRIEF_FRAMES; i++) {
		if (s->d.stack[i].kernel)
			continue;
		brief_frame(s->d.stack[i].text, frame, sizeof(frame));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					shown++ ? " < " : "", frame);
	}
	if (len)
		lines_wrap(&s->lines, "stack", ROLE_TEXT, width, text);
	if (s->d.nstack)
		lines_label(&s->lines, "", ROLE_DIM, "taken %s ago%s%s; all frames are below",
			    format_ns(age).s, *s->d.stack_why ? ": " : "", s->d.stack_why);
}

static void add_frames(struct details *s, int width)
{
	for (uint32_t i = 0; i < s->d.nstack && i < 48; i++) {
		const struct live_frame *f = &s->d.stack[i];
		char text[sizeof(f->text) + 2];

		snprintf(text, sizeof(text), "%s%s", f->kernel ? "k:" : "", f->text);
		lines_wrap(&s->lines, i ? "" : "frames", f->kernel ? ROLE_KERNEL : ROLE_TEXT, width,
			   text);
	}
}

static void add_histogram(struct details *s, bool ascii, const uint64_t *hist)
{
	char text[HISTOGRAM_TEXT];

	histogram_text(hist, ascii, text);
	lines_label(&s->lines, "", ROLE_DIM, "%s", histogram_axis());
	lines_label(&s->lines, "", ROLE_BAR_BUSY, "%s", text);
}

static void add_polls(struct details *s, bool ascii)
{
	const struct live_task *t = &s->d.task;

	lines_label(&s->lines, "polls", ROLE_TEXT, "%s  %s/s  p50 %s  p90 %s  p99 %s  max %s",
		    format_count(t->polls).s, format_short(t->polls_s < 0 ? NAN : t->polls_s).s,
		    format_ns(s->d.poll_p50_ns).s, format_ns(s->d.poll_p90_ns).s,
		    format_ns(t->poll_p99_ns).s,
		    format_ns(t->polls == LIVE_UNKNOWN && !t->poll_max_ns ? LIVE_UNKNOWN
									  : t->poll_max_ns)
			    .s);
	add_histogram(s, ascii, s->d.poll_hist);
	lines_label(&s->lines, "time", ROLE_TEXT, "on CPU %s  blocked %s  waiting for a CPU %s",
		    format_ns(t->busy_ns).s, format_ns(t->blocked_ns).s,
		    format_ns(t->runnable_ns).s);
	lines_label(&s->lines, "delay", ROLE_TEXT, "from wake to poll: p50 %s  p99 %s",
		    format_ns(s->d.delay_p50_ns).s, format_ns(t->delay_p99_ns).s);
	add_histogram(s, ascii, s->d.delay_hist);
}

static void add_wakers(struct details *s)
{
	const struct live_task *t = &s->d.task;
	uint64_t wakes = t->wakes && t->wakes != LIVE_UNKNOWN ? t->wakes : 1, told = 0;

	if (t->wakes == LIVE_UNKNOWN) {
		lines_label(&s->lines, "woken", ROLE_DIM,
			    "? (wakes are not traced at this level; L changes it)");
		return;
	}
	lines_label(&s->lines, "woken", ROLE_TEXT, "%s times  by itself %s (%s %%)",
		    format_count(t->wakes).s, format_count(t->self_wakes).s,
		    format_percent((double)t->self_wakes / (double)wakes).s);
	for (uint32_t i = 0; i < s->d.nwakers && i < 8; i++) {
		const struct live_waker *w = &s->d.wakers[i];

		lines_label(&s->lines, "", ROLE_TEXT, "by %-8s %-30.60s %s (%s %%)",
			    names_waker(w->kind), w->name, format_count(w->count).s,
			    format_percent((double)w->count / (double)wakes).s);
		told += w->count;
	}
	/* Not of every wake a waker is kept: the lines are to add up all the same. */
	if (told < t->wakes)
		lines_label(&s->lines, "", ROLE_DIM, "by %-39s %s (%s %%)", "others, or not known",
			    format_count(t->wakes - told).s,
			    format_percent((double)(t->wakes - told) / (double)wakes).s);
}

static void add_advice(struct details *s, int width)
{
	const struct live_finding *f = &s->finding;
	char text[160];

	if (!f->key)
		return;
	snprintf(text, sizeof(text), "%s: %s", f->id, f->cause);
	lines_wrap(&s->lines, "finding", ROLE_CRIT, width, text);
	if (f->harm_task_ms > 0)
		lines_label(&s->lines, "harm", ROLE_TEXT,
			    "other tasks waited %s task-ms because of it",
			    format_short(f->harm_task_ms).s);
	lines_wrap(&s->lines, "advice", ROLE_TEXT, width, f->advice);
}

static void build(struct details *s, const struct view *v, int width)
{
	lines_reset(&s->lines);
	if (!s->known) {
		lines_add(&s->lines, ROLE_DIM, "This task is not known (any more).");
		return;
	}
	add_head(s, v, width);
	if (s->gone)
		lines_label(&s->lines, "", ROLE_WARN,
			    "it has ended and been forgotten; this is what was last seen");
	add_state(s);
	add_await(s, v, width);
	add_advice(s, width);
	add_brief_stack(s, v, width);
	add_polls(s, v->ascii);
	add_wakers(s);
	add_frames(s, width);
}

static void details_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	struct details *s = state;

	build(s, v, c->width - 2);
	lines_draw(&s->lines, c, y, height);
}

static struct intent details_act(void *state, struct view *v, const struct screen_input *in)
{
	struct details *s = state;

	if (in->action == ACTION_BACK)
		return (struct intent){ .kind = INTENT_BACK };
	if (raise_act(v, s->gone ? NULL : &s->d.task, in->action))
		return (struct intent){ .kind = INTENT_DONE };
	return (struct intent){ .kind = lines_act(&s->lines, in->action) ? INTENT_DONE
									 : INTENT_IGNORED };
}

const struct screen_ops details_screen = {
	.context = IN_DETAILS,
	.open = details_open,
	.close = details_close,
	.refresh = details_refresh,
	.draw = details_draw,
	.act = details_act,
};
