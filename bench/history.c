/* history - what the store of the history costs: appending, sealing, merging, looking.
 *
 * usage: bench-history FOLDER EVENTS [RAW_BYTES [GROUP]]
 *
 * In: nothing. Out: one JSON line. Events come as fast as they can in groups of GROUP (256), over three days;
 * between them the store works, as its stage lets it; the folder is made, and left there. Costs are time
 * of the processor; what ends in _ms is time on the clock. Their data
 * is some 400 bytes, and RAW_BYTES (default 700) more as a provider's own. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/base/clock.h"
#include "lib/base/histogram.h"
#include "lib/base/map.h"
#include "lib/store/history.h"

enum { GROUP = 256, GROUP_MOST = 4096, PEOPLE = 200000, LOOKS = 200 };
static const uint64_t DAY = 86400000;
/* 2026-11-26T00:00:00Z */
static const uint64_t BEGIN = 1795651200000;

/* Of a person's address. */
static const char *const ends[] = {
	"@gmail.com", "@outlook.com", "@example.com", "@company.example", "@web.de"};

static uint64_t state = 88172645463325252U;

static uint64_t
random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct bench {
	struct history *h;
	msgpack_zone zone;
	msgpack_sbuffer frames;
	struct event events[GROUP_MOST];
	struct history_event group[GROUP_MOST];
	size_t at[GROUP_MOST + 1], raw, n;
	uint64_t events_n, now_ms, bytes;
	uint64_t append_us, seal_us, merge_us;
	struct histogram appends, works;
	struct error why;
};

static struct slice
text(msgpack_zone *zone, const char *before, uint64_t number, const char *behind)
{
	char *out = msgpack_zone_malloc(zone, 96);

	return (struct slice){out,
		(size_t)snprintf(out, 96, "%s%llu%s", before, (unsigned long long)number, behind)};
}

/* Words and numbers, as much alike as those of one sender are. */
static struct slice
raw_of(struct bench *b)
{
	char *out = msgpack_zone_malloc(&b->zone, b->raw + 64);
	size_t n = 0;

	while (n < b->raw)
		n += (size_t)snprintf(out + n, 64, "\"field_%u\":\"%08llx\",",
			(unsigned)(n / 32 % 40), (unsigned long long)random_number() & 0xffffffff);
	return (struct slice){out, n};
}

static void
make_event(struct bench *b, size_t i, uint64_t seq)
{
	static const char *const types[] = {"email_accepted", "email_delivered", "email_delivered",
		"email_opened", "email_clicked", "email_bounced"};
	struct map data = map_in(&b->zone);
	const uint64_t person = random_number() % PEOPLE;

	const struct slice email = text(&b->zone, "person", person, ends[person % 5]);

	map_text(&data, "email", email);
	map_text(&data, "message_id",
		text(&b->zone, "20261126.", seq / 4 * 2654435761U, "@mx.example.com"));
	map_text(&data, "campaign_id", text(&b->zone, "campaign-", seq / 50000, ""));
	map_text(&data, "reason", slice_of("250 2.0.0 OK: queued by the receiver's first host"));
	map_text(&data, "user_agent",
		slice_of("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"));
	map_text(&data, "ip", text(&b->zone, "192.0.2.", seq % 250, ""));
	map_bool(&data, "machine", seq % 7 == 0);
	map_text(&data, "raw", raw_of(b));
	b->events[i] = (struct event){.seq = seq,
		.journal = slice_of("0123456789abcdef"),
		.source = slice_of("email"),
		.type = slice_of(types[random_number() % 6]),
		.id = text(&b->zone, "evt-", random_number(), ""),
		.email = email,
		.ts = b->now_ms - 1500,
		.received = b->now_ms,
		.data = map_object(&data)};
	b->at[i] = b->frames.size;
	frame_pack(&event_schema, &b->events[i], &b->frames);
}

/* What this process has cost, whoever else runs on the machine. */
static uint64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
append_group(struct bench *b, uint64_t seq)
{
	uint64_t from_us, from_cpu_us;

	msgpack_zone_clear(&b->zone);
	msgpack_sbuffer_clear(&b->frames);
	for (size_t i = 0; i < b->n; i++)
		make_event(b, i, seq + i);
	b->at[b->n] = b->frames.size;
	for (size_t i = 0; i < b->n; i++)
		b->group[i] = (struct history_event){.event = &b->events[i],
			.frame = {b->frames.data + b->at[i], b->at[i + 1] - b->at[i]}};
	b->bytes += b->frames.size;
	from_us = clock_mono_us();
	from_cpu_us = cpu_us();
	if (history_append(b->h, b->group, b->n, b->now_ms, NULL, &b->why) != STORE_OK)
		return false;
	histogram_add(&b->appends, clock_mono_us() - from_us);
	b->append_us += cpu_us() - from_cpu_us;
	return true;
}

static enum history_work
work(struct bench *b, uint64_t *sum_us)
{
	const uint64_t from_us = clock_mono_us(), from_cpu_us = cpu_us();
	const enum history_work rc = history_work(b->h, b->now_ms, 5000, &b->why);

	histogram_add(&b->works, clock_mono_us() - from_us);
	*sum_us += cpu_us() - from_cpu_us;
	return rc;
}

/* As the stage does: a slice of work with each group, and all that is left at the end. */
static bool
fill(struct bench *b)
{
	uint64_t seq = 1;

	while (seq <= b->events_n) {
		b->now_ms = BEGIN + 3 * DAY * seq / b->events_n;
		if (!append_group(b, seq))
			return false;
		seq += b->n;
		work(b, &b->seal_us);
	}
	while (work(b, &b->seal_us) == HISTORY_MORE)
		;
	b->now_ms += DAY;
	while (work(b, &b->merge_us) == HISTORY_MORE)
		;
	return true;
}

static bool
see(void *arg, const struct history_event *event)
{
	(void)event;
	++*(uint64_t *)arg;
	return true;
}

static uint64_t look_cpu_us;

/* A person's first page. */
static bool
look(struct history_view *v, const struct history_filter *filter, struct histogram *h,
	uint64_t *seen, struct error *why)
{
	struct history_query *q = history_query(v, filter, why);
	struct history_look l = {.most = 50};
	const uint64_t from_us = clock_mono_us(), from_cpu_us = cpu_us();
	const bool good = q && history_find(v, q, &l, see, seen, why) && l.complete;

	histogram_add(h, clock_mono_us() - from_us);
	look_cpu_us += cpu_us() - from_cpu_us;
	history_query_free(&q);
	return good;
}

static bool
look_all(const char *folder, struct histogram *people, struct histogram *messages, uint64_t *seen,
	struct error *why)
{
	bool exists;
	struct history_view *v = history_watch(folder, &exists, why);
	bool good = v != NULL;
	char email[64], message[64];

	for (int i = 0; good && i < LOOKS; i++) {
		const uint64_t person = random_number() % PEOPLE;
		struct history_filter f = {.machine = 0};

		snprintf(email, sizeof email, "person%llu%s", (unsigned long long)person,
			ends[person % 5]);
		snprintf(message, sizeof message, "20261126.%llu@mx.example.com",
			(unsigned long long)(person * 2654435761U));
		f.email = slice_of(email);
		good = look(v, &f, people, seen, why);
		f.email = (struct slice){NULL, 0};
		f.message = slice_of(message);
		good = good && look(v, &f, messages, seen, why);
	}
	history_view_close(&v);
	return good;
}

static double
ms(const struct histogram *h, double percent)
{
	return (double)histogram_percentile(h, percent) / 1e3;
}

int
main(int argc, char **argv)
{
	static struct bench b;
	static struct histogram people, messages;
	const struct history_limits limits = {.keep_ms = 90 * DAY};
	struct history_figures f;
	struct rusage usage;
	uint64_t seen = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: bench-history FOLDER EVENTS [RAW_BYTES [GROUP]]\n");
		return 1;
	}
	b.events_n = strtoull(argv[2], NULL, 10);
	b.raw = argc > 3 ? (size_t)atoi(argv[3]) : 700;
	b.n = argc > 4 ? (size_t)atoi(argv[4]) : GROUP;
	b.n = b.n && b.n < GROUP_MOST ? b.n : GROUP_MOST;
	msgpack_zone_init(&b.zone, 65536);
	msgpack_sbuffer_init(&b.frames);
	b.h = history_open(argv[1], &limits, &b.why);
	if (!b.h || !fill(&b) || !look_all(argv[1], &people, &messages, &seen, &b.why)) {
		fprintf(stderr, "bench-history: %s\n", b.why.text);
		return 1;
	}
	history_figures(b.h, &f);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"events\": %llu, \"frame_bytes\": %.0f, \"bytes_an_event\": %.1f, "
	       "\"append_cpu_us\": %.2f, \"append_p50_ms\": %.2f, \"append_p99_ms\": %.2f, "
	       "\"work_cpu_us\": %.2f, \"work_p99_ms\": %.1f, \"work_most_ms\": %.1f, "
	       "\"seal_cpu_s_a_segment\": %.2f, \"merge_cpu_us\": %.2f, \"files\": %llu, "
	       "\"person_p50_ms\": %.1f, \"person_p99_ms\": %.1f, \"message_p99_ms\": %.1f, "
	       "\"look_cpu_ms\": %.2f, \"seen\": %llu, \"rss_mb\": %.1f}\n",
		(unsigned long long)f.events, (double)b.bytes / (double)f.events,
		(double)f.bytes / (double)f.events, (double)b.append_us / (double)f.events,
		ms(&b.appends, 50), ms(&b.appends, 99), (double)b.seal_us / (double)f.events,
		ms(&b.works, 99), (double)b.works.most / 1e3,
		f.sealed ? (double)b.seal_us / 1e6 / (double)f.sealed : 0,
		(double)b.merge_us / (double)f.events, (unsigned long long)f.segments,
		ms(&people, 50), ms(&people, 99), ms(&messages, 99),
		(double)look_cpu_us / LOOKS / 2e3, (unsigned long long)seen,
		(double)usage.ru_maxrss / 1024);
	history_close(&b.h);
	return 0;
}
