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
