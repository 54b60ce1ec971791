/* SPDX-License-Identifier: MIT */
/* Keys that do something with a finding, in the list and in its proof. */
#ifndef WEFT_FINDING_ACT_H
#define WEFT_FINDING_ACT_H

#include "tui/screen.h"

/* Mutes it, or no longer, or writes it into files. False = another action. */
bool finding_act(struct view *v, struct live_finding *f, enum action action);

#endif
