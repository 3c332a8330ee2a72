/* The ledger against a plain array of bytes. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "retrier/ledger.h"

enum { CHUNK = 4096 };

static struct ledger *l;

static void
setup(void)
{
	l = ledger_new(64);
	cr_assert_not_null(l);
}

static void
teardown(void)
{
	ledger_destroy(&l);
	cr_expect_null(l);
}

TestSuite(ledger, .init = setup, .fini = teardown, .timeout = 60);

Test(ledger, knows_nothing_at_first)
{
	cr_expect_eq(ledger_get(l, 0), LEDGER_NONE);
	cr_expect_eq(ledger_get(l, UINT64_MAX), LEDGER_NONE);
	cr_expect_eq(ledger_first(l, LEDGER_WAIT), 0);
	cr_expect_eq(ledger_count(l, LEDGER_WAIT), 0);
}

Test(ledger, keeps_a_state_for_each_event)
{
	cr_assert(ledger_set(l, 1, LEDGER_READY | 3));
	cr_assert(ledger_set(l, CHUNK - 1, LEDGER_OUT | 3));
	cr_assert(ledger_set(l, CHUNK, LEDGER_WAIT));
	cr_expect_eq(ledger_get(l, 1), LEDGER_READY | 3);
	cr_expect_eq(ledger_get(l, CHUNK - 1), LEDGER_OUT | 3);
	cr_expect_eq(ledger_get(l, CHUNK), LEDGER_WAIT);
	cr_expect_eq(ledger_get(l, 2), LEDGER_NONE);
	cr_expect_eq(ledger_count(l, LEDGER_READY | 3), 1);
	cr_expect_eq(ledger_count(l, LEDGER_READY | 2), 0);
}

Test(ledger, gives_the_lowest_of_a_state)
{
	ledger_set(l, 50000, LEDGER_READY);
	ledger_set(l, 9000, LEDGER_READY);
	ledger_set(l, 70000, LEDGER_READY);
	cr_expect_eq(ledger_first(l, LEDGER_READY), 9000);
	ledger_set(l, 9000, LEDGER_OUT);
	cr_expect_eq(ledger_first(l, LEDGER_READY), 50000);
	ledger_set(l, 100, LEDGER_READY);
	cr_expect_eq(ledger_first(l, LEDGER_READY), 100);
	ledger_set(l, 100, LEDGER_NONE);
	ledger_set(l, 50000, LEDGER_NONE);
	cr_expect_eq(ledger_first(l, LEDGER_READY), 70000);
	ledger_set(l, 70000, LEDGER_NONE);
	cr_expect_eq(ledger_first(l, LEDGER_READY), 0);
}

Test(ledger, an_end_that_is_not_known_needs_no_room)
{
	for (uint64_t i = 0; i < 1000; i++)
		cr_expect(ledger_set(l, i * CHUNK * 1000, LEDGER_NONE));
	cr_expect(ledger_set(l, UINT64_MAX, LEDGER_NONE));
}

Test(ledger, is_bounded_and_takes_more_when_others_have_ended)
{
	for (uint64_t i = 0; i < 64; i++)
		cr_assert(ledger_set(l, i * CHUNK, LEDGER_WAIT));
	cr_expect_not(ledger_set(l, 64 * CHUNK, LEDGER_WAIT));
	cr_expect_eq(ledger_get(l, 64 * CHUNK), LEDGER_NONE);
	cr_expect(ledger_set(l, 64 * CHUNK - 1, LEDGER_WAIT), "in a chunk that is there");
	cr_expect(ledger_set(l, 5 * CHUNK, LEDGER_NONE));
	cr_expect(ledger_set(l, 64 * CHUNK, LEDGER_WAIT));
	cr_expect_eq(ledger_count(l, LEDGER_WAIT), 65);
}

Test(ledger, an_old_event_and_a_new_one_may_lie_far_apart)
{
	cr_assert(ledger_set(l, 5, LEDGER_WAIT));
	cr_assert(ledger_set(l, 1000000000, LEDGER_WAIT));
	cr_assert(ledger_set(l, 500000000, LEDGER_READY));
	cr_expect_eq(ledger_first(l, LEDGER_WAIT), 5);
	cr_expect_eq(ledger_first(l, LEDGER_READY), 500000000);
	ledger_set(l, 5, LEDGER_NONE);
	cr_expect_eq(ledger_first(l, LEDGER_WAIT), 1000000000);
	cr_expect_eq(ledger_get(l, 500000000), LEDGER_READY);
	cr_assert(ledger_set(l, 7, LEDGER_WAIT), "before all that is there");
	cr_expect_eq(ledger_first(l, LEDGER_WAIT), 7);
}

static uint64_t
draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

enum { SPAN = 60 * CHUNK };
static uint8_t model[SPAN];

static void
expect_same(uint8_t state)
{
	const uint8_t *first = memchr(model, state, SPAN);
	uint64_t count = 0;

	for (size_t i = 0; i < SPAN; i++)
		count += model[i] == state;
	cr_assert_eq(ledger_count(l, state), count);
	cr_assert_eq(ledger_first(l, state), first ? (uint64_t)(first - model) : 0);
}

ParameterizedTestParameters(ledger, whatever_the_order_it_says_what_an_array_says)
{
	static uint64_t seeds[] = {1, 77, 20260102};

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof *seeds);
}

/* The events move through the numbers as time goes by: chunks come and go at both ends. */
ParameterizedTest(const uint64_t *seed, ledger, whatever_the_order_it_says_what_an_array_says)
{
	static const uint8_t states[] = {LEDGER_NONE, LEDGER_NONE, LEDGER_NONE, LEDGER_WAIT,
		LEDGER_READY, LEDGER_READY | 1, LEDGER_OUT, LEDGER_OUT | 60};
	uint64_t random = *seed;

	for (uint64_t i = 0; i < 200000; i++) {
		const uint64_t seq = 1 + (i + draw(&random) % (3 * CHUNK)) % (SPAN - 1);
		const uint8_t state = states[draw(&random) % sizeof states];

		cr_assert(ledger_set(l, seq, state));
		model[seq] = state;
		cr_assert_eq(ledger_get(l, seq), state);
		if (i % 997 == 0)
			expect_same(states[3 + draw(&random) % (sizeof states - 3)]);
	}
	for (size_t i = 1; i < SPAN; i++)
		cr_assert_eq(ledger_get(l, i), model[i]);
	for (size_t i = 1; i < SPAN; i++)
		ledger_set(l, i, LEDGER_NONE);
	for (size_t i = 3; i < sizeof states; i++)
		cr_expect_eq(ledger_first(l, states[i]), 0);
}
