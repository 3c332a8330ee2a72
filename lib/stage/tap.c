/* tap - see tap.h.
 *
 * In and out: sockets. State of the sending end: which prefixes are subscribed, and by how many; XPUB
 * tells of each who comes and goes, for a newcomer is to hear of a stage at once. State of the
 * watching end: which sockets it is connected to. A kill of either end costs what was under way. */
#include "tap.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

enum { PREFIXES_MAX = 64, TOPIC_MAX = 255, PEERS_MAX = 1024, STAGE_NAME_MAX = 80 };

/* With no linger at all, libzmq 4.3.4 aborts when a watcher leaves in the middle of a message of
 * two parts just while the socket is being closed. */
enum { CLOSE_LINGER_MS = 100 };

struct prefix {
	size_t users, n;
	char text[TOPIC_MAX];
};

struct tap {
	zsock_t *sock;
	size_t count;
	uint64_t dropped;
	size_t others; /* subscriptions that the table has no room for: then all is wanted */
	struct prefix prefixes[PREFIXES_MAX];
};

static void
tell_of_each(struct tap *tap)
{
	const int each = 1;

	zmq_setsockopt(zsock_resolve(tap->sock), ZMQ_XPUB_VERBOSER, &each, sizeof each);
}

static void
refuse_when_full(struct tap *tap, int refuse)
{
	zmq_setsockopt(zsock_resolve(tap->sock), ZMQ_XPUB_NODROP, &refuse, sizeof refuse);
}

struct tap *
tap_new(const struct config *cfg, const char *stage, size_t instance, struct error *why)
{
	struct tap *tap = calloc(1, sizeof *tap);

	if (!tap) {
		error_set(why, "out of memory");
		return NULL;
	}
	tap->sock = wire_bind(cfg, WIRE_TAP, ZMQ_XPUB, stage, instance, why);
	if (!tap->sock) {
		tap_destroy(&tap);
		return NULL;
	}
	tell_of_each(tap);
	refuse_when_full(tap, 1);
	return tap;
}

void
tap_destroy(struct tap **tap)
{
	if (*tap && (*tap)->sock) {
		zsock_set_linger((*tap)->sock, CLOSE_LINGER_MS);
		zsock_destroy(&(*tap)->sock);
	}
	free(*tap);
	*tap = NULL;
}

zsock_t *
tap_sock(struct tap *tap)
{
	return tap->sock;
}

static struct prefix *
find(struct tap *tap, struct slice prefix)
{
	for (size_t i = 0; i < tap->count; i++)
		if (slice_eq((struct slice){tap->prefixes[i].text, tap->prefixes[i].n}, prefix))
			return &tap->prefixes[i];
	return NULL;
}

static void
subscribe(struct tap *tap, struct slice prefix)
{
	struct prefix *to = find(tap, prefix);

	if (to) {
		to->users++;
		return;
	}
	to = &tap->prefixes[tap->count];
	if (tap->count == PREFIXES_MAX || prefix.n > sizeof to->text) {
		tap->others++;
		return;
	}
	memcpy(to->text, prefix.p, prefix.n);
	to->n = prefix.n;
	to->users = 1;
	tap->count++;
}

static void
unsubscribe(struct tap *tap, struct slice prefix)
{
	struct prefix *p = find(tap, prefix);

	if (!p && tap->others)
		tap->others--;
	if (p && --p->users == 0)
		*p = tap->prefixes[--tap->count];
}

/* Subscriptions come as messages: a byte 1 or 0, then the prefix. */
static void
read_subscriptions(struct tap *tap)
{
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	while (zmq_msg_recv(&msg, zsock_resolve(tap->sock), ZMQ_DONTWAIT) > 0) {
		const char *p = zmq_msg_data(&msg);
		const struct slice prefix = {p + 1, zmq_msg_size(&msg) - 1};

		if (*p == 1)
			subscribe(tap, prefix);
		else if (*p == 0)
			unsubscribe(tap, prefix);
	}
	zmq_msg_close(&msg);
}

/* Some topic "<kind>.<detail>" can match the prefix. */
static bool
may_match(const struct prefix *prefix, struct slice kind)
{
	const size_t n = prefix->n < kind.n ? prefix->n : kind.n;

	return memcmp(prefix->text, kind.p, n) == 0 &&
	       (prefix->n <= kind.n || prefix->text[kind.n] == '.');
}

bool
tap_wanted(struct tap *tap, const char *kind)
{
	const struct slice name = slice_of(kind);

	read_subscriptions(tap);
	for (size_t i = 0; i < tap->count; i++)
		if (may_match(&tap->prefixes[i], name))
			return true;
	return tap->others > 0;
}

/* Some watcher has no room: the message goes to the others alone. From then on the library passes that one
 * over, without a word, until it has caught up. */
static void
send_past(struct tap *tap, struct slice topic, struct slice frame)
{
	void *sock = zsock_resolve(tap->sock);

	tap->dropped++;
	refuse_when_full(tap, 0);
	if (zmq_send(sock, topic.p, topic.n, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0)
		zmq_send(sock, frame.p, frame.n, ZMQ_DONTWAIT);
	refuse_when_full(tap, 1);
}

void
tap_send(struct tap *tap, const char *kind, struct slice detail, const void *frame, size_t n)
{
	void *sock = zsock_resolve(tap->sock);
	char topic[TOPIC_MAX + 1];
	int length;

	if (!tap_wanted(tap, kind))
		return;
	if (detail.n > TOPIC_MAX)
		detail.n = TOPIC_MAX;
	length = snprintf(topic, sizeof topic, "%s.%.*s", kind, SLICE_ARG(detail));
	if (length > TOPIC_MAX)
		length = TOPIC_MAX;
	if (zmq_send(sock, topic, (size_t)length, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0)
		zmq_send(sock, frame, n, ZMQ_DONTWAIT);
	else if (errno == EAGAIN)
		send_past(tap, (struct slice){topic, (size_t)length}, (struct slice){frame, n});
}

uint64_t
tap_dropped(const struct tap *tap)
{
	return tap->dropped;
}

struct tap_feed {
	const struct config *cfg; /* not ours */
	zsock_t *sock;
	char *run;              /* the folder of the sockets */
	char *files[PEERS_MAX]; /* those in it that sock is connected to */
	size_t count;
};

static bool
open_feed(struct tap_feed *feed, const char *topic)
{
	feed->sock = zsock_new(ZMQ_SUB);
	feed->run = zsys_sprintf("%s/run", feed->cfg->data_dir);
	if (!feed->sock || !feed->run)
		return false;
	zsock_set_linger(feed->sock, 0);
	zsock_set_rcvhwm(feed->sock, wire_table[WIRE_TAP].hwm);
	zsock_set_reconnect_ivl(feed->sock, 100);
	zsock_set_reconnect_ivl_max(feed->sock, 1000);
	zsock_set_subscribe(feed->sock, topic);
	return true;
}

struct tap_feed *
tap_feed_new(const struct config *cfg, const char *topic, struct error *why)
{
	struct tap_feed *feed = calloc(1, sizeof *feed);

	if (feed)
		feed->cfg = cfg;
	if (feed && open_feed(feed, topic)) {
		tap_feed_refresh(feed);
		return feed;
	}
	error_set(why, "cannot open a socket for the tap: %s", zmq_strerror(errno));
	tap_feed_destroy(&feed);
	return NULL;
}

void
tap_feed_destroy(struct tap_feed **feed)
{
	struct tap_feed *f = *feed;

	if (f) {
		zsock_destroy(&f->sock);
		for (size_t i = 0; i < f->count; i++)
			free(f->files[i]);
		free(f->run);
	}
	free(f);
	*feed = NULL;
}

zsock_t *
tap_feed_sock(struct tap_feed *feed)
{
	return feed->sock;
}

/* "tap-<stage>.<instance>" to its parts; false for other files. */
static bool
parse_file(const char *file, char stage[STAGE_NAME_MAX], size_t *instance)
{
	const char *dot = strrchr(file, '.'), *name = file + strlen("tap-");
	char *end;

	if (strncmp(file, "tap-", strlen("tap-")) != 0 || !dot || dot <= name ||
		dot - name >= STAGE_NAME_MAX || dot[1] < '0' || dot[1] > '9')
		return false;
	memcpy(stage, name, (size_t)(dot - name));
	stage[dot - name] = '\0';
	*instance = strtoul(dot + 1, &end, 10);
	return *end == '\0';
}

static bool
is_connected(const struct tap_feed *feed, const char *file)
{
	for (size_t i = 0; i < feed->count; i++)
		if (strcmp(feed->files[i], file) == 0)
			return true;
	return false;
}

/* A file that a dead stage left behind does no harm: libzmq tries again until a new one is there.
 */
static void
connect_file(struct tap_feed *feed, const char *file)
{
	char stage[STAGE_NAME_MAX];
	size_t instance;

	if (feed->count == PEERS_MAX || !parse_file(file, stage, &instance) ||
		is_connected(feed, file))
		return;
	feed->files[feed->count] = strdup(file);
	if (!feed->files[feed->count])
		return;
	if (wire_connect_more(feed->sock, feed->cfg, WIRE_TAP, stage, instance, NULL))
		feed->count++;
	else
		free(feed->files[feed->count]);
}

void
tap_feed_refresh(struct tap_feed *feed)
{
	DIR *dir = opendir(feed->run);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		connect_file(feed, entry->d_name);
	closedir(dir);
}
