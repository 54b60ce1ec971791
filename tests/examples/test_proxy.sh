#!/usr/bin/env bash
# The proxy: bytes both ways, half-close passed on, what happens when one side goes away.
. "$(dirname "$0")/../e2e/lib.sh"
half_close=$BUILD/tests/e2e/half_close
need "$EXAMPLES/proxy" "$EXAMPLES/http_echo" "$LOAD" "$half_close" curl

# behind NAME TARGET [ARGS...]: a proxy in front of TARGET; sets PID, port.
behind() {
	local name=$1 to=$2
	shift 2
	start "$name" "$EXAMPLES/proxy" --to "$to" --workers 2 "$@"
	must 10 "proxy is up" says "$TMP_E2E/$name.out" '^port'
	port=$(sed -n 's/^port //p' "$TMP_E2E/$name.out")
}

start server "$EXAMPLES/http_echo" --workers 2
server=$PID
must 10 "http_echo is up" says "$TMP_E2E/server.out" '^echo port'
http=$(sed -n 's/^http port //p' "$TMP_E2E/server.out")
echo=$(sed -n 's/^echo port //p' "$TMP_E2E/server.out")

behind http.proxy "127.0.0.1:$http"
http_proxy=$PID http_port=$port
equal "body through the proxy" "$(curl -s -d 'hello there' "http://127.0.0.1:$http_port/")" 'hello there'
equal "connections for 2 requests" "$(curl -s -o /dev/null -o /dev/null -w '%{num_connects}' "http://127.0.0.1:$http_port/" "http://127.0.0.1:$http_port/")" 10
"$LOAD" --port "$http_port" --http --connections 200 --requests 10000 --seconds 30 --per-connection 10 > "$TMP_E2E/load" 2>&1 ||
	fail "load through the proxy: $(cat "$TMP_E2E/load")"
says "$TMP_E2E/load" '^bad 0$' || fail "bad answers: $(cat "$TMP_E2E/load")"

# The sender ends its direction long before all has come back; by name, so that names are resolved too.
behind echo.proxy "localhost:$echo"
echo_proxy=$PID echo_port=$port
head -c 5000000 /dev/urandom > "$TMP_E2E/data"
for i in 1 2 3; do
	"$half_close" "$echo_port" < "$TMP_E2E/data" > "$TMP_E2E/back.$i" &
	clients[i]=$!
done
for i in 1 2 3; do
	wait "${clients[i]}" || fail "client $i: exit $?"
	cmp "$TMP_E2E/data" "$TMP_E2E/back.$i" || fail "client $i got other bytes"
done

# Nothing listens there: the client's connection ends at once.
behind dead.proxy "127.0.0.1:1"
before=$SECONDS
"$half_close" "$port" < /dev/null > "$TMP_E2E/dead" || [ $? -eq 3 ]
holds "a dead target is told at once" "$((SECONDS - before)) < 4 AND $(stat -c %s "$TMP_E2E/dead") = 0"
stop "$PID"
behind nameless.proxy "no-such-host.invalid:80" --connect-ms 2000
before=$SECONDS
"$half_close" "$port" < /dev/null > "$TMP_E2E/dead" || [ $? -eq 3 ]
holds "a name that isn't there ends within the limit" "$((SECONDS - before)) < 6"
stop "$PID" TERM 40

# The server goes away under open connections: the clients see the end, the proxy lives on.
exec 3<> "/dev/tcp/127.0.0.1/$echo_port"
printf 'ping' >&3
equal "an open connection" "$(head -c 4 <&3)" ping
kill -KILL "$server"
join "$server" 10
cat <&3 > "$TMP_E2E/rest" || true
equal "bytes after the server's end" "$(stat -c %s "$TMP_E2E/rest")" 0
exec 3>&-

closed() { [ "$(find "/proc/$1/fd" -lname 'socket:*' | wc -l)" -le 1 ]; }
for pid in "$http_proxy" "$echo_proxy"; do
	must 10 "the proxy keeps no connection" closed "$pid"
	stop "$pid"
	equal "exit of the proxy" "$STATUS" 0
done
