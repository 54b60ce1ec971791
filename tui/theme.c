/* SPDX-License-Identifier: MIT */
#include "tui/theme.h"

#include <stdlib.h>

static const struct theme_look looks[ROLE_COUNT][THEME_SCHEMES] = {
#define X(name, df, db, da, bf, bb, ba, lf, lb, la, mf, mb, ma) \
	[ROLE_##name] = { { df, db, da }, { bf, bb, ba }, { lf, lb, la }, { mf, mb, ma } },
	THEME_ROLES(X)
#undef X
};

const struct theme_look *theme_look(enum theme_scheme scheme, enum theme_role role)
{
	return &looks[role][scheme];
}

enum theme_scheme theme_choose(int asked, int colours)
{
	const char *no = getenv("NO_COLOR");

	if ((no && *no) || colours < 8)
		return THEME_MONO;
	if (colours < 256)
		return asked == THEME_MONO ? THEME_MONO : THEME_BASIC;
	return asked >= 0 ? (enum theme_scheme)asked : THEME_DARK;
}
