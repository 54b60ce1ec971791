/* SPDX-License-Identifier: MIT */
/*
 * rustc's messages as people see and paste them, read back into the form of --error-format=json, so that the same rules
 * serve for both. What a paste has lost (a label drawn elsewhere, the end of a line) is missing there, too.
 */
#ifndef WEFT_CARGO_PLAIN_H
#define WEFT_CARGO_PLAIN_H

#include <jansson.h>

/*
 * The next message that begins at or after *at, which moves on; a new reference, NULL = there is no further one. Colours and
 * carriage returns must be gone from the text.
 */
json_t *plain_next(const char **at);

#endif
