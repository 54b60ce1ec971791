#!/usr/bin/env bash
# The options of weft diagnose that decide what is checked and what its exit code is, over recordings: each turns an answer round.
# Needs no privilege.
. "$(dirname "$0")/../e2e/lib.sh"
need "$WEFT" sqlite3
recordings=$PWD/tests/recordings
crit=$recordings/busy-loop.db warn=$recordings/busy-storm.db healthy=$recordings/healthy-busy-loop.db leak=$recordings/task-leak.db
cd "$TMP_E2E"

# run CODE ARGS...: weft diagnose; stdout in out, stderr in err
run() {
	local code=$1
	shift
	STATUS=0
	"$WEFT" diagnose "$@" > out 2> err < /dev/null || STATUS=$?
	[ "$STATUS" = "$code" ] || { cat out err >&2; fail "weft diagnose $*: exit $STATUS, should be $code"; }
}
out() { says out "$1" || { cat out >&2; fail "output lacks: $1"; }; }
err() { says err "$1" || { cat err >&2; fail "message lacks: $1"; }; }
# checked ID: its verdict in the JSON
checked() {
	sqlite3 :memory: "SELECT json_extract(value, '\$.verdict') FROM json_each(CAST(readfile('out') AS TEXT), '\$.checked')
		WHERE json_extract(value, '\$.id') = '$1'"
}

# ---- what is checked

run 3 "$healthy" # some need more time than this took
run 0 "$healthy" --only busy-loop,long-poll
run 0 "$healthy" --only busy-loop --format json
equal "busy-loop alone" "$(checked busy-loop) $(checked long-poll)" 'clean not-checked'
run 1 "$crit"
out 'crit  busy-loop'
run 0 "$crit" --only long-poll
run 3 "$crit" --ignore busy-loop --format json
equal "busy-loop left out" "$(checked busy-loop) $(checked long-poll)" 'not-checked clean'
equal "nothing else found" "$(json out '$.verdict')" inconclusive
run 2 "$crit" --only no-such-id && err 'no-such-id'
run 2 "$crit" --ignore no-such-id && err 'no-such-id'

# ---- thresholds

run 3 "$leak"
run 1 "$leak" --set leak.window_s=10
out 'warn  task-leak'
run 3 "$leak" --set leak.window_s=10 --set leak.window_s=30
run 2 "$leak" --set no.such=1 && err 'no.such'
run 2 "$leak" --set leak.window_s && err 'NAME=VALUE'
run 2 "$leak" --set leak.window_s=many && err 'leak.window_s'
run 0 --thresholds
cp out thresholds
holds "thresholds" "$(wc -l < thresholds) > 20"
out '^leak.window_s  *30 s '
# Each that is listed is one, and its value is the one that counts already.
read -r -a defaults <<< "$(awk '{ printf "--set %s=%s ", $1, $2 }' thresholds)"
run 3 "$leak" "${defaults[@]:0:64}"
run 1 "$warn" "${defaults[@]: -64}"

# ---- which severity fails

only=(--only busy-loop)
run 1 "$warn" "${only[@]}"
for word in warn info; do run 1 "$warn" "${only[@]}" --fail-on $word; done
for word in crit never; do
	run 0 "$warn" "${only[@]}" --fail-on $word
	out 'warn  busy-loop' # it is told all the same
done
run 1 "$crit" "${only[@]}" --fail-on crit
run 0 "$crit" "${only[@]}" --fail-on never
run 3 "$warn" --fail-on crit # not all could be checked
run 2 "$warn" --fail-on loud && err 'warn|crit|info|never'

# ---- what is known

run 1 "$warn" "${only[@]}" --format json
cp out known.json
run 0 "$warn" "${only[@]}" --baseline known.json
out 'known: it is in the baseline'
run 0 "$warn" "${only[@]}" --baseline known.json --format json
equal "verdict with the baseline" "$(json out '$.verdict') $(findings out "SELECT json_extract(body, '\$.known') FROM f")" 'clean 1'
run 3 "$warn" --baseline known.json # as without findings
run 1 "$crit" "${only[@]}" --baseline known.json # what is new fails
findings known.json "SELECT '# accepted' || char(10) || json_extract(body, '\$.fingerprint') || ' the poller' FROM f" > known.txt
run 0 "$warn" "${only[@]}" --baseline known.txt
: > none.txt
run 1 "$warn" "${only[@]}" --baseline none.txt
run 2 "$warn" --baseline missing.json && err 'missing.json'
echo 'not a fingerprint' > wrong.txt
run 2 "$warn" --baseline wrong.txt && err 'wrong.txt'

# ---- the config file: each of its names, and who counts more

config() { printf '%s\n' "$@" > weft.conf; }
config '# ours' 'leak.window_s = 10'
run 1 "$leak" --config weft.conf
run 3 "$leak" --config weft.conf --set leak.window_s=30
config 'only = long-poll'
run 0 "$crit" --config weft.conf
run 1 "$crit" --config weft.conf --only busy-loop
config 'ignore = busy-loop'
run 3 "$crit" --config weft.conf
run 1 "$crit" --config weft.conf --ignore long-poll
config 'only = busy-loop' 'fail-on = crit'
run 0 "$warn" --config weft.conf
run 1 "$warn" --config weft.conf --fail-on warn
config 'only = busy-loop' 'baseline = known.json'
run 0 "$warn" --config weft.conf
run 1 "$warn" --config weft.conf --baseline none.txt
run 2 "$warn" --config missing.conf && err 'missing.conf'
for wrong in 'no.such = 1' 'fail-on = loud' 'nonsense' 'only = no-such-id' 'mute = task-leak' 'mute = no-such-id a.c:1'; do
	config "$wrong"
	run 2 "$warn" --config weft.conf
	holds "lines of the message for '$wrong'" "$(wc -l < err) = 1"
done

# $WEFT_CONFIG counts where there is no --config; else the user's own file does.
config 'only = long-poll'
echo 'only = busy-loop' > other.conf
export WEFT_CONFIG=weft.conf
run 0 "$crit"
run 1 "$crit" --config other.conf
export WEFT_CONFIG=missing.conf
run 2 "$crit" && err 'missing.conf'
mkdir -p own/weft home/.config/weft
cp weft.conf own/weft/weft.conf
cp weft.conf home/.config/weft/weft.conf
export XDG_CONFIG_HOME=$PWD/own HOME=$PWD/home
export WEFT_CONFIG=
run 1 "$crit" # empty: none at all
unset WEFT_CONFIG
run 0 "$crit"
run 1 "$crit" --config other.conf
unset XDG_CONFIG_HOME
run 0 "$crit"
rm home/.config/weft/weft.conf
run 1 "$crit" # it need not be there
rm -r home/.config

# ---- what is muted: by hand, or with the console's key m

place=$(findings known.json 'SELECT location FROM f')
config 'only = busy-loop' "mute = busy-loop $place"
run 0 "$warn" --config weft.conf
out '^1 muted by the config file:'
out "warn  busy-loop  .* $place"
if says out 'proof'; then fail "a muted finding is told in full"; fi
run 0 "$warn" --config weft.conf --format json
equal "verdict with the mute" "$(json out '$.verdict') $(findings out "SELECT json_extract(body, '\$.muted') FROM f")" 'clean 1'
run 1 "$crit" --config weft.conf # another place
config 'only = busy-loop' "mute = long-poll $place"
run 1 "$warn" --config weft.conf # another id
"$WEFT" top "$warn" --script 'key:3; key:m; wait:300ms; snap' > screen
says screen '^mute busy-loop' || { cat screen >&2; fail "it is not marked"; }
says screen '^no findings .*1 muted' || { cat screen >&2; fail "it is not counted"; }
equal "the line" "$(cat home/.config/weft/weft.conf)" "mute = busy-loop $place"
equal "mode of the file and its folder" "$(stat -c %a home/.config/weft/weft.conf home/.config/weft | tr '\n' ' ')" '600 700 '
run 0 "$warn" --only busy-loop
"$WEFT" top "$warn" --script 'snap; key:3; snap; key:m; wait:300ms; snap' > screen
says screen '^no findings .*1 muted' || { cat screen >&2; fail "the console does not read what is muted"; }
says screen '^1 finding: .*[^d]$' || { cat screen >&2; fail "it is muted still"; }
equal "the file after m again" "$(cat home/.config/weft/weft.conf)" ""
run 1 "$warn" --only busy-loop

# e: all of the finding, in two new files that say the same; each time others.
"$WEFT" top "$warn" --script 'key:3; key:e; snap; key:Enter; key:e; snap' > screen
says screen 'written to weft-finding-busy-loop-.*\.txt and \.json' || { cat screen >&2; fail "no files are named"; }
equal "files" "$(ls weft-finding-*.txt weft-finding-*.json | wc -l)" 4
for f in weft-finding-*.json; do
	equal "$f" "$(json "$f" '$.id') $(json "$f" '$.subject.location') $(json "$f" '$.target.name')" "busy-loop $place busy_loop"
	for what in '^what   warn busy-loop' '^  proof ' '^  sick ' '^  healthy '; do
		says "${f%.json}.txt" "$what" || fail "${f%.json}.txt lacks: $what"
	done
	equal "mode of $f" "$(stat -c %a "$f")" 600
done

# Where the current folder takes none, they go to $XDG_STATE_HOME; as root on somebody's behalf, as that user.
mkdir closed state
cp "$warn" run.db
chmod 644 run.db
chmod 711 .
as=()
if [ "$(id -u)" = 0 ]; then
	chown 65534 state
	as=(SUDO_UID=65534 SUDO_GID=65534)
else
	chmod 555 closed
fi
(cd closed && env ${as[@]+"${as[@]}"} XDG_STATE_HOME="$TMP_E2E/state" WEFT_CONFIG= "$WEFT" top ../run.db --size 200x30 --script 'key:3; key:e; snap; key:m; snap' > ../screen)
says screen "written to $TMP_E2E/state/weft/weft-finding-busy-loop-.*" || { cat screen >&2; fail "nothing was written there"; }
says screen '^mutes need a config file' || { cat screen >&2; fail "muted without a config"; }
equal "owners" "$(stat -c %u:%a state/weft/*)" "$(stat -c %u:600 state state)"
equal "what is in the closed folder" "$(ls closed)" ""
