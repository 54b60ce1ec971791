/* SPDX-License-Identifier: MIT */
#include "tui/screens/tasks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tui/format.h"
#include "tui/screens/raise.h"
#include "tui/screens/screens.h"
#include "tui/widgets/table.h"

#define FROZEN_ROWS 2000 /* kept on pause, so that one can still look around */
#define TEXT_MAX    64

enum {
#define X(name, ...) COLUMN_##name,
	TASKS_COLUMNS(X)
#undef X
		COLUMNS
};

static const struct table_column columns[COLUMNS] = {
#define X(name, title, key, sort, width, from, right, help) { title, width, from, right },
	TASKS_COLUMNS(X)
#undef X
};
static const struct {
	char key;
	enum live_sort sort;
} orders[COLUMNS] = {
#define X(name, title, key, sort, width, from, right, help) { key, LIVE_SORT_##sort },
	TASKS_COLUMNS(X)
#undef X
};

/*
 * rows[] is a window of the sorted list: its first row has index `first` of `total`. The screen
 * shows from index `offset` on, the cursor is `cursor` rows below. With `follow` the task `selected` keeps
 * its place on the screen, whatever the order does around it.
 */
struct tasks {
	struct live_task *rows;
	size_t capacity, first, n, total, offset, cursor;
	int height; /* of the list, without its head */
	uint64_t selected;
	int column; /* sorted by */
	bool reverse, tree, ended, follow, failed;
	char filter[TEXT_MAX], search[TEXT_MAX];
	struct table_slot slots[COLUMNS]; /* of the last drawing */
};

static void *tasks_open(struct view *v, uint64_t arg)
{
	struct tasks *s = calloc(1, sizeof(*s));

	(void)v;
	(void)arg;
	if (s)
		s->column = COLUMN_MARK;
	return s;
}

static void tasks_close(void *state)
{
	struct tasks *s = state;

	free(s->rows);
	free(s);
}

/* ---- reading ---- */

static bool room_for(struct tasks *s, size_t rows)
{
	void *more;

	if (rows <= s->capacity)
		return true;
	more = realloc(s->rows, rows * sizeof(*s->rows));
	if (!more)
		return false;
	s->rows = more;
	s->capacity = rows;
	return true;
}

static struct live_query query_of(const struct tasks *s, const struct view *v)
{
	return (struct live_query){ .process = v->process,
				    .sort = orders[s->column].sort,
				    .reverse = s->reverse,
				    .tree = s->tree,
				    .ended = s->ended,
				    .filter = *s->filter ? s->filter : NULL };
}

/* Rows [first, first + count) of the list. Returns the index of the task `pinned`, SIZE_MAX = not in it. */
static size_t read_window(struct tasks *s, const struct view *v, size_t first, size_t count,
			  uint64_t pinned)
{
	struct live_query q = query_of(s, v);
	struct live_page page = { .pinned_index = SIZE_MAX };

	q.offset = first;
	q.count = count;
	q.pinned = pinned;
	s->n = 0;
	s->failed = !room_for(s, count) || live_tasks(v->live, &q, s->rows, &page) != 0;
	if (s->failed)
		return SIZE_MAX;
	s->first = first;
	s->n = page.rows < count ? page.rows : count;
	s->total = page.total;
	return page.pinned_index;
}

static size_t last_offset(const struct tasks *s)
{
	return s->total > (size_t)s->height ? s->total - (size_t)s->height : 0;
}

/* Row `at` of the list, NULL = not in the window. */
static const struct live_task *row_at(const struct tasks *s, size_t at)
{
	return at >= s->first && at < s->first + s->n ? &s->rows[at - s->first] : NULL;
}

static void select_row(struct tasks *s)
{
	const struct live_task *t;

	if (s->offset + s->cursor >= s->total)
		s->cursor = s->total > s->offset ? s->total - s->offset - 1 : 0;
	t = row_at(s, s->offset + s->cursor);
	s->selected = t ? t->id : 0;
}

/* Reads the rows for the screen so that the followed task stays on its line. */
static void read_screen(struct tasks *s, const struct view *v)
{
	size_t height = (size_t)s->height, pinned, want;

	pinned = read_window(s, v, s->offset, height, s->follow ? s->selected : 0);
	want = s->offset;
	if (s->follow && pinned != SIZE_MAX)
		want = pinned > s->cursor ? pinned - s->cursor : 0;
	want = want < last_offset(s) ? want : last_offset(s);
	if (want != s->offset) {
		s->offset = want;
		pinned = read_window(s, v, want, height, s->follow ? s->selected : 0);
	}
	if (s->follow && pinned != SIZE_MAX && pinned >= s->offset && pinned < s->offset + height) {
		s->cursor = pinned - s->offset;
		return;
	}
	if (pinned == SIZE_MAX)
		s->follow = false;
	select_row(s);
}

/* Paused, nothing is read again by itself: rows around the screen are kept too. */
static void read_now(struct tasks *s, const struct view *v)
{
	read_screen(s, v);
	if (v->paused)
		read_window(s, v, s->offset > FROZEN_ROWS / 2 ? s->offset - FROZEN_ROWS / 2 : 0,
			    FROZEN_ROWS, 0);
}

static void tasks_refresh(void *state, struct view *v, int height)
{
	struct tasks *s = state;

	s->height = height > 2 ? height - 1 : 1;
	if (s->cursor >= (size_t)s->height)
		s->cursor = (size_t)s->height - 1;
	read_now(s, v);
}

/* ---- drawing ---- */

static enum theme_role state_role(enum live_task_state state)
{
	static const enum theme_role roles[] = {
		[LIVE_IDLE] = ROLE_DIM,           [LIVE_READY] = ROLE_STATE_READY,
		[LIVE_RUNNING] = ROLE_STATE_RUN,  [LIVE_BLOCKED] = ROLE_STATE_BLOCKED,
		[LIVE_DONE] = ROLE_STATE_ENDED,   [LIVE_CANCELLED] = ROLE_STATE_ENDED,
		[LIVE_FAILED] = ROLE_STATE_ENDED,
	};
	return (size_t)state < sizeof(roles) / sizeof(*roles) ? roles[state] : ROLE_TEXT;
}

static const char *state_text(enum live_task_state state)
{
	static const char *const texts[] = {
		[LIVE_IDLE] = " idle",       [LIVE_READY] = " ready", [LIVE_RUNNING] = " run",
		[LIVE_BLOCKED] = "!blocked", [LIVE_DONE] = " done",   [LIVE_CANCELLED] = " cancel",
		[LIVE_FAILED] = " failed"
	};
	return (size_t)state < sizeof(texts) / sizeof(*texts) ? texts[state] : "?";
}

static struct format_text age_text(const struct live_task *t, const struct live_header *h)
{
	if (t->age_ns == LIVE_UNKNOWN)
		return format_at_least(h->now_ns > h->attached_ns ? h->now_ns - h->attached_ns : 0);
	return format_age(t->age_ns);
}

/* Ids grow without end: of one that is too long the last digits tell it apart, after a '~'. */
static struct format_text id_text(const struct live_task *t, int width)
{
	bool own = t->native_id != LIVE_UNKNOWN && t->native_id;
	struct format_text text;
	int len = snprintf(text.s, sizeof(text.s), "%llu",
			   (unsigned long long)(own ? t->native_id : t->id));

	if (width > 1 && len > width) {
		memmove(text.s, text.s + len - width, (size_t)width + 1);
		text.s[0] = '~';
	}
	return text;
}

/* Polls that are known of: a p99 of nothing is not 0. */
static uint64_t of_polls(const struct live_task *t, uint64_t ns)
{
	return (t->polls == LIVE_UNKNOWN ? ns : t->polls) || t->open_ns ? ns : LIVE_UNKNOWN;
}

static struct format_text share_text(float share)
{
	return share < 0 ? format_percent(NAN) : format_percent((double)share);
}

static void name_text(const struct tasks *s, const struct live_task *t, char *text, size_t size)
{
	int depth = s->tree ? (int)(t->depth < 16 ? t->depth : 16) : 0;

	snprintf(text, size, "%*s%s%s", depth > 0 ? 2 * (depth - 1) : 0, "", depth > 0 ? "`-" : "",
		 *t->name ? t->name : "?");
}

static void row_texts(const struct tasks *s, const struct view *v, const struct live_task *t,
		      struct format_text texts[COLUMNS])
{
	texts[COLUMN_MARK].s[0] = t->finding ? '!' : t->raised ? '+' : 0;
	texts[COLUMN_ID] = id_text(t, s->slots[COLUMN_ID].width);
	snprintf(texts[COLUMN_STATE].s, sizeof(texts->s), "%s", state_text(t->state));
	texts[COLUMN_BUSY] = share_text(t->busy);
	texts[COLUMN_BLOCK] = share_text(t->blocked);
	texts[COLUMN_POLLS] = format_short(t->polls_s < 0 ? NAN : t->polls_s);
	texts[COLUMN_P99] = format_ns(of_polls(t, t->poll_p99_ns));
	texts[COLUMN_DELAY] = format_ns(of_polls(t, t->delay_p99_ns));
	texts[COLUMN_AGE] = age_text(t, &v->head);
	texts[COLUMN_MAX] = format_ns(of_polls(t, t->poll_max_ns));
	texts[COLUMN_WAKES] = format_short(t->wakes == LIVE_UNKNOWN ? NAN : (double)t->wakes);
	texts[COLUMN_BYTES] = format_bytes((double)(t->bytes ? t->bytes : LIVE_UNKNOWN));
}

static void draw_row(const struct tasks *s, const struct view *v, struct canvas *c, int y,
		     const struct live_task *t)
{
	struct format_text texts[COLUMNS] = { 0 };
	enum theme_role state = state_role(t->state);
	bool ended = t->state >= LIVE_DONE;
	char name[320];

	row_texts(s, v, t, texts);
	for (int i = 0; i < COLUMNS; i++)
		table_cell(c, y, &columns[i], &s->slots[i],
			   ended || i == COLUMN_STATE ? state : ROLE_TEXT, texts[i].s);
	name_text(s, t, name, sizeof(name));
	table_cell(c, y, &columns[COLUMN_NAME], &s->slots[COLUMN_NAME],
		   t->finding ? ROLE_CRIT
		   : ended    ? ROLE_STATE_ENDED
			      : ROLE_TEXT,
		   name);
	table_cell(c, y, &columns[COLUMN_LOCATION], &s->slots[COLUMN_LOCATION], ROLE_DIM,
		   *t->location ? t->location : "?");
}

/* Filter and order in words, where they are not the usual ones; over the right end of the head. */
static void draw_mode(const struct tasks *s, struct canvas *c, int y)
{
	char text[160];
	bool by = s->column != COLUMN_MARK && !s->tree;
	int len = snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", *s->filter ? " \\" : "",
			   s->filter, s->tree ? " tree" : "", by ? " by " : "",
			   by ? columns[s->column].title : "", s->reverse ? " inverted" : "",
			   s->ended ? " +ended" : "", s->follow ? " follow" : "");

	if (len > 0)
		canvas_right(c, 0, y, c->width, ROLE_HEAD_SORT, text);
}

static void draw_empty(const struct tasks *s, const struct view *v, struct canvas *c, int y)
{
	if (s->failed || !v->head_known)
		canvas_text(c, 1, y, c->width - 2, ROLE_DIM,
			    "Nothing is known yet: waiting for the first events.");
	else if (*s->filter)
		canvas_printf(c, 1, y, c->width - 2, ROLE_DIM,
			      "No task has '%s' in its name or place. Esc: show all.", s->filter);
	else
		canvas_text(c, 1, y, c->width - 2, ROLE_DIM,
			    "No tasks are alive. E: show those that ended lately.");
}

/* Another size while nothing is read: the cursor keeps its row, and that stays in sight. */
static void fit_height(struct tasks *s, int height)
{
	size_t at = s->offset + s->cursor;

	s->height = height > 2 ? height - 1 : 1;
	if (s->cursor >= (size_t)s->height)
		s->offset = at - (size_t)s->height + 1;
	if (s->offset > last_offset(s))
		s->offset = last_offset(s);
	s->cursor = at - s->offset;
}

static void tasks_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	struct tasks *s = state;
	const struct live_task *t;

	if (v->paused)
		fit_height(s, height);
	table_layout(columns, COLUMNS, c->width, s->slots);
	table_head(c, y, columns, COLUMNS, s->slots, s->column);
	draw_mode(s, c, y);
	if (s->n == 0)
		draw_empty(s, v, c, y + 2);
	for (int i = 0; i + 1 < height; i++) {
		t = row_at(s, s->offset + (size_t)i);
		if (!t)
			continue;
		draw_row(s, v, c, y + 1 + i, t);
		if ((size_t)i == s->cursor)
			canvas_select(c, y + 1 + i, c->width,
				      t->state == LIVE_BLOCKED ? ROLE_SELECTED_CRIT
							       : ROLE_SELECTED);
	}
}

/* ---- moving ---- */

/* The cursor to row `to` of the list. Rows that are on the screen are taken as they are seen. */
static void move_to(struct tasks *s, const struct view *v, size_t to)
{
	const struct live_task *t;

	if (to >= s->total)
		to = s->total ? s->total - 1 : 0;
	if (v->paused && s->n) {
		to = to < s->first ? s->first : to;
		to = to >= s->first + s->n ? s->first + s->n - 1 : to;
	}
	t = row_at(s, to);
	s->selected = t ? t->id : 0;
	s->follow = t && to > 0;
	if (to < s->offset)
		s->offset = to;
	if (to >= s->offset + (size_t)s->height)
		s->offset = to - (size_t)s->height + 1;
	s->cursor = to - s->offset;
	if (v->paused)
		return;
	read_screen(s, v);
	s->follow = to > 0;
}

static bool act_move(struct tasks *s, const struct view *v, enum action action)
{
	size_t at = s->offset + s->cursor, page = s->height > 1 ? (size_t)s->height - 1 : 1;

	switch (action) {
	case ACTION_UP:
		move_to(s, v, at > 0 ? at - 1 : 0);
		return true;
	case ACTION_DOWN:
		move_to(s, v, at + 1);
		return true;
	case ACTION_PAGE_UP:
		move_to(s, v, at > page ? at - page : 0);
		return true;
	case ACTION_PAGE_DOWN:
		move_to(s, v, at + page);
		return true;
	case ACTION_HOME:
		move_to(s, v, 0);
		return true;
	case ACTION_END:
		move_to(s, v, s->total);
		return true;
	default:
		return false;
	}
}

/* ---- search ---- */

/* The cursor to a task, wherever it is in the list; the screen moves only when it has to. */
static void go_to_task(struct tasks *s, const struct view *v, uint64_t id)
{
	size_t at = read_window(s, v, s->offset, (size_t)s->height, id);

	if (at == SIZE_MAX)
		return;
	if (at < s->offset || at >= s->offset + (size_t)s->height)
		s->offset = at > (size_t)s->height / 2 ? at - (size_t)s->height / 2 : 0;
	s->cursor = at - s->offset;
	s->selected = id;
	s->follow = true;
	read_now(s, v);
}

/*
 * The list filtered by the search text holds the hits in the order of the screen. The one after
 * the selected task, else the first, becomes the selected one.
 */
static void search_next(struct tasks *s, struct view *v)
{
	struct live_query q = query_of(s, v);
	struct live_page page = { .pinned_index = SIZE_MAX };
	struct live_task hit;
	uint64_t before = s->selected;

	if (!*s->search)
		return;
	q.filter = s->search;
	q.pinned = before;
	q.count = 1;
	if (live_tasks(v->live, &q, &hit, &page) != 0 || page.rows == 0) {
		snprintf(v->status, sizeof(v->status), "no task has '%s' in its name or place",
			 s->search);
		return;
	}
	if (page.pinned_index != SIZE_MAX && page.pinned_index + 1 < page.total) {
		q.offset = page.pinned_index + 1;
		live_tasks(v->live, &q, &hit, &page);
	}
	if (hit.id == before && page.total == 1)
		snprintf(v->status, sizeof(v->status), "this is the only task with '%s'",
			 s->search);
	go_to_task(s, v, hit.id);
}

/* ---- keys ---- */

static void sort_by(struct tasks *s, const struct view *v, int column)
{
	if (column == s->column)
		s->reverse = !s->reverse;
	else
		s->reverse = false;
	s->column = column;
	s->tree = false;
	if (!s->follow)
		s->offset = s->cursor = 0;
	read_now(s, v);
}

/* The next column that is shown and has an order of its own. */
static int next_column(const struct tasks *s, int step)
{
	int i = s->column;

	do
		i = (i + step + COLUMNS) % COLUMNS;
	while (!orders[i].key || !s->slots[i].width);
	return i;
}

static bool act_sort(struct tasks *s, const struct view *v, const struct screen_input *in)
{
	if (in->action == ACTION_SORT_NEXT || in->action == ACTION_SORT_PREV) {
		sort_by(s, v, next_column(s, in->action == ACTION_SORT_NEXT ? 1 : -1));
		return true;
	}
	for (int i = 0; in->action == ACTION_NONE && i < COLUMNS; i++) {
		if (!orders[i].key || in->key != (uint32_t)orders[i].key)
			continue;
		sort_by(s, v, i);
		return true;
	}
	return false;
}

static bool act_mode(struct tasks *s, struct view *v, enum action action)
{
	switch (action) {
	case ACTION_TREE:
		s->tree = !s->tree;
		break;
	case ACTION_INVERT:
		s->reverse = !s->reverse;
		break;
	case ACTION_ENDED:
		s->ended = !s->ended;
		break;
	case ACTION_FOLLOW:
		s->follow = !s->follow && s->selected;
		break;
	case ACTION_SEARCH_NEXT:
		search_next(s, v);
		return true;
	default:
		return false;
	}
	read_now(s, v);
	return true;
}

/* The first row, with the list read anew. */
static void to_top(struct tasks *s, const struct view *v)
{
	s->offset = s->cursor = 0;
	s->follow = false;
	read_now(s, v);
}

/* Esc undoes one thing at a time: first the filter, then the cursor's place. */
static struct intent act_back(struct tasks *s, const struct view *v)
{
	if (!*s->filter && !s->follow && s->offset + s->cursor == 0)
		return (struct intent){ .kind = INTENT_BACK };
	*s->filter = 0;
	to_top(s, v);
	return (struct intent){ .kind = INTENT_DONE };
}

static void tasks_prompted(void *state, struct view *v, enum screen_prompt which, const char *text)
{
	struct tasks *s = state;

	snprintf(which == SCREEN_PROMPT_FILTER ? s->filter : s->search, TEXT_MAX, "%s", text);
	if (which == SCREEN_PROMPT_SEARCH)
		search_next(s, v);
	else
		to_top(s, v);
}

static const char *tasks_prompt_text(void *state, enum screen_prompt which)
{
	struct tasks *s = state;

	return which == SCREEN_PROMPT_FILTER ? s->filter : "";
}

static struct intent act_mouse(struct tasks *s, const struct view *v, const struct screen_input *in)
{
	int column = in->row == 0 ? table_at(s->slots, COLUMNS, in->x) : -1;

	if (column >= 0)
		sort_by(s, v, column);
	else if (in->row > 0 && row_at(s, s->offset + (size_t)in->row - 1))
		move_to(s, v, s->offset + (size_t)in->row - 1);
	if (in->doubled && in->row > 0 && s->selected)
		return (struct intent){ .kind = INTENT_OPEN,
					.screen = &details_screen,
					.arg = s->selected };
	return (struct intent){ .kind = INTENT_DONE };
}

static struct intent tasks_act(void *state, struct view *v, const struct screen_input *in)
{
	struct tasks *s = state;

	if (in->mouse)
		return act_mouse(s, v, in);
	if (in->action == ACTION_BACK)
		return act_back(s, v);
	if (in->action == ACTION_OPEN && s->selected)
		return (struct intent){ .kind = INTENT_OPEN,
					.screen = &details_screen,
					.arg = s->selected };
	if (in->action == ACTION_SEARCH)
		return (struct intent){ .kind = INTENT_PROMPT, .prompt = SCREEN_PROMPT_SEARCH };
	if (in->action == ACTION_FILTER)
		return (struct intent){ .kind = INTENT_PROMPT, .prompt = SCREEN_PROMPT_FILTER };
	if (act_move(s, v, in->action) || act_mode(s, v, in->action) || act_sort(s, v, in) ||
	    raise_act(v, row_at(s, s->offset + s->cursor), in->action))
		return (struct intent){ .kind = INTENT_DONE };
	return (struct intent){ .kind = INTENT_IGNORED };
}

const struct screen_ops tasks_screen = {
	.tab = "Tasks",
	.context = IN_TASKS,
	.open = tasks_open,
	.close = tasks_close,
	.refresh = tasks_refresh,
	.draw = tasks_draw,
	.act = tasks_act,
	.prompted = tasks_prompted,
	.prompt_text = tasks_prompt_text,
};
