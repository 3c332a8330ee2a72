/* listener_admit - who may have a connection, and whose gives way for it.
 *
 * A new connection is always taken. Where its address has its share, or all places are in use, the
 * one that has been idle for longest is closed for it; where none can be, the new one is a probe: a
 * few of these may ask how the pipeline is, for a moment. */
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "forwarded.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "listener_private.h"

enum { EACH_LEAST = 64, TELL_MS = 5000, LOOKS = 64 };

/* ---- life ---- */

static bool
read_trusted(struct listener *l, const struct config *cfg, struct error *why)
{
	l->trusted = calloc(cfg->trusted_proxies_count + 1, sizeof *l->trusted);
	if (!l->trusted)
		return error_set(why, "out of memory");
	for (size_t i = 0; i < cfg->trusted_proxies_count; i++)
		if (!network_read(cfg->trusted_proxies[i], &l->trusted[i], why))
			return false;
	l->trusted_count = cfg->trusted_proxies_count;
	l->by_rfc = cfg->proxy_header == 1;
	return true;
}

static size_t
share_of(size_t limit, size_t each)
{
	if (each == 0)
		each = limit / 4 > EACH_LEAST ? limit / 4 : EACH_LEAST;
	return each < limit ? each : limit;
}

static void
open_figures(struct listener *l)
{
	metric_open(l->metrics, METRIC_FAMILY_CONNECTIONS, "");
	*metric(l->metrics, METRIC_FAMILY_CONNECTIONS_LIMIT, "") = (double)l->limit;
	*metric(l->metrics, METRIC_FAMILY_CONNECTIONS_SHORT, "") = 0;
	*metric(l->metrics, METRIC_FAMILY_CONNECTIONS_FULL, "") = 0;
	metric_open(l->metrics, METRIC_FAMILY_CONNECTIONS_ENDED, "cause=\"limit\"");
}

bool
listener_admit_open(struct listener *l, const struct config *cfg, size_t each, struct error *why)
{
	l->crowd = crowd_new(l->limit, share_of(l->limit, each));
	if (!l->crowd)
		return error_set(why, "out of memory");
	if (l->metrics)
		open_figures(l);
	return read_trusted(l, cfg, why);
}

void
listener_admit_close(struct listener *l)
{
	crowd_destroy(&l->crowd);
	free(l->trusted);
}

/* ---- one gives way ---- */

static void
count_end(struct listener *l, const char *cause)
{
	char labels[48];

	if (!l->metrics)
		return;
	snprintf(labels, sizeof labels, "cause=\"%s\"", cause);
	++*metric(l->metrics, METRIC_FAMILY_CONNECTIONS_ENDED, labels);
}

static void
leave(struct connection *c)
{
	struct listener *l = c->listener;

	crowd_leave(l->crowd, &c->member);
	for (size_t i = 0; c->probe && i < CONNECTIONS_PROBES; i++)
		if (l->probes[i] == c)
			l->probes[i] = NULL;
}

/* The shutdown makes the library see the connection's end. */
void
listener_end(struct connection *c, const char *cause)
{
	leave(c);
	c->ended = true;
	shutdown(c->fd, SHUT_RDWR);
	count_end(c->listener, cause);
}

/* Who holds most, at a bounded rate. */
static void
tell(struct listener *l, enum crowd_want want, uint64_t now_ms)
{
	struct peer peer = {{0}};
	char text[PEER_TEXT];
	size_t most;

	if (l->told_ms && now_ms - l->told_ms < TELL_MS)
		return;
	l->told_ms = now_ms;
	most = crowd_most(l->crowd, &peer);
	log_warn("out of connections", LF_TEXT("most", peer_text(&peer, text)),
		LF_UINT("holds", most), LF_UINT("open", crowd_count(l->crowd)),
		LF_UINT("limit", l->limit),
		LF_TEXT("by", want == CROWD_ADDRESS ? "limits.connections_per_address"
						    : "limits.connections"));
}

static void
note(struct listener *l, enum crowd_want want, bool full, uint64_t now_ms)
{
	const double now_s = (double)clock_wall_ms() / 1e3;

	tell(l, want, now_ms);
	if (!l->metrics)
		return;
	*metric(l->metrics, METRIC_FAMILY_CONNECTIONS_SHORT, "") = now_s;
	if (full)
		*metric(l->metrics, METRIC_FAMILY_CONNECTIONS_FULL, "") = now_s;
}

/* A free place, or that of the one that has had it for longest. */
static void
become_probe(struct connection *c)
{
	struct connection **place = c->listener->probes;

	for (size_t i = 1; *place && i < CONNECTIONS_PROBES; i++) {
		struct connection **other = &c->listener->probes[i];

		if (!*other || (*other)->since_ms < (*place)->since_ms)
			place = other;
	}
	if (*place)
		listener_end(*place, "probe");
	*place = c;
	c->probe = true;
}

static struct connection *
connection_of(struct crowd_member *m)
{
	return (struct connection *)(void *)((char *)m - offsetof(struct connection, member));
}

/* A request may have come that has not been read yet. */
static bool
has_come(const struct connection *c)
{
	char byte;

	return c->member.state == CROWD_IDLE && c->came_ms == 0 &&
	       recvfrom(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) > 0;
}

/* Who gives way; NULL: nobody. */
static struct connection *
first_to_go(const struct connection *c, const struct peer *counted, enum crowd_want want)
{
	struct crowd *crowd = c->listener->crowd;
	struct crowd_member *m;

	for (int i = 0;; i++) {
		m = crowd_first_to_go(crowd, counted, want, c->since_ms);
		if (!m || i == LOOKS || !has_come(connection_of(m)))
			return m ? connection_of(m) : NULL;
		crowd_move(crowd, m, CROWD_IDLE, c->since_ms);
	}
}

bool
listener_admit(struct connection *c)
{
	const struct peer whole = listener_from(&c->rq);
	const struct peer counted = peer_counted(whole);
	struct listener *l = c->listener;
	struct connection *first;
	enum crowd_want want;

	c->proxy = forwarded_trusts(l->trusted, l->trusted_count, &whole);
	want = crowd_wants(l->crowd, &counted, c->proxy);
	if (want == CROWD_ROOM)
		return crowd_enter(l->crowd, &c->member, &counted, c->since_ms);
	first = first_to_go(c, &counted, want);
	note(l, want, !first && want == CROWD_LIMIT, c->since_ms);
	if (!first) {
		become_probe(c);
		return true;
	}
	listener_end(first, want == CROWD_ADDRESS ? "address" : "limit");
	return crowd_enter(l->crowd, &c->member, &counted, c->since_ms);
}

void
listener_forget(struct connection *c)
{
	leave(c);
	if (c->client)
		crowd_request_over(c->listener->crowd, c->client);
}

/* ---- its requests ---- */

void
listener_phase(struct connection *c, enum phase phase)
{
	static const enum crowd_state states[] = {
		[IDLE] = CROWD_IDLE,
		[COMING] = CROWD_BUSY,
		[WAITING] = CROWD_HELD,
		[READY] = CROWD_HELD,
		[ANSWERED] = CROWD_BUSY,
	};
	const uint64_t now_ms = clock_mono_ms();

	c->phase = phase;
	if (phase == ANSWERED)
		c->done_ms = now_ms;
	if (phase == IDLE && c->client) {
		crowd_request_over(c->listener->crowd, c->client);
		c->client = NULL;
	}
	crowd_move(c->listener->crowd, &c->member, states[phase], now_ms);
}

static bool
look_for_client(void *arg, struct slice name, struct slice value)
{
	struct forwarded *f = arg;
	const char *wanted = f->by_rfc ? "Forwarded" : "X-Forwarded-For";

	if (name.n == strlen(wanted) && strncasecmp(name.p, wanted, name.n) == 0)
		forwarded_read(f, value);
	return true;
}

void
listener_client(struct connection *c)
{
	struct listener *l = c->listener;
	struct forwarded f = {l->trusted, l->trusted_count, l->by_rfc, false, {{0}}};
	struct peer counted;

	listener_headers(&c->rq, look_for_client, &f);
	counted = peer_counted(f.client);
	if (peer_known(&counted))
		c->client = crowd_request(l->crowd, &counted, &c->rq.crowded);
}
