/* What is asked of the counts, and what becomes of them. */
#include <criterion/criterion.h>

#include "history_kit.h"
#include "lib/base/field.h"
#include "lib/base/map.h"
#include "lib/ops/stats.h"

#define HOUR_MS 3600000ULL
enum { NOW_H = 500000 };

static const uint64_t now = NOW_H * HOUR_MS;

static struct stats_ask
taken(struct stats_words words)
{
	struct stats_ask ask = {.limit = 0};
	struct error why = {""};

	cr_assert(stats_take(&words, "--", now, &ask, &why), "%s", why.text);
	return ask;
}

static const char *
refused(struct stats_words words)
{
	static struct error why;
	struct stats_ask ask = {.limit = 0};

	cr_assert_not(stats_take(&words, "--", now, &ask, &why));
	return why.text;
}

Test(stats, nothing_said_is_types_of_the_last_day_as_finely_as_they_are_kept)
{
	const struct stats_ask ask = taken((struct stats_words){.by = NULL});

	cr_expect(ask.what.whole);
	cr_expect_not(ask.wide);
	cr_expect_eq(ask.what.by, HISTORY_BY_TYPE);
	cr_expect_eq(ask.what.span, HISTORY_MINUTE);
	cr_expect_eq(ask.what.since_ms, now - 24 * HOUR_MS);
}

Test(stats, each_span_has_its_usual_time)
{
	cr_expect_eq(taken((struct stats_words){.by = "minute"}).what.since_ms, now - HOUR_MS);
	cr_expect_eq(taken((struct stats_words){.by = "hour"}).what.since_ms, now - 24 * HOUR_MS);
	cr_expect_eq(taken((struct stats_words){.by = "day,source"}).what.since_ms,
		now - 30 * 24 * HOUR_MS);
}

Test(stats, without_a_span_the_finest_that_reaches_back_is_taken)
{
	cr_expect_eq(taken((struct stats_words){.by = "type", .since = "47h"}).what.span,
		HISTORY_MINUTE);
	cr_expect_eq(
		taken((struct stats_words){.by = "type", .since = "3d"}).what.span, HISTORY_HOUR);
	cr_expect_eq(taken((struct stats_words){.by = "campaign"}).what.span, HISTORY_HOUR);
	cr_expect_eq(taken((struct stats_words){.by = "type", .campaign = "spring"}).what.span,
		HISTORY_HOUR);
	cr_expect_eq(
		taken((struct stats_words){.by = "type", .since = "500d"}).what.span, HISTORY_DAY);
}

Test(stats, a_row_that_is_of_no_type_is_wide)
{
	cr_expect(taken((struct stats_words){.by = "hour,campaign"}).wide);
	cr_expect_not(taken((struct stats_words){.by = "hour,campaign,type"}).wide);
}

Test(stats, what_means_nothing_is_told)
{
	cr_expect(strstr(refused((struct stats_words){.by = "campain"}), "mean \"campaign\""));
	cr_expect(strstr(refused((struct stats_words){.by = ""}), "--by"));
	cr_expect(strstr(refused((struct stats_words){.by = "hour,,type"}), "--by"));
	cr_expect(strstr(refused((struct stats_words){.by = "hour,day"}), "one of"));
	cr_expect(strstr(refused((struct stats_words){.by = "minute,domain"}), "hour or day"));
	cr_expect(strstr(refused((struct stats_words){.by = "hour", .since = "soon"}), "--since"));
	cr_expect(strstr(refused((struct stats_words){.by = "hour", .since = "1h", .until = "2h"}),
		"not after"));
	cr_expect(strstr(refused((struct stats_words){.by = "hour", .machine = "x"}), "yes or no"));
}

Test(stats, people_and_machines_are_told_apart)
{
	uint64_t kinds[STATS_KINDS_N] = {0};

	stats_add_kind(kinds, slice_of("email_opened"), false, 2);
	stats_add_kind(kinds, slice_of("email_opened"), true, 3);
	stats_add_kind(kinds, slice_of("email_failed"), false, 4);
	stats_add_kind(kinds, slice_of("custom"), false, 5);
	cr_expect_eq(kinds[STATS_opened], 2u);
	cr_expect_eq(kinds[STATS_opened_by_machine], 3u);
	cr_expect_eq(kinds[STATS_rejected], 4u);
}

/* ---- over a history ---- */

struct seen {
	uint64_t rows, count, delivered;
	double rate;
	bool none;
};

static bool
see(void *arg, const msgpack_object *row)
{
	struct seen *s = arg;
	const msgpack_object *rate = field_get(row, "delivered_rate");
	int64_t n = 0;

	s->rows++;
	field_int(row, "count", &n);
	s->count += (uint64_t)n;
	field_int(row, "delivered", &n);
	s->delivered += (uint64_t)n;
	s->none = rate && rate->type == MSGPACK_OBJECT_NIL;
	s->rate = rate && !s->none ? rate->via.f64 : -1;
	return true;
}

static struct stats_ask
ask_of(struct kit *k, const char *by, uint64_t limit)
{
	const struct stats_words words = {.by = by, .since = "2d"};
	struct stats_ask ask = {.limit = 0};

	cr_assert(stats_take(&words, "", k->now_ms + HOUR_MS, &ask, &k->why), "%s", k->why.text);
	ask.limit = limit;
	return ask;
}

static struct seen
counted(struct kit *k, const char *by, uint64_t limit, struct stats_told *told)
{
	const struct stats_ask ask = ask_of(k, by, limit);
	struct seen s = {.rows = 0};
	struct history_view *view;
	bool exists;

	view = history_watch(k->folder, &exists, &k->why);
	cr_assert_not_null(view);
	cr_assert_eq(stats_each(view, &ask, see, &s, told, &k->why), OPS_FOUND);
	history_view_close(&view);
	return s;
}

Test(stats, counts_of_one_time_are_the_same_however_they_are_told_apart)
{
	static const char *const ways[] = {"type", "hour", "day,campaign", "source,domain",
		"machine", "hour,type,source,campaign,domain,machine"};
	struct stats_told told;
	struct kit k;

	kit_open(&k, 100);
	kit_append(&k, 1, 350); /* some sealed and rolled up, some not */
	kit_work(&k);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		cr_expect_eq(counted(&k, ways[i], 0, &told).count, 349u, "%s", ways[i]);
	cr_expect_eq(counted(&k, "campaign", 0, &told).rows, 4u);
	cr_expect_eq(counted(&k, "campaign", 3, &told).rows, 3u);
	cr_expect_eq(told.left_out, 1u);
	kit_close(&k);
}

Test(stats, a_rate_is_a_share_of_the_mails_that_ended)
{
	struct stats_told told;
	struct seen s;
	struct kit k;

	kit_open(&k, 100);
	for (uint64_t seq = 1; seq <= 8; seq++) {
		const struct history_event ev = kit_event_of(&k, seq,
			seq <= 3   ? "email_delivered"
			: seq == 4 ? "email_bounced"
				   : "email_deferred",
			"jo@example.com");

		cr_assert_eq(kit_append_one(&k, &ev), STORE_OK);
	}
	s = counted(&k, "domain", 0, &told);
	cr_expect_eq(s.rows, 1u);
	cr_expect_eq(s.delivered, 3u);
	cr_expect_float_eq(s.rate, 0.75, 1e-9);
	kit_close(&k);
}

Test(stats, where_nothing_has_ended_there_is_no_rate)
{
	struct stats_told told;
	struct kit k;
	struct history_event ev;

	kit_open(&k, 100);
	ev = kit_event_of(&k, 1, "custom", "jo@example.com");
	cr_assert_eq(kit_append_one(&k, &ev), STORE_OK);
	cr_expect(counted(&k, "hour", 0, &told).none);
	kit_close(&k);
}
