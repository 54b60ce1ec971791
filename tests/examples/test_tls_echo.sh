#!/usr/bin/env bash
# TLS on the loop, driven by openssl s_client.
. "$(dirname "$0")/../e2e/lib.sh"
half_close=$BUILD/tests/e2e/half_close
need "$EXAMPLES/tls_echo" "$half_close" openssl

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout "$TMP_E2E/key" -out "$TMP_E2E/cert" 2> /dev/null
STATUS=0
"$EXAMPLES/tls_echo" --cert "$TMP_E2E/key" --key "$TMP_E2E/cert" 2> /dev/null || STATUS=$?
equal "exit with a bad certificate" "$STATUS" 2
start tls "$EXAMPLES/tls_echo" --cert "$TMP_E2E/cert" --key "$TMP_E2E/key" --handshake-ms 700
server=$PID
must 10 "tls_echo is up" says "$TMP_E2E/tls.out" '^port'
port=$(sed -n 's/^port //p' "$TMP_E2E/tls.out")

has() { [ "$(stat -c %s "$1")" -ge "$2" ]; }
# echoed NAME FILE [ARGS...]: FILE through s_client; it goes on until all is back, then ends the stream.
echoed() {
	local name=$1 file=$2
	shift 2
	: > "$TMP_E2E/$name.back"
	{
		cat "$file"
		wait_for 20 has "$TMP_E2E/$name.back" "$(stat -c %s "$file")"
	} | openssl s_client -connect "127.0.0.1:$port" -servername localhost -verify_hostname localhost -CAfile "$TMP_E2E/cert" \
		-verify_return_error -quiet -no_ign_eof "$@" > "$TMP_E2E/$name.back" 2> "$TMP_E2E/$name.err" ||
		fail "s_client $*: $(cat "$TMP_E2E/$name.err")"
	cmp "$file" "$TMP_E2E/$name.back" || fail "$name: other bytes came back"
}

echo hello > "$TMP_E2E/small"
head -c 300000 /dev/urandom | od -v -An -tx1 > "$TMP_E2E/large" # s_client takes letters like Q, R, k for commands
echoed tls13 "$TMP_E2E/small" -tls1_3
echoed tls12 "$TMP_E2E/small" -tls1_2
echoed large "$TMP_E2E/large"
pids=()
for i in 1 2 3 4; do
	(
		trap - EXIT
		echoed "parallel$i" "$TMP_E2E/large"
	) &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "a parallel client"; done

# No TLS: random bytes, and nothing at all until the limit of the handshake.
head -c 2000 /dev/urandom | "$half_close" "$port" > "$TMP_E2E/garbage" || [ $? -eq 3 ]
exec 3<> "/dev/tcp/127.0.0.1/$port"
before=$(date +%s%N)
cat <&3 > /dev/null || true
took=$((($(date +%s%N) - before) / 1000000))
exec 3>&-
holds "a silent client ends at the limit of 700 ms" "$took BETWEEN 500 AND 6000"
# A client that is killed in the middle.
start killed openssl s_client -connect "127.0.0.1:$port" -quiet
must 10 "it is connected" says "$TMP_E2E/killed.err" 'CN = localhost'
kill -KILL "$PID"
join "$PID" 10
echoed after "$TMP_E2E/small"

few() { [ "$(find "/proc/$server/fd" -lname 'socket:*' | wc -l)" -le 1 ]; }
must 10 "all connections are closed" few
stop "$server"
equal "exit of tls_echo" "$STATUS" 0
