/* SPDX-License-Identifier: MIT */
/*
 * A name server of a few names, over UDP on loopback; prints its port and serves until it is ended.
 *
 *	one.test	10.1.2.3		late.test	10.1.2.4, but not at the first question
 *	many.test	10.2.0.1 to 10.2.0.20	silent.test	never an answer
 *	garbage.test	bytes that are no answer, then 10.1.2.5		all others	no such name
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER 12
#define LIMIT  512

/* The question's name with dots; returns where the question ends, 0 if it doesn't fit. */
static size_t name_of(const unsigned char *q, size_t n, char ret[256])
{
	size_t at = HEADER, out = 0;

	while (at < n && q[at]) {
		size_t len = q[at++];

		if (len > 63 || at + len >= n || out + len + 1 >= 256)
			return 0;
		memcpy(ret + out, q + at, len);
		out += len;
		ret[out++] = '.';
		at += len;
	}
	ret[out ? out - 1 : 0] = '\0';
	return at + 5 <= n ? at + 5 : 0;
}

static size_t add(unsigned char *to, unsigned c, unsigned d)
{
	const unsigned char record[16] = { 0xc0,
					   HEADER,
					   0,
					   1,
					   0,
					   1,
					   0,
					   0,
					   0,
					   60,
					   0,
					   4,
					   10,
					   (unsigned char)c,
					   (unsigned char)(d >> 8),
					   (unsigned char)d };

	memcpy(to, record, sizeof(record));
	return sizeof(record);
}

/* 0: say nothing. */
static size_t answer(unsigned char *m, size_t n, unsigned question)
{
	char name[256];
	size_t end = name_of(m, n, name);
	unsigned count = 0;

	if (!end || strcmp(name, "silent.test") == 0)
		return 0;
	if (strcmp(name, "late.test") == 0 && question == 1)
		return 0;
	if (strcmp(name, "garbage.test") == 0 && question == 1) {
		memset(m + 2, 0xff, 30);
		return 32;
	}
	m[2] = 0x81;
	m[3] = 0x80;
	memset(m + 8, 0, 4); /* no authority, no additional records */
	n = end;
	if (strcmp(name, "one.test") == 0) {
		n += add(m + n, 1, 2 << 8 | 3);
		count = 1;
	} else if (strcmp(name, "late.test") == 0 || strcmp(name, "garbage.test") == 0) {
		n += add(m + n, 1, 2 << 8 | (name[0] == 'l' ? 4 : 5));
		count = 1;
	} else if (strcmp(name, "many.test") == 0) {
		for (count = 0; count < 20; count++)
			n += add(m + n, 2, count + 1);
	} else {
		m[3] |= 3; /* NXDOMAIN */
	}
	m[6] = 0;
	m[7] = (unsigned char)count;
	return n;
}

int main(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	unsigned char m[LIMIT];
	unsigned questions = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len))
		return 1;
	printf("port %u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		ssize_t n = recvfrom(fd, m, sizeof(m), 0, (struct sockaddr *)&at, &len);
		size_t back = n > HEADER ? answer(m, (size_t)n, ++questions) : 0;

		if (back)
			sendto(fd, m, back, 0, (struct sockaddr *)&at, len);
	}
}
