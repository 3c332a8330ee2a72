/* confirmations - see confirmations.h. All on the loop's thread; the fetcher calls back on it. */
#include "confirmations.h"

#include <stdio.h>
#include <stdlib.h>

#include "kept.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "providers/sns.h"

enum { DAY_MS = 24 * 3600 * 1000 };

struct confirmation {
	char url[FETCH_URL_MAX];
	size_t n; /* 0: a free place */
	bool fetching, answered;
	unsigned failures;
	uint64_t since_ms, due_ms;
};

struct confirmations {
	char *folder;
	char kind[KEPT_KIND_MAX];
	struct fetcher *fetcher;
	uint64_t (*now_ms)(void);
	struct confirmation list[CONFIRMATIONS_MAX];
};

static struct slice
url_of(const struct confirmation *one)
{
	return (struct slice){one->url, one->n};
}

static struct confirmation *
find(struct confirmations *c, struct slice url)
{
	for (size_t i = 0; i < CONFIRMATIONS_MAX; i++)
		if (c->list[i].n && slice_eq(url_of(&c->list[i]), url))
			return &c->list[i];
	return NULL;
}

/* A free one, else the oldest of the answered ones, which stay only to be known again. */
static struct confirmation *
place(struct confirmations *c)
{
	struct confirmation *oldest = NULL;

	for (size_t i = 0; i < CONFIRMATIONS_MAX; i++) {
		struct confirmation *one = &c->list[i];

		if (!one->n)
			return one;
		if (one->answered && (!oldest || one->since_ms < oldest->since_ms))
			oldest = one;
	}
	return oldest;
}

static void
put(struct confirmation *one, struct slice url, uint64_t since_ms)
{
	*one = (struct confirmation){.n = url.n, .since_ms = since_ms};
	memcpy(one->url, url.p, url.n);
}

static void
take_up(void *arg, struct slice url, uint64_t age_ms)
{
	struct confirmations *c = arg;
	struct confirmation *one = place(c);

	if (one && url.n <= sizeof one->url && sns_subscribe_url_allowed(url, NULL))
		put(one, url, c->now_ms() - age_ms);
}

struct confirmations *
confirmations_new(const char *folder, size_t instance, struct fetcher *fetcher,
	uint64_t (*now_ms)(void), struct error *why)
{
	struct confirmations *c;

	if (!file_make_folder(folder, why))
		return NULL;
	c = calloc(1, sizeof *c);
	if (c)
		c->folder = strdup(folder);
	if (!c || !c->folder) {
		free(c);
		error_set(why, "out of memory for confirmations");
		return NULL;
	}
	snprintf(c->kind, sizeof c->kind, "confirmation-%zu", instance);
	c->fetcher = fetcher;
	c->now_ms = now_ms;
	kept_each(folder, c->kind, take_up, c);
	return c;
}

void
confirmations_destroy(struct confirmations **confirmations)
{
	if (!*confirmations)
		return;
	free((*confirmations)->folder);
	free(*confirmations);
	*confirmations = NULL;
}

bool
confirmations_add(struct confirmations *c, struct slice url, struct error *why)
{
	struct confirmation *one = find(c, url);

	if (one || url.n > sizeof one->url || !sns_subscribe_url_allowed(url, NULL))
		return true;
	one = place(c);
	if (!one)
		return error_set(why, "%d subscriptions wait for their confirmation already",
			CONFIRMATIONS_MAX);
	if (!kept_write(c->folder, c->kind, url, slice_of(""), true, why))
		return false;
	put(one, url, c->now_ms());
	return true;
}

/* The topic, for the log: the URL itself holds the token that confirms. */
static struct slice
topic_of(struct slice url)
{
	static const char key[] = "TopicArn=";
	const char *at = memmem(url.p, url.n, key, sizeof key - 1);
	const char *end;
	size_t n;

	if (!at)
		return (struct slice){"", 0};
	at += sizeof key - 1;
	n = (size_t)(url.p + url.n - at);
	end = memchr(at, '&', n);
	return (struct slice){at, end ? (size_t)(end - at) : n};
}

static void
finish(struct confirmations *c, struct confirmation *one)
{
	one->answered = true;
	kept_remove(c->folder, c->kind, url_of(one));
}

static uint64_t
back_off(unsigned failures)
{
	const unsigned doublings = failures > 16 ? 16 : failures;
	const uint64_t ms = (uint64_t)CONFIRMATION_RETRY_MS << doublings;

	return ms < CONFIRMATION_RETRY_MAX_MS ? ms : CONFIRMATION_RETRY_MAX_MS;
}

static bool
is_final(long status)
{
	return status >= 200 && status < 500 && status != 429;
}

static void
on_fetched(void *arg, struct slice url, const struct fetched *got, const struct error *why)
{
	struct confirmations *c = arg;
	struct confirmation *one = find(c, url);
	const long status = got ? got->status : 0;

	if (!one)
		return;
	one->fetching = false;
	if (is_final(status))
		finish(c, one);
	else
		one->due_ms = c->now_ms() + back_off(one->failures++);
	if (status >= 200 && status < 300)
		log_info("subscription confirmed", LF_SLICE("topic", topic_of(url)));
	else
		log_warn(one->answered ? "confirmation refused" : "confirmation failed",
			LF_SLICE("topic", topic_of(url)), LF_UINT("status", status),
			LF_TEXT("cause", got ? "" : why->text));
}

void
confirmations_tick(struct confirmations *c)
{
	const uint64_t now_ms = c->now_ms();

	fetcher_poll(c->fetcher);
	for (size_t i = 0; i < CONFIRMATIONS_MAX; i++) {
		struct confirmation *one = &c->list[i];

		if (!one->n || one->answered || one->fetching || now_ms < one->due_ms)
			continue;
		if (now_ms > one->since_ms + (uint64_t)CONFIRMATION_DAYS * DAY_MS) {
			log_warn("confirmation given up", LF_SLICE("topic", topic_of(url_of(one))));
			finish(c, one);
			continue;
		}
		one->fetching = fetcher_send(c->fetcher, url_of(one), on_fetched, c);
	}
}
