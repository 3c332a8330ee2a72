/* Which dead letters an operator means: in which order, how many, how far the look got; and what
 * leaves the store. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/ops/letters_look.h"
#include "lib/ops/moving.h"
#include "scratch.h"

static const char HERE[] = "00000000000000aa", THERE[] = "00000000000000bb";

static struct scratch s;
static struct letters *letters;
static struct error why;
static msgpack_zone zone;
static char seen[64];

static void
put(const char *journal, uint64_t seq, const char *type)
{
	char id[16];
	const struct dead letter = {
		.journal = slice_of(journal),
		.seq = seq,
		.reason = slice_of("the river is dry"),
		.handler = slice_of("opened"),
		.attempts = 5,
		.death = DEATH_TRIES,
		.failed_at = 1000 + seq,
		.event = scratch_frame(slice_of(journal), seq, type,
			(snprintf(id, sizeof id, "id-%d", (int)seq), id)),
	};
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	cr_assert(frame_pack(&dead_schema, &letter, &out));
	cr_assert(letters_put(letters, &letter, (struct slice){out.data, out.size}, &why));
	msgpack_sbuffer_destroy(&out);
}

static void
setup(void)
{
	scratch_open(&s, NULL);
	letters = letters_open(s.cfg, LETTERS_KEEP, &why);
	cr_assert_not_null(letters, "%s", why.text);
	msgpack_zone_init(&zone, 4096);
	cr_assert(letters_begin(letters, &why));
	put(HERE, 1, "email_opened");
	put(HERE, 2, "email_bounced");
	put(HERE, 3, "email_opened");
	put(THERE, 1, "email_opened");
	cr_assert(letters_commit(letters, &why));
	*seen = 0;
}

static void
teardown(void)
{
	letters_close(&letters);
	msgpack_zone_destroy(&zone);
	scratch_close(&s);
}

TestSuite(selection, .init = setup, .fini = teardown);

static bool
note(void *arg, const struct letter *letter, msgpack_zone *unused)
{
	(void)unused;
	snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.1s%d ",
		letter->dead->journal.p + WIDTH_JOURNAL - 1, (int)letter->dead->seq);
	return !arg || --*(int *)arg > 0;
}

static const char *
look(const struct selection *sel, int *enough, bool *complete)
{
	*seen = 0;
	cr_assert(selection_look(letters, sel, note, enough, complete, &why), "%s", why.text);
	return seen;
}

Test(selection, letters_come_in_their_order_or_from_the_newest_number_back)
{
	const struct selection all = {.limit = 0}, back = {.newest_first = true};
	bool complete;

	cr_expect_str_eq(look(&all, NULL, &complete), "a1 a2 a3 b1 ");
	cr_expect(complete);
	cr_expect_str_eq(look(&back, NULL, &complete), "b1 a3 a2 a1 ");
}

Test(selection, a_limit_counts_those_that_are_meant)
{
	const struct selection two = {
		.filter = {.type = "email_opened", .journal = slice_of(HERE)}, .limit = 2};
	bool complete;

	cr_expect_str_eq(look(&two, NULL, &complete), "a1 a3 ");
	cr_expect_not(complete, "there may be more");
}

Test(selection, whoever_looks_may_have_had_enough)
{
	const struct selection all = {.limit = 0};
	int enough = 2;
	bool complete;

	cr_expect_str_eq(look(&all, &enough, &complete), "a1 a2 ");
	cr_expect_not(complete);
}

Test(selection, a_look_whose_time_is_over_is_not_complete)
{
	const struct selection late = {.until_ms = clock_mono_ms()};
	bool complete = true;

	cr_expect_str_eq(look(&late, NULL, &complete), "");
	cr_expect_not(complete);
}

static bool
add_up(void *arg, const struct letter *letter, msgpack_zone *unused)
{
	(void)unused;
	*(uint64_t *)arg += letter->dead->seq;
	return letter->readable;
}

Test(selection, a_slow_visitor_gets_copies_piece_by_piece)
{
	const struct selection all = {.limit = 0};
	uint64_t sum = 0;

	cr_assert(letters_begin(letters, &why));
	for (uint64_t seq = 10; seq < 610; seq++)
		put(HERE, seq, "email_opened");
	cr_assert(letters_commit(letters, &why));
	cr_assert(selection_each(letters, &all, add_up, &sum, &why));
	cr_expect_eq(sum, 1 + 2 + 3 + 1 + 600 * (10 + 609) / 2);
}

Test(selection, a_page_counts_all_and_lists_some)
{
	const struct selection opened = {.filter = {.type = "email_opened"}, .newest_first = true};
	msgpack_object page;
	int64_t matching;

	cr_assert(letters_page(letters, &opened, 2, &zone, &page, &why));
	cr_assert(field_int(&page, "matching", &matching));
	cr_expect_eq(matching, 3);
	cr_expect(field_bool(&page, "complete", false));
	cr_expect_eq(field_get(&page, "dead_letters")->via.array.size, 2);
}

Test(selection, one_is_located_by_its_name_or_by_the_newest_of_an_event_id)
{
	const uint64_t until_ms = clock_mono_ms() + 10000;
	struct letter_place place;

	cr_expect_eq(letters_locate(letters, "id-1", until_ms, &place, &why), OPS_FOUND);
	cr_expect(slice_is(letter_place_journal(&place), THERE));
	cr_expect_eq(
		letters_locate(letters, "00000000000000aa-3", until_ms, &place, &why), OPS_FOUND);
	cr_expect_eq(place.seq, 3);
	cr_expect_eq(letters_locate(letters, "id-9", until_ms, &place, &why), OPS_NOT_FOUND);
	cr_expect_eq(
		letters_locate(letters, "id-9", 1, &place, &why), OPS_TROUBLE, "nobody knows yet");
}

Test(selection, a_record_outlives_the_store)
{
	msgpack_object record;
	char *text;

	cr_assert_eq(letters_show(letters, "id-2", clock_mono_ms() + 10000, &zone, &record, &why),
		OPS_FOUND);
	letters_close(&letters);
	text = json_write(&record, false);
	cr_expect(text && strstr(text, "\"event_id\":\"id-2\",\"timestamp\""), "%s", text);
	free(text);
}

Test(selection, what_is_dropped_goes_in_groups_and_what_is_gone_is_counted)
{
	const struct selection all = {.limit = 0};
	struct moving m = {.letters = letters};
	bool complete;

	cr_assert(moving_find(&m, &all, &complete, &why));
	cr_expect_eq(m.n, 4);
	cr_assert(letters_begin(letters, &why) &&
		  letters_remove(letters, slice_of(HERE), 2, &why) &&
		  letters_commit(letters, &why));
	cr_assert(moving_drop(&m, 3, &why));
	cr_expect_eq(m.at, 3);
	cr_assert(moving_drop(&m, MOVING_GROUP, &why));
	cr_expect_eq(m.at, 4);
	cr_expect_eq(m.done, 3);
	cr_expect_eq(m.gone, 1);
	moving_clear(&m);
	cr_assert(moving_find(&m, &all, &complete, &why));
	cr_expect_eq(m.n, 0);
}

Test(selection, letters_of_another_journal_are_set_aside_before_a_replay)
{
	const struct selection all = {.limit = 0};
	struct moving m = {.letters = letters, .journal = scratch_journal(&s)};
	bool complete;

	cr_assert(moving_find(&m, &all, &complete, &why));
	moving_part_from_strangers(&m);
	cr_expect_eq(m.n, 0);
	cr_expect_eq(m.strangers, 4);
	cr_expect_str_eq(m.stranger, THERE);
	moving_clear(&m);
	journal_close(&m.journal);
}
