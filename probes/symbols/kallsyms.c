// SPDX-License-Identifier: MIT
#include "probes/symbols/kallsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"

#define MAX_TEXT (128u << 20)

struct symbol {
	uint64_t address;
	uint32_t name; /* offset in text */
};

struct kallsyms {
	char *text; /* the file, cut into strings in place */
	size_t n, room;
	struct symbol *symbol;
};

static int add(struct kallsyms *k, uint64_t address, const char *name)
{
	if (k->n == k->room) {
		size_t room = k->room ? k->room * 2 : 1 << 16;
		struct symbol *grown = reallocarray(k->symbol, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		k->symbol = grown;
		k->room = room;
	}
	k->symbol[k->n++] = (struct symbol){ address, (uint32_t)(name - k->text) };
	return 0;
}

/* "ffffffff81000000 T _text\t[module]"; t and w are code, all else is data. */
static int add_line(struct kallsyms *k, char *line, bool *hidden)
{
	char *stop, *tab;
	uint64_t address = strtoull(line, &stop, 16);

	if (stop - line != 16 || stop[0] != ' ' || !stop[1] || stop[2] != ' ' || !stop[3])
		return 0;
	if (address == 0) {
		*hidden = true;
		return 0;
	}
	if (!strchr("tTwW", stop[1]))
		return 0;
	tab = strchr(stop + 3, '\t');
	if (tab)
		*tab = ' ';
	return add(k, address, stop + 3);
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* Owns text, which ends in NUL. */
static int parse(char *text, size_t bytes, struct kallsyms **ret)
{
	struct kallsyms *k = calloc(1, sizeof(*k));
	char *end = text + bytes, *next;
	bool hidden = false;
	int rc = k ? 0 : -ENOMEM;

	if (!k) {
		free(text);
		return rc;
	}
	k->text = text;
	for (char *line = text; line < end && rc == 0; line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next : end;
		*next++ = '\0';
		rc = add_line(k, line, &hidden);
	}
	if (rc == 0 && k->n == 0)
		rc = hidden ? -EPERM : -ENOENT;
	if (rc < 0) {
		kallsyms_free(k);
		return rc;
	}
	qsort(k->symbol, k->n, sizeof(*k->symbol), compare);
	*ret = k;
	return 0;
}

int kallsyms_parse(const char *text, size_t bytes, struct kallsyms **ret)
{
	char *copy = malloc(bytes + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return parse(copy, bytes, ret);
}

int kallsyms_read(struct kallsyms **ret)
{
	auto_close int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	size_t n = 0, room = 0;
	auto_free char *text = NULL;
	char *whole;
	ssize_t got;

	if (fd < 0)
		return errno == EACCES ? -EPERM : -ENOENT;
	do {
		if (room - n < 65536) {
			char *grown = realloc(text, room ? room * 2 : 1 << 20);

			if (!grown)
				return -ENOMEM;
			text = grown;
			room = room ? room * 2 : 1 << 20;
		}
		got = read(fd, text + n, room - n - 1);
		n += got > 0 ? (size_t)got : 0;
	} while ((got > 0 || (got < 0 && errno == EINTR)) && n < MAX_TEXT);
	text[n] = '\0';
	whole = text;
	text = NULL;
	return parse(whole, n, ret);
}

struct kallsyms *kallsyms_free(struct kallsyms *k)
{
	if (k) {
		free(k->symbol);
		free(k->text);
		free(k);
	}
	return NULL;
}

const char *kallsyms_find(const struct kallsyms *k, uint64_t address, uint64_t *ret_start)
{
	size_t low = 0, high = k->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (k->symbol[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	*ret_start = k->symbol[low - 1].address;
	/* of several names at one address the first of the file */
	while (low > 1 && k->symbol[low - 2].address == *ret_start)
		low--;
	return k->text + k->symbol[low - 1].name;
}
