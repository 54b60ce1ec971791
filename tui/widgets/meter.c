/* SPDX-License-Identifier: MIT */
#include "tui/widgets/meter.h"

#include <string.h>

struct part {
	float share;
	char letter;
	enum theme_role role;
};

#define PARTS 4

static void parts_of(const struct live_worker_bar *bar, struct part parts[PARTS])
{
	parts[0] = (struct part){ bar->busy, '|', ROLE_BAR_BUSY };
	parts[1] = (struct part){ bar->blocked, '!', ROLE_BAR_BLOCKED };
	parts[2] = (struct part){ bar->runnable, '~', ROLE_BAR_RUNNABLE };
	parts[3] = (struct part){ bar->own, ':', ROLE_BAR_OWN };
}

/* Less than this and a bar says that it knows nothing of the worker. */
static bool known(const struct live_worker_bar *bar)
{
	return bar->busy + bar->blocked + bar->runnable + bar->own + bar->parked > 0.01f;
}

static void draw_parts(struct canvas *c, int x, int y, int cells, const struct live_worker_bar *bar)
{
	struct part parts[PARTS];
	float sum = 0;
	int drawn = 0;

	parts_of(bar, parts);
	for (int i = 0; i < PARTS; i++) {
		int end;

		sum += parts[i].share > 0 ? parts[i].share : 0;
		end = (int)(sum * (float)cells + 0.5f);
		/* What is there at all is seen: a blocked worker must not vanish in rounding. */
		if (parts[i].share > 0.005f && end <= drawn)
			end = drawn + 1;
		for (; drawn < end && drawn < cells; drawn++)
			canvas_put(c, x + drawn, y, parts[i].role, (uint32_t)parts[i].letter);
	}
}

void meter_draw(struct canvas *c, int x, int y, int width, const struct live_worker_bar *bar)
{
	int label = canvas_printf(c, x, y, width, ROLE_LABEL, "W%-2u ", bar->worker);
	int cells = width - label - 2;
	float busy = bar->busy + bar->blocked + bar->runnable + bar->own;
	char text[16];

	canvas_put(c, x + label, y, ROLE_BAR_FRAME, '[');
	canvas_put(c, x + width - 1, y, ROLE_BAR_FRAME, ']');
	draw_parts(c, x + label + 1, y, cells - 5, bar);
	snprintf(text, sizeof(text), known(bar) ? "%.0f%%" : "?", (double)busy * 100);
	canvas_right(c, x + label + 1 + cells - 5, y, 5,
		     bar->blocked > 0.5f ? ROLE_BAR_BLOCKED : ROLE_DIM, text);
}

static const struct part *largest(const struct part *parts)
{
	const struct part *most = parts;

	for (int i = 1; i < PARTS; i++)
		if (parts[i].share > most->share)
			most = &parts[i];
	return most;
}

void meter_glyph(struct canvas *c, int x, int y, const struct live_worker_bar *bar)
{
	struct part parts[PARTS];
	const struct part *most;

	parts_of(bar, parts);
	most = largest(parts);
	if (!known(bar))
		canvas_put(c, x, y, ROLE_DIM, '?');
	else if (most->role == ROLE_BAR_BLOCKED || most->role == ROLE_BAR_RUNNABLE)
		canvas_put(c, x, y, most->role, (uint32_t)most->letter);
	else
		canvas_put(c, x, y, most->role,
			   meter_spark((double)(bar->busy + bar->own), c->ascii));
}

static float trouble(const struct live_worker_bar *bar)
{
	return bar->blocked * 4 + bar->runnable * 2 + bar->busy + bar->own;
}

int meter_by_number(const void *a, const void *b)
{
	const struct live_worker_bar *x = a, *y = b;

	if (x->runtime != y->runtime)
		return x->runtime < y->runtime ? -1 : 1;
	return (x->worker > y->worker) - (x->worker < y->worker);
}

int meter_compare(const void *a, const void *b)
{
	/* In steps, then by number: lines must not jump for a per cent. */
	int ta = (int)(trouble(a) * 5), tb = (int)(trouble(b) * 5);

	return ta != tb ? (ta < tb ? 1 : -1) : meter_by_number(a, b);
}

uint32_t meter_spark(double share, bool ascii)
{
	static const char letters[] = "_.:-=+*#";
	int step = (int)(share * 8);

	if (share < 0)
		return ' ';
	step = step > 7 ? 7 : step;
	return ascii ? (uint32_t)letters[step] : 0x2581u + (uint32_t)step;
}
