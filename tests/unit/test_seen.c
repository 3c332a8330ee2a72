/* The door where deduplication asks: what every engine behind it must keep, by one suite for all of
 * them, and what the validator's group makes of each answer. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "scratch.h"
#include "seen_model.h"

struct world {
	const struct seen_engine *engine;
	bool has_others; /* another node can have an id */
};

static const struct world worlds[] = {{&seen_journal, false}, {&seen_model, true}};

static struct scratch s;
static struct seen *seen;
static struct error why;

static void
setup(void)
{
	scratch_open(&s, NULL);
	seen_model_reset();
}

static void
teardown(void)
{
	scratch_close(&s);
}

TestSuite(seen, .init = setup, .fini = teardown, .timeout = 60);

/* By number: a test runs in a process of its own, where the engines stand elsewhere. */
static struct criterion_test_params
all_worlds(void)
{
	static size_t numbers[] = {0, 1};

	return cr_make_param_array(size_t, numbers, sizeof numbers / sizeof *numbers);
}

static void
enter(const struct world *w)
{
	seen = w->engine->open(&(struct seen_home){.cfg = s.cfg}, &why);
	cr_assert(seen, "%s", why.text);
}

static struct seen_claim
claim_of(uint64_t id)
{
	return (struct seen_claim){.hash = {id, ~id}, .window_ms = 1000, .answer = SEEN_BUSY};
}

static enum seen_answer
ask(const struct world *w, int node, uint64_t id)
{
	struct seen_claim claim = claim_of(id);

	seen_model_node = node;
	cr_assert_eq(w->engine->claim(seen, &claim, 1, &why), STORE_OK, "%s", why.text);
	return claim.answer;
}

static void
tell(const struct world *w, int node, uint64_t id, bool kept)
{
	const struct seen_claim claim = claim_of(id);

	seen_model_node = node;
	(kept ? w->engine->keep : w->engine->drop)(seen, &claim, 1);
}

ParameterizedTestParameters(seen, what_nobody_has_is_free_in_a_group_of_any_size)
{
	return all_worlds();
}

ParameterizedTest(const size_t *number, seen, what_nobody_has_is_free_in_a_group_of_any_size)
{
	const struct world *w = &worlds[*number];
	struct seen_claim claims[100];

	enter(w);
	for (size_t i = 0; i < 100; i++)
		claims[i] = claim_of(i / 2 + 1);
	cr_assert_eq(w->engine->claim(seen, claims, 100, &why), STORE_OK);
	for (size_t i = 0; i < 100; i++)
		cr_expect_eq(claims[i].answer, SEEN_FREE, "%zu, each id twice", i);
	cr_expect_eq(w->engine->claim(seen, NULL, 0, &why), STORE_OK);
	w->engine->close(&seen);
	cr_expect_null(seen);
}

ParameterizedTestParameters(seen, an_id_of_this_node_is_never_taken_whatever_was_told_of_it)
{
	return all_worlds();
}

ParameterizedTest(
	const size_t *number, seen, an_id_of_this_node_is_never_taken_whatever_was_told_of_it)
{
	const struct world *w = &worlds[*number];
	enter(w);
	cr_expect_eq(ask(w, 1, 1), SEEN_FREE);
	cr_expect_eq(ask(w, 1, 1), SEEN_FREE, "claimed");
	tell(w, 1, 1, true);
	cr_expect_eq(ask(w, 1, 1), SEEN_FREE, "kept: the journal knows what it is");
	tell(w, 1, 1, false);
	cr_expect_eq(ask(w, 1, 1), SEEN_FREE);
	w->engine->close(&seen);
	enter(w);
	cr_expect_eq(ask(w, 1, 1), SEEN_FREE, "after a start, too");
	w->engine->close(&seen);
}

ParameterizedTestParameters(seen, what_another_node_claims_is_busy_then_taken_or_free_again)
{
	return all_worlds();
}

ParameterizedTest(
	const size_t *number, seen, what_another_node_claims_is_busy_then_taken_or_free_again)
{
	const struct world *w = &worlds[*number];
	const enum seen_answer busy = w->has_others ? SEEN_BUSY : SEEN_FREE;
	const enum seen_answer taken = w->has_others ? SEEN_TAKEN : SEEN_FREE;

	enter(w);
	cr_expect_eq(ask(w, 2, 1), SEEN_FREE);
	cr_expect_eq(ask(w, 2, 2), SEEN_FREE);
	cr_expect_eq(ask(w, 1, 1), busy);
	tell(w, 1, 1, false);
	cr_expect_eq(ask(w, 1, 1), busy, "a drop takes nothing from another");
	tell(w, 2, 1, true);
	tell(w, 2, 1, false);
	cr_expect_eq(ask(w, 1, 1), taken, "nor back what was kept");
	tell(w, 2, 2, false);
	cr_expect_eq(ask(w, 1, 2), SEEN_FREE);
	w->engine->close(&seen);
}
