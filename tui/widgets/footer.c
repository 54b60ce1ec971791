/* SPDX-License-Identifier: MIT */
#include "tui/widgets/footer.h"

#include <string.h>

/* Function keys where there is one, as htop has it; else the first key. */
static int shown_key(const char *keys, const char **ret)
{
	for (const char *p = keys; *p; p += strspn(p, " ")) {
		int len = (int)strcspn(p, " ");

		if (*p == 'F' && len > 1) {
			*ret = p;
			return len;
		}
		p += len;
	}
	*ret = keys;
	return (int)strcspn(keys, " ");
}

static void draw_keys(struct canvas *c, int y, unsigned context)
{
	int x = 0;

	for (int i = 1; i < ACTION_COUNT; i++) {
		const char *key;
		int len;

		if (!*actions[i].label || !(actions[i].contexts & context))
			continue;
		len = i == ACTION_QUIT ? 1 : shown_key(actions[i].keys, &key);
		if (i == ACTION_QUIT)
			key = actions[i].keys;
		if (x + len + (int)strlen(actions[i].label) > c->width)
			break;
		x += canvas_printf(c, x, y, c->width - x, ROLE_FOOTER_KEY, "%.*s%s", len, key,
				   len > 1 && *key == 'F' ? "" : ":");
		x += canvas_text(c, x, y, c->width - x, ROLE_FOOTER_LABEL, actions[i].label);
		x++;
	}
}

void footer_draw(const struct view *v, struct canvas *c, unsigned context, const char *prompt,
		 const char *typed)
{
	int y = c->height - 1;

	if (prompt)
		canvas_printf(c, 0, y, c->width, ROLE_PROMPT, "%s: %s_", prompt, typed);
	else if (*v->status)
		canvas_text(c, 0, y, c->width, ROLE_WARN, v->status);
	else
		draw_keys(c, y, context);
}
