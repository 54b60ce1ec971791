/* SPDX-License-Identifier: MIT */
#ifndef WEFT_EVIDENCE_FILE_H
#define WEFT_EVIDENCE_FILE_H

#include "collector/live.h"

/*
 * A finding for a ticket: weft-finding-ID-TIME.txt (six lines, then all of it with the sketch) and .json, both new, mode 0600, in the
 * current folder, or where nothing can be written there in weft/ of $XDG_STATE_HOME or ~/.local/state. Under sudo they are the user's.
 * kinds: as for sketch_text. Says in one line how that went.
 */
void evidence_save(const struct live_finding *f, unsigned kinds, char *ret_said, size_t size);

#endif
