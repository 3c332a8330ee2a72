/* Log lines: one plain line a fact, whatever bytes stand in its fields; and causes alike. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/log.h"

static char out[1 << 17];
static FILE *file;

static void
setup(void)
{
	file = tmpfile();
	cr_assert_not_null(file);
	cr_assert_geq(dup2(fileno(file), STDERR_FILENO), 0);
	log_open("router", LEVEL_INFO);
}

TestSuite(log, .init = setup, .timeout = 60);

/* What stands on stderr by now. */
static const char *
written(void)
{
	ssize_t n = pread(fileno(file), out, sizeof out - 1, 0);

	cr_assert_geq(n, 0);
	out[n] = '\0';
	return out;
}

/* The line of one text field, from `key=` to the end. */
static const char *
line_of(struct slice text)
{
	log_warn("x", LF_SLICE("key", text));
	return strstr(written(), "key=");
}

Test(log, a_line_has_time_level_stage_message_and_fields)
{
	unsigned year, ms;
	char rest[256];

	log_warn("routed", LF_UINT("seq", 12), LF_INT("delta", -3), LF_TEXT("id", "evt_1"));
	cr_assert_eq(sscanf(written(), "ts=%4u-%*2u-%*2uT%*2u:%*2u:%*2u.%3uZ %255[^\n]", &year, &ms,
			     rest),
		3);
	cr_expect_geq(year, 2024);
	cr_expect_str_eq(rest, "level=warn stage=router msg=routed seq=12 delta=-3 id=evt_1");
}

Test(log, numbers_keep_all_their_digits)
{
	log_warn("x", LF_UINT("a", UINT64_MAX), LF_INT("b", INT64_MIN), LF_UINT("c", 0));
	cr_expect_not_null(
		strstr(written(), " a=18446744073709551615 b=-9223372036854775808 c=0\n"));
}

Test(log, a_value_that_is_no_plain_word_is_quoted)
{
	cr_expect_str_eq(line_of(slice_of("two words")), "key=\"two words\"\n");
}

Test(log, an_empty_value_is_quoted)
{
	cr_expect_str_eq(line_of(slice_of("")), "key=\"\"\n");
}

Test(log, an_absent_value_is_empty)
{
	cr_expect_str_eq(line_of((struct slice){NULL, 0}), "key=\"\"\n");
}

Test(log, quotes_and_backslashes_are_escaped)
{
	cr_expect_str_eq(line_of(slice_of("a\"b\\c=d")), "key=\"a\\\"b\\\\c=d\"\n");
}

Test(log, no_value_can_begin_a_line_of_its_own)
{
	cr_expect_str_eq(line_of(slice_of("a\nts=fake\r\tlevel=error")),
		"key=\"a\\nts=fake\\x0d\\tlevel=error\"\n");
}

Test(log, control_characters_cannot_reach_the_terminal)
{
	const char text[] = "\0\x1b[2J\x7f\xc2\x9b";

	cr_expect_str_eq(line_of((struct slice){text, sizeof text - 1}),
		"key=\"\\x00\\x1b[2J\\x7f\\xc2\\x9b\"\n");
}

Test(log, utf_8_stays_and_what_is_none_is_escaped)
{
	cr_expect_str_eq(line_of(slice_of("f\xc3\xa9 \xf0\x9f\x90\x9f \xc3( \xed\xa0\x80 \xff")),
		"key=\"f\xc3\xa9 \xf0\x9f\x90\x9f \\xc3( \\xed\\xa0\\x80 \\xff\"\n");
}

Test(log, a_long_value_is_cut_at_256_bytes_and_shows_it)
{
	char text[300], expected[300];

	memset(text, 'a', sizeof text);
	snprintf(expected, sizeof expected, "key=\"%.256s...\"\n", text);
	cr_expect_str_eq(line_of((struct slice){text, sizeof text}), expected);
}

Test(log, a_cut_never_halves_a_character)
{
	char text[300], expected[300];

	memset(text, 'a', sizeof text);
	memcpy(text + 255, "\xc3\xa9", 2);
	snprintf(expected, sizeof expected, "key=\"%.255s...\"\n", text);
	cr_expect_str_eq(line_of((struct slice){text, sizeof text}), expected);
}

Test(log, a_line_with_too_many_fields_ends_before_the_one_that_does_not_fit)
{
	char text[256];
	size_t n;

	memset(text, '\n', sizeof text);
	struct slice s = {text, sizeof text};
	log_warn("x", LF_SLICE("a", s), LF_SLICE("b", s), LF_SLICE("c", s), LF_SLICE("d", s),
		LF_SLICE("e", s), LF_SLICE("f", s), LF_SLICE("g", s), LF_SLICE("h", s),
		LF_SLICE("i", s), LF_SLICE("j", s));
	n = strlen(written());
	cr_expect_leq(n, 4096);
	cr_expect_eq(strcspn(out, "\n"), n - 1);
	cr_expect_eq(out[n - 2], '"');
}

Test(log, quiet_lines_wait_for_a_flush_and_warnings_do_not)
{
	log_info("quiet", LF_UINT("n", 1));
	cr_expect_str_empty(written());
	log_warn("loud", LF_UINT("n", 2));
	cr_expect_not_null(strstr(written(), "msg=quiet"));
	cr_expect_not_null(strstr(written(), "msg=loud"));
	log_info("quiet", LF_UINT("n", 3));
	log_flush();
	cr_expect_not_null(strstr(written(), "n=3"));
}

Test(log, a_full_buffer_is_written_and_no_line_is_lost)
{
	char text[200];
	size_t lines = 0;

	memset(text, 'a', sizeof text);
	for (int i = 0; i < 400; i++)
		log_info("x", LF_SLICE("key", ((struct slice){text, sizeof text})));
	log_flush();
	for (const char *p = written(); (p = strchr(p, '\n')); p++)
		lines++;
	cr_expect_eq(lines, 400);
}

Test(log, what_is_below_the_level_is_not_said)
{
	log_debug("x", LF_UINT("n", 1));
	log_flush();
	cr_expect_str_empty(written());
	cr_expect_not(log_enabled(LEVEL_DEBUG));
	log_set_level(LEVEL_DEBUG);
	log_debug("x", LF_UINT("n", 1));
	log_flush();
	cr_expect_not_null(strstr(written(), "level=debug"));
	log_set_level(LEVEL_ERROR);
	cr_expect_not(log_enabled(LEVEL_WARN));
}

Test(log, a_level_has_one_name)
{
	enum log_level level = LEVEL_ERROR;

	cr_expect(log_level_parse("debug", &level) && level == LEVEL_DEBUG);
	cr_expect(log_level_parse("error", &level) && level == LEVEL_ERROR);
	cr_expect_not(log_level_parse("INFO", &level));
	cr_expect_not(log_level_parse("", &level));
	cr_expect_eq(level, LEVEL_ERROR);
}

Test(error, a_cause_is_one_line_and_grows_from_the_front)
{
	struct error why;

	cr_expect_not(error_set(&why, "line %d\nof \x1b two", 1));
	cr_expect_str_eq(why.text, "line 1?of ? two");
	cr_expect_not(error_wrap(&why, "in %s", "x\ty"));
	cr_expect_str_eq(why.text, "in x?y: line 1?of ? two");
	cr_expect_not(error_set(NULL, "nobody asks"));
	cr_expect_not(error_wrap(NULL, "nobody asks"));
}

Test(error, a_cause_that_is_too_long_is_cut)
{
	char text[2 * ERROR_TEXT_MAX];
	struct error why;

	memset(text, 'a', sizeof text);
	error_set(&why, "%.*s", (int)sizeof text, text);
	cr_expect_eq(strlen(why.text), ERROR_TEXT_MAX - 1);
	error_wrap(&why, "%.*s", (int)sizeof text, text);
	cr_expect_eq(strlen(why.text), ERROR_TEXT_MAX - 1);
}
