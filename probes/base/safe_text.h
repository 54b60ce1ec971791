/* SPDX-License-Identifier: MIT */
#ifndef WEFT_SAFE_TEXT_H
#define WEFT_SAFE_TEXT_H

#include <stddef.h>

/*
 * Text of unknown origin made fit for a terminal, a log or a web page's text: valid UTF-8 on one line. A '?' stands for
 * each escape sequence (all of it), other control character (C0, C1, DEL), invalid byte, and character
 * that turns, hides or breaks text (bidi controls, zero-width, line separators, tags). Tab and newline become a space.
 *
 * Reads `bytes` bytes or up to the first NUL; (size_t)-1 = up to NUL. Writes at most size - 1 bytes, never half a
 * character, and a NUL. Returns the bytes written.
 */
size_t safe_text_copy(char *ret, size_t size, const char *text, size_t bytes);

#endif
