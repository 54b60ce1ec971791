# SPDX-License-Identifier: MIT
# Finds locals of async functions that are set before an await and used after it: they are gone then.
# Reads C without a preprocessor, so it knows no macros but weft_await and weft_async_begin.
#   awk -f scripts/lint_await.awk FILE.c...      (scripts/lint_await.sh does that)
#
# Each function body with weft_async_begin is walked as it runs: branches are joined, loops are walked
# twice, since what is set at the end of a turn is used in the next. A local that is set before
# weft_async_begin is set again at each poll. An await's own arguments are evaluated at each poll.

function fail(text) { print text > "/dev/stderr"; exit 2 }

# ---------------------------------------------------------------- tokens: T[1..n], L[] their lines

function add(text) { T[++n] = text; L[n] = line }
function tokens(src,    i, len, c, two, m, word) {
	n = 0; line = 1; len = length(src); bol = 1
	for (i = 1; i <= len; ) {
		c = substr(src, i, 1); two = substr(src, i, 2)
		if (c == "\n") { line++; i++; bol = 1; continue }
		if (c == " " || c == "\t" || c == "\r" || c == "\\") { i++; continue }
		if (two == "//") { while (i <= len && substr(src, i, 1) != "\n") i++; continue }
		if (two == "/*") {
			m = index(substr(src, i + 2), "*/")
			if (!m) return
			word = substr(src, i, m + 3)
			line += gsub(/\n/, "", word)
			i += m + 3
			continue
		}
		if (c == "#" && bol) {
			while (i <= len && (substr(src, i, 1) != "\n" || substr(src, i - 1, 1) == "\\")) {
				if (substr(src, i, 1) == "\n") line++
				i++
			}
			continue
		}
		bol = 0
		if (c == "\"" || c == "'") {
			for (i++; i <= len && substr(src, i, 1) != c; i++)
				if (substr(src, i, 1) == "\\") i++
			i++
			add("\"")
			continue
		}
		if (c ~ /[A-Za-z_]/) {
			match(substr(src, i, 128), /^[A-Za-z0-9_]+/)
			add(substr(src, i, RLENGTH)); i += RLENGTH
			continue
		}
		if (c ~ /[0-9]/) {
			match(substr(src, i, 128), /^[A-Za-z0-9_.]+/)
			add("0"); i += RLENGTH
			continue
		}
		if (substr(src, i, 3) ~ /^(<<=|>>=|\.\.\.)$/) { add(substr(src, i, 3)); i += 3; continue }
		if (two ~ /^(->|\+\+|--|==|!=|<=|>=|&&|\|\||\+=|-=|\*=|\/=|%=|&=|\|=|\^=|<<|>>)$/) { add(two); i += 2; continue }
		add(c); i++
	}
}

# Index of the bracket that closes the one at i.
function closes(i,    depth) {
	for (depth = 0; i <= n; i++) {
		if (T[i] == "(" || T[i] == "[" || T[i] == "{") depth++
		if (T[i] == ")" || T[i] == "]" || T[i] == "}") if (--depth == 0) return i
	}
	return n + 1
}
# First of the marks in `set` at this bracket level, from i on, at most `to`.
function upto(i, to, set) {
	for (; i < to; i++) {
		if (index(set, " " T[i] " ")) return i
		if (T[i] == "(" || T[i] == "[" || T[i] == "{") i = closes(i)
	}
	return to
}
function is_name(t) { return t ~ /^[A-Za-z_]/ && !(t in keyword) }

# ---------------------------------------------------------------- locals: var[name] = id; state by id

function declare(name, array) {
	name_of[++ids] = name
	shadow[ids] = (name in var) ? var[name] : 0
	var[name] = ids
	isset[ids] = 0; awaited[ids] = 0; early[ids] = 0; is_array[ids] = array
	return ids
}
function leave_scope(mark) {
	for (; ids > mark; ids--) {
		if (shadow[ids]) var[name_of[ids]] = shadow[ids]
		else delete var[name_of[ids]]
	}
}
function store(v) { isset[v] = 1; awaited[v] = 0; early[v] = !begun }
function report(v, at, how) {
	if (dead || ((name_of[v], at) in told)) return
	told[name_of[v], at] = 1
	found++
	printf "%s:%d: local '%s' is set before the await at line %d and used %s\n", file, at, name_of[v], awaited[v], how
}
function use(v, at) {
	if (isset[v] && awaited[v]) { report(v, at, "after it"); awaited[v] = 0 }
	else if (is_array[v] && !isset[v]) store(v)
}

# ---------------------------------------------------------------- states, for branches

function save(s,    v) {
	for (v = 1; v <= ids; v++) {
		keep[s, v, 1] = isset[v]; keep[s, v, 2] = awaited[v]; keep[s, v, 3] = early[v]
	}
	keep_ids[s] = ids; keep_dead[s] = dead
}
function restore(s,    v) {
	for (v = 1; v <= keep_ids[s]; v++) {
		isset[v] = keep[s, v, 1]; awaited[v] = keep[s, v, 2]; early[v] = keep[s, v, 3]
	}
	dead = keep_dead[s]
}
function join(s,    v) {
	if (keep_dead[s]) return
	if (dead) { restore(s); return }
	for (v = 1; v <= keep_ids[s] && v <= ids; v++) {
		if (keep[s, v, 1]) isset[v] = 1
		if (keep[s, v, 2]) awaited[v] = keep[s, v, 2]
		if (!keep[s, v, 3]) early[v] = 0
	}
}

# Where a `break` leads: what is known there is joined from all of them.
function open_exit(    was) {
	was = exits
	exits = ++states
	save(exits)
	keep_dead[exits] = 1
	return was
}
function take_exit() {
	if (!exits || dead) return
	join(exits)
	save(exits)
}
function close_exit(was) { join(exits); exits = was }

# ---------------------------------------------------------------- expressions

# A local at k, not a member or a tag: its id, else 0.
function local_at(k) {
	if (!(T[k] in var) || T[k - 1] == "." || T[k - 1] == "->") return 0
	if (T[k - 1] == "struct" || T[k - 1] == "enum" || T[k - 1] == "union" || T[k - 1] == "goto") return 0
	if (T[k - 1] == "(" && T[k - 2] ~ /^(sizeof|__typeof__|typeof|offsetof)$/) return 0
	return var[T[k]]
}
# Of the local itself: &p->member is a use of p.
function is_address(k) { return T[k - 1] == "&" && T[k + 1] != "->" && (T[k - 2] !~ /^[A-Za-z0-9_"\])]/ || T[k - 2] == "return") }
# The end of an assignable expression that begins at k: x.a[1].b
function lvalue_end(k) {
	for (k++; T[k] == "." || T[k] == "["; )
		k = T[k] == "." ? k + 2 : closes(k) + 1
	return k
}
function await_at(k, to,    m, v, at) {
	m = closes(k + 1)
	walk_expression(k + 2, m)
	at = L[k]
	for (v = 1; v <= ids; v++)
		if (isset[v] && !early[v] && var[name_of[v]] == v) awaited[v] = at
	for (k += 2; k < m; k++) {
		v = local_at(k)
		if (!v || awaited[v] != at || !isset[v]) continue
		if (is_address(k)) { store(v); continue } # filled in by the poll that ends the wait
		if (T[k + 1] == "=") continue
		report(v, L[k], "in it, which is evaluated again at each poll")
		awaited[v] = 0
	}
	return m
}
function walk_expression(i, to,    k, v, e, m) {
	for (k = i; k < to; k++) {
		if (T[k] in await && T[k + 1] == "(") { k = await_at(k, to); continue }
		if (T[k] == "weft_async_begin") { begun = 1; continue }
		v = local_at(k)
		if (!v) continue
		e = lvalue_end(k)
		if (is_address(k) || (is_array[v] && T[k - 1] == "(" && T[k + 1] == ",")) { store(v); continue }
		if (T[e] == "=") {
			walk_expression(k + 1, e)
			m = upto(e + 1, to, " , ; ")
			walk_expression(e + 1, m)
			store(v)
			k = m - 1
			continue
		}
		use(v, L[k])
		if (T[k + 1] ~ /^([-+*\/%&|^]|<<|>>)=$|^(\+\+|--)$/ || T[k - 1] ~ /^(\+\+|--)$/) store(v)
	}
}

# ---------------------------------------------------------------- declarations

function is_declaration(i,    k) {
	if (T[i] in type) return 1
	if (!is_name(T[i])) return 0
	if (is_name(T[i + 1])) return 1
	for (k = i + 1; T[k] == "*"; k++)
		;
	return k > i + 1 && is_name(T[k]) && T[k + 1] ~ /^[=;,\[]$/
}
function walk_declaration(i, to,    name, v, m, array) {
	if (T[i] == "static" || T[i] == "extern" || T[i] == "typedef") return
	while (i < to) {
		name = ""
		for (; i < to && T[i] !~ /^[=;,\[]$/; i++) {
			if (is_name(T[i])) name = T[i]
			if (T[i] == "(" && T[i + 1] == "*") { name = T[i + 2]; i = closes(i) }
			else if (T[i] == "(" || T[i] == "{") i = closes(i)
		}
		array = T[i] == "["
		while (T[i] == "[") { m = closes(i); walk_expression(i + 1, m); i = m + 1 }
		if (T[i] == "=") {
			m = upto(i + 1, to, " , ")
			walk_expression(i + 1, m)
			if (name != "") { v = declare(name, array); store(v) }
			i = m
		} else if (name != "") {
			declare(name, array)
		}
		i++
	}
}

# ---------------------------------------------------------------- statements; each gives the index behind it

function walk_simple(i,    to) {
	to = upto(i, n + 1, " ; ")
	if (is_declaration(i)) walk_declaration(i, to)
	else walk_expression(i, to)
	return to + 1
}
function walk_if(i,    m, s, t) {
	m = closes(i + 1)
	walk_expression(i + 2, m)
	s = ++states; save(s)
	i = walk(m + 1)
	t = ++states; save(t)
	restore(s)
	if (T[i] == "else") i = walk(i + 1)
	join(t)
	return i
}
function walk_for(i,    m, a, b, mark, behind, turn, was) {
	m = closes(i + 1)
	a = upto(i + 2, m, " ; "); b = upto(a + 1, m, " ; ")
	mark = ids
	if (is_declaration(i + 2)) walk_declaration(i + 2, a)
	else walk_expression(i + 2, a)
	was = open_exit()
	for (turn = 0; turn < 2; turn++) {
		walk_expression(a + 1, b)
		behind = walk(m + 1)
		dead = 0
		walk_expression(b + 1, m)
	}
	walk_expression(a + 1, b)
	close_exit(was)
	leave_scope(mark)
	return behind
}
function walk_while(i,    m, behind, turn, was) {
	m = closes(i + 1)
	was = open_exit()
	for (turn = 0; turn < 2; turn++) {
		walk_expression(i + 2, m)
		behind = walk(m + 1)
		dead = 0
	}
	walk_expression(i + 2, m)
	close_exit(was)
	return behind
}
function walk_do(i,    behind, m, turn, was) {
	was = open_exit()
	for (turn = 0; turn < 2; turn++) {
		behind = walk(i + 1)
		m = closes(behind + 1)
		dead = 0
		walk_expression(behind + 2, m)
	}
	close_exit(was)
	return m + 2
}
function walk_switch(i,    m, outer, was) {
	m = closes(i + 1)
	walk_expression(i + 2, m)
	outer = entry
	entry = ++states; save(entry)
	was = open_exit()
	i = walk(m + 1)
	join(entry)
	close_exit(was)
	entry = outer
	return i
}
function walk_block(i,    mark) {
	mark = ids
	for (i++; i <= n && T[i] != "}"; )
		i = walk(i)
	leave_scope(mark)
	return i + 1
}
function walk(i,    to) {
	if (T[i] == "{") return walk_block(i)
	if (T[i] == "if") return walk_if(i)
	if (T[i] == "for") return walk_for(i)
	if (T[i] == "while") return walk_while(i)
	if (T[i] == "do") return walk_do(i)
	if (T[i] == "switch") return walk_switch(i)
	if (T[i] == "case" || T[i] == "default") {
		join(entry)
		return upto(i, n + 1, " : ") + 1
	}
	if (is_name(T[i]) && T[i + 1] == ":") { dead = 0; return i + 2 }
	if (T[i] ~ /^(return|break|continue|goto)$/) {
		to = walk_simple(i)
		if (T[i] == "break") take_exit()
		dead = 1
		return to
	}
	return walk_simple(i)
}

# ---------------------------------------------------------------- files

function check(from, to,    k) {
	for (k = from; k < to && T[k] != "weft_async_begin"; k++)
		;
	if (k >= to) return
	ids = 0; states = 0; dead = 0; begun = 0; entry = 0; exits = 0
	for (k in var) delete var[k]
	for (k in told) delete told[k]
	walk_block(from)
}
function check_file(src,    i, to) {
	tokens(src)
	for (i = 1; i <= n; i++) {
		if (T[i] != "{") continue
		if (T[i - 1] == "\"") continue # extern "C" {
		to = closes(i)
		if (T[i - 1] == ")") check(i, to)
		i = to
	}
}
BEGIN {
	split("if else for while do switch case default return break continue goto sizeof", w, " ")
	for (i in w) keyword[w[i]] = 1
	split("const volatile unsigned signed int char long short float double void bool _Bool struct union enum static extern typedef register __auto_type", w, " ")
	for (i in w) { type[w[i]] = 1; keyword[w[i]] = 1 }
	split("weft_await " awaits, w, " ")
	for (i in w) await[w[i]] = 1
}
FNR == 1 {
	if (file != "") check_file(text)
	file = FILENAME; text = ""
}
{ text = text $0 "\n" }
END {
	if (file != "") check_file(text)
	exit found > 0
}
