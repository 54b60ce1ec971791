# Takes the code out of tui/knowledge/*.md: each piece becomes a file that a compiler can judge.
#   awk -v out=DIR -f extract.awk FILES     knowledge/README.md tells which words mean what
#   DIR/c/TOPIC_N.c   DIR/RUNTIME/src/TOPIC_N.rs (a module)   DIR/full-RUNTIME/src/...   DIR/bad-RUNTIME/examples/TOPIC_N.rs
# DIR and its folders exist; each lib.rs gets a `mod` line per piece. pieces.txt: word, file, topic.

function fault(what) { printf "%s:%d: %s\n", FILENAME, FNR, what > "/dev/stderr"; failed = 1; exit 1 }

# Whole items stand as they are, statements go into a function.
function is_items(language) {
	if (language == "c")
		return body ~ /(^|\n)(static|int|struct [a-z_]+ \{|#include)/
	return body ~ /(^|\n)(async fn|fn|struct|impl|pub|#\[)/
}

function rust_text(   t) {
	if (is_items("rust"))
		return body
	t = "pub async fn piece() -> Result<(), Box<dyn std::error::Error>> {\n" body
	return t "#[allow(unreachable_code)]\nOk(())\n}\n"
}

function put_rust(   dir, file, stem) {
	if (runtime !~ /^(tokio|async-std|smol)$/)
		fault("Rust code that is under no runtime")
	stem = topic "_" n
	if (word == "fails" || word == "warns") {
		file = out "/bad-" runtime "/examples/" stem ".rs"
		printf "#![allow(unused_imports, dead_code)]\nuse bad_%s::*;\n%s%s", lib(runtime), rust_text(),
			body ~ /fn main\(/ ? "" : "fn main() {}\n" > file
	} else {
		dir = out "/" (word == "full" ? "full-" : "") runtime "/src"
		file = dir "/" stem ".rs"
		printf "use crate::*;\n%s", rust_text() > file
		printf "mod %s;\n", stem >> (dir "/lib.rs")
	}
	close(file)
	print (word == "" ? "builds" : word), substr(file, length(out) + 2), name >> (out "/pieces.txt")
}

function lib(s) { gsub(/-/, "_", s); return s }

function put_c(   file) {
	file = out "/c/" topic "_" n ".c"
	printf "#include \"tests/knowledge/prelude.h\"\n" > file
	if (is_items("c"))
		printf "%s", body > file
	else
		printf "static weft_poll_t piece(struct weft_cx *cx, struct piece *f)\n{\n\tweft_async_begin(f);\n%s\tweft_async_end(f, 0);\n}\n", body > file
	close(file)
	print "c", substr(file, length(out) + 2), name >> (out "/pieces.txt")
}

FNR == 1 {
	if (code)
		fault("code without an end in the file before")
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.md$/, "", name)
	topic = lib(name)
	n = 0
	runtime = ""
}
!code && /^## /  { runtime = "" }
!code && /^### / { runtime = substr($0, 5) }
/^```/ && !code  {
	code = 1
	split(substr($0, 4), words, " ")
	language = words[1]
	word = words[2]
	if (word !~ /^(fails|warns|full)?$/ || language !~ /^(rust|c)?$/)
		fault("unknown words: " $0)
	body = ""
	next
}
/^```/ {
	code = 0
	n++
	if (language == "c")
		put_c()
	else if (language == "rust")
		put_rust()
	next
}
code {
	sub(/^# /, "")
	body = body $0 "\n"
}
END { exit failed }
