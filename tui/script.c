/* SPDX-License-Identifier: MIT */
#include "tui/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probes/base/number.h"
#include "tui/format.h"
#include "tui/keymap.h"

#define REFRESH_NS 250000000ull
#define UNTIL_NS   30000000000ull

struct script {
	struct app *app;
	FILE *out;
	bool (*stop)(void);
	struct script_error *error;
};

static int wrong(struct script *s, const char *step)
{
	snprintf(s->error->text, sizeof(s->error->text), "'%s' is not a step of a script", step);
	return -EINVAL;
}

static void nap(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	nanosleep(&ts, NULL);
}

static int wait_for(struct script *s, uint64_t ns)
{
	while (ns && !app_ended(s->app)) {
		uint64_t piece = ns < REFRESH_NS ? ns : REFRESH_NS;

		if (s->stop && s->stop())
			return -ECANCELED;
		nap(piece);
		ns -= piece;
		app_refresh(s->app);
	}
	return 0;
}

static bool on_screen(struct app *a, const char *text)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);
	bool found;

	if (!f)
		return false;
	canvas_write(app_draw(a), f);
	fclose(f);
	found = all && strstr(all, text);
	free(all);
	return found;
}

static int until(struct script *s, const char *text)
{
	for (uint64_t waited = 0; waited < UNTIL_NS; waited += REFRESH_NS) {
		int rc;

		if (on_screen(s->app, text))
			return 0;
		rc = wait_for(s, REFRESH_NS);
		if (rc)
			return rc;
	}
	snprintf(s->error->text, sizeof(s->error->text), "'%s' did not appear within %llu s", text,
		 UNTIL_NS / 1000000000);
	return -ETIMEDOUT;
}

static int press(struct script *s, const char *keys)
{
	for (const char *p = keys + strspn(keys, " "); *p; p += strspn(p, " ")) {
		int len = (int)strcspn(p, " ");
		uint32_t key = keymap_parse(p, len);

		if (!key)
			return wrong(s, p);
		app_key(s->app, key);
		p += len;
	}
	return 0;
}

static int type(struct script *s, const char *text)
{
	uint32_t key;

	while ((key = format_next(&text)) != 0)
		app_key(s->app, key);
	return 0;
}

static int resize(struct script *s, const char *text)
{
	int width, height;
	char rest;

	if (sscanf(text, "%dx%d%c", &width, &height, &rest) != 2 || width < 1 || height < 1 ||
	    width > 1000 || height > 1000)
		return wrong(s, text);
	if (app_resize(s->app, width, height) < 0)
		return -ENOMEM;
	app_refresh(s->app);
	return 0;
}

static int click(struct script *s, const char *text)
{
	int x, y;

	if (sscanf(text, "%d,%d", &x, &y) != 2)
		return wrong(s, text);
	app_draw(s->app);
	app_click(s->app, x, y, false);
	return 0;
}

static int step(struct script *s, const char *text)
{
	const char *colon = strchrnul(text, ':'), *arg = *colon ? colon + 1 : colon;
	size_t len = (size_t)(colon - text);
	uint64_t ns;

#define IS(word) (len == sizeof(word) - 1 && memcmp(text, word, len) == 0)
	if (IS("wait"))
		return number_parse_duration(arg, &ns) == 0 ? wait_for(s, ns) : wrong(s, text);
	if (IS("until"))
		return until(s, arg);
	if (IS("key"))
		return press(s, arg);
	if (IS("type"))
		return type(s, arg);
	if (IS("click"))
		return click(s, arg);
	if (IS("size"))
		return resize(s, arg);
	if (!IS("snap"))
		return wrong(s, text);
#undef IS
	canvas_write(app_draw(s->app), s->out);
	fputc('\n', s->out);
	fflush(s->out);
	return 0;
}

/* `steps` is cut up on the way. */
static int run_steps(struct script *s, char *steps)
{
	char *save = NULL;
	int rc = 0;

	for (char *t = strtok_r(steps, ";", &save); t && rc == 0 && !app_ended(s->app);
	     t = strtok_r(NULL, ";", &save)) {
		t += strspn(t, " \n\t");
		if (*t)
			rc = step(s, t);
	}
	return rc;
}

int script_run(struct app *a, const char *script, FILE *out, bool (*stop)(void),
	       struct script_error *ret)
{
	struct script s = { a, out, stop, ret };
	char *copy = strdup(script);
	int rc;

	*ret->text = 0;
	if (!copy)
		return -ENOMEM;
	app_refresh(a);
	rc = run_steps(&s, copy);
	free(copy);
	return rc;
}
