#!/usr/bin/env bash
# Makes the seeds of the fuzz targets anew. What fuzzing found stays: files that are not named here.
set -eu
cd "$(dirname "$0")/../.."
corpus=tests/fuzz/corpus
mkdir -p $corpus/{arguments,chunk,elf,events,proc_maps,recording,rust_plan}

# arguments: one word per line.
i=0
while IFS= read -r line; do
	printf '%s' "$line" | tr ' ' '\n' > $corpus/arguments/seed-$((i += 1))
done << 'END'
top -p 4711
top run.db --speed 4 --theme mono --ascii
top -p 4711 --script wait:2s; --size 120x40
record -n orders -o run.db --duration 1m --level light --max-size 100M
diagnose -p 1,2,3 --duration 500ms --format json --only busy-loop,task-leak --fail-on crit
diagnose --unit orders.service --max-overhead 5%
dump --container 0123456789ab --format dot --settle 0.5
dump --decode -
query run.db SELECT --named top --format csv --list
report run.db --format json
record --as-root -o x.db -- sh -c true --level
list --format=json -h
END

# proc_maps: paths of all sorts.
cat > $corpus/proc_maps/seed-1 << 'END'
55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234                       /usr/bin/svc
55d0c0001000-55d0c0009000 r-xp 00001000 fe:01 1234                       /usr/bin/svc (deleted)
55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000002000 rw-s 00000000 00:01 77                         /memfd:weft-trace (deleted)
7f0000002000-7f0000003000 rw-p 00000000 00:00 0 
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
END
printf '%s\n' '1000-2000 r-xp 0 0:0 1 /a\012b with space' '2000-1000 r-xp 0 0:0 1 /x' '-' 'zz' > $corpus/proc_maps/seed-2

# elf: a small program with a probe point, symbols and lines; without them; an object.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat > "$tmp/x.c" << 'END'
static unsigned short sema __attribute__((section(".probes"), used));
__attribute__((noinline)) static long work(long n)
{
	__asm__ volatile("990: nop\n.pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n"
			 ".4byte 992f-991f,994f-993f,3\n991: .asciz \"stapsdt\"\n992: .balign 4\n"
			 "993: .8byte 990b,_.stapsdt.base,sema\n.asciz \"weft\"\n.asciz \"point\"\n"
			 ".asciz \"8@%%rdi\"\n994: .balign 4\n.popsection\n"
			 ".ifndef _.stapsdt.base\n.pushsection .stapsdt.base,\"aG\",\"progbits\","
			 ".stapsdt.base,comdat\n.weak _.stapsdt.base\n_.stapsdt.base: .space 1\n"
			 ".size _.stapsdt.base,1\n.popsection\n.endif" ::: "memory");
	return n ? work(n - 1) + n : 0;
}
void _start(void) { for (;;) work(3); }
END
gcc -O1 -g1 -gz=none -nostdlib -static -Wl,--build-id,-z,noseparate-code "$tmp/x.c" -o "$tmp/x"
cp "$tmp/x" $corpus/elf/seed-program
strip -s "$tmp/x" -o $corpus/elf/seed-stripped
gcc -O1 -g1 -gz=none -fPIC -shared -nostdlib -Wl,-z,noseparate-code,-z,max-page-size=16 "$tmp/x.c" -o $corpus/elf/seed-shared

# rust_plan: the shapes of Rust services, linked in the ways that differ for the reader.
printf '#include <stdio.h>\n#include "tests/support/rust_shapes.h"\nint main(void) { return puts(rust_shapes) < 0; }\n' |
	gcc -I. -x c - -o "$tmp/shapes"
"$tmp/shapes" > "$tmp/shapes.s"
tiny=-z,noseparate-code,-z,max-page-size=16,-z,notext,-e,main
gcc -nostdlib -pie -s -Wl,$tiny "$tmp/shapes.s" -o $corpus/rust_plan/seed-pie
gcc -nostdlib -pie -Wl,$tiny,-z,pack-relative-relocs "$tmp/shapes.s" -o $corpus/rust_plan/seed-relr
gcc -nostdlib -no-pie -s -Wl,$tiny "$tmp/shapes.s" -o $corpus/rust_plan/seed-fixed
gcc -O1 -c "$tmp/x.c" -o $corpus/elf/seed-object

# chunk: the blobs of one row of each of two recordings; the lengths stand in front, 16 bits each.
le16() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8)))"; }
for name in busy-loop task-leak; do
	db=tests/recordings/$name.db
	row=$(sqlite3 "$db" "SELECT chunk FROM chunk WHERE length(data) + coalesce(length(flat), 0) < 8000 ORDER BY n DESC LIMIT 1")
	sqlite3 "$db" "SELECT writefile('$tmp/t', tasks), writefile('$tmp/d', data), writefile('$tmp/f', coalesce(flat, x''))
		FROM chunk WHERE chunk = $row" > /dev/null
	{
		le16 "$(stat -c %s "$tmp/t")"
		le16 "$(stat -c %s "$tmp/d")"
		cat "$tmp/t" "$tmp/d" "$tmp/f"
	} > $corpus/chunk/seed-$name
done

# recording: a whole one; small.
cp tests/recordings/crash.db $corpus/recording/seed-crash

# events: kind, flags, process, time step and its shift, size or batch, payload (tests/fuzz/events.c).
printf '\x81\x00\x00\x01\x10\x01boot' > $corpus/events/seed-session
printf '\x82\x00\x00\x01\x10\x00\x01\x00\x00\x00\x80\x00\x00\x01\x08\x00\x00\x01\x00\x40\x01' > $corpus/events/seed-batch
{
	printf '\x82\x00\x00\x01\x10\x00\x01\x00\x00\x00'
	for kind in 87 88 89 8b 8c 8d 8e 8f 90 91 92 93 94 95 96 97 98 99 9a 9b 8a; do
		printf "\\x$kind\\x00\\x00\\x01\\x14\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00"
	done
} > $corpus/events/seed-kinds
du -sh $corpus | cut -f 1
