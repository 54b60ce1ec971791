/* SPDX-License-Identifier: MIT */
#include "tui/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "tui/keymap.h"

#define REFRESH_NS 250000000ull

static struct {
	struct termios before; /* for a crash: ncurses can't be called then */
	bool open;
	enum theme_scheme scheme;
	attr_t look[ROLE_COUNT];
	short pair[ROLE_COUNT];
	bool extended; /* mouse wheel down is told apart */
} term;

bool terminal_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* ---- crash ---- */

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
#define CRASHES (sizeof(crash_signals) / sizeof(*crash_signals))
static struct sigaction crash_before[CRASHES];

/* Only what is safe in a handler: leave the alternate screen, show the cursor, mouse and attributes off. */
static void on_crash(int number)
{
	static const char text[] =
		"\033[?1000l\033[?1002l\033[?1006l\033[0m\033[?1049l\033[?25h\r\n"
		"weft: crashed; the terminal was put back\r\n";

	if (term.open) {
		(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
		tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
		term.open = false;
	}
	signal(number, SIG_DFL);
	raise(number);
}

static void catch_crashes(void)
{
	struct sigaction sa = { .sa_handler = on_crash,
				.sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };

	for (size_t i = 0; i < CRASHES; i++)
		sigaction(crash_signals[i], &sa, &crash_before[i]);
}

static void release_crashes(void)
{
	for (size_t i = 0; i < CRASHES; i++)
		sigaction(crash_signals[i], &crash_before[i], NULL);
}

/* ---- looks ---- */

static void make_look(int role, short *next)
{
	const struct theme_look *l = theme_look(term.scheme, (enum theme_role)role);

	term.look[role] = (l->attr & THEME_BOLD ? A_BOLD : 0) | (l->attr & THEME_DIM ? A_DIM : 0) |
			  (l->attr & THEME_REVERSE ? A_REVERSE : 0) |
			  (l->attr & THEME_UNDERLINE ? A_UNDERLINE : 0);
	term.pair[role] = 0;
	if (l->fg < 0 && l->bg < 0)
		return;
	term.pair[role] = (*next)++;
	init_pair(term.pair[role], l->fg, l->bg);
}

static void make_looks(int asked)
{
	int colours = 0;
	short next = 1;

	if (has_colors() && start_color() == OK) {
		use_default_colors();
		colours = COLORS;
	}
	term.scheme = theme_choose(asked, colours);
	for (int role = 0; role < ROLE_COUNT; role++)
		make_look(role, &next);
}

/* ---- open, close ---- */

static int open_terminal(const struct terminal_options *o)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &term.before) != 0)
		return -ENOTTY;
	set_escdelay(25);
	if (!newterm(NULL, stdout, stdin))
		return -EINVAL;
	term.open = true;
	catch_crashes();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	make_looks(o->scheme);
	if (o->mouse)
		mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED |
				  BUTTON4_PRESSED | BUTTON5_PRESSED,
			  NULL);
	mouseinterval(150);
	return 0;
}

static void close_terminal(void)
{
	endwin();
	term.open = false;
	release_crashes();
}

/* ---- showing ---- */

static void show_cell(const struct canvas_cell *cell, int y, int x)
{
	wchar_t text[2] = { (wchar_t)cell->c, 0 };
	cchar_t cc;

	if (!cell->c)
		return;
	setcchar(&cc, text, term.look[cell->role], term.pair[cell->role], NULL);
	mvadd_wch(y, x, &cc);
}

/* ncurses sends only what has changed. */
static void show(const struct canvas *c)
{
	for (int y = 0; y < c->height; y++)
		for (int x = 0; x < c->width; x++)
			show_cell(&c->cells[y * c->width + x], y, x);
	refresh();
}

/* ---- input ---- */

static uint32_t key_of(wint_t c)
{
	static const struct {
		int curses;
		uint32_t key;
	} table[] = {
		{ KEY_UP, KEYMAP_UP },         { KEY_DOWN, KEYMAP_DOWN },
		{ KEY_LEFT, KEYMAP_LEFT },     { KEY_RIGHT, KEYMAP_RIGHT },
		{ KEY_PPAGE, KEYMAP_PAGE_UP }, { KEY_NPAGE, KEYMAP_PAGE_DOWN },
		{ KEY_HOME, KEYMAP_HOME },     { KEY_END, KEYMAP_END },
		{ KEY_ENTER, KEYMAP_ENTER },   { KEY_BTAB, KEYMAP_BACK_TAB },
		{ KEY_DC, KEYMAP_DELETE },     { KEY_BACKSPACE, KEYMAP_BACKSPACE },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (c == (wint_t)table[i].curses)
			return table[i].key;
	if (c >= (wint_t)KEY_F(1) && c <= (wint_t)KEY_F(12))
		return KEYMAP_F1 + (c - (wint_t)KEY_F(1));
	return 0;
}

static uint32_t plain_key(wint_t c)
{
	switch (c) {
	case 27:
		return KEYMAP_ESC;
	case '\r':
	case '\n':
		return KEYMAP_ENTER;
	case '\t':
		return KEYMAP_TAB;
	case 127:
	case 8:
		return KEYMAP_BACKSPACE;
	default:
		return (uint32_t)c;
	}
}

static void mouse(struct app *a)
{
	MEVENT e;

	if (getmouse(&e) != OK)
		return;
	for (int i = 0; i < 3; i++) {
		if (e.bstate & BUTTON4_PRESSED)
			app_key(a, KEYMAP_UP);
		else if (e.bstate & BUTTON5_PRESSED)
			app_key(a, KEYMAP_DOWN);
	}
	if (e.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED))
		app_click(a, e.x, e.y, (e.bstate & BUTTON1_DOUBLE_CLICKED) != 0);
}

static int fit(struct app *a)
{
	int rc = app_resize(a, COLS, LINES);

	clear();
	if (rc == 0)
		app_refresh(a);
	return rc;
}

/* Waits at most `ms` for one input and takes it. 1 = there was one. */
static int take_input(struct app *a, int ms)
{
	wint_t c;
	int kind;

	timeout(ms);
	kind = get_wch(&c);
	/* Nothing came, or the terminal is gone: then get_wch doesn't even wait. */
	if (kind == ERR)
		return tcgetattr(STDIN_FILENO, &(struct termios){ 0 }) == 0 ? 0 : -EIO;
	if (kind == KEY_CODE_YES && c == KEY_RESIZE)
		return fit(a) < 0 ? -ENOMEM : 1;
	if (kind == KEY_CODE_YES && c == KEY_MOUSE)
		mouse(a);
	else
		app_key(a, kind == KEY_CODE_YES ? key_of(c) : plain_key(c));
	return 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Keys are answered at once; what is shown is read anew four times a second. */
static int loop(struct app *a, const struct terminal_options *o)
{
	uint64_t due = 0;
	int rc = 0;

	while (rc >= 0 && !app_ended(a) && !(o->stop && o->stop())) {
		uint64_t now = now_ns();

		if (now >= due) {
			app_refresh(a);
			due = now + REFRESH_NS;
		}
		show(app_draw(a));
		rc = take_input(a, (int)((due - now) / 1000000) + 1);
		while (rc > 0 && !app_ended(a))
			rc = take_input(a, 0);
		if (app_wants_redraw(a))
			clearok(curscr, TRUE);
	}
	return rc < 0 ? rc : 0;
}

int terminal_run(struct app *a, const struct terminal_options *options)
{
	int rc = open_terminal(options);

	if (rc < 0)
		return rc;
	rc = fit(a);
	if (rc == 0)
		rc = loop(a, options);
	close_terminal();
	return rc;
}
