/* The leases against a plain list. */
#include <criterion/criterion.h>
#include <string.h>

#include "retrier/leases.h"

enum { MOST = 100, EVENTS = 300, STEPS = 200000 };

static struct leases *l;

static void
setup(void)
{
	l = leases_new(MOST);
	cr_assert_not_null(l);
}

static void
teardown(void)
{
	leases_destroy(&l);
	cr_expect_null(l);
}

TestSuite(leases, .init = setup, .fini = teardown, .timeout = 60);

static void
expect_oldest(uint64_t seq, uint64_t since_ms)
{
	uint64_t got, since;

	cr_assert(leases_oldest(l, &got, &since));
	cr_assert_eq(got, seq);
	cr_assert_eq(since, since_ms);
}

Test(leases, none_at_first)
{
	uint64_t seq, since;

	cr_expect_not(leases_oldest(l, &seq, &since));
	cr_expect_not(leases_full(l));
	leases_end(l, 1);
	cr_expect_not(leases_oldest(l, &seq, &since));
}

Test(leases, one_that_begins_anew_is_the_youngest)
{
	leases_begin(l, 1, 10);
	leases_begin(l, 2, 20);
	expect_oldest(1, 10);
	leases_begin(l, 1, 30);
	expect_oldest(2, 20);
	leases_end(l, 2);
	expect_oldest(1, 30);
}

Test(leases, full_until_any_of_them_ends)
{
	for (uint64_t seq = 1; seq <= MOST; seq++) {
		cr_expect_not(leases_full(l));
		leases_begin(l, seq, seq);
	}
	cr_expect(leases_full(l));
	leases_end(l, MOST / 2);
	cr_expect_not(leases_full(l));
	leases_begin(l, UINT64_MAX, MOST + 1);
	cr_expect(leases_full(l));
	expect_oldest(1, 1);
}

/* What is meant: numbers in the order of their beginning. */
static struct {
	uint64_t seq, since_ms;
} list[MOST];
static size_t count;

static void
list_end(uint64_t seq)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].seq != seq)
			continue;
		count--;
		memmove(&list[i], &list[i + 1], (count - i) * sizeof *list);
		return;
	}
}

static void
list_begin(uint64_t seq, uint64_t since_ms)
{
	list_end(seq);
	list[count].seq = seq;
	list[count++].since_ms = since_ms;
}

Test(leases, whatever_begins_and_ends_the_oldest_is_known)
{
	uint64_t random = 1, seq, since;

	for (uint64_t step = 0; step < STEPS; step++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		seq = (random >> 33) % EVENTS * 64; /* many share a bucket */
		if ((random >> 62) == 0 || leases_full(l)) {
			leases_end(l, seq);
			list_end(seq);
		} else {
			leases_begin(l, seq, step);
			list_begin(seq, step);
		}
		cr_assert_eq(leases_full(l), count == MOST);
		if (count > 0)
			expect_oldest(list[0].seq, list[0].since_ms);
		else
			cr_assert_not(leases_oldest(l, &seq, &since));
	}
}
