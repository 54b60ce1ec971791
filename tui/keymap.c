/* SPDX-License-Identifier: MIT */
#include "tui/keymap.h"

#include <string.h>

#include "tui/format.h"

const struct action_info actions[ACTION_COUNT] = { [ACTION_NONE] = { "", 0, "", "" },
#define X(name, ...) [ACTION_##name] = { __VA_ARGS__ },
						   ACTIONS(X)
#undef X
};

static const char *const key_names[] = {
#define X(name, text) text,
	KEYMAP_KEYS(X)
#undef X
};

static bool named(const char *name, int len, const char *text)
{
	return strlen(text) == (size_t)len && memcmp(name, text, (size_t)len) == 0;
}

uint32_t keymap_parse(const char *name, int len)
{
	const char *end = name;
	uint32_t c;

	for (uint32_t i = 0; i < sizeof(key_names) / sizeof(*key_names); i++)
		if (named(name, len, key_names[i]))
			return KEYMAP_FIRST + 1 + i;
	if (named(name, len, "Space"))
		return ' ';
	if (len == 2 && name[0] == '^' && name[1] >= 'A' && name[1] <= 'Z')
		return (uint32_t)(name[1] - 'A' + 1);
	c = len > 0 ? format_next(&end) : 0;
	return end - name == len ? c : 0;
}

static bool among(uint32_t key, const char *keys)
{
	while (*keys) {
		int len = (int)strcspn(keys, " ");

		if (keymap_parse(keys, len) == key)
			return true;
		keys += len;
		keys += strspn(keys, " ");
	}
	return false;
}

enum action keymap_action(uint32_t key, unsigned context)
{
	for (int i = 1; i < ACTION_COUNT; i++)
		if ((actions[i].contexts & context) && among(key, actions[i].keys))
			return (enum action)i;
	return ACTION_NONE;
}
