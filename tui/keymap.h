/* SPDX-License-Identifier: MIT */
/* Keys by number and by name, and which action a key means in a context. */
#ifndef WEFT_KEYMAP_H
#define WEFT_KEYMAP_H

#include <stdint.h>

#include "tui/actions.h"

/* Printable keys are their code point; ^A..^Z are 1..26 but for those named here. */
/* clang-format off */
#define KEYMAP_KEYS(X)                                                                                \
	X(UP, "Up") X(DOWN, "Down") X(LEFT, "Left") X(RIGHT, "Right") X(PAGE_UP, "PgUp")              \
	X(PAGE_DOWN, "PgDn") X(HOME, "Home") X(END, "End") X(ENTER, "Enter") X(ESC, "Esc")            \
	X(TAB, "Tab") X(BACK_TAB, "BackTab") X(BACKSPACE, "Backspace") X(DELETE, "Del")               \
	X(F1, "F1") X(F2, "F2") X(F3, "F3") X(F4, "F4") X(F5, "F5") X(F6, "F6") X(F7, "F7")           \
	X(F8, "F8") X(F9, "F9") X(F10, "F10") X(F11, "F11") X(F12, "F12")
/* clang-format on */

enum keymap_key {
	KEYMAP_FIRST = 0x200000,
#define X(name, text) KEYMAP_##name,
	KEYMAP_KEYS(X)
#undef X
		KEYMAP_END_OF_KEYS
};

/* "Up", "Space", "^C", "x": 0 = no such key. len: bytes of name. */
uint32_t keymap_parse(const char *name, int len);
enum action keymap_action(uint32_t key, unsigned context);

#endif
