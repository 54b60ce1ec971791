/* SPDX-License-Identifier: MIT */
#include "tui/app.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "tui/canvas_file.h"
#include "tui/format.h"
#include "tui/keymap.h"
#include "tui/names.h"
#include "tui/screens/screens.h"
#include "tui/widgets/footer.h"
#include "tui/widgets/header.h"

#define MOST_STACKED     8
#define TYPED_MAX        64
#define STATUS_REFRESHES 16 /* a message stays for 4 s */

static const struct screen_ops *const all_screens[] = {
#define X(name) &name##_screen,
	SCREENS(X)
#undef X
};
#define ALL ((int)(sizeof(all_screens) / sizeof(*all_screens)))

struct app {
	struct view view;
	struct canvas canvas;
	struct stacked {
		const struct screen_ops *ops;
		void *state;
	} tabs[ALL],
		stack[MOST_STACKED]; /* a tab keeps its state; what is opened on top of it doesn't */
	int tab, depth;
	int tab_x[ALL]; /* where the tab line has them, for the mouse */
	enum screen_prompt prompt;
	char typed[TYPED_MAX];
	int status_left;
	bool touched; /* the user has pressed a key: no screen is opened by itself any more */
	bool quit, redraw;
	uint64_t picked;
};

/* ---- life ---- */

struct app *app_new(const struct app_options *o)
{
	struct app *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->view = (struct view){ .live = o->live,
				 .ascii = o->ascii,
				 .follow = o->follow,
				 .speed = o->speed,
				 .candidates = o->candidates,
				 .candidates_ctx = o->candidates_ctx,
				 .mute = o->mute,
				 .mute_ctx = o->mute_ctx,
				 .trouble = o->trouble };
	if (o->notice) {
		snprintf(a->view.status, sizeof(a->view.status), "%s", o->notice);
		a->status_left = STATUS_REFRESHES;
	}
	return a;
}

static void close_stacked(struct stacked *s)
{
	if (s->state)
		s->ops->close(s->state);
	*s = (struct stacked){ 0 };
}

struct app *app_free(struct app *a)
{
	if (!a)
		return NULL;
	while (a->depth > 0)
		close_stacked(&a->stack[--a->depth]);
	for (int i = 0; i < ALL; i++)
		close_stacked(&a->tabs[i]);
	canvas_done(&a->canvas);
	free(a);
	return NULL;
}

int app_resize(struct app *a, int width, int height)
{
	canvas_done(&a->canvas);
	return canvas_init(&a->canvas, width, height, a->view.ascii);
}

bool app_ended(const struct app *a)
{
	return a->quit;
}

uint64_t app_picked(const struct app *a)
{
	return a->picked;
}

bool app_wants_redraw(struct app *a)
{
	bool wants = a->redraw;

	a->redraw = false;
	return wants;
}

/* ---- the screen on top ---- */

static bool too_small(const struct app *a)
{
	return a->canvas.width < APP_LEAST_WIDTH || a->canvas.height < APP_LEAST_HEIGHT;
}

static struct stacked *base(struct app *a)
{
	struct stacked *s = &a->tabs[a->tab];

	if (!s->ops)
		s->ops = a->view.live ? all_screens[a->tab] : &picker_screen;
	if (!s->state)
		s->state = s->ops->open(&a->view, 0);
	return s;
}

static struct stacked *top(struct app *a)
{
	return a->depth ? &a->stack[a->depth - 1] : base(a);
}

/* The rows between header and tab line above, and the footer below. */
static void body(const struct app *a, const struct screen_ops *ops, int *y, int *height)
{
	*y = ops->bare ? 0 : header_rows(&a->view) + 1;
	*height = a->canvas.height - 1 - *y;
}

static void refresh_top(struct app *a)
{
	struct stacked *s = top(a);
	int y, height;

	body(a, s->ops, &y, &height);
	if (s->state && height > 0)
		s->ops->refresh(s->state, &a->view, height);
}

static void open_screen(struct app *a, const struct screen_ops *ops, uint64_t arg)
{
	void *state;

	if (a->depth == MOST_STACKED)
		return;
	state = ops->open(&a->view, arg);
	if (!state)
		return;
	a->stack[a->depth++] = (struct stacked){ ops, state };
	refresh_top(a);
}

static void back(struct app *a)
{
	if (a->depth == 0)
		return;
	close_stacked(&a->stack[--a->depth]);
	if (!a->view.paused)
		refresh_top(a);
}

void app_show(struct app *a, int tab)
{
	if (tab < 0 || tab >= ALL || !all_screens[tab]->tab || !a->view.live)
		return;
	while (a->depth > 0)
		close_stacked(&a->stack[--a->depth]);
	a->tab = tab;
	refresh_top(a);
}

/* ---- reading ---- */

static void read_others(struct view *v)
{
	uint32_t n = v->head_known && v->head.processes > 1 ? v->head.processes - 1 : 0;

	v->others = n < SCREEN_OTHERS ? n : SCREEN_OTHERS;
	for (uint32_t i = 0; i < v->others; i++) {
		uint32_t process = (v->process + 1 + i) % v->head.processes;

		v->other[i].known = live_header(v->live, process, &v->other[i].head) == 0;
	}
}

/* The newest that runs, once the one that is shown is gone. */
static bool follow_restart(struct view *v)
{
	struct live_header h;
	uint32_t i = v->head.processes;

	while (i-- > 0)
		if (i != v->process && live_header(v->live, i, &h) == 0 && !h.gone) {
			v->process = i;
			v->head = h;
			snprintf(v->status, sizeof(v->status), "process %u came up", h.info.pid);
			return true;
		}
	return false;
}

static void read_header(struct app *a)
{
	struct view *v = &a->view;
	int n;

	v->head_known = live_header(v->live, v->process, &v->head) == 0;
	if (v->follow && v->head_known && v->head.gone && follow_restart(v))
		a->status_left = STATUS_REFRESHES;
	read_others(v);
	v->done = live_done(v->live);
	n = live_findings(v->live, v->top, 0, SCREEN_TOP_FINDINGS);
	v->tops = 0;
	while ((int)v->tops < n && v->tops < SCREEN_TOP_FINDINGS && !v->top[v->tops].resolved &&
	       !v->top[v->tops].muted)
		v->tops++;
}

/* What is critical is shown first, as long as the user hasn't chosen something. */
static void open_on_findings(struct app *a)
{
	for (int i = 0; i < ALL; i++)
		if (!a->touched && a->view.head.findings_crit &&
		    all_screens[i] == &findings_screen && a->tab != i)
			app_show(a, i);
}

void app_refresh(struct app *a)
{
	if (a->status_left > 0 && --a->status_left == 0)
		*a->view.status = 0;
	if (a->view.paused || too_small(a))
		return;
	if (a->view.live) {
		read_header(a);
		open_on_findings(a);
	}
	refresh_top(a);
}

/* ---- drawing ---- */

static void draw_mode(struct app *a, int y, int x)
{
	const struct view *v = &a->view;
	struct canvas *c = &a->canvas;
	char text[64];

	if (v->paused)
		snprintf(text, sizeof(text), "PAUSED at %s", format_clock(v->head.realtime_ns).s);
	else if (v->head.replay)
		snprintf(text, sizeof(text), "replay%s%s%s", v->speed > 0 ? " x" : "",
			 v->speed > 0 ? format_short(v->speed).s : "",
			 v->done ? ", at the end" : "");
	else
		snprintf(text, sizeof(text), "%s",
			 v->head.gone                      ? "gone"
			 : v->follow && !v->head.processes ? "waiting"
							   : "live");
	if (x + (int)strlen(text) < c->width)
		canvas_right(c, x, y, c->width - x,
			     v->paused || v->head.gone ? ROLE_WARN : ROLE_GOOD, text);
}

static void draw_tabs(struct app *a)
{
	int y = header_rows(&a->view), x = 0;
	uint32_t findings = a->view.head.findings_crit + a->view.head.findings_warn;

	for (int i = 0; i < ALL; i++) {
		enum theme_role role = i == a->tab && a->depth == 0 ? ROLE_TAB_ACTIVE : ROLE_TAB;

		if (!all_screens[i]->tab)
			continue;
		a->tab_x[i] = x;
		x += canvas_printf(&a->canvas, x, y, 24, role, "%d %s", i + 1, all_screens[i]->tab);
		if (all_screens[i] == &findings_screen && findings)
			x += canvas_printf(&a->canvas, x, y, 8,
					   a->view.head.findings_crit ? ROLE_CRIT : ROLE_WARN,
					   " %u", findings);
		x += 2;
	}
	draw_mode(a, y, x);
}

static void draw_too_small(struct app *a)
{
	struct canvas *c = &a->canvas;
	char text[96];
	int y = c->height / 2;

	snprintf(text, sizeof(text), "weft needs %dx%d", APP_LEAST_WIDTH, APP_LEAST_HEIGHT);
	canvas_text(c, 0, y > 0 ? y - 1 : 0, c->width, ROLE_WARN, text);
	snprintf(text, sizeof(text), "this is %dx%d: make it larger, or q", c->width, c->height);
	canvas_text(c, 0, y, c->width, ROLE_TEXT, text);
}

static const char *prompt_title(enum screen_prompt prompt)
{
	return prompt == SCREEN_PROMPT_SEARCH   ? "Search"
	       : prompt == SCREEN_PROMPT_FILTER ? "Filter"
						: NULL;
}

const struct canvas *app_draw(struct app *a)
{
	struct stacked *s = top(a);
	int y, height;

	canvas_clear(&a->canvas);
	if (too_small(a)) {
		draw_too_small(a);
		return &a->canvas;
	}
	body(a, s->ops, &y, &height);
	if (!s->ops->bare) {
		header_draw(&a->view, &a->canvas);
		draw_tabs(a);
	}
	if (s->state)
		s->ops->draw(s->state, &a->view, &a->canvas, y, height);
	footer_draw(&a->view, &a->canvas, s->ops->context, prompt_title(a->prompt), a->typed);
	return &a->canvas;
}

/* ---- actions of the whole console ---- */

static void say(struct app *a)
{
	a->status_left = STATUS_REFRESHES;
}

static void save_screen(struct app *a)
{
	*a->view.status = 0;
	app_draw(a);
	canvas_save(&a->canvas, a->view.status, sizeof(a->view.status));
}

static void pause_or_go_on(struct app *a)
{
	struct view *v = &a->view;

	v->paused = !v->paused;
	if (v->head.replay)
		live_replay_control(v->live, v->paused, v->speed);
	/* Paused screens are read once more: now they keep more than is in sight. */
	if (v->paused)
		refresh_top(a);
	else
		app_refresh(a);
}

static void change_speed(struct app *a, double factor)
{
	struct view *v = &a->view;
	double speed = v->speed * factor;

	if (!v->head.replay) {
		snprintf(v->status, sizeof(v->status), "this is live: only a replay has a speed");
		return;
	}
	v->speed = speed < 0.125 ? 0.125 : speed > 1024 ? 1024 : speed;
	live_replay_control(v->live, v->paused, v->speed);
	snprintf(v->status, sizeof(v->status), "speed x%g", v->speed);
}

static void next_level(struct app *a)
{
	struct view *v = &a->view;
	struct session_want want = { .kind = SESSION_WANT_LEVEL, .process = v->process };

	if (v->head.replay) {
		snprintf(v->status, sizeof(v->status),
			 "a recording keeps the level it was made at");
		return;
	}
	want.value = v->head.level_auto ? WEFT_LEVEL_LIGHT
					: (v->head.level + 1) % (WEFT_LEVEL_FULL + 1);
	if (live_request(v->live, &want) < 0)
		snprintf(v->status, sizeof(v->status), "the level can't be changed now");
	else
		snprintf(v->status, sizeof(v->status), "level asked for: %s",
			 names_level(want.value));
}

static void next_process(struct app *a)
{
	struct view *v = &a->view;

	if (v->head.processes < 2) {
		snprintf(v->status, sizeof(v->status), "one process is watched");
		return;
	}
	v->process = (v->process + 1) % v->head.processes;
	app_refresh(a);
}

static bool act_live(struct app *a, enum action action)
{
	switch (action) {
	case ACTION_TASKS:
		app_show(a, 0);
		return true;
	case ACTION_WORKERS:
		app_show(a, 1);
		return true;
	case ACTION_FINDINGS:
		app_show(a, 2);
		return true;
	case ACTION_PAUSE:
		pause_or_go_on(a);
		return true;
	case ACTION_SLOWER:
		change_speed(a, 0.5);
		return true;
	case ACTION_FASTER:
		change_speed(a, 2);
		return true;
	case ACTION_LEVEL:
		next_level(a);
		return true;
	case ACTION_PROCESS:
		next_process(a);
		return true;
	default:
		return false;
	}
}

static void act_global(struct app *a, enum action action)
{
	if (action == ACTION_QUIT)
		a->quit = true;
	else if (action == ACTION_HELP)
		open_screen(a, &help_screen, 0);
	else if (action == ACTION_SAVE)
		save_screen(a);
	else if (action == ACTION_REDRAW)
		a->redraw = true;
	else if (a->view.live)
		act_live(a, action);
	if (*a->view.status)
		say(a);
}

static void carry_out(struct app *a, const struct intent *intent, const struct screen_input *in)
{
	switch (intent->kind) {
	case INTENT_IGNORED:
		act_global(a, in->action);
		break;
	case INTENT_BACK:
		back(a);
		break;
	case INTENT_OPEN:
		open_screen(a, intent->screen, intent->arg);
		break;
	case INTENT_PROMPT:
		a->prompt = intent->prompt;
		snprintf(a->typed, sizeof(a->typed), "%s",
			 top(a)->ops->prompt_text(top(a)->state, intent->prompt));
		break;
	case INTENT_PICK:
		a->picked = intent->arg;
		a->quit = true;
		break;
	case INTENT_DONE:
		break;
	}
	if (*a->view.status)
		say(a);
}

/* ---- input ---- */

/* Whole characters come and go. */
static void type(struct app *a, uint32_t key)
{
	size_t len = strlen(a->typed), n;
	char utf8[5];

	if (key == KEYMAP_BACKSPACE || key == 8 || key == 127) {
		while (len > 0 && (a->typed[--len] & 0xc0) == 0x80)
			;
		a->typed[len] = 0;
		return;
	}
	if (key < 32 || key >= KEYMAP_FIRST)
		return;
	n = format_utf8(key, utf8);
	if (len + n < sizeof(a->typed))
		memcpy(a->typed + len, utf8, n + 1);
}

static void prompt_key(struct app *a, uint32_t key)
{
	struct stacked *s = top(a);
	enum screen_prompt which = a->prompt;

	if (key == KEYMAP_ESC || key == 3) {
		a->prompt = SCREEN_PROMPT_NONE;
		return;
	}
	if (key != KEYMAP_ENTER) {
		type(a, key);
		/* A filter shows its effect while it is typed. */
		if (which == SCREEN_PROMPT_FILTER)
			s->ops->prompted(s->state, &a->view, which, a->typed);
		return;
	}
	a->prompt = SCREEN_PROMPT_NONE;
	s->ops->prompted(s->state, &a->view, which, a->typed);
	if (*a->view.status)
		say(a);
}

static void act(struct app *a, const struct screen_input *in)
{
	struct stacked *s = top(a);
	struct intent intent = { .kind = INTENT_IGNORED };

	if (s->state && !too_small(a))
		intent = s->ops->act(s->state, &a->view, in);
	carry_out(a, &intent, in);
}

void app_key(struct app *a, uint32_t key)
{
	struct screen_input in = { .key = key };

	a->touched = true;
	if (a->prompt) {
		prompt_key(a, key);
		return;
	}
	*a->view.status = 0;
	in.action = keymap_action(key, top(a)->ops->context);
	act(a, &in);
}

static int tab_under(const struct app *a, int x)
{
	int hit = -1;

	for (int i = 0; i < ALL; i++)
		if (all_screens[i]->tab && x >= a->tab_x[i])
			hit = i;
	return hit;
}

void app_click(struct app *a, int x, int y, bool doubled)
{
	const struct screen_ops *ops = top(a)->ops;
	struct screen_input in = { .mouse = true, .doubled = doubled, .x = x };
	int from, height;

	a->touched = true;
	body(a, ops, &from, &height);
	in.row = y - from;
	if (!ops->bare && y == from - 1)
		app_show(a, tab_under(a, x));
	else if (in.row >= 0 && in.row < height && !a->prompt)
		act(a, &in);
}
