/* SPDX-License-Identifier: MIT */
#include "tui/screens/finding_act.h"

#include "tui/evidence_file.h"
#include "tui/screens/sketch.h"

static void mute(struct view *v, struct live_finding *f)
{
	int rc;

	if (!v->mute) {
		snprintf(v->status, sizeof(v->status), "nothing can be muted here");
		return;
	}
	rc = v->mute(v->mute_ctx, f, v->status, sizeof(v->status));
	/* What is shown may be held still: it says so at once. */
	if (rc >= 0)
		f->muted = rc;
}

bool finding_act(struct view *v, struct live_finding *f, enum action action)
{
	if (action == ACTION_MUTE)
		mute(v, f);
	else if (action == ACTION_EXPORT)
		evidence_save(f, sketch_kinds(v->live, f->process), v->status, sizeof(v->status));
	else
		return false;
	return true;
}
