#!/bin/sh
# Manual pages of the runtime's public API, from the comments in its headers (POSIX awk, no other tool).
#   man3.sh VERSION DIR HEADER...    writes DIR/*.3
#
# A page is one paragraph of a header: what stands between two blank lines, comments and declarations. It is named
# after its first function or macro; each further name in it is a page of one line that refers to it.
set -eu
export LC_ALL=C
version=$1
dir=$2
shift 2
mkdir -p "$dir"
rm -f "$dir"/*.3
for header in "$@"; do
	awk -v version="$version" -v dir="$dir" -v day="$(date -u -r "$header" +%Y-%m-%d)" '
	function esc(s) {
		gsub(/\\/, "\\e", s)
		gsub(/-/, "\\-", s)
		if (s ~ /^[.'\'']/) s = "\\\\&" s
		return s
	}
	function spaces(s,   at) {
		while ((at = index(s, "\t")) > 0)
			s = substr(s, 1, at - 1) substr("        ", 1, 8 - (at - 1) % 8) substr(s, at + 1)
		return s
	}
	# Comment marks off; one leading blank goes, a tab stays and means "as it is".
	function plain(s) {
		sub(/^\/\*+/, "", s)
		sub(/\*\/[ \t]*$/, "", s)
		sub(/^ \*/, "", s)
		sub(/^ /, "", s)
		sub(/[ \t]+$/, "", s)
		return s
	}
	function add_name(name, kind) {
		if (name == "") return
		if (!(name in known)) {
			names[++n_names] = name
			known[name] = n_names
		}
		if (kind == "call" && !first_call) first_call = known[name]
	}
	# The names that a declaration brings: a function, a macro, a struct or enum with a body.
	function find_names(decl,   s) {
		s = decl
		if (s ~ /^#define/) {
			sub(/^#define[ \t]+/, "", s)
			match(s, /^[A-Za-z0-9_]+/)
			add_name(substr(s, 1, RLENGTH), substr(s, RLENGTH + 1, 1) == "(" ? "call" : "value")
			return
		}
		if (s ~ /^(struct|enum) [a-z0-9_]+ \{/ || s ~ /^struct [a-z0-9_]+;/) {
			split(s, word, /[ ;]/)
			if (s ~ /\{/) add_name(word[2], "type")
			return
		}
		if (s ~ /^typedef/) {
			if (match(s, /[a-z0-9_]+\(/)) add_name(substr(s, RSTART, RLENGTH - 1), "type")
			else if (match(s, /[a-z0-9_]+;/)) add_name(substr(s, RSTART, RLENGTH - 1), "type")
			return
		}
		if (match(s, /weft_[a-z0-9_]+\(/)) add_name(substr(s, RSTART, RLENGTH - 1), "call")
	}
	function declare(text) {
		if (n_doc && doc[n_doc] ~ /^Internal/) return
		decl[++n_decl] = text
		owner[n_decl] = n_doc
		find_names(text)
	}
	# What a reader of the synopsis needs: macros without their bodies, no marks of the compiler.
	function shown(text) {
		if (text !~ /^#define/) gsub(/WEFT_API | WEFT_ZERO/, "", text)
		if (text ~ /^#define [A-Za-z0-9_]+\(/) {
			match(text, /\)/)
			text = substr(text, 9, RSTART - 8)
		} else if (text ~ /^#define/) {
			sub(/[ \t]*\\\n.*/, "", text)
		} else if (text ~ /^static inline/) {
			sub(/^static inline /, "", text)
			sub(/\n\{.*/, ";", text)
		}
		return text
	}
	function body(text, out,   n, line, i, raw, was) {
		n = split(text, line, "\n")
		raw = 0
		was = ""
		for (i = 1; i <= n; i++) {
			if (line[i] ~ /^\t/) {
				if (!raw) print ".PP\n.nf\n.RS" > out
				raw = 1
				print esc(spaces(substr(line[i], 2))) > out
			} else {
				if (raw && line[i] == "" && line[i + 1] ~ /^\t/) { print "" > out; continue }
				if (raw) print ".RE\n.fi" > out
				if (line[i] == "" && i < n) print ".PP" > out
				else if (line[i] != "") { if (raw) print ".PP" > out; print esc(line[i]) > out }
				raw = 0
			}
		}
		if (raw) print ".RE\n.fi" > out
	}
	# One line for NAME: the first sentence, if it is short enough for apropos.
	function gist(   s) {
		s = doc[1] != "" ? doc[1] : about
		gsub(/\n/, " ", s)
		gsub(/ *\([^()]*\)/, "", s)
		sub(/[.:;] .*/, "", s)
		sub(/[.:]$/, "", s)
		if (length(s) > 90 || s ~ /\t/ || s == "") { s = about; gsub(/\n/, " ", s); sub(/\. .*/, "", s) }
		return substr(s, 1, 120)
	}
	function finish(   page, out, i, k, n, line, list) {
		if (n_decl && n_names) {
			page = names[first_call ? first_call : 1]
			out = dir "/" page ".3"
			printf ".\\\" From %s. Do not edit.\n.TH %s 3 %s \"Weft %s\" \"Weft runtime\"\n.SH NAME\n", \
				FILENAME, page, day, version > out
			list = page
			for (i = 1; i <= n_names; i++) if (names[i] != page) list = list ", " names[i]
			print esc(list) " \\- " esc(gist()) > out
			print ".SH SYNOPSIS\n.nf\n#include <weft.h>" > out
			for (i = 1; i <= n_decl; i++) {
				if (i == 1 || owner[i] != owner[i - 1] || decl[i] ~ /\n/) print "" > out
				n = split(shown(decl[i]), line, "\n")
				for (k = 1; k <= n; k++) print esc(spaces(line[k])) > out
			}
			print ".fi\n.SH DESCRIPTION" > out
			if (n_doc == 0) body(about, out)
			for (i = 1; i <= n_doc; i++) {
				if (n_doc > 1 && described[i] != "") print ".TP\n.B " esc(described[i]) > out
				else if (i > 1) print ".PP" > out
				body(doc[i], out)
			}
			if (rules != "") { print ".SH NOTES" > out; body(rules, out) }
			print ".SH SEE ALSO" > out
			see[++pages] = page
			page_file[pages] = out
			for (i = 1; i <= n_names; i++)
				if (names[i] != page) {
					print ".so man3/" page ".3" > (dir "/" names[i] ".3")
					close(dir "/" names[i] ".3")
				}
		}
		n_decl = n_doc = n_names = first_call = 0
		split("", doc); split("", described); split("", known)
	}
	function note_described(text,   s) {
		s = names[n_names]
		if (n_doc && s != "" && owner[n_decl] == n_doc && described[n_doc] == "") described[n_doc] = s
	}
	state == "" && /^#(include|ifndef|ifdef|endif)|^extern "C"|^\}$|^#define WEFT_[A-Z_]+_H$|SPDX/ { next }
	state == "comment" {
		text = text "\n" plain($0)
		if ($0 ~ /\*\//) end_comment()
		next
	}
	state == "decl" {
		text = text "\n" $0
		if (decl_ends($0)) { declare(text); note_described(); state = "" }
		next
	}
	/^[ \t]*$/ { finish(); next }
	/^\/\*/ {
		text = plain($0)
		state = "comment"
		if ($0 ~ /\*\//) end_comment()
		next
	}
	{
		text = $0
		inline = $0 ~ /^static inline/
		macro = $0 ~ /^#define/
		depth = 0
		if (decl_ends($0)) { declare(text); note_described() } else state = "decl"
	}
	function decl_ends(line,   s) {
		if (macro) return line !~ /\\$/
		s = line
		gsub(/\/\*.*/, "", s)
		depth += gsub(/\{/, "{", s) - gsub(/\}/, "}", s)
		if (inline) return line ~ /^\}/
		return depth == 0 && s ~ /;[ \t]*$/
	}
	# The first comment of a file is about all of it; the part behind its first paragraph are rules.
	function end_comment(   at) {
		state = ""
		sub(/^\n+/, "", text)
		sub(/\n+$/, "", text)
		if (about == "") {
			sub(/ Part of weft\.h\./, "", text)
			sub(/ Include weft\.h\./, "", text)
			about = text
			if ((at = index(text, "\n\n")) > 0) { about = substr(text, 1, at - 1); rules = substr(text, at + 2) }
			return
		}
		doc[++n_doc] = text
	}
	END {
		finish()
		for (p = 1; p <= pages; p++) {
			list = ""
			for (i = 1; i <= pages; i++) if (i != p) list = list see[i] "(3), "
			sub(/, $/, "", list)
			print esc(list == "" ? "weft_spawn(3)" : list) > page_file[p]
		}
	}' "$header"
done
