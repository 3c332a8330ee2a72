/* json_mend - see json_mend.h. */
#include "json_mend.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

struct mend {
	const char *p, *end; /* what is still to be read */
	char *to;
	bool mended;
};

static void
copy(struct mend *m, size_t n)
{
	memcpy(m->to, m->p, n);
	m->to += n;
	m->p += n;
}

static void
put(struct mend *m, const char *text)
{
	m->to = stpcpy(m->to, text);
	m->mended = true;
}

/* ---- texts ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The unit that the escape at `at` stands for; -1 when \u and four digits do not stand there. */
static int
unit_at(const char *at, const char *end)
{
	int unit = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6 && unit >= 0; i++) {
		const int digit = hex_digit(at[i]);

		unit = digit < 0 ? -1 : unit << 4 | digit;
	}
	return unit;
}

/* At a backslash. */
static void
mend_escape(struct mend *m)
{
	const int unit = unit_at(m->p, m->end);
	const int next = unit < 0 ? -1 : unit_at(m->p + 6, m->end);

	if (unit < 0) {
		copy(m, m->end - m->p < 2 ? 1 : 2);
	} else if (unit < 0xd800 || unit > 0xdfff) {
		copy(m, 6);
	} else if (unit < 0xdc00 && next >= 0xdc00 && next <= 0xdfff) {
		copy(m, 12);
	} else {
		put(m, "\\ufffd");
		m->p += 6;
	}
}

static void
mend_text(struct mend *m)
{
	copy(m, 1);
	while (m->p < m->end && *m->p != '"') {
		if (*m->p == '\\')
			mend_escape(m);
		else
			copy(m, 1);
	}
	if (m->p < m->end)
		copy(m, 1);
}

/* ---- numbers ---- */

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Is it a number by JSON's grammar? *whole: without fraction and exponent. */
static bool
is_number(struct slice text, bool *whole)
{
	const char *p = text.p, *end = text.p + text.n, *from;

	p += p < end && *p == '-';
	from = p;
	p = skip_digits(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return false;
	*whole = p == end;
	if (p < end && *p == '.') {
		from = ++p;
		p = skip_digits(p, end);
		if (p == from)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		from = p;
		p = skip_digits(p, end);
		if (p == from)
			return false;
	}
	return p == end;
}

static bool
is_beyond_64_bits(struct slice text)
{
	const bool minus = text.p[0] == '-';
	const struct slice digits = {text.p + minus, text.n - minus};
	const struct slice most = slice_of(minus ? "9223372036854775808" : "18446744073709551615");

	return digits.n > most.n || (digits.n == most.n && memcmp(digits.p, most.p, most.n) > 0);
}

/* spare: room for the text and a NUL. No number of so few bytes is, without an exponent. */
static bool
is_beyond_double(struct slice text, char *spare)
{
	if (text.n <= DBL_MAX_10_EXP && !memchr(text.p, 'e', text.n) &&
		!memchr(text.p, 'E', text.n))
		return false;
	memcpy(spare, text.p, text.n);
	spare[text.n] = '\0';
	return isinf(strtod(spare, NULL));
}

static bool
in_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static void
mend_number(struct mend *m)
{
	struct slice text = {m->p, 0};
	bool whole = false;

	while (text.p + text.n < m->end && in_number(text.p[text.n]))
		text.n++;
	if (!is_number(text, &whole) ||
		!(whole ? is_beyond_64_bits(text) : is_beyond_double(text, m->to))) {
		copy(m, text.n);
		return;
	}
	put(m, "\"");
	copy(m, text.n);
	put(m, "\"");
}

/* A number that is mended has five characters at least ("1e309") and gets two more. */
struct slice
json_mend(struct slice text, bool *starved)
{
	char *out = malloc(text.n + text.n / 2 + 1);
	struct mend m = {text.p, text.p + text.n, out, false};

	*starved = !out;
	while (out && m.p < m.end) {
		if (*m.p == '"')
			mend_text(&m);
		else if (*m.p == '-' || (*m.p >= '0' && *m.p <= '9'))
			mend_number(&m);
		else
			copy(&m, 1);
	}
	if (m.mended)
		return (struct slice){out, (size_t)(m.to - out)};
	free(out);
	return (struct slice){NULL, 0};
}
