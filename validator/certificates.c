/* certificates - see certificates.h. All on the loop's thread; the fetcher calls back on it. */
#include "certificates.h"

#include <stdlib.h>

#include "kept.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "providers/sns.h"

enum { URL_MAX = SNS_CERT_URL_MAX };

static const char KIND[] = "certificate";

struct entry {
	char url[URL_MAX];
	size_t url_n;
	size_t source; /* who asked first */
	uint64_t turn; /* in which order they did */
	char *pem;     /* NULL: not known yet */
	size_t pem_n;
	int64_t from_ms, until_ms;
	bool fetching;
	unsigned failures;
	uint64_t due_ms, asked_ms;
};

struct certificates {
	char *folder;
	struct fetcher *fetcher;
	uint64_t (*now_ms)(void);
	uint64_t turns;
	struct entry list[CERTIFICATES_MAX];
};

struct certificates *
certificates_new(
	const char *folder, struct fetcher *fetcher, uint64_t (*now_ms)(void), struct error *why)
{
	struct certificates *c;

	if (!file_make_folder(folder, why))
		return NULL;
	c = calloc(1, sizeof *c);
	if (c)
		c->folder = strdup(folder);
	if (!c || !c->folder) {
		free(c);
		error_set(why, "out of memory for certificates");
		return NULL;
	}
	c->fetcher = fetcher;
	c->now_ms = now_ms;
	return c;
}

static void
clear(struct entry *e)
{
	free(e->pem);
	*e = (struct entry){.pem = NULL};
}

void
certificates_destroy(struct certificates **certificates)
{
	if (!*certificates)
		return;
	for (size_t i = 0; i < CERTIFICATES_MAX; i++)
		clear(&(*certificates)->list[i]);
	free((*certificates)->folder);
	free(*certificates);
	*certificates = NULL;
}

static struct slice
url_of(const struct entry *e)
{
	return (struct slice){e->url, e->url_n};
}

static struct entry *
find(struct certificates *c, struct slice url)
{
	for (size_t i = 0; i < CERTIFICATES_MAX; i++)
		if (c->list[i].url_n && slice_eq(url_of(&c->list[i]), url))
			return &c->list[i];
	return NULL;
}

/* Empty places go first, then what never was a certificate, so that a stranger's inventions do not
 * push out what is in use. */
static int
worth(const struct entry *e)
{
	return !e->url_n ? 0 : !e->pem ? 1 : 2;
}

static bool
goes_before(const struct entry *a, const struct entry *b)
{
	return worth(a) != worth(b) ? worth(a) < worth(b) : a->asked_ms < b->asked_ms;
}

/* A source's own that have not proved to be certificates; *tried: the one of them that was asked for
 * longest ago and has had its fetch, or NULL. */
static size_t
unproved(struct certificates *c, size_t source, struct entry **tried)
{
	size_t n = 0;

	*tried = NULL;
	for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
		struct entry *e = &c->list[i];

		if (!e->url_n || e->pem || e->source != source)
			continue;
		n++;
		if (e->failures && !e->fetching && (!*tried || e->asked_ms < (*tried)->asked_ms))
			*tried = e;
	}
	return n;
}

/* What waits for its first fetch keeps its place: a flood of inventions takes turns, too. */
static struct entry *
free_place(struct certificates *c, size_t source)
{
	struct entry *place;

	if (unproved(c, source, &place) >= CERTIFICATES_UNPROVED)
		return place;
	place = NULL;
	for (size_t i = 0; i < CERTIFICATES_MAX; i++)
		if (!c->list[i].fetching && (!place || goes_before(&c->list[i], place)))
			place = &c->list[i];
	return place;
}

static struct entry *
place_for(struct certificates *c, struct slice url, size_t source)
{
	struct entry *place = free_place(c, source);

	if (!place)
		return NULL;
	clear(place);
	memcpy(place->url, url.p, url.n);
	place->url_n = url.n;
	place->source = source;
	place->turn = ++c->turns;
	return place;
}

static bool
valid(const struct entry *e, uint64_t now_ms)
{
	return e->pem && (int64_t)now_ms >= e->from_ms && (int64_t)now_ms <= e->until_ms;
}

static bool
take(struct entry *e, struct slice pem, struct error *why)
{
	int64_t from_ms = 0, until_ms = 0;
	char *copy;

	if (!sns_certificate_read(url_of(e), pem, &from_ms, &until_ms, why))
		return false;
	copy = malloc(pem.n);
	if (!copy)
		return error_set(why, "out of memory for a certificate");
	memcpy(copy, pem.p, pem.n);
	free(e->pem);
	e->pem = copy;
	e->pem_n = pem.n;
	e->from_ms = from_ms;
	e->until_ms = until_ms;
	return true;
}

static uint64_t
back_off(unsigned failures)
{
	const unsigned doublings = failures > 16 ? 16 : failures;
	const uint64_t ms = (uint64_t)CERTIFICATE_RETRY_MS << doublings;

	return ms < CERTIFICATE_RETRY_MAX_MS ? ms : CERTIFICATE_RETRY_MAX_MS;
}

static bool
take_fetched(struct certificates *c, struct entry *e, const struct fetched *got, struct error *why)
{
	const struct slice pem = {got->body, got->n};
	struct error unkept = {""};

	if (got->status != 200)
		return error_set(why, "status %ld", got->status);
	if (!take(e, pem, why))
		return false;
	if (!valid(e, c->now_ms()))
		return error_set(why, "the certificate is not valid today");
	if (!kept_write(c->folder, KIND, url_of(e), pem, false, &unkept))
		log_warn("certificate not kept", LF_TEXT("cause", unkept.text));
	return true;
}

/* A clock that was set back makes nobody wait longer than the longest gap. */
static bool
is_due(const struct entry *e, uint64_t now_ms)
{
	return e->url_n && e->source != CERTIFICATES_NOBODY && !e->fetching && !valid(e, now_ms) &&
	       now_ms - e->asked_ms < CERTIFICATE_ASKED_MS &&
	       (now_ms >= e->due_ms || e->due_ms - now_ms > CERTIFICATE_RETRY_MAX_MS);
}

static bool
is_before(const struct entry *a, const struct entry *b)
{
	return a->failures != b->failures ? a->failures < b->failures : a->turn < b->turn;
}

/* The source's next one, or NULL where none is due or as many as it may have are under way. */
static struct entry *
next_due(struct certificates *c, size_t source, uint64_t now_ms)
{
	struct entry *next = NULL;
	size_t under_way = 0;

	for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
		struct entry *e = &c->list[i];

		if (!e->url_n || e->source != source)
			continue;
		under_way += e->fetching;
		if (is_due(e, now_ms) && (!next || is_before(e, next)))
			next = e;
	}
	return under_way < CERTIFICATE_FETCHES ? next : NULL;
}

static void on_fetched(
	void *arg, struct slice url, const struct fetched *got, const struct error *failure);

static void
fetch_due(struct certificates *c, size_t source)
{
	const uint64_t now_ms = c->now_ms();
	struct entry *e;

	while ((e = next_due(c, source, now_ms))) {
		e->fetching = fetcher_send(c->fetcher, url_of(e), on_fetched, c);
		if (!e->fetching)
			return;
	}
}

static void
on_fetched(void *arg, struct slice url, const struct fetched *got, const struct error *failure)
{
	struct certificates *c = arg;
	struct entry *e = find(c, url);
	struct error why = *failure;

	if (!e)
		return;
	e->fetching = false;
	if (got && take_fetched(c, e, got, &why)) {
		e->failures = 0;
		log_info("certificate fetched", LF_SLICE("url", url));
	} else {
		e->due_ms = c->now_ms() + back_off(e->failures++);
		log_warn("certificate not to be had", LF_SLICE("url", url),
			LF_TEXT("cause", why.text));
	}
	fetch_due(c, e->source);
}

static void
look_on_disk(struct certificates *c, struct entry *e)
{
	struct kept_text text;
	struct error why;

	if (kept_read(c->folder, KIND, url_of(e), &text) &&
		!take(e, (struct slice){text.bytes, text.n}, &why))
		log_warn("kept certificate is of no use", LF_SLICE("url", url_of(e)),
			LF_TEXT("cause", why.text));
}

/* The certificate, where it is in memory or on disk; *e: its place, or NULL. */
static struct slice
look(struct certificates *c, struct slice url, size_t source, struct entry **e)
{
	const uint64_t now_ms = c->now_ms();

	*e = NULL;
	fetcher_poll(c->fetcher);
	if (url.n > URL_MAX || !sns_cert_url_allowed(url, NULL))
		return (struct slice){NULL, 0};
	*e = find(c, url);
	if (!*e && (*e = place_for(c, url, source)))
		look_on_disk(c, *e);
	if (!*e)
		return (struct slice){NULL, 0};
	(*e)->asked_ms = now_ms;
	return valid(*e, now_ms) ? (struct slice){(*e)->pem, (*e)->pem_n} : (struct slice){NULL, 0};
}

struct slice
certificates_get(struct certificates *c, struct slice url, size_t source)
{
	struct entry *e;
	const struct slice pem = look(c, url, source, &e);

	if (e && e->source == CERTIFICATES_NOBODY)
		e->source = source;
	if (e && !pem.p)
		fetch_due(c, e->source);
	return pem;
}

struct slice
certificates_known(struct certificates *c, struct slice url)
{
	struct kept_text text;
	struct entry *e;

	fetcher_poll(c->fetcher);
	if (url.n > URL_MAX || !sns_cert_url_allowed(url, NULL))
		return (struct slice){NULL, 0};
	e = find(c, url);
	if (!e && kept_read(c->folder, KIND, url, &text))
		return look(c, url, CERTIFICATES_NOBODY, &e);
	return e && valid(e, c->now_ms()) ? (struct slice){e->pem, e->pem_n}
					  : (struct slice){NULL, 0};
}

void
certificates_tick(struct certificates *c)
{
	const uint64_t now_ms = c->now_ms();

	fetcher_poll(c->fetcher);
	for (size_t i = 0; i < CERTIFICATES_MAX; i++)
		if (is_due(&c->list[i], now_ms))
			fetch_due(c, c->list[i].source);
}
