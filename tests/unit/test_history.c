/* The history: appending, sealing, and finding what is in. */
#include "history_kit.h"

#define FILTER(...) (&(struct history_filter){__VA_ARGS__})

static struct kit k;

static void
done(void)
{
	kit_close(&k);
}

static struct history_figures
figures(void)
{
	struct history_figures f;

	history_figures(k.h, &f);
	return f;
}

Test(history, what_is_appended_is_read_in_order_with_numbers_from_one, .fini = done)
{
	const struct kit_found *f;

	kit_open(&k, 0);
	cr_assert_eq(kit_append(&k, 1, 251), 250);
	f = kit_read(&k, 0);
	cr_assert_eq(f->n, 250);
	for (size_t i = 0; i < f->n; i++) {
		cr_assert_eq(f->pos[i], i + 1);
		cr_assert_eq(f->seq[i], i + 1);
	}
	cr_assert(f->look.complete);
	cr_assert_eq(f->look.pos, 251);
}

Test(history, open_segments_that_wait_to_be_sealed_are_read_and_found_one_after_the_other,
	.fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 451);
	cr_assert_eq(figures().open, 5);
	cr_assert_eq(kit_read(&k, 0)->n, 450);
	cr_assert_eq(kit_read(&k, 150)->n, 301);
	cr_assert_eq(kit_find(&k, FILTER(.id = slice_of("e-150")), 0)->n, 1);
}

Test(history, a_second_delivery_is_harmless_also_after_a_restart_and_out_of_order, .fini = done)
{
	kit_open(&k, 300);
	cr_assert_eq(kit_append(&k, 500, 1500), 1000);
	cr_assert_eq(kit_append(&k, 500, 1500), 0);
	kit_again(&k);
	cr_assert_eq(kit_append(&k, 1, 1600), 599);
	kit_work(&k);
	kit_again(&k);
	cr_assert_eq(kit_append(&k, 1, 1600), 0);
	cr_assert_eq(figures().events, 1599);
	cr_assert_eq(figures().repeated, 1599);
}

Test(history, an_address_is_found_in_any_case_newest_first, .fini = done)
{
	const struct kit_found *f;

	kit_open(&k, 100);
	kit_append(&k, 1, 351);
	for (int sealed = 0; sealed < 2; sealed++) {
		f = kit_find(&k, FILTER(.email = slice_of(" USER7@example.COM")), 0);
		cr_assert_eq(f->n, 35);
		for (size_t i = 0; i < f->n; i++)
			cr_assert_eq(f->seq[i], 347 - i * 10);
		kit_work(&k);
		cr_assert_eq(figures().open, 1);
	}
	cr_assert_eq(figures().segments, 4);
}

Test(history, a_message_an_id_and_a_place_in_the_journal_are_found, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 351);
	for (int sealed = 0; sealed < 2; sealed++) {
		cr_assert_eq(kit_find(&k, FILTER(.message = slice_of("<m-60>")), 0)->n, 2);
		cr_assert_eq(kit_find(&k, FILTER(.id = slice_of("e-77")), 0)->seq[0], 77);
		cr_assert_eq(
			kit_find(&k, FILTER(.id = slice_of("evt_" KIT_JOURNAL "_199")), 0)->seq[0],
			199);
		cr_assert_eq(kit_find(&k, FILTER(.id = slice_of(KIT_JOURNAL ":351")), 0)->n, 0);
		cr_assert_eq(kit_find(&k, FILTER(.id = slice_of("e-770")), 0)->n, 0);
		kit_work(&k);
	}
}

Test(history, filters_join, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 301);
	for (int sealed = 0; sealed < 2; sealed++) {
		cr_expect_eq(kit_find(&k, FILTER(.type = slice_of("email_opened")), 0)->n, 100);
		cr_expect_eq(kit_find(&k, FILTER(.type = slice_of("email_*")), 0)->n, 300);
		cr_expect_eq(kit_find(&k,
				     FILTER(.type = slice_of("email_opened"),
					     .source = slice_of("other")),
				     0)
				     ->n,
			50);
		cr_expect_eq(kit_find(&k, FILTER(.machine = 1), 0)->n, 60);
		cr_expect_eq(
			kit_find(&k, FILTER(.machine = -1, .campaign = slice_of("c-1")), 0)->n, 60);
		cr_expect_eq(kit_find(&k,
				     FILTER(.email = slice_of("user1@example.com"),
					     .type = slice_of("email_opened")),
				     0)
				     ->n,
			10);
		cr_expect_eq(
			kit_find(&k, FILTER(.since_ms = KIT_NOON + 101, .until_ms = KIT_NOON + 201),
				0)
				->n,
			100);
		cr_expect_eq(
			kit_find(&k, FILTER(.until_ms = KIT_NOON, .happened = true), 0)->n, 300);
		kit_work(&k);
	}
}

static uint64_t
count_of(const struct history_stats *what)
{
	return kit_count(&k, what)->all;
}

Test(history, a_day_that_is_over_is_merged_and_all_is_found_as_before, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 451);
	kit_work(&k);
	cr_assert_eq(figures().segments, 5);
	k.now_ms += KIT_DAY_MS;
	kit_append(&k, 451, 501);
	kit_work(&k);
	cr_assert_eq(figures().segments, 2);
	cr_assert_eq(figures().merged, 1);
	for (int again = 0; again < 2; again++) {
		cr_assert_eq(kit_read(&k, 0)->n, 500);
		cr_assert_eq(
			kit_find(&k, FILTER(.email = slice_of("user7@example.com")), 0)->n, 50);
		cr_assert_eq(kit_find(&k, FILTER(.message = slice_of("m-100")), 0)->n, 2);
		cr_assert_eq(kit_find(&k, FILTER(.id = slice_of("e-450")), 0)->seq[0], 450);
		cr_assert_eq(
			kit_find(&k,
				FILTER(.source = slice_of("email"), .campaign = slice_of("c-3")), 0)
				->n,
			125);
		kit_again(&k);
		cr_assert_eq(kit_append(&k, 1, 501), 0);
	}
}

Test(history, what_is_older_than_keep_goes_and_numbers_go_on, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 301);
	kit_work(&k);
	k.now_ms += 31 * KIT_DAY_MS;
	kit_append(&k, 301, 302);
	kit_work(&k);
	cr_assert_eq(figures().events, 1);
	cr_assert_eq(figures().first, 301);
	cr_assert_eq(kit_read(&k, 100)->look.missed, 201);
	kit_again(&k);
	cr_assert_eq(kit_append(&k, 302, 303), 1);
	cr_assert_eq(figures().last, 302);
	cr_assert_eq(count_of(&(struct history_stats){.span = HISTORY_DAY}), 302);
}

Test(history, a_reader_that_holds_keeps_its_events_for_an_hour_after_it_was_last_heard_of,
	.fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 301);
	kit_work(&k);
	k.now_ms += 31 * KIT_DAY_MS;
	cr_assert(history_pin(k.folder, "export-1", 150, true, k.now_ms, &k.why));
	kit_work(&k);
	cr_assert_eq(figures().first, 101);
	k.now_ms += 3700000;
	kit_work(&k);
	cr_assert_eq(figures().events, 0);
	kit_append(&k, 301, 302);
	cr_assert_eq(figures().first, 301);
}

Test(history, with_keep_at_nothing_only_what_no_reader_has_passed_stays, .fini = done)
{
	kit_open(&k, 100);
	k.limits.keep_ms = 0;
	history_limit(k.h, &k.limits);
	cr_assert(history_pin(k.folder, "app", 250, false, k.now_ms, &k.why));
	kit_append(&k, 1, 451);
	kit_work(&k);
	cr_assert_eq(figures().first, 201);
	cr_assert(history_unpin(k.folder, "app", &k.why));
	k.now_ms += 10000;
	kit_work(&k);
	cr_assert_eq(figures().first, 401);
}

Test(history, past_max_size_the_oldest_goes, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 1001);
	kit_work(&k);
	k.limits.max_bytes = figures().bytes / 2;
	history_limit(k.h, &k.limits);
	k.now_ms += 10000;
	kit_work(&k);
	cr_assert_gt(figures().first, 100);
	cr_assert_eq(figures().last, 1000);
	cr_assert_leq(figures().bytes, k.limits.max_bytes);
}

Test(history, counts_are_the_same_before_and_after_sealing_merging_and_a_lost_catalogue,
	.fini = done)
{
	const struct history_stats by_type = {
		.span = HISTORY_HOUR, .by = HISTORY_BY_TYPE, .type = slice_of("email_opened")};
	const struct history_stats by_domain = {.span = HISTORY_DAY, .by = HISTORY_BY_DOMAIN};
	char path[160];

	kit_open(&k, 100);
	kit_append(&k, 1, 431);
	for (int step = 0; step < 4; step++) {
		cr_expect_eq(count_of(&(struct history_stats){.span = HISTORY_MINUTE}), 430);
		cr_expect_eq(kit_count(&k, &by_type)->rows[0].count, 144, "%d", step);
		cr_expect_eq(kit_count(&k, &by_type)->n, 1);
		cr_expect_str_eq(kit_count(&k, &by_domain)->rows[0].domain, "other");
		cr_expect_eq(count_of(&(struct history_stats){.span = HISTORY_DAY,
				     .by = HISTORY_BY_CAMPAIGN,
				     .campaign = slice_of("c-2"),
				     .machine = -1}),
			108 - 22);
		cr_expect_eq(count_of(&(struct history_stats){
				     .span = HISTORY_HOUR, .since_ms = KIT_NOON + 7200000}),
			0);
		if (step == 1)
			k.now_ms += KIT_DAY_MS;
		if (step == 2) {
			history_close(&k.h);
			snprintf(path, sizeof path, "%s/catalogue.db", k.folder);
			cr_assert_eq(remove(path), 0);
			k.h = history_open(k.folder, &k.limits, &k.why);
			continue;
		}
		kit_work(&k);
	}
}

Test(history, minutes_know_no_campaign, .fini = done)
{
	const struct history_stats what = {.span = HISTORY_MINUTE, .by = HISTORY_BY_CAMPAIGN};
	struct history_view *v;
	bool exists;

	kit_open(&k, 0);
	v = history_watch(k.folder, &exists, &k.why);
	cr_assert_not(history_count(v, &what, NULL, NULL, NULL, &k.why));
	history_view_close(&v);
}

Test(history, a_page_goes_on_where_the_one_before_ended_and_refuses_another_filter, .fini = done)
{
	struct history_filter filter = {.email = slice_of("user3@example.com")};
	struct history_query *q;
	struct history_view *v;
	char cursor[HISTORY_CURSOR_ROOM];
	uint64_t pos = 0, next = 353;
	size_t pages = 0;
	bool exists;

	kit_open(&k, 100);
	kit_append(&k, 1, 354);
	kit_work(&k);
	v = history_watch(k.folder, &exists, &k.why);
	for (struct kit_found f = {.look.complete = false}; !f.look.complete; pages++) {
		q = history_query(v, &filter, &k.why);
		if (pages)
			cr_assert(history_resume(q, slice_of(cursor), &pos, &k.why), "%s",
				k.why.text);
		f.look = (struct history_look){.pos = pos, .most = 12};
		f.n = 0;
		cr_assert(history_find(v, q, &f.look, kit_note, &f, &k.why));
		for (size_t i = 0; i < f.n; i++, next -= 10)
			cr_assert_eq(f.seq[i], next);
		history_cursor(q, f.look.pos, cursor);
		history_query_free(&q);
	}
	cr_assert_eq(pages, 3);
	cr_assert_eq(next, (uint64_t)-7);
	filter.type = slice_of("email_opened");
	q = history_query(v, &filter, &k.why);
	cr_assert_not(history_resume(q, slice_of(cursor), &pos, &k.why));
	cr_assert_str_eq(k.why.text, "this cursor belongs to another filter");
	cr_assert_not(history_resume(q, slice_of("17"), &pos, &k.why));
	cr_assert_not(history_resume(q, slice_of("1-0-0-00ff "), &pos, &k.why));
	history_query_free(&q);
	history_view_close(&v);
}

Test(history, a_filter_that_means_nothing_is_refused_with_the_cause, .fini = done)
{
	static char long_text[10241];
	const struct {
		struct history_filter filter;
		const char *why;
	} cases[] = {
		{{.email = slice_of("a@example.com, b@example.com")},
			"the address is no e-mail address: it holds more than one"},
		{{.email = {long_text, 10240}}, "the address is no e-mail address: it has no @"},
		{{.email = slice_of("")}, "the address is empty"},
		{{.message = {long_text, 999}}, "the message id is longer than 998 bytes"},
		{{.message = slice_of("<>")}, "the message id is empty"},
		{{.type = slice_of("")}, "the type is empty"},
		{{.since_ms = 5, .until_ms = 5},
			"the end of the time asked for is not after its beginning"},
	};
	struct history_view *v;
	bool exists;

	memset(long_text, 'x', sizeof long_text - 1);
	kit_open(&k, 0);
	v = history_watch(k.folder, &exists, &k.why);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_expect_null(history_query(v, &cases[i].filter, &k.why));
		cr_expect_str_eq(k.why.text, cases[i].why);
	}
	history_view_close(&v);
}

Test(history, a_look_within_a_budget_goes_on_until_all_is_seen, .fini = done)
{
	struct history_query *q;
	struct history_view *v;
	struct kit_found f = {.look = {.budget_us = 1}};
	bool exists;
	int looks = 0;

	kit_open(&k, 1000);
	kit_append(&k, 1, 3001);
	kit_work(&k);
	v = history_watch(k.folder, &exists, &k.why);
	q = history_query(v, &(struct history_filter){.campaign = slice_of("c-1")}, &k.why);
	while (!f.look.complete && looks++ < 10000) {
		f.look.budget_us = looks % 2 ? 50 : 500;
		cr_assert(history_find(v, q, &f.look, kit_note, &f, &k.why));
	}
	cr_assert_eq(f.n, 750);
	history_query_free(&q);
	history_view_close(&v);
}

static bool
count_none(void *arg, const struct history_count *count)
{
	(void)count;
	++*(int *)arg;
	return true;
}

Test(history, a_count_ends_with_its_budget, .fini = done)
{
	const struct history_stats what = {.span = HISTORY_HOUR, .budget_us = 1};
	struct history_view *v;
	bool exists;
	int rows = 0;

	kit_open(&k, 0);
	kit_append(&k, 1, 251);
	v = history_watch(k.folder, &exists, &k.why);
	cr_assert_not_null(v);
	cr_expect_not(history_count(v, &what, count_none, &rows, NULL, &k.why));
	cr_expect(strstr(k.why.text, "takes too long"), "%s", k.why.text);
	cr_expect_eq(rows, 0);
	history_view_close(&v);
}

Test(history, nobody_looks_where_there_is_none_and_two_do_not_write, .fini = done)
{
	bool exists = true;

	kit_open(&k, 0);
	cr_assert_null(history_open(k.folder, &k.limits, &k.why));
	cr_assert_null(history_watch("/nonexistent", &exists, &k.why));
	cr_assert_not(exists);
}

Test(history, words_past_the_most_of_a_kind_are_found_by_their_own_name, .fini = done)
{
	struct history_event group[100];
	char type[100][32];

	kit_open(&k, 0);
	for (uint64_t seq = 1; seq <= 10500; seq += 100) {
		for (uint64_t i = 0; i < 100; i++) {
			snprintf(
				type[i], sizeof *type, "email_%llu", (unsigned long long)(seq + i));
			group[i] = kit_event_of(&k, seq + i, type[i], "jo@example.com");
		}
		cr_assert_eq(history_append(k.h, group, 100, k.now_ms, NULL, &k.why), STORE_OK);
	}
	for (int sealed = 0; sealed < 2; sealed++) {
		cr_assert_eq(kit_find(&k, FILTER(.type = slice_of("email_7")), 0)->n, 1);
		cr_assert_eq(
			kit_find(&k, FILTER(.type = slice_of("email_10400")), 0)->seq[0], 10400);
		k.now_ms += KIT_DAY_MS;
		kit_work(&k);
	}
	cr_assert_str_eq(kit_fault(&k), "");
}

Test(history, the_number_of_a_time_is_that_of_the_first_event_then_or_later, .fini = done)
{
	uint64_t pos;
	struct history_view *v;
	bool exists;

	kit_open(&k, 100);
	kit_append(&k, 1, 251);
	v = history_watch(k.folder, &exists, &k.why);
	cr_assert(v && history_number_at(v, 0, &pos, &k.why) && pos == 1);
	cr_assert(history_number_at(v, KIT_NOON + 120, &pos, &k.why) && pos == 120);
	cr_assert(history_number_at(v, UINT64_MAX / 4, &pos, &k.why) && pos == 251);
	history_view_close(&v);
}
