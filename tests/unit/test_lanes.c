/* How many events of an address are owed, against a plain list. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "forward/lanes.h"

Test(lanes, nothing_is_owed_of_no_lane)
{
	struct lanes l = {NULL, 0, 0};

	cr_assert(lanes_add(&l, 0, 3));
	cr_assert_eq(lanes_count(&l, 0), 0);
	cr_assert_eq(lanes_drop(&l, 0), 0);
	cr_assert_eq(lanes_drop(&l, 7), 0);
	cr_assert_eq(lanes_count(&l, 7), 0);
	lanes_free(&l);
}

Test(lanes, each_is_counted_for_itself_whatever_comes_and_goes)
{
	struct lanes l = {NULL, 0, 0};
	uint64_t count[200] = {0};

	srandom(5);
	for (int i = 0; i < 200000; i++) {
		const size_t which = (size_t)random() % 200;
		const uint64_t lane = (which + 1) * (which % 3 ? 1 : UINT64_C(0x100000000));

		if (random() % 2) {
			cr_assert(lanes_add(&l, lane, 1));
			count[which]++;
		} else {
			count[which] -= count[which] > 0;
			cr_assert_eq(lanes_drop(&l, lane), count[which]);
		}
		cr_assert_eq(lanes_count(&l, lane), count[which]);
	}
	lanes_free(&l);
	cr_assert_eq(l.used, 0);
}
