/* What a failure says of the address: the decision over all providers, and the page that shows its
 * tables. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/file.h"
#include "proto/bounce.h"
#include "proto/providers.h"
#include "providers/bounce_words.h"

enum { PAGE_MAX = 1 << 20, PART_MAX = 1 << 15 };

static enum bounce_cause
judge(enum bounce_cause word, uint64_t code, const char *enhanced, const char *text)
{
	const struct bounce_facts facts = {word, code, slice_of(enhanced), slice_of(text)};

	return bounce_judge(&facts);
}

static bool
is_hard(enum bounce_cause cause)
{
	const char *name = bounce_rows[cause].bounce_class;

	return name && strcmp(name, "hard") == 0;
}

/* ---- every rule over every word of every provider ---- */

/* Answers that say that the address is not to blame. */
static const struct {
	uint64_t code;
	const char *enhanced, *text;
} weak_answers[] = {
	{421, NULL, NULL},
	{0, "4.4.1", NULL},
	{450, "5.1.1", "user unknown"},
	{552, "5.2.2", "mailbox full"},
	{552, NULL, NULL},
	{0, NULL, "Mailbox is full"},
	{0, NULL, "over quota"},
	{550, "5.7.1", "refused"},
	{550, "5.7.26", "user unknown"},
	{554, NULL, "blocked using zen.spamhaus.org"},
	{0, NULL, "Message looks like SPAM"},
	{550, "5.1.8", NULL},
	{550, NULL, "Sender address rejected: Domain not found"},
	{550, "5.4.7", NULL},
	{552, "5.3.4", NULL},
	{550, "5.6.0", NULL},
	{550, NULL, "recipient is on the suppression list"},
};

Test(bounce, no_word_of_any_provider_is_hard_where_the_answer_blames_something_else)
{
	for (size_t i = 0; i < bounce_words_count; i++)
		for (size_t k = 0; k < sizeof weak_answers / sizeof *weak_answers; k++)
			cr_expect_not(is_hard(judge(bounce_words[i].cause, weak_answers[k].code,
					      weak_answers[k].enhanced, weak_answers[k].text)),
				"%s %s %s with answer %zu", bounce_words[i].provider,
				bounce_words[i].field, bounce_words[i].word, k);
}

Test(bounce, no_word_but_a_hard_one_is_made_hard_by_an_answer)
{
	for (int word = BOUNCE_NONE + 1; word < BOUNCE_CAUSE_COUNT; word++) {
		const bool may = is_hard((enum bounce_cause)word) || word == BOUNCE_NO_SIGN;

		cr_expect_eq(is_hard(judge((enum bounce_cause)word, 550, "5.1.1", "user unknown")),
			may, "%s", bounce_rows[word].name);
	}
}

Test(bounce, every_provider_has_words_that_are_in_its_own_rows_only)
{
	for (size_t i = 0; i < bounce_words_count; i++) {
		const struct bounce_word *row = &bounce_words[i];

		cr_expect_not_null(provider_find(row->provider), "%s", row->provider);
		cr_expect_neq(row->cause, BOUNCE_NONE);
		cr_expect_neq(row->cause, BOUNCE_NO_WORD);
	}
}

/* Where a provider has a word for it; with the others the event's name or the answer tells. */
static const char *const hard_words[][3] = {
	{"sendgrid", "type", "bounce"},
	{"postmark", "Type", "HardBounce"},
	{"postmark", "SuppressionReason", "HardBounce"},
	{"ses", "bounceType", "Permanent"},
	{"sparkpost", "bounce_class", "10"},
	{"sparkpost", "bounce_class", "30"},
	{"mailjet", "error", "user unknown"},
	{"resend", "bounce.message", "a hard bounce message"},
};

Test(bounce, the_providers_own_hard_word_is_enough)
{
	for (size_t i = 0; i < sizeof hard_words / sizeof *hard_words; i++) {
		const enum bounce_cause word =
			bounce_word(hard_words[i][0], hard_words[i][1], slice_of(hard_words[i][2]));

		cr_expect_eq(judge(word, 0, NULL, NULL), BOUNCE_HARD, "%s", hard_words[i][2]);
		cr_expect_eq(judge(word, 550, "5.0.0", "no"), BOUNCE_HARD);
	}
}

Test(bounce, a_word_that_stands_in_no_table_counts_towards_nothing)
{
	for (size_t i = 0; i < bounce_words_count; i++) {
		const struct bounce_word *row = &bounce_words[i];

		cr_expect_eq(bounce_word(row->provider, row->field, slice_of("Quantum")),
			BOUNCE_NO_WORD);
		cr_expect_eq(bounce_word(row->provider, row->field, slice_of("")), BOUNCE_NONE);
	}
	cr_expect_eq(judge(BOUNCE_NO_WORD, 550, "5.1.1", "user unknown"), BOUNCE_NO_WORD);
}

Test(bounce, without_a_word_the_answer_must_tell)
{
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 550, "5.1.1", NULL), BOUNCE_ADDRESS);
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 0, NULL, "550 5.1.10 null MX"), BOUNCE_ADDRESS);
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 0, NULL, "Recipient not found"), BOUNCE_ADDRESS);
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 550, NULL, "no"), BOUNCE_REFUSED);
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 0, "5.4.4", "no"), BOUNCE_REFUSED);
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 0, NULL, "failed"), BOUNCE_NO_SIGN);
	cr_expect_eq(judge(BOUNCE_NO_SIGN, 0, NULL, NULL), BOUNCE_NO_SIGN);
}

Test(bounce, names_of_hosts_and_people_say_nothing)
{
	cr_expect_eq(judge(BOUNCE_HARD, 550, NULL, "550 <spam-quota@example.com> no thanks"),
		BOUNCE_HARD);
	cr_expect_eq(
		judge(BOUNCE_HARD, 550, NULL, "no, see https://example.com/blocked?p=spam policy"),
		BOUNCE_POLICY);
	cr_expect_eq(judge(BOUNCE_HARD, 550, NULL, "no, see https://example.com/blocked?p=spam"),
		BOUNCE_HARD);
	cr_expect_eq(judge(BOUNCE_HARD, 0, NULL, "nospam"), BOUNCE_HARD);
}

Test(bounce, a_long_answer_is_read_as_far_as_it_goes)
{
	char text[4096];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	cr_expect_eq(judge(BOUNCE_HARD, 0, NULL, text), BOUNCE_HARD);
	memset(text, '-', sizeof text - 1);
	cr_expect_eq(judge(BOUNCE_HARD, 0, NULL, text), BOUNCE_HARD);
	cr_expect_eq(bounce_word("resend", "bounce.message", slice_of(text)), BOUNCE_NO_WORD);
}

static char *
repeated(char *to, const char *part, size_t n)
{
	while (n--)
		to = stpcpy(to, part);
	return to;
}

/* Each "recipient" and each "domain" could begin what a row looks for: 20 ms a text, were all tried. */
Test(bounce, a_text_that_nearly_fits_costs_no_more_than_others)
{
	const clock_t start = clock();
	char text[1024];

	repeated(repeated(text, "recipient", 50), "domain", 80);
	for (size_t i = 0; i < 1000; i++)
		cr_assert_eq(bounce_word("postal", "details", slice_of(text)), BOUNCE_NO_WORD);
	strcpy(text + strlen(text) - 10, "not exist");
	cr_expect_eq(bounce_word("postal", "details", slice_of(text)), BOUNCE_ADDRESS);
	cr_expect_lt((double)(clock() - start) / CLOCKS_PER_SEC, 5);
}

Test(bounce, a_word_is_compared_from_its_front_to_its_end)
{
	cr_expect_eq(
		bounce_word("postal", "details", slice_of("Scope a is not valid.")), BOUNCE_FAULT);
	cr_expect_eq(bounce_word("postal", "details", slice_of("A scope a is not valid")),
		BOUNCE_NO_WORD);
	cr_expect_eq(bounce_word("postal", "details", slice_of("Scope is not")), BOUNCE_NO_WORD);
	cr_expect_eq(bounce_word("mailgun", "reason", slice_of("suppress-")), BOUNCE_SUPPRESSED);
	cr_expect_eq(bounce_word("mailgun", "reason", slice_of("older")), BOUNCE_NO_WORD);
}

/* ---- the native format ---- */

static enum bounce_cause
native(const char *type, const char *bounce_class, uint64_t code, const char *text)
{
	const struct bounce_facts facts = {.code = code, .text = slice_of(text)};

	return bounce_native(slice_of(type), slice_of(bounce_class), &facts);
}

Test(bounce, a_native_bounce_is_judged_by_its_words_first)
{
	cr_expect_eq(native("hard", NULL, 0, NULL), BOUNCE_HARD);
	cr_expect_eq(native("Permanent", NULL, 0, NULL), BOUNCE_HARD);
	cr_expect_eq(native("SOFT", NULL, 550, NULL), BOUNCE_SOFT);
	cr_expect_eq(native("Transient", "hard", 0, NULL), BOUNCE_SOFT);
	cr_expect_eq(native(NULL, "hard", 0, NULL), BOUNCE_HARD);
	cr_expect_eq(native("other", "hard", 0, NULL), BOUNCE_HARD);
	cr_expect_eq(native(NULL, "undetermined", 550, "user unknown"), BOUNCE_UNDETERMINED);
	cr_expect_eq(native("hard", NULL, 552, "552 5.2.2 mailbox full"), BOUNCE_FULL);
	cr_expect_eq(native("hard", NULL, 450, NULL), BOUNCE_TEMPORARY);
}

Test(bounce, a_native_bounce_without_words_is_judged_by_the_answer_and_without_one_it_is_soft)
{
	cr_expect_eq(native(NULL, NULL, 550, NULL), BOUNCE_REFUSED);
	cr_expect_eq(native("other", NULL, 599, NULL), BOUNCE_REFUSED);
	cr_expect_eq(native(NULL, NULL, 554, "554 5.7.1 refused"), BOUNCE_POLICY);
	cr_expect_eq(native(NULL, NULL, 450, NULL), BOUNCE_TEMPORARY);
	cr_expect_eq(native(NULL, NULL, 600, NULL), BOUNCE_UNSAID);
	cr_expect_eq(native(NULL, NULL, 0, NULL), BOUNCE_UNSAID);
	cr_expect_eq(native("hardly", NULL, 0, NULL), BOUNCE_NO_WORD);
}

/* What the validator has decided, the handler decides again from the class. */
Test(bounce, a_decision_stands_when_it_is_taken_again)
{
	for (int word = BOUNCE_NONE; word < BOUNCE_CAUSE_COUNT; word++)
		for (size_t k = 0; k < sizeof weak_answers / sizeof *weak_answers; k++) {
			const struct bounce_facts facts = {(enum bounce_cause)word,
				weak_answers[k].code, slice_of(weak_answers[k].enhanced),
				slice_of(weak_answers[k].text)};
			const char *once = bounce_label(bounce_judge(&facts));
			const struct slice none = {NULL, 0};

			if (bounce_rows[bounce_judge(&facts)].bounce_class)
				cr_expect_str_eq(
					bounce_label(bounce_native(none, slice_of(once), &facts)),
					once);
		}
}

/* ---- the page ---- */

struct part {
	char text[PART_MAX];
	size_t n;
};

static void
put(struct part *part, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	part->n += (size_t)vsnprintf(part->text + part->n, PART_MAX - part->n, fmt, args);
	va_end(args);
	cr_assert_lt(part->n, PART_MAX);
}

static void
put_name(struct part *part, enum bounce_cause cause)
{
	for (const char *c = bounce_rows[cause].name; *c; c++)
		put(part, "%c", *c == '_' ? ' ' : tolower((unsigned char)*c));
}

static void
put_causes(struct part *part)
{
	for (int cause = BOUNCE_NONE + 1; cause < BOUNCE_CAUSE_COUNT; cause++) {
		const struct bounce_row *row = &bounce_rows[cause];

		put(part, "| ");
		put_name(part, (enum bounce_cause)cause);
		put(part, " | `%s`%s%s | %s |\n", row->type, row->bounce_class ? ", " : "",
			row->bounce_class ? row->bounce_class : "", row->words);
	}
}

/* Neighbours of one cause in a row. */
static void
put_signs(struct part *part, const struct bounce_sign *row)
{
	for (enum bounce_cause last = BOUNCE_NONE; row->sign; row++) {
		if (row->cause == last) {
			put(part, ", ");
		} else {
			put(part, last ? " |\n| " : "| ");
			put_name(part, row->cause);
			put(part, " | ");
		}
		put(part, "`%s%s`", row->sign + (*row->sign == ' '),
			row->sign[strlen(row->sign) - 1] == '.' ? "*" : "");
		last = row->cause;
	}
	put(part, " |\n");
}

static bool
goes_on(const struct bounce_word *row, const struct bounce_word *last)
{
	return last && strcmp(row->provider, last->provider) == 0 &&
	       strcmp(row->field, last->field) == 0 && row->cause == last->cause;
}

static void
put_words(struct part *part)
{
	for (size_t i = 0; i < bounce_words_count; i++) {
		const struct bounce_word *row = &bounce_words[i];

		if (goes_on(row, i ? row - 1 : NULL))
			put(part, ", `%s`", row->word);
		else
			put(part, "| %s | `%s` | `%s`", row->provider, row->field, row->word);
		if (i + 1 < bounce_words_count && goes_on(row + 1, row))
			continue;
		put(part, " | ");
		put_name(part, row->cause);
		put(part, " |\n");
	}
}

static void
expect_part(const char *page, void (*make)(struct part *))
{
	struct part *part = calloc(1, sizeof *part);

	cr_assert(part);
	make(part);
	cr_expect(
		strstr(page, part->text), "docs/providers/bounces.md should hold:\n%s", part->text);
	free(part);
}

static void
put_enhanced(struct part *part)
{
	put_signs(part, bounce_enhanced);
}

static void
put_replies(struct part *part)
{
	put_signs(part, bounce_replies);
}

static void
put_texts(struct part *part)
{
	put_signs(part, bounce_texts);
}

Test(bounce, the_page_shows_the_tables)
{
	struct error why;
	size_t n;
	char *page = file_read("docs/providers/bounces.md", PAGE_MAX, &n, &why);

	cr_assert(page, "%s", why.text);
	expect_part(page, put_causes);
	expect_part(page, put_words);
	expect_part(page, put_enhanced);
	expect_part(page, put_texts);
	expect_part(page, put_replies);
	free(page);
}
