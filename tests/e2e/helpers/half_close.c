/* SPDX-License-Identifier: MIT */
/*
 * half_close PORT: sends its standard input to a TCP port of loopback, then ends its own direction
 * and prints what comes back until the other end does the same. Exit 3: the connection was reset.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* False: all is sent. */
static bool send_some(int fd)
{
	static char buf[65536];
	static size_t have, sent;

	if (sent == have) {
		ssize_t n = read(0, buf, sizeof(buf));

		if (n <= 0) {
			shutdown(fd, SHUT_WR);
			return false;
		}
		have = (size_t)n;
		sent = 0;
	}
	ssize_t n = send(fd, buf + sent, have - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		sent += (size_t)n;
	return n >= 0 || errno == EAGAIN;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0")),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool sending = true;
	static char buf[65536];

	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("half_close: connect");
		return 1;
	}
	for (;;) {
		struct pollfd p = { fd, (short)(POLLIN | (sending ? POLLOUT : 0)), 0 };

		poll(&p, 1, -1);
		if (p.revents & POLLOUT)
			sending = send_some(fd);
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			ssize_t n = recv(fd, buf, sizeof(buf), 0);

			if (n < 0)
				return 3;
			if (n == 0)
				return 0;
			if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
				return 1;
		}
	}
}
