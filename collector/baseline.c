/* SPDX-License-Identifier: MIT */
#include "collector/baseline.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"

#define MOST_BYTES (16u << 20)
#define DIGITS     16

struct baseline {
	uint64_t *hash; /* sorted */
	size_t n;
};

/* 16 hex digits and no more. */
static bool read_hash(const char *text, uint64_t *ret)
{
	size_t n = strspn(text, "0123456789abcdef");

	if (n != DIGITS || (text[n] && !strchr(" \t\r\n:,", text[n])))
		return false;
	*ret = strtoull(text, NULL, 16);
	return true;
}

static int add(struct baseline *b, const char *text)
{
	uint64_t hash, *more;

	if (!read_hash(text, &hash))
		return -EINVAL;
	more = realloc(b->hash, (b->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	b->hash = more;
	b->hash[b->n++] = hash;
	return 0;
}

static int from_json(struct baseline *b, const char *text, size_t n)
{
	json_t *doc = json_loadb(text, n, 0, NULL), *finding;
	json_t *all = json_object_get(doc, "findings");
	int rc = json_is_array(all) ? 0 : -EINVAL;
	size_t i;

	json_array_foreach(all, i, finding) {
		const char *hash = json_string_value(json_object_get(finding, "fingerprint"));

		if (!rc)
			rc = hash ? add(b, hash) : -EINVAL;
	}
	json_decref(doc);
	return rc;
}

static int from_lines(struct baseline *b, const char *text)
{
	int rc = 0;

	for (; *text && !rc; text += strcspn(text, "\n"), text += *text == '\n') {
		const char *s = text + strspn(text, " \t\r");

		if (*s && *s != '#' && *s != '\n')
			rc = add(b, s);
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int read_all(const char *path, char **ret, size_t *ret_n)
{
	auto_fclose FILE *f = fopen(path, "re");
	char *text;

	if (!f)
		return -errno;
	text = malloc(MOST_BYTES + 1);
	if (!text)
		return -ENOMEM;
	*ret_n = fread(text, 1, MOST_BYTES + 1, f);
	if (ferror(f) || *ret_n > MOST_BYTES) {
		free(text);
		return ferror(f) ? -EIO : -EFBIG;
	}
	text[*ret_n] = 0;
	*ret = text;
	return 0;
}

int baseline_open(const char *path, struct baseline **ret, char *error, size_t size)
{
	auto_free char *text = NULL;
	struct baseline *b;
	size_t n = 0;
	int rc = read_all(path, &text, &n);

	if (rc) {
		snprintf(error, size, "baseline %s can't be read: %s", path, strerror(-rc));
		return rc;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		rc = -ENOMEM;
	else if (text && text[strspn(text, " \t\r\n")] == '{')
		rc = from_json(b, text, n);
	else
		rc = text ? from_lines(b, text) : 0;
	if (rc) {
		snprintf(error, size, "baseline %s: %s", path,
			 rc == -EINVAL
				 ? "neither a report of weft diagnose --format json nor lines of fingerprints"
				 : strerror(-rc));
		baseline_close(b);
		return rc;
	}
	if (b->n)
		qsort(b->hash, b->n, sizeof(*b->hash), compare);
	*ret = b;
	return 0;
}

struct baseline *baseline_close(struct baseline *b)
{
	if (b)
		free(b->hash);
	free(b);
	return NULL;
}

bool baseline_has(const struct baseline *b, const char *fingerprint)
{
	uint64_t hash;

	return b && b->n && read_hash(fingerprint, &hash) &&
	       bsearch(&hash, b->hash, b->n, sizeof(*b->hash), compare);
}

size_t baseline_count(const struct baseline *b)
{
	return b ? b->n : 0;
}
