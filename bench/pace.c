/* pace - sends requests at a steady rate and tells how long the answers took.
 *
 * usage: bench-pace PORT RATE SECONDS SIZE < REQUESTS
 *
 * The first second, in which connections are made, counts for nothing but its answers. The loop is
 * that of `trotline load`, but over bare sockets and requests made before: libcurl, and what makes
 * and signs events, would take the time of the processors that are measured. In: a file of requests
 * of SIZE bytes each, on stdin; none is sent twice. Out: one JSON line. One thread, keep-alive
 * connections to loopback; a cut connection ends the run. */
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
#include "lib/base/openloop.h"

enum { CONNECTIONS = 256, BATCH = 64, ANSWER_MAX = 4096, LATE_US = 10000000, WARM_US = 1000000 };

struct poster {
	int fd;
	uint64_t due_us;
	size_t used;
	char answer[ANSWER_MAX];
};

struct pacing {
	const char *requests;
	size_t size;
	int epoll;
	struct poster all[CONNECTIONS], *idle[CONNECTIONS];
	size_t idle_count;
	struct openloop loop;
};

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void
connect_all(struct pacing *p, uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (struct poster *c = p->all; c < p->all + CONNECTIONS; c++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		c->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
			setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0 ||
			epoll_ctl(p->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
			fail("connect");
		p->idle[p->idle_count++] = c;
	}
}

/* A request is small against a socket's buffer: it goes out whole. */
static void
send_due(struct pacing *p)
{
	uint64_t due_us;

	while (p->idle_count > 0 && openloop_take(&p->loop, clock_mono_us(), &due_us)) {
		struct poster *c = p->idle[--p->idle_count];
		const char *request = p->requests + (p->loop.sent - 1) * p->size;

		c->due_us = due_us;
		c->used = 0;
		if (send(c->fd, request, p->size, MSG_NOSIGNAL) != (ssize_t)p->size)
			fail("send");
	}
}

static bool
whole(struct poster *c)
{
	const char *end, *length;

	c->answer[c->used] = 0;
	end = strstr(c->answer, "\r\n\r\n");
	length = strcasestr(c->answer, "\r\nContent-Length:");
	return end && length &&
	       c->used >= (size_t)(end - c->answer) + 4 + (size_t)atoi(length + 17);
}

static void
take(struct pacing *p, struct poster *c)
{
	const ssize_t n = recv(c->fd, c->answer + c->used, sizeof c->answer - 1 - c->used, 0);

	if (n <= 0)
		fail("recv");
	c->used += (size_t)n;
	if (!whole(c))
		return;
	openloop_answer(
		&p->loop, c->due_us, clock_mono_us(), strncmp(c->answer, "HTTP/1.1 202", 12) == 0);
	p->idle[p->idle_count++] = c;
}

/* Until something comes or the next request is due. */
static void
work(struct pacing *p)
{
	struct epoll_event events[BATCH];
	const uint64_t us =
		p->idle_count > 0 ? openloop_wait(&p->loop, clock_mono_us(), LATE_US) : LATE_US;
	const int n = epoll_pwait2(p->epoll, events, BATCH,
		&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
	for (int i = 0; i < n; i++)
		take(p, events[i].data.ptr);
}

/* The requests, and the plan of the loop. False when it asks for more of them than there are. */
static bool
prepare(struct pacing *p, double rate, double seconds, size_t size)
{
	const off_t bytes = lseek(STDIN_FILENO, 0, SEEK_END);

	if (bytes <= 0 || ((size_t)(rate * seconds) + 1) * size > (size_t)bytes)
		return false;
	p->size = size;
	p->requests = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	p->loop.rate = rate;
	p->loop.warm_us = WARM_US;
	p->loop.end_us = (uint64_t)(seconds * 1e6);
	return p->requests != MAP_FAILED;
}

static void
run(struct pacing *p)
{
	struct openloop *o = &p->loop;

	o->start_us = clock_mono_us();
	o->end_us += o->start_us;
	while ((o->answered < o->sent || !openloop_over(o)) &&
		clock_mono_us() < o->end_us + LATE_US) {
		send_due(p);
		work(p);
	}
}

static void
print(const struct openloop *o)
{
	printf("{\"sent\": %llu, \"answered\": %llu, \"good\": %llu, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f, \"most_ms\": %.3f}\n",
		(unsigned long long)o->sent, (unsigned long long)o->answered,
		(unsigned long long)o->good, (double)histogram_percentile(&o->latency, 50) / 1e3,
		(double)histogram_percentile(&o->latency, 99) / 1e3, (double)o->latency.most / 1e3);
}

int
main(int argc, char **argv)
{
	static struct pacing p;

	if (argc != 5 || atof(argv[2]) <= 0 || atoi(argv[4]) <= 0) {
		fprintf(stderr, "usage: bench-pace PORT RATE SECONDS SIZE < REQUESTS\n");
		return 1;
	}
	if (!prepare(&p, atof(argv[2]), atof(argv[3]), (size_t)atoi(argv[4]))) {
		fprintf(stderr, "bench-pace: too few requests\n");
		return 1;
	}
	connect_all(&p, (uint16_t)atoi(argv[1]));
	run(&p);
	print(&p.loop);
	return 0;
}
