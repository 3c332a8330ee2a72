/* sink - the application that events are forwarded to when rates are measured: it takes what comes and says yes.
 *
 * usage: bench-sink PORT [STATUS [LOG]]
 *
 * One thread over epoll, keep-alive connections on loopback; a request is a head with a Content-Length and its body.
 * In: STATUS to answer instead of 200, and a file for a line a request: when it came (us since 1970), and the body's
 * `received`. Out: what came so far, one JSON line for each byte on stdin: requests, events (bodies in them), bytes,
 * connections, and when the first and the last came (us, monotonic). Ends with stdin. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { CONNECTIONS = 1024, BATCH = 64, REQUEST_MAX = 1 << 22, FIRST = 1 << 14, RECEIVED = 24 };

struct source {
	struct source *next; /* of all that there were */
	int fd;
	size_t used, room;
	char *bytes;
};

struct sink {
	int epoll, listener;
	char answer[128];
	FILE *log;
	struct source *all;
	unsigned long long requests, events, bytes, connections, first_us, last_us;
};

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void
watch(struct sink *s, int fd, void *what)
{
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd,
		    &(struct epoll_event){.events = EPOLLIN, .data.ptr = what}) != 0)
		fail("epoll_ctl");
}

static void
listen_at(struct sink *s, uint16_t port)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(s->listener, (const struct sockaddr *)&at, sizeof at) != 0 ||
		listen(s->listener, CONNECTIONS) != 0)
		fail("listen");
	watch(s, s->listener, &s->listener);
	watch(s, STDIN_FILENO, NULL);
}

static void
take_connection(struct sink *s)
{
	struct source *c = calloc(1, sizeof *c);

	c->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	c->bytes = malloc(c->room = FIRST);
	if (c->fd < 0)
		fail("accept");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	s->connections++;
	c->next = s->all;
	s->all = c;
	watch(s, c->fd, c);
}

static void
drop(struct source *c)
{
	close(c->fd);
	free(c->bytes);
	c->bytes = NULL;
}

static size_t
count(const char *at, const char *end, const char *word)
{
	const size_t n = strlen(word);
	size_t found = 0;

	while ((at = memmem(at, (size_t)(end - at), word, n))) {
		found++;
		at += n;
	}
	return found;
}

static void
tell_times(struct sink *s, const char *body, const char *end)
{
	static const char key[] = "\"received\":\"";
	const char *at = memmem(body, (size_t)(end - body), key, sizeof key - 1);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		fprintf(s->log, "%llu %.*s\n",
			(unsigned long long)now.tv_sec * 1000000 +
				(unsigned long long)now.tv_nsec / 1000,
			RECEIVED, at + sizeof key - 1);
}

static void
note(struct sink *s, const char *body, const char *end)
{
	s->last_us = clock_mono_us();
	s->first_us = s->requests++ ? s->first_us : s->last_us;
	s->events += count(body, end, "\"sequence\":");
	s->bytes += (unsigned long long)(end - body);
	if (s->log)
		tell_times(s, body, end);
}

/* The first request's bytes, when it is whole; else 0. */
static size_t
whole(struct source *c, const char **body)
{
	const char *end = memmem(c->bytes, c->used, "\r\n\r\n", 4), *length;
	size_t n;

	if (!end)
		return 0;
	c->bytes[end - c->bytes] = 0;
	length = strcasestr(c->bytes, "\r\ncontent-length:");
	c->bytes[end - c->bytes] = '\r';
	*body = end + 4;
	n = (size_t)(*body - c->bytes) + (length ? strtoul(length + 17, NULL, 10) : 0);
	return n <= c->used ? n : 0;
}

static bool
answer_all(struct sink *s, struct source *c)
{
	const char *body;
	size_t n;

	while ((n = whole(c, &body))) {
		note(s, body, c->bytes + n);
		memmove(c->bytes, c->bytes + n, c->used -= n);
		if (send(c->fd, s->answer, strlen(s->answer), MSG_NOSIGNAL) < 0)
			return false;
	}
	return true;
}

/* A byte stays free: a head is read as a text. */
static bool
take(struct sink *s, struct source *c)
{
	ssize_t n;

	if (c->used + 1 >= c->room && c->room < REQUEST_MAX)
		c->bytes = realloc(c->bytes, c->room *= 2);
	n = recv(c->fd, c->bytes + c->used, c->room - 1 - c->used, 0);
	if (n <= 0)
		return false;
	c->used += (size_t)n;
	return answer_all(s, c);
}

static void
tell(struct sink *s)
{
	char asked[64];

	if (read(STDIN_FILENO, asked, sizeof asked) <= 0)
		exit(0);
	if (s->log)
		fflush(s->log);
	printf("{\"requests\": %llu, \"events\": %llu, \"bytes\": %llu, \"connections\": %llu, "
	       "\"first_us\": %llu, \"last_us\": %llu}\n",
		s->requests, s->events, s->bytes, s->connections, s->first_us, s->last_us);
	fflush(stdout);
}

static void
work(struct sink *s)
{
	struct epoll_event events[BATCH];
	const int n = epoll_wait(s->epoll, events, BATCH, -1);

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (!what)
			tell(s);
		else if (what == &s->listener)
			take_connection(s);
		else if (!take(s, what))
			drop(what);
	}
}

int
main(int argc, char **argv)
{
	static struct sink s;

	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: bench-sink PORT [STATUS [LOG]]\n");
		return 1;
	}
	snprintf(s.answer, sizeof s.answer, "HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\nok",
		argc > 2 ? atoi(argv[2]) : 200);
	if (argc > 3 && !(s.log = fopen(argv[3], "we")))
		fail(argv[3]);
	listen_at(&s, (uint16_t)atoi(argv[1]));
	for (;;)
		work(&s);
}
