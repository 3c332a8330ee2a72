/* Proofs that count once: each is bound to the events that it came with first. */
#include <criterion/criterion.h>

#include "journal_kit.h"
#include "lib/base/clock.h"

TestSuite(journal_proofs, .init = journal_kit_open, .fini = journal_kit_close, .timeout = 120);

static enum journal_proved
proved_with(const char *proof, uint64_t signed_ms, const char *event, const char *body)
{
	const struct journal_proof asked = {
		.proof = journal_hash(j, slice_of("email"), slice_of(proof)),
		.events = journal_hash(j, slice_of("email"), slice_of(event)),
		.body = journal_hash(j, slice_of("email"), slice_of(body)),
		.signed_ms = signed_ms,
	};
	enum journal_proved proved;

	cr_assert_eq(journal_prove(j, &asked, &proved, &why), STORE_OK, "%s", why.text);
	return proved;
}

static bool
proves(const char *proof, uint64_t signed_ms, const char *event)
{
	return proved_with(proof, signed_ms, event, event) == PROVED;
}

Test(journal_proofs, a_proof_that_comes_again_is_told_by_its_events_and_its_body)
{
	const uint64_t now_ms = clock_wall_ms();

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_eq(proved_with("t", now_ms, "a", "first"), PROVED);
	cr_expect_eq(proved_with("t", now_ms, "a", "first"), PROVED);
	cr_expect_eq(proved_with("t", now_ms, "a", "second"), PROVED_ANEW);
	cr_expect_eq(proved_with("t", now_ms, "a", "first"), PROVED, "the first one stays");
	cr_expect_eq(proved_with("t", now_ms, "b", "first"), PROVED_OTHER);
	journal_abort(j);
}

Test(journal_proofs, a_proof_is_good_for_the_events_that_it_came_with_first)
{
	const uint64_t now_ms = clock_wall_ms();

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("t", now_ms, "a"));
	cr_expect(proves("t", now_ms, "a"));
	cr_expect_not(proves("t", now_ms, "b"));
	cr_expect(proves("u", now_ms, "b"));
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_not(proves("t", now_ms, "b"));
	cr_expect(proves("v", now_ms, "a"));
	journal_abort(j);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("v", now_ms, "b"), "what was not committed binds nothing");
	journal_abort(j);
}

Test(journal_proofs, a_proof_is_forgotten_when_its_window_is_over)
{
	const uint64_t window = s.cfg->sources[0].dedup_window_ms, now_ms = clock_wall_ms();

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("old", now_ms - window + 5000, "a"));
	cr_expect(proves("new", now_ms, "a"));
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	take("a");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_not(proves("old", now_ms - window + 5000, "b"));
	journal_abort(j);
	scratch_skip_ms(5001);
	take("b");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("old", now_ms - window + 5000, "b"));
	cr_expect_not(proves("new", now_ms, "b"));
	journal_abort(j);
}
