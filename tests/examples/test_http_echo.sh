#!/usr/bin/env bash
# The HTTP example under clients that nobody here wrote, and under bad ones.
. "$(dirname "$0")/../e2e/lib.sh"
half_close=$BUILD/tests/e2e/half_close
need "$EXAMPLES/http_echo" "$LOAD" "$half_close" curl wrk

start http "$EXAMPLES/http_echo" --workers 2 --idle-ms 1500 --request-ms 600
server=$PID
must 10 "http_echo is up" says "$TMP_E2E/http.out" '^echo port'
port=$(sed -n 's/^http port //p' "$TMP_E2E/http.out")
url=http://127.0.0.1:$port/
out=$TMP_E2E/reply

request() { printf '%b' "$1" | "$half_close" "$port"; }
status_of() { request "$1" | head -n 1 | tr -d '\r'; }
times() { grep -ao "$1" "$2" | wc -l; }
alive() { equal "it still answers after $1" "$(curl -s -o /dev/null -w '%{http_code}' "$url")" 200; }

# curl: keep-alive over one connection, bodies both ways, chunked, HTTP/1.0, HEAD, upgrades declined
equal "connections for 3 requests" "$(curl -s -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' "$url" "$url" "$url")" 100
equal "body of a POST" "$(curl -s -d 'hello there' "$url")" 'hello there'
equal "chunked body" "$(printf 'in pieces' | curl -s -H 'Transfer-Encoding: chunked' -d @- "$url")" 'in pieces'
equal "HTTP/1.0" "$(curl -s -0 -o /dev/null -w '%{http_code}' "$url")" 200
equal "HEAD" "$(curl -s -I -o /dev/null -w '%{http_code}' "$url")" 200
equal "an upgrade that is declined" "$(curl -s --http2 -o /dev/null -w '%{http_code} %{http_version}' "$url")" '200 1.1'
equal "another method" "$(curl -s -X DELETE -o /dev/null -w '%{http_code}' "$url")" 405
equal "too large a body" "$(head -c 100000 /dev/zero | curl -s -o /dev/null -w '%{http_code}' --data-binary @- "$url")" 413
equal "too many headers" "$(curl -s -o /dev/null -w '%{http_code}' -H "X: $(head -c 20000 /dev/zero | tr '\0' x)" "$url")" 431

# hyperfine-like: the same command over and over, each time a new process and a new connection
for _ in $(seq 100); do curl -s -o /dev/null -w '%{http_code} %{time_total}\n' "$url"; done | sort > "$out"
equal "100 runs of curl" "$(cut -d' ' -f1 "$out" | uniq -c | xargs)" '100 200'
holds "their median" "$(sed -n 's/.* //;50p' "$out") BETWEEN 0 AND 0.2"

# wrk: keep-alive on 100 connections, and 16 requests at a time on each
driven() { # NAME ARGS...
	local name=$1
	shift
	wrk "$@" > "$out" 2>&1 || fail "wrk, $name: $(cat "$out")"
	! grep -E 'Socket errors|Non-2xx' "$out" || fail "wrk, $name: $(cat "$out")"
	holds "wrk, $name: requests" "$(sed -nE 's/ *([0-9]+) requests in .*/\1/p' "$out") > 1000"
}
driven keep-alive -t 2 -c 100 -d 1s "$url"
printf 'init = function() local r = {} for i = 1, 16 do r[i] = wrk.format("GET", "/json") end all = table.concat(r) end\nrequest = function() return all end\n' > "$TMP_E2E/pipeline.lua"
driven pipelining -t 2 -c 100 -d 1s -s "$TMP_E2E/pipeline.lua" "$url"

# pipelining: more answers than its buffer holds, with bodies in between; half-close with requests under way
{
	for _ in $(seq 200); do printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'; done
	for i in $(seq 100); do printf 'POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nb%03d' "$i"; done
	printf 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'
} | "$half_close" "$port" > "$out"
equal "answers to 301 pipelined requests" "$(times 'HTTP/1.1 200' "$out")" 301
# A body has no line end: the next answer follows on its line.
equal "bodies in order" "$(grep -ao 'b[0-9][0-9][0-9]HTTP' "$out" | cut -c2-4 | tr '\n' ' ')" "$(seq -f %03.0f 100 | tr '\n' ' ')"

# what isn't HTTP: an answer that says so, and the end of the connection
equal "garbage" "$(status_of 'garbage\r\n\r\n')" 'HTTP/1.1 400 Bad Request'
equal "zero bytes" "$(status_of 'GET / HTTP/1.1\r\nA: b\0c\r\n\r\n')" 'HTTP/1.1 400 Bad Request'
equal "a negative length" "$(status_of 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n')" 'HTTP/1.1 400 Bad Request'
equal "a length beyond 64 bits" "$(status_of 'POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n')" 'HTTP/1.1 400 Bad Request'
equal "two lengths" "$(status_of 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab')" 'HTTP/1.1 400 Bad Request'
equal "a length and chunks" "$(status_of 'POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')" 'HTTP/1.1 400 Bad Request'
equal "too large a chunk" "$(status_of 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n')" 'HTTP/1.1 413 Payload Too Large'
equal "a tunnel" "$(status_of 'CONNECT x:1 HTTP/1.1\r\n\r\n')" 'HTTP/1.1 405 Method Not Allowed'
for i in $(seq 20); do
	head -c 3000 /dev/urandom | "$half_close" "$port" > "$out" || [ $? -eq 3 ]
	! says "$out" ' 200 ' || fail "random bytes were a request"
done
alive garbage

# slow loris: a byte now and then keeps nobody longer than the limit of a request
before=$(date +%s%N)
exec 3<> "/dev/tcp/127.0.0.1/$port"
trickle() {
	local i
	for i in $(seq 100); do
		printf 'X-%d: y\r\n' "$i" >&3 || return 0
		sleep 0.05
	done
}
printf 'GET / HTTP/1.1\r\n' >&3
trap '' PIPE
trickle 2> /dev/null &
dripping=$!
cat <&3 > "$out" || true
took=$((($(date +%s%N) - before) / 1000000))
wait $dripping || true
exec 3>&-
holds "the loris is cut off at the limit of 600 ms" "$took BETWEEN 550 AND 4000"
equal "what the loris got" "$(cat "$out")" ''

# nothing at all: closed after the idle limit, and meanwhile the others are served
before=$(date +%s%N)
silent=()
for i in $(seq 50); do
	exec {fd}<> "/dev/tcp/127.0.0.1/$port"
	silent+=("$fd")
done
alive "50 silent connections"
cat <&"${silent[0]}" > /dev/null
took=$((($(date +%s%N) - before) / 1000000))
holds "a silent connection ends at the limit of 1500 ms" "$took BETWEEN 1400 AND 8000"
for fd in "${silent[@]}"; do exec {fd}>&-; done

# a client that reads nothing: its answers fill the socket, then it is given up
exec 3<> "/dev/tcp/127.0.0.1/$port"
{ for _ in $(seq 200000); do printf 'GET / HTTP/1.1\r\n\r\n'; done >&3; } 2> /dev/null || true
exec 3>&-
alive "a client that reads nothing"

# many at once
limit=$(ulimit -Hn)
many=10000
[ "$limit" = unlimited ] || [ "$limit" -gt 20000 ] || many=$((limit / 2 - 500))
ulimit -n "$(ulimit -Hn)"
start many "$EXAMPLES/http_echo" --workers 2
crowded=$PID
must 10 "http_echo is up" says "$TMP_E2E/many.out" '^echo port'
"$LOAD" --port "$(sed -n 's/^http port //p' "$TMP_E2E/many.out")" --http --connections "$many" --requests $((many * 3)) --seconds 40 \
	> "$TMP_E2E/load" 2>&1 || fail "load with $many connections: $(cat "$TMP_E2E/load")"
says "$TMP_E2E/load" '^bad 0$' || fail "bad answers: $(cat "$TMP_E2E/load")"
driven "$many connections" -t 2 -c "$many" -d 2s --timeout 30s "http://127.0.0.1:$(sed -n 's/^http port //p' "$TMP_E2E/many.out")/"
stop "$crowded"
equal "exit after $many connections" "$STATUS" 0

# nothing is left: descriptors of the first server are those it began with
few() { [ "$(find "/proc/$server/fd" -lname 'socket:*' | wc -l)" -le 2 ]; }
must 10 "all connections are closed" few
stop "$server"
equal "exit of http_echo" "$STATUS" 0
