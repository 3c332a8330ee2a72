/* What an answer says: the rows of docs/forward.md. */
#include <criterion/criterion.h>
#include <string.h>

#include "forward/answer.h"

Test(forward_answer, every_answer_has_its_class)
{
	static const struct {
		unsigned from, to;
		enum answer_class class;
	} rows[] = {
		{0, 199, ANSWER_AWAY},
		{200, 299, ANSWER_DONE},
		{300, 399, ANSWER_REFUSED},
		{400, 400, ANSWER_BAD},
		{401, 401, ANSWER_REFUSED},
		{402, 402, ANSWER_BAD},
		{403, 405, ANSWER_REFUSED},
		{406, 406, ANSWER_BAD},
		{407, 407, ANSWER_REFUSED},
		{408, 408, ANSWER_ERROR},
		{409, 409, ANSWER_BAD},
		{410, 410, ANSWER_GONE},
		{411, 424, ANSWER_BAD},
		{425, 425, ANSWER_ERROR},
		{426, 428, ANSWER_BAD},
		{429, 429, ANSWER_SLOW},
		{430, 499, ANSWER_BAD},
		{500, 501, ANSWER_ERROR},
		{502, 504, ANSWER_SLOW},
		{505, 599, ANSWER_ERROR},
		{600, 999, ANSWER_AWAY},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned status = rows[i].from; status <= rows[i].to; status++)
			cr_expect_eq(answer_class(REACHED, status), rows[i].class, "%u", status);
}

Test(forward_answer, without_an_answer_the_destination_is_away_but_for_our_own_guard)
{
	static const enum trouble_kind away[] = {
		NO_ADDRESS, NO_CONNECTION, NO_TLS, TIMED_OUT, CUT_OFF};

	for (size_t i = 0; i < sizeof away / sizeof *away; i++)
		cr_expect_eq(answer_class(away[i], 0), ANSWER_AWAY);
	cr_expect_eq(answer_class(TIMED_OUT, 200), ANSWER_AWAY,
		"a status whose answer does not end is none");
	cr_expect_eq(answer_class(NOT_ALLOWED, 0), ANSWER_GUARDED);
}

Test(forward_answer, every_class_has_a_word)
{
	static const char *const words[] = {
		"done", "gone", "slow", "refused", "bad", "error", "away", "guarded"};

	for (int i = 0; i < ANSWER_CLASSES; i++)
		cr_expect_str_eq(answer_class_words[i], words[i]);
}

static const uint64_t retry[] = {
	5000, 300000, 1800000, 7200000, 18000000, 36000000, 50400000, 72000000, 86400000};
enum { RETRIES = sizeof retry / sizeof *retry };

Test(forward_answer, an_error_is_tried_ten_times_by_the_schedule)
{
	for (uint64_t n = 1; n <= RETRIES; n++) {
		cr_expect_eq(answer_wait_ms(ANSWER_ERROR, retry, RETRIES, n, 0.5), retry[n - 1]);
		cr_expect_eq(
			answer_wait_ms(ANSWER_ERROR, retry, RETRIES, n, 0), retry[n - 1] / 5 * 4);
		cr_expect_eq(
			answer_wait_ms(ANSWER_ERROR, retry, RETRIES, n, 1), retry[n - 1] / 5 * 6);
	}
	cr_expect_eq(answer_wait_ms(ANSWER_ERROR, retry, RETRIES, 10, 0.5), 0);
	cr_expect_eq(answer_wait_ms(ANSWER_ERROR, retry, RETRIES, UINT64_MAX, 0.5), 0);
}

Test(forward_answer, what_the_event_is_to_blame_for_is_tried_three_times)
{
	cr_expect_eq(answer_wait_ms(ANSWER_BAD, retry, RETRIES, 1, 0.5), 5000);
	cr_expect_eq(answer_wait_ms(ANSWER_BAD, retry, RETRIES, 2, 0.5), 300000);
	cr_expect_eq(answer_wait_ms(ANSWER_BAD, retry, RETRIES, 3, 0.5), 0);
	cr_expect_eq(answer_wait_ms(ANSWER_BAD, retry, 1, 2, 0.5), 0, "of a shorter schedule");
	cr_expect_eq(answer_wait_ms(ANSWER_ERROR, NULL, 0, 1, 0.5), 0, "of none");
}

Test(forward_answer, what_the_guard_refuses_is_dead_and_what_the_destination_owes_never)
{
	static const enum answer_class waits[] = {
		ANSWER_GONE, ANSWER_SLOW, ANSWER_REFUSED, ANSWER_AWAY};

	cr_expect_eq(answer_wait_ms(ANSWER_GUARDED, retry, RETRIES, 1, 0.5), 0);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
		cr_expect_neq(answer_wait_ms(waits[i], retry, RETRIES, 1000, 0.5), 0);
	cr_expect_neq(answer_wait_ms(ANSWER_ERROR, &(uint64_t){1}, 1, 1, 0), 0);
}

Test(forward_answer, retry_after_is_seconds_or_any_of_the_three_dates)
{
	const uint64_t now = 784111717000, most = 3600000; /* 20 s before */
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
		{"120", 120000},
		{" 7\t", 7000},
		{"007", 7000},
		{"0", 0},
		{"3600", 3600000},
		{"3601", 3600000},
		{"315360000", 3600000},
		{"18446744073709551615", 3600000},
		{"99999999999999999999999999999999", 3600000},
		{"-1", 0},
		{"+5", 0},
		{"1.5", 0},
		{"5s", 0},
		{"soon", 0},
		{"", 0},
		{" ", 0},
		{"Sun, 06 Nov 1994 08:48:57 GMT", 20000},
		{"Sunday, 06-Nov-94 08:48:57 GMT", 20000},
		{"Sun Nov  6 08:48:57 1994", 20000},
		{"Sun, 06 Nov 2094 08:48:57 GMT", 3600000},
		{"Sun, 06 Nov 1994 08:48:37 GMT", 0},
		{"Sun, 06 Nov 1994 08:48:36 GMT", 0},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Sun, 06 Nov 1994 08:48:57 GMT and so on", 0},
		{"Sun, 06 Nov 1994 08:48:57", 0},
		{"1994-11-06T08:48:57Z", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(answer_retry_after_ms(slice_of(rows[i].text), now, most), rows[i].ms,
			"\"%s\"", rows[i].text);
	cr_expect_eq(answer_retry_after_ms((struct slice){NULL, 0}, now, most), 0);
	cr_expect_eq(answer_retry_after_ms((struct slice){"Sun\0", 4}, now, most), 0);
}

Test(forward_answer, an_application_cannot_make_figures_without_end)
{
	char words[ANSWER_WORDS], seen[1000][ANSWER_WORDS];
	size_t n = 0;

	for (unsigned status = 100; status < 1000; status++) {
		size_t i = 0;

		answer_words(status, words);
		while (i < n && strcmp(seen[i], words) != 0)
			i++;
		if (i == n)
			strcpy(seen[n++], words);
	}
	cr_assert_leq(n, 40);
	cr_assert_str_eq(answer_words(404, words), "answers 404");
	cr_assert_str_eq(answer_words(418, words), "answers 4xx");
	cr_assert_str_eq(answer_words(599, words), "answers 5xx");
}
