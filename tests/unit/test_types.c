/* The table of event types: every row is found, and nothing else. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/types.h"

Test(types, every_type_is_found_in_its_own_row)
{
	for (size_t i = 0; i < event_types_count; i++)
		cr_expect_eq(event_type_find(slice_of(event_types[i].name)), &event_types[i]);
}

Test(types, no_type_stands_twice)
{
	for (size_t i = 0; i < event_types_count; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(event_types[i].name, event_types[k].name);
}

Test(types, the_last_row_takes_the_rest)
{
	cr_expect_str_eq(event_types[event_types_count - 1].name, "unknown");
	cr_expect_str_eq(event_types[event_types_count - 1].handler, "unknown");
}

Test(types, what_only_resembles_a_type_is_none)
{
	static const char *const names[] = {
		"", "email", "email_opene", "email_opened ", "EMAIL_OPENED", "email_opened2"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		cr_expect_null(event_type_find(slice_of(names[i])), "%s", names[i]);
	cr_expect_null(event_type_find((struct slice){NULL, 0}));
	cr_expect_null(event_type_find((struct slice){"email_opened\0", 13}));
}
