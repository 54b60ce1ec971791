/* SPDX-License-Identifier: MIT */
#include "collector/detect/symptoms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const ids[SYMPTOMS] = {
#define X(name, id, title) id,
	WEFT_SYMPTOMS(X)
#undef X
};

const char *symptom_id(enum symptom s)
{
	return ids[s];
}

static bool in_list(const char *list, const char *id)
{
	size_t n = strlen(id);

	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == n && !strncmp(list, id, n))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

bool symptom_asked(enum symptom s, const char *only, const char *ignore)
{
	return (!only || !*only || in_list(only, ids[s])) && !in_list(ignore, ids[s]);
}

int symptom_check_list(const char *list, char *error, size_t size)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");
		bool known = len == 0;

		for (int s = 0; s < SYMPTOMS; s++)
			known |= strlen(ids[s]) == len && !strncmp(list, ids[s], len);
		if (!known) {
			snprintf(
				error, size,
				"unknown symptom \"%.*s\": not among \"checked\" of weft diagnose --format json",
				(int)len, list);
			return -EINVAL;
		}
		list += len + (list[len] == ',');
	}
	return 0;
}
