/* pace - sends requests at a steady rate and tells how long the answers took.
 *
 * usage: bench-pace PORT RATE SECONDS SIZE < REQUESTS
 *
 * The first second, in which connections are made, counts for nothing but its answers. Open loop:
 * request n is due at n / RATE seconds, whether or not earlier ones are answered, and its latency
 * counts from then; so a receiver that stalls is not spared the requests that would have come
 * meanwhile. In: a file of requests of SIZE bytes each, on stdin; none is sent twice. Out: one JSON
 * line. One thread, keep-alive connections to loopback; a cut connection ends the run. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/histogram.h"

enum { CONNECTIONS = 256, BATCH = 64, ANSWER_MAX = 4096, LATE_US = 10000000, WARM_US = 1000000 };

struct connection {
	int fd;
	uint64_t due_us;
	size_t used;
	char answer[ANSWER_MAX];
};

struct pace {
	const char *requests;
	size_t size, total, sent, answered, good;
	uint64_t start_us;
	double rate;
	int epoll;
	struct connection all[CONNECTIONS], *idle[CONNECTIONS];
	size_t idle_count;
	struct histogram latency;
};

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void
connect_all(struct pace *p, uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (struct connection *c = p->all; c < p->all + CONNECTIONS; c++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		c->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
			setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0 ||
			epoll_ctl(p->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
			fail("connect");
		p->idle[p->idle_count++] = c;
	}
}

static uint64_t
due_us(const struct pace *p)
{
	return p->start_us + (uint64_t)((double)p->sent * 1e6 / p->rate);
}

/* A request is small against a socket's buffer: it goes out whole. */
static void
send_due(struct pace *p)
{
	while (p->sent < p->total && p->idle_count > 0 && due_us(p) <= clock_mono_us()) {
		struct connection *c = p->idle[--p->idle_count];

		c->due_us = due_us(p);
		c->used = 0;
		if (send(c->fd, p->requests + p->sent++ * p->size, p->size, MSG_NOSIGNAL) !=
			(ssize_t)p->size)
			fail("send");
	}
}

static bool
whole(struct connection *c)
{
	const char *end, *length;

	c->answer[c->used] = 0;
	end = strstr(c->answer, "\r\n\r\n");
	length = strcasestr(c->answer, "\r\nContent-Length:");
	return end && length &&
	       c->used >= (size_t)(end - c->answer) + 4 + (size_t)atoi(length + 17);
}

static void
take(struct pace *p, struct connection *c)
{
	const ssize_t n = recv(c->fd, c->answer + c->used, sizeof c->answer - 1 - c->used, 0);

	if (n <= 0)
		fail("recv");
	c->used += (size_t)n;
	if (!whole(c))
		return;
	p->answered++;
	p->good += strncmp(c->answer, "HTTP/1.1 202", 12) == 0;
	if (c->due_us >= p->start_us + WARM_US)
		histogram_add(&p->latency, clock_mono_us() - c->due_us);
	p->idle[p->idle_count++] = c;
}

/* Until something comes or the next request is due. */
static void
work(struct pace *p)
{
	struct epoll_event events[BATCH];
	const uint64_t now_us = clock_mono_us();
	uint64_t us = LATE_US;
	int n;

	if (p->sent < p->total && p->idle_count > 0)
		us = due_us(p) > now_us ? due_us(p) - now_us : 0;
	n = epoll_pwait2(p->epoll, events, BATCH,
		&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
	for (int i = 0; i < n; i++)
		take(p, events[i].data.ptr);
}

int
main(int argc, char **argv)
{
	static struct pace p;
	off_t bytes = lseek(STDIN_FILENO, 0, SEEK_END);
	uint64_t end_us;

	if (argc != 5 || bytes <= 0 || (p.rate = atof(argv[2])) <= 0 || atoi(argv[4]) <= 0) {
		fprintf(stderr, "usage: bench-pace PORT RATE SECONDS SIZE < REQUESTS\n");
		return 1;
	}
	p.size = (size_t)atoi(argv[4]);
	p.total = (size_t)(p.rate * atof(argv[3]));
	p.requests = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	if (p.requests == MAP_FAILED || p.total * p.size > (size_t)bytes) {
		fprintf(stderr, "bench-pace: too few requests\n");
		return 1;
	}
	connect_all(&p, (uint16_t)atoi(argv[1]));
	p.start_us = clock_mono_us();
	end_us = p.start_us + (uint64_t)(atof(argv[3]) * 1e6) + LATE_US;
	while (p.answered < p.total && clock_mono_us() < end_us) {
		send_due(&p);
		work(&p);
	}
	printf("{\"sent\": %zu, \"answered\": %zu, \"good\": %zu, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f, \"most_ms\": %.3f}\n",
		p.sent, p.answered, p.good, (double)histogram_percentile(&p.latency, 50) / 1e3,
		(double)histogram_percentile(&p.latency, 99) / 1e3, (double)p.latency.most / 1e3);
	return 0;
}
