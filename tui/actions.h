/* SPDX-License-Identifier: MIT */
/*
 * All that a key can do: one list for the keymap, the footer and the help.
 *
 *   X(ACTION, "keys", contexts where it means something, "footer label" or "", "help")
 *
 * The first key is the one that the footer shows. Order = order in footer and help.
 */
#ifndef WEFT_ACTIONS_H
#define WEFT_ACTIONS_H

enum action_context {
	IN_TASKS = 1,
	IN_WORKERS = 2,
	IN_FINDINGS = 4,
	IN_DETAILS = 8,
	IN_PROOF = 16,
	IN_HELP = 32,
	IN_NOTE = 64,
	IN_PICKER = 128,
	IN_LISTS = IN_TASKS | IN_WORKERS | IN_FINDINGS | IN_PICKER,
	IN_TEXTS = IN_DETAILS | IN_PROOF | IN_HELP | IN_NOTE,
	IN_LIVE = IN_TASKS | IN_WORKERS | IN_FINDINGS | IN_TEXTS,
	IN_ALL = IN_LISTS | IN_TEXTS,
};

/* clang-format off */
#define ACTIONS(X)                                                                                              \
	X(HELP, "? F1 h", IN_ALL, "Help", "this help")                                                          \
	X(SEARCH, "/ F3", IN_TASKS, "Search", "go to the next task whose name or place contains a text")        \
	X(SEARCH_NEXT, "n", IN_TASKS, "", "go to the next one")                                                 \
	X(FILTER, "\\ F4", IN_TASKS, "Filter", "show only tasks whose name or place contains a text")           \
	X(TREE, "t F5", IN_TASKS, "Tree", "tasks below those that spawned them, or as a list")                  \
	X(SORT_NEXT, "> F6", IN_TASKS, "Sort", "sort by the next column")                                       \
	X(SORT_PREV, "<", IN_TASKS, "", "sort by the column before")                                            \
	X(INVERT, "I", IN_TASKS, "", "turn the order round")                                                    \
	X(FOLLOW, "F", IN_TASKS, "", "keep the cursor on its task (so after every move) or on its row")         \
	X(ENDED, "E", IN_TASKS, "", "show tasks that ended lately, too")                                        \
	X(OPEN, "Enter", IN_LISTS, "details", "open what is under the cursor")                                  \
	X(BACK, "Esc Backspace", IN_ALL, "back", "back; in a list: drop filter and search, cursor to the top")  \
	X(CHAT, "y", IN_FINDINGS | IN_PROOF, "six lines", "the finding as six lines for a chat")                \
	X(EXPORT, "e", IN_FINDINGS | IN_PROOF, "export", "the finding's evidence into files: text and JSON")     \
	X(MUTE, "m", IN_FINDINGS | IN_PROOF, "mute", "mute the finding by id and place, in the config file; again: no longer") \
	X(TASKS, "1", IN_LIVE, "", "screen Tasks")                                                              \
	X(WORKERS, "2", IN_LIVE, "", "screen Workers")                                                          \
	X(FINDINGS, "3", IN_LIVE, "", "screen Findings")                                                        \
	X(PROCESS, "Tab", IN_LIVE, "", "next process, where several are watched")                               \
	X(UP, "Up k", IN_ALL, "", "up")                                                                         \
	X(DOWN, "Down j", IN_ALL, "", "down")                                                                   \
	X(PAGE_UP, "PgUp ^B", IN_ALL, "", "a page up")                                                          \
	X(PAGE_DOWN, "PgDn ^F Space", IN_ALL, "", "a page down")                                                \
	X(HOME, "Home g", IN_ALL, "", "to the top")                                                             \
	X(END, "End G", IN_ALL, "", "to the end")                                                               \
	X(PAUSE, "p Z", IN_LIVE, "pause", "hold the screen still (a replay: stop it), and go on")               \
	X(SLOWER, "[", IN_LIVE, "", "replay at half the speed")                                                 \
	X(FASTER, "]", IN_LIVE, "", "replay at twice the speed")                                                \
	X(LEVEL, "L", IN_LIVE, "", "trace level: auto, light, normal, full")                                    \
	X(RAISE, "+", IN_TASKS | IN_DETAILS, "", "at light tell all polls of this task; once more: of its whole type")  \
	X(LOWER, "-", IN_TASKS | IN_DETAILS, "", "and no more than of the others again")                        \
	X(SAVE, "w", IN_ALL, "", "write the screen to a file")                                                  \
	X(REDRAW, "^L", IN_ALL, "", "draw everything anew")                                                     \
	X(QUIT, "q F10 ^C", IN_ALL, "quit", "leave")
/* clang-format on */

enum action {
	ACTION_NONE,
#define X(name, ...) ACTION_##name,
	ACTIONS(X)
#undef X
		ACTION_COUNT
};

struct action_info {
	const char *keys;
	unsigned contexts;
	const char *label, *help;
};
extern const struct action_info actions[ACTION_COUNT]; /* keymap.c */

#endif
