/* origin - who an event is, wherever it came to. */
#include <criterion/criterion.h>

#include "proto/origin.h"

static struct event
event_with(const char *origin)
{
	return (struct event){
		.seq = 7, .journal = slice_of("0123456789abcdef"), .origin = slice_of(origin)};
}

Test(origin, what_is_written_is_read_again)
{
	const struct origin origin = {slice_of("fedcba9876543210"), 4611686018427387903U};
	struct origin read;
	char text[ORIGIN_ROOM];

	cr_expect(origin_read(origin_write(&origin, text), &read));
	cr_expect_str_eq(text, "fedcba9876543210-4611686018427387903");
	cr_expect(slice_eq(read.journal, origin.journal));
	cr_expect_eq(read.seq, origin.seq);
}

Test(origin, an_event_without_one_is_where_it_is)
{
	static const char *const texts[] = {NULL, "", "fedcba9876543210", "fedcba9876543210-",
		"fedcba9876543210-0", "fedcba9876543210-07", "fedcba9876543210-1.5",
		"fedcba9876543210-+1", "fedcba9876543210_1", "fedcba987654321.-1",
		"fedcba9876543210-4611686018427387904", "fedcba9876543210-18446744073709551617"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const struct event ev = event_with(texts[i]);

		cr_expect(slice_is(origin_of(&ev).journal, "0123456789abcdef"), "%s", texts[i]);
		cr_expect_eq(origin_of(&ev).seq, 7);
		cr_expect_not(origin_is_elsewhere(&ev));
	}
}

Test(origin, an_event_with_one_is_who_it_was)
{
	const struct event ev = event_with("fedcba9876543210-12");

	cr_expect(slice_is(origin_of(&ev).journal, "fedcba9876543210"));
	cr_expect_eq(origin_of(&ev).seq, 12);
	cr_expect(origin_is_elsewhere(&ev));
}
