/* answer - see answer.h. */
#include "answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/units.h"

enum { DATE_BYTES = 64, BAD_WAITS = 2, MS_PER_S = 1000 };

#define SPREAD 0.2

#define TROUBLE_WORDS(name, words) words,
const char *const trouble_words[TROUBLES_COUNT] = {TROUBLES(TROUBLE_WORDS)};

const char *const answer_class_words[ANSWER_CLASSES] = {
	[ANSWER_DONE] = "done",
	[ANSWER_GONE] = "gone",
	[ANSWER_SLOW] = "slow",
	[ANSWER_REFUSED] = "refused",
	[ANSWER_BAD] = "bad",
	[ANSWER_ERROR] = "error",
	[ANSWER_AWAY] = "away",
	[ANSWER_GUARDED] = "guarded",
};

/* The first row that holds counts. What is in none is no answer of an application. */
static const struct {
	unsigned from, to;
	enum answer_class class;
} rows[] = {
	{200, 299, ANSWER_DONE},
	{300, 399, ANSWER_REFUSED},
	{401, 401, ANSWER_REFUSED},
	{403, 405, ANSWER_REFUSED},
	{407, 407, ANSWER_REFUSED},
	{408, 408, ANSWER_ERROR},
	{410, 410, ANSWER_GONE},
	{425, 425, ANSWER_ERROR},
	{429, 429, ANSWER_SLOW},
	{400, 499, ANSWER_BAD},
	{502, 504, ANSWER_SLOW},
	{500, 599, ANSWER_ERROR},
};

enum answer_class
answer_class(enum trouble_kind trouble, unsigned status)
{
	if (trouble != REACHED)
		return trouble == NOT_ALLOWED ? ANSWER_GUARDED : ANSWER_AWAY;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (status >= rows[i].from && status <= rows[i].to)
			return rows[i].class;
	return ANSWER_AWAY;
}

static uint64_t
spread_ms(uint64_t ms, double spread)
{
	const uint64_t wait = (uint64_t)((double)ms * (1 - SPREAD + 2 * SPREAD * spread));

	return wait ? wait : 1;
}

uint64_t
answer_wait_ms(
	enum answer_class what, const uint64_t *retry, size_t n, uint64_t attempts, double spread)
{
	if (what == ANSWER_GUARDED)
		return 0;
	if (what != ANSWER_BAD && what != ANSWER_ERROR)
		return 1;
	if (what == ANSWER_BAD && n > BAD_WAITS)
		n = BAD_WAITS;
	if (attempts > n)
		return 0;
	return n ? spread_ms(retry[attempts ? attempts - 1 : 0], spread) : 0;
}

static bool
is_digits(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.n > 0;
}

/* More than 64 bits hold is more than any bound. */
static uint64_t
of_seconds(struct slice digits, uint64_t most_ms)
{
	char text[24];
	uint64_t seconds;

	while (digits.n > 1 && *digits.p == '0')
		digits.p++, digits.n--;
	if (digits.n >= sizeof text)
		return most_ms;
	memcpy(text, digits.p, digits.n);
	text[digits.n] = '\0';
	if (!units_read_count(text, &seconds) || seconds > most_ms / MS_PER_S)
		return most_ms;
	return seconds * MS_PER_S;
}

/* The form of today and the two that RFC 9110 5.6.7 keeps; all are UTC. False: it is none. */
static bool
read_date(const char *text, time_t *at)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm tm = {.tm_mday = 0};
		const char *end = strptime(text, forms[i], &tm);

		if (end && !*end) {
			*at = timegm(&tm);
			return *at > 0;
		}
	}
	return false;
}

uint64_t
answer_retry_after_ms(struct slice value, uint64_t now_ms, uint64_t most_ms)
{
	const struct slice text = slice_trim(value, " \t");
	char date[DATE_BYTES];
	uint64_t at_ms;
	time_t at;

	if (is_digits(text))
		return of_seconds(text, most_ms);
	if (!text.n || text.n >= sizeof date || memchr(text.p, 0, text.n))
		return 0;
	memcpy(date, text.p, text.n);
	date[text.n] = '\0';
	if (!read_date(date, &at))
		return 0;
	at_ms = (uint64_t)at * MS_PER_S;
	if (at_ms <= now_ms)
		return 0;
	return at_ms - now_ms < most_ms ? at_ms - now_ms : most_ms;
}

char *
answer_words(unsigned status, char out[ANSWER_WORDS])
{
	static const unsigned common[] = {301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 407,
		408, 409, 410, 413, 415, 422, 425, 429, 500, 501, 502, 503, 504};

	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		if (common[i] == status) {
			snprintf(out, ANSWER_WORDS, "answers %u", status);
			return out;
		}
	snprintf(out, ANSWER_WORDS, "answers %uxx", status / 100 % 10);
	return out;
}
