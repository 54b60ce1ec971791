/* SPDX-License-Identifier: MIT */
#include "tui/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"

#define MOST_BYTES (64u << 10)
#define BLANKS     " \t\r"

int config_text(const char *path, char **ret)
{
	auto_fclose FILE *f = fopen(path, "re");
	char *text;
	size_t n;

	if (!f)
		return -errno;
	text = malloc(MOST_BYTES + 1);
	if (!text)
		return -ENOMEM;
	n = fread(text, 1, MOST_BYTES + 1, f);
	if (ferror(f) || n > MOST_BYTES || memchr(text, 0, n)) {
		int rc = ferror(f) ? -EIO : n > MOST_BYTES ? -EFBIG : -EINVAL;

		free(text);
		return rc;
	}
	text[n] = 0;
	*ret = text;
	return 0;
}

char *config_trim(char *s)
{
	size_t n;

	s += strspn(s, BLANKS);
	for (n = strlen(s); n && strchr(BLANKS, s[n - 1]); n--)
		;
	s[n] = 0;
	return s;
}

static const char **option_of(struct config *c, const char *name)
{
	return !strcmp(name, "only")       ? &c->only
	       : !strcmp(name, "ignore")   ? &c->ignore
	       : !strcmp(name, "fail-on")  ? &c->fail_on
	       : !strcmp(name, "baseline") ? &c->baseline
					   : NULL;
}

/* Makes "name=value" of "name = value" in place. */
static int one_line(struct config *c, char *line)
{
	char *equals, *name, *value;
	const char **option;

	line[strcspn(line, "#")] = 0;
	line = config_trim(line);
	if (!*line)
		return 0;
	equals = strchr(line, '=');
	if (!equals || equals == line)
		return -EINVAL;
	*equals = 0;
	name = config_trim(line);
	value = config_trim(equals + 1);
	if (!*name || !*value)
		return -EINVAL;
	if (!strcmp(name, "mute")) {
		if (c->mutes == CONFIG_ITEMS)
			return -E2BIG;
		c->mute[c->mutes++] = value;
		return 0;
	}
	option = option_of(c, name);
	if (option) {
		*option = value;
		return 0;
	}
	if (c->n == CONFIG_ITEMS)
		return -E2BIG;
	memmove(name + strlen(name) + 1, value, strlen(value) + 1);
	c->item[c->n++] = name;
	name[strlen(name)] = '=';
	return 0;
}

int config_read(const char *path, struct config *ret, char *error, size_t size)
{
	int rc, number = 0;
	char *at;

	*ret = (struct config){ .n = 0 };
	rc = config_text(path, &ret->text);
	if (rc) {
		snprintf(error, size, "config %s can't be read: %s", path, strerror(-rc));
		return rc;
	}
	for (at = ret->text; at && !rc;) {
		char *line = strsep(&at, "\n");

		number++;
		rc = one_line(ret, line);
	}
	if (!rc)
		return 0;
	snprintf(error, size, "config %s, line %d: it takes name = value%s", path, number,
		 rc == -E2BIG ? ", at most 128 of them" : "");
	config_done(ret);
	return rc;
}

void config_done(struct config *c)
{
	free(c->text);
	*c = (struct config){ .n = 0 };
}
