/* listener_read - the bytes of a connection on their way to the library: read, looked at (intake.h),
 * handed on.
 *
 * libmicrohttpd 0.9 lets nobody see or limit what it reads, and reads as much as there is: whatever
 * was peeked at, the next request's head may be in its buffer behind this one's body. A pair of
 * sockets for each connection would double the system calls; so the one function it reads with is
 * ours: a program's own recv() comes before libc's. It does what recv() does, but on connections of
 * a listener whose turn it is, in that thread. Should a library read by other ways, no head is known
 * to be good, and nothing is served (listener_request.c).
 *
 * The library waits for an edge once it got less than it had room for. So bytes that are held back
 * when a request is over are told by suspending and resuming its connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "listener_private.h"

enum { DISCARD_MAX = 1 << 20, DISCARD_STEP = 1 << 16, HELD_STEP = 4096 };

static _Thread_local struct listener *turning;

void
listener_read_from(struct listener *l)
{
	turning = l;
}

/* What is still to come is no use, but a connection that is closed over unread bytes is reset, and
 * its answer may be lost with it. */
void
listener_discard(struct connection *c)
{
	static char nowhere[DISCARD_STEP];
	ssize_t n = 1;

	for (size_t sum = 0; n > 0 && sum < DISCARD_MAX; sum += (size_t)n)
		n = recvfrom(c->fd, nowhere, sizeof nowhere, MSG_DONTWAIT, NULL, NULL);
}

static void
drop_held(struct connection *c)
{
	free(c->held.bytes);
	c->held = (struct held){.bytes = NULL};
}

/* Room for n more bytes behind those that are held. */
static bool
make_room(struct held *held, size_t n)
{
	char *bytes;

	if (held->room - held->n >= n)
		return true;
	bytes = realloc(held->bytes, held->n + n);
	if (!bytes)
		return false;
	held->bytes = bytes;
	held->room = held->n + n;
	return true;
}

static bool
hold(struct connection *c, const char *bytes, size_t n)
{
	if (n == 0)
		return true;
	if (!make_room(&c->held, n))
		return false;
	memcpy(c->held.bytes + c->held.n, bytes, n);
	c->held.n += n;
	return true;
}

/* Looks at n bytes, of which the first may go on: their number. The others are held. */
static size_t
sort(struct connection *c, char *bytes, size_t n)
{
	const size_t ready = intake_sort(&c->intake, bytes, &n);

	if (c->intake.fault) {
		drop_held(c);
		listener_discard(c);
	} else if (!hold(c, bytes + ready, n - ready)) {
		shutdown(c->fd, SHUT_RDWR);
	}
	return ready;
}

/* The same for those that are held. */
static void
sort_held(struct connection *c)
{
	struct held *held = &c->held;

	held->ready = intake_sort(&c->intake, held->bytes, &held->n);
	if (c->intake.fault) {
		held->n = held->ready;
		listener_discard(c);
	}
	if (held->n == 0)
		drop_held(c);
}

static size_t
give_held(struct connection *c, char *buf, size_t room)
{
	struct held *held = &c->held;
	const size_t n = held->ready < room ? held->ready : room;

	memcpy(buf, held->bytes, n);
	held->n -= n;
	held->ready -= n;
	memmove(held->bytes, held->bytes + n, held->n);
	if (held->n == 0)
		drop_held(c);
	return n;
}

static size_t
give_instead(struct connection *c, char *buf, size_t room)
{
	struct slice *instead = &c->intake.instead;
	const size_t n = instead->n < room ? instead->n : room;

	memcpy(buf, instead->p, n);
	*instead = (struct slice){instead->p + n, instead->n - n};
	return n;
}

/* Reads what has come, behind what is held. 0 and below as recv(). *given: what is ready at buf. */
static ssize_t
read_more(struct connection *c, char *buf, size_t room, int flags, size_t *given)
{
	struct held *held = &c->held;
	const bool held_some = held->n > 0;
	ssize_t n;

	*given = 0;
	if (held_some && room > HELD_STEP)
		room = HELD_STEP;
	if (held_some && !make_room(held, room)) {
		errno = ENOMEM;
		return -1;
	}
	n = recvfrom(c->fd, held_some ? held->bytes + held->n : buf, room, flags, NULL, NULL);
	c->drained = n < (ssize_t)room;
	if (n <= 0)
		return n;
	if (held_some) {
		held->n += (size_t)n;
		sort_held(c);
	} else {
		*given = sort(c, buf, (size_t)n);
	}
	if (c->came_ms == 0 && (c->held.n > 0 || c->intake.part != INTAKE_HEAD))
		c->came_ms = clock_mono_ms();
	return n;
}

/* As recv(), for the library. */
static ssize_t
receive(struct connection *c, char *buf, size_t room, int flags)
{
	size_t out = 0, given;
	ssize_t n = -1;

	if (c->held.n > 0 && c->held.ready == 0 && c->intake.part != INTAKE_WHOLE)
		sort_held(c);
	errno = EAGAIN;
	c->drained = false;
	while (out < room) {
		if (c->held.ready > 0) {
			out += give_held(c, buf + out, room - out);
		} else if (c->intake.instead.n > 0) {
			out += give_instead(c, buf + out, room - out);
		} else if (c->drained || c->intake.part >= INTAKE_WHOLE) {
			break;
		} else {
			n = read_more(c, buf + out, room - out, flags, &given);
			out += given;
			if (n <= 0)
				break;
		}
	}
	if (out > 0)
		return (ssize_t)out;
	if (n > 0)
		errno = EAGAIN;
	return n > 0 ? -1 : n;
}

static struct connection *
connection_of(int fd)
{
	const struct listener *l = turning;

	return l && fd >= 0 && (size_t)fd < l->fds_room ? l->fds[fd] : NULL;
}

ssize_t
recv(int fd, void *buf, size_t n, int flags)
{
	struct connection *c = connection_of(fd);

	return c ? receive(c, buf, n, flags) : recvfrom(fd, buf, n, flags, NULL, NULL);
}

bool
listener_read_open(struct connection *c)
{
	struct listener *l = c->listener;
	const size_t room = (size_t)c->fd * 2 + 64;

	if (c->fd < 0)
		return false;
	if ((size_t)c->fd >= l->fds_room) {
		struct connection **fds = realloc(l->fds, room * sizeof(struct connection *));

		if (!fds)
			return false;
		memset(fds + l->fds_room, 0, (room - l->fds_room) * sizeof(struct connection *));
		l->fds = fds;
		l->fds_room = room;
	}
	l->fds[c->fd] = c;
	intake_begin(&c->intake, l->header_bytes);
	return true;
}

static void
unlink_nudge(struct connection *c)
{
	if (!c->nudge_back)
		return;
	*c->nudge_back = c->nudge_next;
	if (c->nudge_next)
		c->nudge_next->nudge_back = c->nudge_back;
	c->nudge_back = NULL;
}

void
listener_read_next(struct connection *c)
{
	struct listener *l = c->listener;

	if (c->intake.part != INTAKE_WHOLE) {
		c->intake.part = INTAKE_CLOSED; /* answered before it was in */
		return;
	}
	c->came_ms = c->held.n > 0 ? clock_mono_ms() : 0;
	intake_begin(&c->intake, l->header_bytes);
	if ((c->held.n == 0 && c->drained) || c->nudge_back)
		return;
	c->nudge_next = l->nudges;
	c->nudge_back = &l->nudges;
	if (l->nudges)
		l->nudges->nudge_back = &c->nudge_next;
	l->nudges = c;
}

bool
listener_nudge(struct listener *l)
{
	const bool some = l->nudges != NULL;

	while (l->nudges) {
		struct connection *c = l->nudges;

		unlink_nudge(c);
		MHD_suspend_connection(c->mhd);
		MHD_resume_connection(c->mhd);
	}
	return some;
}

void
listener_read_close(struct connection *c)
{
	unlink_nudge(c);
	if (c->intake.part != INTAKE_HEAD || c->held.n > 0)
		listener_discard(c);
	if (c->fd >= 0 && (size_t)c->fd < c->listener->fds_room)
		c->listener->fds[c->fd] = NULL;
	drop_held(c);
}
