/* What each cause of a refusal by ingress says to the sender. */
#include <criterion/criterion.h>
#include <string.h>

#include "ingress/refusals.h"

static const struct config_source generic = {
	.name = (char[]){"a"}, .provider = (char[]){"generic"}};
static const struct config_source brevo = {.name = (char[]){"b"}, .provider = (char[]){"brevo"}};

Test(refusals, trouble_of_ours_is_to_be_tried_again)
{
	static const enum refusal_cause ours[] = {REFUSAL_STOPPING, REFUSAL_PLACES, REFUSAL_SHARE,
		REFUSAL_MEMORY, REFUSAL_NO_VERDICT};

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		cr_expect_eq(refusal_of(ours[i], NULL).status, 503);
		cr_expect_eq(refusal_of(ours[i], &generic).status, 503);
		cr_expect_eq(refusal_of(ours[i], &brevo).status, 429, "it gives up on a 503");
		cr_expect_eq(refusal_of(ours[i], &brevo).retry_after_s, 5);
	}
}

Test(refusals, a_fault_of_the_sender_is_the_same_for_all)
{
	static const struct {
		enum refusal_cause cause;
		unsigned status;
		const char *text;
	} rows[] = {
		{REFUSAL_FRAMING, 400, "Bad request"},
		{REFUSAL_VERSION, 505, "HTTP version not supported"},
		{REFUSAL_PATH, 404, "Not found"},
		{REFUSAL_METHOD, 405, "Method not allowed"},
		{REFUSAL_BODY, 413, "Body too large"},
		{REFUSAL_HEADERS, 431, "Headers too large"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct refusal refusal = refusal_of(rows[i].cause, &brevo);

		cr_expect_eq(refusal.status, rows[i].status);
		cr_expect_str_eq(refusal.text, rows[i].text);
		cr_expect_eq(refusal.retry_after_s, 0);
	}
}

Test(refusals, a_fault_of_a_head_has_its_own_words)
{
#define EXPECT_SAME(name, status_, text_, when)                                                    \
	cr_expect_eq(refusal_of(refusal_of_head(HEAD_##name), NULL).status, status_);              \
	cr_expect_str_eq(refusal_of(refusal_of_head(HEAD_##name), NULL).text, text_);
	HEAD_FAULTS(EXPECT_SAME)
#undef EXPECT_SAME
}
