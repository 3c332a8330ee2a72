/* The table of requests under way: places, numbers, late answers, the memory of bodies. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/exchange.h"

enum { MOST = 8, MEMORY = 63 * 1024 + 500 };

static struct exchanges *t;
static uint64_t now_ms = 5;

static void
setup(void)
{
	t = exchanges_new(MOST, MEMORY);
	cr_assert_not_null(t);
}

static void
teardown(void)
{
	exchanges_destroy(&t);
	cr_expect_null(t);
}

TestSuite(exchange, .init = setup, .fini = teardown);

static struct exchange *
open_one(void)
{
	struct exchange *x = exchange_open(t, NULL, 5);

	cr_assert_not_null(x);
	x->limit = 32 * 1024;
	return x;
}

static enum exchange_body
add(struct exchange *x, size_t n, size_t expected)
{
	char *bytes = calloc(1, n ? n : 1);
	enum exchange_body rc;

	memset(bytes, 'x', n);
	x->expected = expected;
	rc = exchange_add(t, x, (struct slice){bytes, n}, now_ms);
	free(bytes);
	return rc;
}

Test(exchange, there_are_so_many_places_and_no_more)
{
	struct exchange *x[MOST];

	for (size_t i = 0; i < MOST; i++)
		x[i] = open_one();
	cr_expect_null(exchange_open(t, NULL, 5));
	cr_expect_eq(exchanges_live(t), MOST);
	exchange_close(t, x[3]);
	cr_expect_eq(exchanges_live(t), MOST - 1);
	cr_expect_eq(open_one(), x[3], "the place is taken again");
	cr_expect_null(exchange_open(t, NULL, 5));
}

Test(exchange, an_answer_finds_who_waits_for_it)
{
	struct exchange *x = open_one();
	const uint64_t number = exchange_number(x);

	cr_expect_null(exchange_waiting(t, number), "still reading");
	x->state = EXCHANGE_UNSENT;
	cr_expect_eq(exchange_waiting(t, number), x);
	x->state = EXCHANGE_SENT;
	cr_expect_eq(exchange_waiting(t, number), x);
	x->state = EXCHANGE_ANSWERED;
	cr_expect_null(exchange_waiting(t, number), "answered already");
}

Test(exchange, a_late_answer_finds_nobody)
{
	struct exchange *x = open_one(), *next;
	const uint64_t number = exchange_number(x);

	x->state = EXCHANGE_SENT;
	exchange_close(t, x);
	cr_expect_null(exchange_waiting(t, number));
	next = open_one();
	next->state = EXCHANGE_SENT;
	cr_expect_eq(next, x);
	cr_expect_neq(exchange_number(next), number);
	cr_expect_null(exchange_waiting(t, number), "another has its place");
	cr_expect_eq(exchange_waiting(t, exchange_number(next)), next);
}

Test(exchange, numbers_that_were_never_given_find_nobody)
{
	static const uint64_t numbers[] = {0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		cr_expect_null(exchange_waiting(t, numbers[i]));
	open_one()->state = EXCHANGE_SENT;
	cr_expect_null(exchange_waiting(t, 0), "number 0 stands for none");
}

Test(exchange, a_number_is_never_given_twice)
{
	uint64_t before = 0;

	for (int i = 0; i < 10000; i++) {
		struct exchange *x = open_one();

		cr_assert_neq(exchange_number(x), before);
		before = exchange_number(x);
		exchange_close(t, x);
	}
}

Test(exchange, a_body_comes_in_pieces_and_is_whole)
{
	struct exchange *x = open_one();

	for (int i = 0; i < 300; i++)
		cr_assert_eq(exchange_add(t, x, slice_of("0123456789"), 5), EXCHANGE_BODY_OK);
	cr_assert_eq(x->n, 3000);
	for (size_t i = 0; i < x->n; i++)
		cr_assert_eq(x->body[i], (char)('0' + i % 10));
}

Test(exchange, a_body_may_be_as_long_as_the_limit_and_no_byte_longer)
{
	struct exchange *x = open_one();

	cr_expect_eq(add(x, 32 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(x, 1, 0), EXCHANGE_BODY_LARGE);
	cr_expect_eq(x->n, 32 * 1024);
	x = open_one();
	cr_expect_eq(add(x, 1, 32 * 1024 + 1), EXCHANGE_BODY_OK, "what is announced may be wrong");
}

Test(exchange, a_body_takes_no_more_memory_than_its_limit)
{
	struct exchange *x = open_one();

	x->limit = 40000;
	cr_expect_eq(add(x, 39000, 40000), EXCHANGE_BODY_OK);
	cr_expect_leq(x->room, 40000);
	cr_expect_eq(add(x, 1000, 40000), EXCHANGE_BODY_OK);
}

Test(exchange, the_largest_body_fits_a_memory_of_its_size)
{
	struct exchange *x = open_one();

	x->limit = MEMORY - 100;
	for (size_t i = 0; i < x->limit; i += 100)
		cr_assert_eq(add(x, x->limit - i < 100 ? x->limit - i : 100, 0), EXCHANGE_BODY_OK,
			"at %zu", i);
}

Test(exchange, all_bodies_share_one_memory)
{
	struct exchange *one = open_one(), *two = open_one(), *three = open_one();

	cr_expect_eq(add(one, 32 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(two, 16 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(three, 17 * 1024, 0), EXCHANGE_BODY_MEMORY);
	cr_expect_eq(add(three, 10, 0), EXCHANGE_BODY_OK);
	exchange_drop_body(t, one);
	cr_expect_eq(one->n, 0);
	cr_expect_eq(add(three, 17 * 1024, 0), EXCHANGE_BODY_OK);
	exchange_close(t, two);
	cr_expect_eq(add(one, 16 * 1024, 0), EXCHANGE_BODY_OK);
}

Test(exchange, memory_comes_back_whatever_the_way)
{
	for (int i = 0; i < 1000; i++) {
		struct exchange *x = open_one();

		cr_assert_eq(add(x, 20 * 1024, i % 2 ? 30 * 1024 : 0), EXCHANGE_BODY_OK);
		if (i % 3 == 0)
			exchange_drop_body(t, x);
		exchange_close(t, x);
	}
}

Test(exchange, no_source_holds_more_than_half_of_the_places)
{
	struct exchange *x = NULL;

	for (size_t i = 0; i < MOST / 2; i++)
		cr_expect(exchange_claim(t, x = open_one(), 0, 2));
	exchange_close(t, open_one());
	cr_expect_not(exchange_claim(t, open_one(), 0, 2));
	cr_expect(exchange_claim(t, open_one(), 1, 2));
	exchange_close(t, x);
	cr_expect(exchange_claim(t, open_one(), 0, 2));
}

Test(exchange, a_source_that_is_alone_may_have_all)
{
	for (size_t i = 0; i < MOST; i++)
		cr_expect(exchange_claim(t, open_one(), 0, 1));
}

Test(exchange, two_sources_take_turns_on_a_single_place)
{
	struct exchanges *small = exchanges_new(1, MEMORY);
	struct exchange *x = exchange_open(small, NULL, 1);

	cr_expect(exchange_claim(small, x, 0, 2));
	exchange_close(small, x);
	cr_expect(exchange_claim(small, exchange_open(small, NULL, 1), 1, 2));
	exchanges_destroy(&small);
}

Test(exchange, no_source_holds_more_than_half_of_the_memory_but_for_one_body)
{
	struct exchange *one = open_one(), *two = open_one(), *three = open_one();

	one->limit = 48 * 1024;
	cr_expect(exchange_claim(t, one, 0, 2) && exchange_claim(t, two, 0, 2) &&
		  exchange_claim(t, three, 1, 2));
	cr_expect_eq(add(one, 40 * 1024, 0), EXCHANGE_BODY_OK, "one body of the size allowed");
	cr_expect_eq(add(two, 2000, 0), EXCHANGE_BODY_MEMORY);
	cr_expect_eq(add(three, 8 * 1024, 0), EXCHANGE_BODY_OK);
	exchange_close(t, one);
	cr_expect_eq(add(two, 2000, 0), EXCHANGE_BODY_OK);
}

Test(exchange, memory_is_taken_for_what_has_come_not_for_what_is_announced)
{
	for (size_t i = 0; i < MOST; i++)
		cr_assert_eq(add(open_one(), 1, 32 * 1024), EXCHANGE_BODY_OK);
	for (size_t i = 0; i < MOST; i++)
		cr_expect_leq(exchange_place(t, i)->room, 1024);
}

Test(exchange, large_bodies_leave_a_reserve_for_small_ones)
{
	struct exchange *one = open_one(), *two = open_one(), *three = open_one();

	cr_expect(exchange_claim(t, one, 0, 1) && exchange_claim(t, two, 0, 1) &&
		  exchange_claim(t, three, 0, 1));
	cr_expect_eq(add(one, 32 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(two, 23 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(two, 2 * 1024, 0), EXCHANGE_BODY_MEMORY);
	cr_expect_eq(add(three, 900, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(three, 900, 0), EXCHANGE_BODY_MEMORY, "it is none any more");
}

/* Whose body gives way for n bytes of x. */
static struct exchange *
slowest(struct exchange *x, size_t n)
{
	return exchange_slowest(t, x, n, now_ms);
}

Test(exchange, the_slowest_body_gives_way_and_not_the_newcomer)
{
	struct exchange *slow = open_one(), *stalled = open_one(), *quick = open_one(), *fresh;

	now_ms = 10000;
	cr_expect_eq(add(slow, 16 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(stalled, 16 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(quick, 8 * 1024, 0), EXCHANGE_BODY_OK);
	now_ms = 40000;
	cr_expect_eq(add(slow, 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(quick, 8 * 1024, 0), EXCHANGE_BODY_OK);
	fresh = open_one();
	cr_expect_eq(add(fresh, 16 * 1024, 0), EXCHANGE_BODY_MEMORY);
	cr_expect_eq(slowest(fresh, 16 * 1024), stalled);
	exchange_drop_body(t, stalled);
	cr_expect_eq(slowest(fresh, 16 * 1024), slow);
	slow->state = quick->state = EXCHANGE_SENT;
	cr_expect_eq(slowest(fresh, 16 * 1024), fresh, "whole ones stay");
	now_ms = 5;
}

Test(exchange, a_source_that_holds_less_gives_way_to_none)
{
	struct exchange *little = open_one(), *much = open_one(), *more = open_one();

	cr_expect(exchange_claim(t, little, 0, 2) && exchange_claim(t, much, 1, 2) &&
		  exchange_claim(t, more, 1, 2));
	now_ms = 10000;
	cr_expect_eq(add(little, 8 * 1024, 0), EXCHANGE_BODY_OK);
	now_ms = 40000;
	cr_expect_eq(add(much, 20 * 1024, 0), EXCHANGE_BODY_OK);
	cr_expect_eq(add(more, 20 * 1024, 0), EXCHANGE_BODY_MEMORY);
	cr_expect_eq(slowest(more, 20 * 1024), more);
	now_ms = 70000;
	cr_expect_eq(slowest(more, 20 * 1024), much);
	now_ms = 5;
}
