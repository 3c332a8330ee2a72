/* Looking things up in the journal, and watching it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/store/journal_private.h"

#include "journal_kit.h"

TestSuite(journal_read, .init = journal_kit_open, .fini = journal_kit_close, .timeout = 120);

static struct journal_found
look_up(const char *id)
{
	struct journal_found found;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	journal_find(j, slice_of("email"), slice_of(id), &found);
	journal_read_end(j);
	return found;
}

Test(journal_read, what_became_of_an_id_is_known_until_its_window_is_over)
{
	struct journal_found found = look_up("a");

	cr_expect_eq(found.state, FOUND_NOT);
	take("a");
	take("b");
	found = look_up("b");
	cr_expect(found.state == FOUND_WAITING && found.seq == 2);
	scratch_settle(j, 2, MOVE_DONE);
	found = look_up("b");
	cr_expect(found.state == FOUND_ENDED && found.seq == 2);
	scratch_skip_ms(DAY_MS + 1000);
	take("c");
	cr_expect_eq(look_up("b").state, FOUND_NOT);
}

ParameterizedTestParameters(journal_read, an_id_is_found_with_or_without_the_index)
{
	static enum mishap mishaps[] = {NOTHING, DELETED, OF_ANOTHER_BOOT, CUT_OFF};

	return cr_make_param_array(enum mishap, mishaps, sizeof mishaps / sizeof *mishaps);
}

ParameterizedTest(const enum mishap *mishap, journal_read, an_id_is_found_with_or_without_the_index)
{
	for (uint64_t i = 1; i <= 20; i++)
		take_number(i);
	journal_close(&j);
	meet(*mishap);
	j = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_assert_not_null(j, "%s", why.text);
	cr_expect_eq(look_up("evt_1").seq, 1);
	cr_expect_eq(look_up("evt_20").seq, 20);
	cr_expect_eq(look_up("evt_21").state, FOUND_NOT);
}

Test(journal_read, one_who_only_watches_makes_nothing_and_changes_nothing)
{
	struct scratch empty;
	struct journal_change change = {.delivery = 1, .move = MOVE_DONE};

	take("a");
	journal_close(&j);
	j = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_assert_not_null(j, "%s", why.text);
	cr_expect_eq(state_of(1), ACCEPTED);
	cr_expect_neq(journal_begin(j, &why), STORE_OK);
	scratch_skip_ms(1000);
	cr_expect_neq(journal_settle(j, &change, 1, &why), STORE_OK);
	scratch_skip_ms(1000);
	cr_expect_eq(state_of(1), ACCEPTED);
	scratch_open(&empty, NULL);
	cr_expect_null(journal_open(empty.cfg, JOURNAL_WATCH, &why));
	cr_expect_neq(access(scratch_path(&empty, "journal"), F_OK), 0);
	scratch_close(&empty);
}

/* As a version before the proofs has left it. */
static void
drop_proofs(void)
{
	cr_assert_eq(journal_lock(j, 0, &why), STORE_OK, "%s", why.text);
	cr_assert_eq(mdb_drop(j->write, j->proofs, 1), 0);
	cr_assert_eq(mdb_txn_commit(j->write), 0);
	j->write = NULL;
}

Test(journal_read, one_of_an_earlier_version_can_be_watched_before_a_stage_has_made_its_new_table)
{
	struct journal_stat st;

	take("a");
	drop_proofs();
	journal_close(&j);
	j = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_assert_not_null(j, "%s", why.text);
	cr_expect_eq(state_of(1), ACCEPTED);
	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	journal_stat(j, &st);
	journal_read_end(j);
	cr_expect_eq(st.owed[TAKER_HANDLER], 1);
	reopen();
	cr_expect_eq(take("b"), 2);
}

Test(journal_read, a_journal_of_another_format_is_refused)
{
	FILE *f;

	journal_close(&j);
	f = fopen(scratch_path(&s, "journal/data.mdb"), "w");
	cr_assert_not_null(f);
	for (int i = 0; i < 10000; i++)
		fputs("rubbish ", f);
	fclose(f);
	cr_expect_null(journal_open(s.cfg, JOURNAL_ACCEPT, &why));
	cr_expect_neq(why.text[0], '\0');
}
