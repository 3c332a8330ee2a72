/* history_kit - see history_kit.h. */
#include "history_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/map.h"

enum { GROUP = 100 };

static msgpack_zone zone;

void
kit_open(struct kit *k, uint32_t segment_events)
{
	*k = (struct kit){.limits = {.keep_ms = 30 * KIT_DAY_MS, .segment_events = segment_events},
		.now_ms = KIT_NOON};
	scratch_open(&k->s, NULL);
	snprintf(k->folder, sizeof k->folder, "%s", scratch_path(&k->s, "history"));
	msgpack_zone_init(&zone, 4096);
	k->h = history_open(k->folder, &k->limits, &k->why);
	cr_assert_not_null(k->h, "%s", k->why.text);
}

void
kit_close(struct kit *k)
{
	history_close(&k->h);
	msgpack_zone_destroy(&zone);
	scratch_close(&k->s);
}

void
kit_again(struct kit *k)
{
	history_close(&k->h);
	k->h = history_open(k->folder, &k->limits, &k->why);
	cr_assert_not_null(k->h, "%s", k->why.text);
}

static const char *
text(const char *before, uint64_t number, const char *behind)
{
	char *out = msgpack_zone_malloc(&zone, 64);

	snprintf(out, 64, "%s%llu%s", before, (unsigned long long)number, behind);
	return out;
}

struct history_event
kit_event_of(const struct kit *k, uint64_t seq, const char *type, const char *email)
{
	struct event *ev = msgpack_zone_malloc(&zone, sizeof *ev);
	struct map data = map_in(&zone);
	msgpack_sbuffer frame;
	char *bytes;

	map_text(&data, "message_id", slice_of(text("m-", seq / 2, "")));
	map_text(&data, "campaign_id", slice_of(text("c-", seq % 4, "")));
	map_bool(&data, "machine", seq % 5 == 0);
	*ev = (struct event){
		.seq = seq,
		.journal = slice_of(KIT_JOURNAL),
		.source = slice_of(seq % 2 ? "email" : "other"),
		.type = slice_of(type),
		.id = slice_of(text("e-", seq, "")),
		.email = slice_of(email),
		.ts = k->now_ms - 1000 + seq,
		.received = k->now_ms + seq,
		.data = map_object(&data),
	};
	msgpack_sbuffer_init(&frame);
	cr_assert(frame_pack(&event_schema, ev, &frame));
	bytes = msgpack_zone_malloc(&zone, frame.size);
	memcpy(bytes, frame.data, frame.size);
	msgpack_sbuffer_destroy(&frame);
	return (struct history_event){.event = ev, .frame = {bytes, frame.size}};
}

struct history_event
kit_event(const struct kit *k, uint64_t seq)
{
	static const char *const types[] = {"email_delivered", "email_opened", "email_bounced"};

	return kit_event_of(k, seq, types[seq % 3], text("User", seq % 10, "@Example.com"));
}

enum store_rc
kit_append_one(struct kit *k, const struct history_event *event)
{
	return history_append(k->h, event, 1, k->now_ms, NULL, &k->why);
}

size_t
kit_append(struct kit *k, uint64_t from, uint64_t end)
{
	struct history_event group[GROUP];
	size_t n, added, all = 0;

	while (from < end) {
		for (n = 0; n < GROUP && from < end; n++)
			group[n] = kit_event(k, from++);
		cr_assert_eq(history_append(k->h, group, n, k->now_ms, &added, &k->why), STORE_OK,
			"%s", k->why.text);
		all += added;
	}
	return all;
}

static void
work(struct kit *k)
{
	enum history_work rc;

	while ((rc = history_work(k->h, k->now_ms, 1000, &k->why)) == HISTORY_MORE)
		;
	cr_assert_eq(rc, HISTORY_IDLE, "%s", k->why.text);
}

void
kit_work(struct kit *k)
{
	work(k);
	k->now_ms += 10000;
	work(k);
}

bool
kit_note(void *arg, const struct history_event *event)
{
	struct kit_found *f = arg;

	f->seq[f->n] = event->event->seq;
	f->pos[f->n++] = event->pos;
	return f->n < sizeof f->seq / sizeof *f->seq;
}

static struct kit_found *
look(struct kit *k, const struct history_filter *filter, uint64_t from, size_t most, bool ahead)
{
	static struct kit_found f;
	bool exists;
	struct history_view *v = history_watch(k->folder, &exists, &k->why);
	struct history_query *q;

	cr_assert_not_null(v, "%s", k->why.text);
	q = history_query(v, filter, &k->why);
	cr_assert_not_null(q, "%s", k->why.text);
	f.n = 0;
	f.look = (struct history_look){.pos = from, .most = most};
	cr_assert((ahead ? history_read : history_find)(v, q, &f.look, kit_note, &f, &k->why), "%s",
		k->why.text);
	history_query_free(&q);
	history_view_close(&v);
	return &f;
}

struct kit_found *
kit_find(struct kit *k, const struct history_filter *filter, size_t most)
{
	return look(k, filter, 0, most, false);
}

struct kit_found *
kit_read(struct kit *k, uint64_t from)
{
	return look(k, &(struct history_filter){0}, from, 0, true);
}

static bool
note_count(void *arg, const struct history_count *count)
{
	struct kit_counts *c = arg;

	snprintf(c->rows[c->n].type, 32, "%.*s", SLICE_ARG(count->type));
	snprintf(c->rows[c->n].domain, 32, "%.*s", SLICE_ARG(count->domain));
	c->rows[c->n].from_ms = count->from_ms;
	c->rows[c->n].count = count->count;
	c->all += count->count;
	return ++c->n < sizeof c->rows / sizeof *c->rows;
}

struct kit_counts *
kit_count(struct kit *k, const struct history_stats *what)
{
	static struct kit_counts c;
	bool exists;
	struct history_view *v = history_watch(k->folder, &exists, &k->why);
	size_t damaged;

	cr_assert_not_null(v, "%s", k->why.text);
	c.n = 0;
	c.all = 0;
	cr_assert(history_count(v, what, note_count, &c, &damaged, &k->why), "%s", k->why.text);
	history_view_close(&v);
	return &c;
}

static void
say(void *arg, const char *file, const char *fault)
{
	snprintf(arg, 256, "%s: %s", strrchr(file, '/') + 1, fault);
}

const char *
kit_fault(struct kit *k)
{
	static char fault[256];
	bool exists;
	struct history_view *v = history_watch(k->folder, &exists, &k->why);

	cr_assert_not_null(v, "%s", k->why.text);
	fault[0] = '\0';
	cr_assert_eq(history_check(v, say, fault, &k->why), !fault[0]);
	history_view_close(&v);
	return fault;
}
