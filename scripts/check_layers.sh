#!/usr/bin/env bash
# Includes point one way: runtime <- probes <- collector <- tui. One line for each include that does not.
#   check_layers.sh [DIR]    DIR: the tree to look at (this one)
#
# Quoted includes are named from the root of the repository, so each shows its folder; generated headers
# (X.skel.h, schema_sql.h, ...) are the only ones without one.
set -u
export LC_ALL=C
cd "${1:-$(dirname "$0")/..}" || exit 1

dirs=()
for d in runtime probes collector tui; do [ -d $d ] && dirs+=($d); done
[ ${#dirs[@]} -gt 0 ] || exit 0

find "${dirs[@]}" -name '*.[ch]' | sort | xargs -r awk '
function bad(why) { printf "%s:%d: %s includes %s: %s\n", FILENAME, FNR, folder, shown, why; errors++ }
function starts(s, prefix) { return index(s, prefix) == 1 }

# Who may include what from the other folders; the own folder is always allowed.
function runtime_may(h)   { return 0 }
function probes_may(h)    { return h == "runtime/probe_points.h" || h == "runtime/fingerprint.h" }
function bpf_may(h)       { return h == "runtime/probe_points.h" || h == "probes/event.h" || h == "probes/layout.h" || starts(h, "probes/bpf/") }
function collector_may(h) { return h == "probes/event.h" || h == "probes/session.h" || h == "probes/symbols/resolver.h" || starts(h, "probes/base/") }
function tui_may(h)       { return starts(h, "probes/base/") || (h == "probes/session.h" && starts(FILENAME, "tui/commands/")) ||
				   (starts(h, "collector/") && !starts(h, "collector/store/") && !starts(h, "collector/model/")) }

function quoted(h,   top) {
	top = h
	sub(/\/.*/, "", top)
	if (h !~ /\//) {
		if (h ~ /\.skel\.h$/) { if (folder != "probes") bad("skeletons stay in probes/") }
		else if (h ~ /^(schema_sql|queries_sql|export_assets)\.h$/) { if (folder != "collector") bad("embedded text stays in collector/") }
		else if (h == "knowledge_md.h") { if (folder != "tui") bad("the knowledge stays in tui/") }
		else bad("name headers from the root of the repository")
	} else if (top !~ /^(runtime|probes|collector|tui)$/ || h ~ /(^|\/)\.\.?\//) {
		bad("name headers from the root of the repository")
	} else if (folder == "probes/bpf") {
		if (!bpf_may(h)) bad("BPF code sees runtime/probe_points.h, probes/event.h, probes/layout.h and probes/bpf/ only")
	} else if (top != folder) {
		if (h ~ /_internal\.h$/) bad("internal headers stay in their folder")
		else if (folder == "runtime") bad("runtime/ includes nothing but itself")
		else if (folder == "probes" && !probes_may(h)) bad("of runtime/, probes/ sees probe_points.h and fingerprint.h only")
		else if (folder == "collector" && !collector_may(h)) bad("collector/ sees probes/event.h, session.h, symbols/resolver.h and base/ only")
		else if (folder == "tui" && h == "probes/session.h" && !tui_may(h)) bad("probes/session.h is for tui/commands/ only")
		else if (folder == "tui" && !tui_may(h)) bad("tui/ sees the contracts of collector/ (not store/, not model/) and probes/base/ only")
	} else if (FILENAME == "runtime/probe_points.h" && h != "runtime/await_chain.h") {
		bad("probe_points.h is freestanding, but for its other half, await_chain.h")
	} else if (FILENAME ~ /^runtime\/(await_chain|fingerprint)\.h$/) {
		bad(FILENAME " is freestanding")
	} else if (starts(FILENAME, "probes/base/") && !starts(h, "probes/base/")) {
		bad("probes/base/ is used by every folder and includes nothing but itself")
	} else if (folder == "tui" && starts(h, "tui/commands/") && !starts(FILENAME, "tui/commands/") && FILENAME != "tui/main.c") {
		bad("the commands are on top of the console, not beneath it")
	} else if (folder == "probes" && starts(h, "probes/bpf/")) {
		bad("headers of the BPF side stay there; what both sides need belongs in probes/event.h or probes/layout.h")
	}
}

# Libraries: pattern of the header, where it may be used.
function system_header(h) {
	if (h ~ /^(ncurses|ncursesw\/|curses|panel|menu|form|term)(\.h)?/ && folder != "tui") bad("ncurses is for tui/ only")
	if (h ~ /^sqlite3/ && folder != "collector") bad("SQLite is for collector/ only")
	if (h ~ /^jansson/ && folder != "collector") bad("jansson is for collector/ only")
	if (h ~ /^microhttpd/ && FILENAME != "tui/commands/serve.c") bad("libmicrohttpd is for tui/commands/serve.c only")
	if (h ~ /^liburing/ && folder != "runtime") bad("liburing is for runtime/ only")
	if (h ~ /^(libelf|gelf|elf|elfutils\/.*|dwarf|libiberty\/.*|demangle|capstone\/.*)(\.h)?$/ && folder != "probes" &&
	    !(h == "elf.h" && folder == "runtime")) bad("ELF, DWARF and instructions are for probes/ only")
	if (h ~ /^bpf\// && folder !~ /^probes/) bad("libbpf is for probes/ only")
	if (h ~ /^bpf\/(libbpf|bpf|btf)\.h$/ && FILENAME ~ /^probes\/(base|symbols|offline)\//) bad("this part is in the offline build, which has no libbpf")
}

FNR == 1 { folder = FILENAME; sub(/\/.*/, "", folder); if (starts(FILENAME, "probes/bpf/")) folder = "probes/bpf" }
/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	inc = $0
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", inc)
	sub(/[">][^">]*$/, "", inc)
	shown = inc (inc ~ /^"/ ? "\"" : ">")
	if (inc ~ /^"/) quoted(substr(inc, 2)); else system_header(substr(inc, 2))
}
END { exit errors > 0 }
' || exit 1
