/* SPDX-License-Identifier: MIT */
/*
 * What cells mean, and what they look like in each scheme. Screens know roles only.
 *
 *   X(ROLE, 256 colours on dark, 8 colours, 256 colours on light, no colour)
 *
 * Each look is three numbers: fg, bg (-1 = the terminal's own), attributes (enum theme_attr).
 */
#ifndef WEFT_THEME_H
#define WEFT_THEME_H

#include <stdint.h>

enum theme_attr { THEME_BOLD = 1, THEME_DIM = 2, THEME_REVERSE = 4, THEME_UNDERLINE = 8 };

/* clang-format off */
#define THEME_ROLES(X) \
	X(TEXT,           -1,  -1,  0,   -1,  -1,  0,   -1,  -1,  0,   -1,  -1,  0) \
	X(DIM,           245,  -1,  0,   -1,  -1,  2,  243,  -1,  0,   -1,  -1,  2) \
	X(TITLE,         231,  -1,  1,    7,  -1,  1,   16,  -1,  1,   -1,  -1,  1) \
	X(LABEL,          73,  -1,  0,    6,  -1,  0,   24,  -1,  0,   -1,  -1,  0) \
	X(GOOD,          114,  -1,  0,    2,  -1,  0,   28,  -1,  0,   -1,  -1,  0) \
	X(WARN,          221,  -1,  0,    3,  -1,  0,  130,  -1,  0,   -1,  -1,  1) \
	X(CRIT,          203,  -1,  1,    1,  -1,  1,  160,  -1,  1,   -1,  -1,  9) \
	X(BAR_FRAME,     250,  -1,  1,    7,  -1,  1,  240,  -1,  1,   -1,  -1,  0) \
	X(BAR_BUSY,      114,  -1,  0,    2,  -1,  0,   28,  -1,  0,   -1,  -1,  0) \
	X(BAR_BLOCKED,   203,  -1,  1,    1,  -1,  1,  160,  -1,  1,   -1,  -1,  1) \
	X(BAR_RUNNABLE,  221,  -1,  0,    3,  -1,  0,  130,  -1,  0,   -1,  -1,  0) \
	X(BAR_OWN,        75,  -1,  0,    4,  -1,  0,   26,  -1,  0,   -1,  -1,  0) \
	X(TAB,           250,  -1,  0,    7,  -1,  0,  240,  -1,  0,   -1,  -1,  0) \
	X(TAB_ACTIVE,     16, 114,  1,    0,   2,  0,  231,  28,  1,   -1,  -1,  4) \
	X(HEAD,           16, 250,  0,    0,   7,  0,  231, 240,  0,   -1,  -1,  4) \
	X(HEAD_SORT,      16, 221,  1,    0,   3,  0,  231, 130,  1,   -1,  -1,  5) \
	X(SELECTED,      231,  24,  1,    0,   6,  0,   16, 153,  1,   -1,  -1,  4) \
	X(SELECTED_CRIT, 231, 124,  1,    7,   1,  1,  231, 160,  1,   -1,  -1, 12) \
	X(STATE_RUN,     114,  -1,  0,    2,  -1,  0,   28,  -1,  0,   -1,  -1,  1) \
	X(STATE_READY,   221,  -1,  0,    3,  -1,  0,  130,  -1,  0,   -1,  -1,  0) \
	X(STATE_BLOCKED, 203,  -1,  1,    1,  -1,  1,  160,  -1,  1,   -1,  -1,  1) \
	X(STATE_ENDED,   240,  -1,  0,   -1,  -1,  2,  247,  -1,  0,   -1,  -1,  2) \
	X(KERNEL,        139,  -1,  0,    5,  -1,  0,   90,  -1,  0,   -1,  -1,  0) \
	X(FOOTER_KEY,    231,  -1,  1,    7,  -1,  1,   16,  -1,  1,   -1,  -1,  1) \
	X(FOOTER_LABEL,   16,  73,  0,    0,   6,  0,   16, 153,  0,   -1,  -1,  4) \
	X(PROMPT,         16, 221,  1,    0,   3,  0,  231, 130,  1,   -1,  -1,  4)
/* clang-format on */

enum theme_role {
#define X(name, ...) ROLE_##name,
	THEME_ROLES(X)
#undef X
		ROLE_COUNT
};

enum theme_scheme { THEME_DARK, THEME_BASIC, THEME_LIGHT, THEME_MONO, THEME_SCHEMES };
#define THEME_NAMES "dark|basic|light|mono" /* in this order */

struct theme_look {
	int16_t fg, bg;
	uint8_t attr;
};

const struct theme_look *theme_look(enum theme_scheme scheme, enum theme_role role);
/* NO_COLOR and what the terminal can do decide, unless asked for: `asked` < 0 = not. */
enum theme_scheme theme_choose(int asked, int colours);

#endif
