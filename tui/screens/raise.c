/* SPDX-License-Identifier: MIT */
#include "tui/screens/raise.h"

#include <stdio.h>

/* NULL: it can be done here. */
static const char *why_not(const struct view *v, const struct live_task *t, bool up)
{
	if (v->head.replay)
		return "a recording keeps what was raised when it was made";
	if (!up)
		return v->head.raised ? NULL
				      : "nothing is raised: + raises the task under the cursor";
	if (v->head.runtime.kind == WEFT_RT_WEFT)
		return "the C runtime has one level for all its tasks: L changes it";
	if (!t)
		return "no task is under the cursor";
	if (t->site == UINT32_MAX)
		return "the type of this task is not known";
	return t->raised && !v->head.raised_task ? "its whole type is raised; - takes that back"
						 : NULL;
}

static void ask(struct view *v, const struct session_want *want, const char *done)
{
	snprintf(v->status, sizeof(v->status), "%s",
		 live_request(v->live, want) < 0 ? "this can't be changed now" : done);
}

bool raise_act(struct view *v, const struct live_task *t, enum action action)
{
	bool up = action == ACTION_RAISE;
	const char *why = up || action == ACTION_LOWER ? why_not(v, t, up) : NULL;
	struct session_want want = { .kind = SESSION_WANT_RAISE, .process = v->process };

	if (!up && action != ACTION_LOWER)
		return false;
	if (why) {
		snprintf(v->status, sizeof(v->status), "%s", why);
		return true;
	}
	want.value = up ? t->site : UINT32_MAX;
	if (!up) {
		ask(v, &want, "asked for: nothing raised any more");
	} else if (t->raised) { /* by itself, so far */
		ask(v, &want, "asked for: all polls of all tasks of its type");
	} else {
		want.task = t->native_id;
		ask(v, &want,
		    "asked for: all polls of this task; + again: of its type, -: take it back");
	}
	return true;
}
