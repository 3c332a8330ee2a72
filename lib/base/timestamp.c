/* timestamp - see timestamp.h. */
#include "timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "field.h"
#include "units.h"

enum { MS_PER_S = 1000, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

/* The year 10000. */
static const int64_t END_S = 253402300800;
/* Seconds reach this in the year 5138; ms did in 1973. */
static const int64_t FIRST_MS = 100000000000;

struct cursor {
	const char *p, *end;
};

char *
timestamp_text(uint64_t ms, char out[TIMESTAMP_BYTES])
{
	const time_t second = (time_t)(ms / MS_PER_S);
	struct tm tm;
	size_t n;

	if (!gmtime_r(&second, &tm))
		tm = (struct tm){.tm_mday = 1};
	n = strftime(out, TIMESTAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIMESTAMP_BYTES - n, ".%03uZ", (unsigned)(ms % MS_PER_S));
	return out;
}

static bool
at_digit(const struct cursor *c)
{
	return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

/* One of the characters of any. */
static bool
take(struct cursor *c, const char *any)
{
	if (c->p == c->end || !*c->p || !strchr(any, *c->p))
		return false;
	c->p++;
	return true;
}

/* Exactly n digits. */
static bool
take_number(struct cursor *c, int n, int *value)
{
	for (*value = 0; n > 0; n--, c->p++) {
		if (!at_digit(c))
			return false;
		*value = *value * 10 + (*c->p - '0');
	}
	return true;
}

/* Nothing, or a point of these and digits, to ms; what is finer is passed over. */
static bool
take_fraction(struct cursor *c, const char *points, int *ms)
{
	*ms = 0;
	if (!take(c, points))
		return true;
	if (!at_digit(c))
		return false;
	for (int place = 100; at_digit(c); c->p++, place /= 10)
		*ms += (*c->p - '0') * place;
	return true;
}

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of January of a year from 1970 on. */
static int64_t
year_days(int year)
{
	const int64_t before = year - 1;

	return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

static bool
take_date(struct cursor *c, int64_t *days)
{
	int year, month, day;

	if (!take_number(c, 4, &year) || !take(c, "-") || !take_number(c, 2, &month) ||
		!take(c, "-") || !take_number(c, 2, &day))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return false;
	*days = year_days(year) + day - 1;
	while (--month > 0)
		*days += month_days(year, month);
	return true;
}

/* A 60th second is a leap second: the first one of the next minute. */
static bool
take_clock(struct cursor *c, int *seconds)
{
	int hours, minutes, rest;

	if (!take_number(c, 2, &hours) || !take(c, ":") || !take_number(c, 2, &minutes) ||
		!take(c, ":") || !take_number(c, 2, &rest))
		return false;
	*seconds = hours * HOUR_S + minutes * MINUTE_S + rest;
	return hours < 24 && minutes < 60 && rest <= 60;
}

static bool
take_word(struct cursor *c, const char *word)
{
	const size_t n = strlen(word);

	if ((size_t)(c->end - c->p) != n || memcmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

/* "Z", "UTC", "+02:00", "+0200", "+02" or nothing, which is UTC; a space may stand before. */
static bool
take_zone(struct cursor *c, int *east_s)
{
	int hours, minutes = 0, sign;

	*east_s = 0;
	if (c->p == c->end)
		return true;
	take(c, " ");
	if (take(c, "Zz") || take_word(c, "UTC") || take_word(c, "GMT"))
		return true;
	sign = c->p < c->end && *c->p == '-' ? -1 : 1;
	if (!take(c, "+-") || !take_number(c, 2, &hours))
		return false;
	if (c->p < c->end) {
		take(c, ":");
		if (!take_number(c, 2, &minutes))
			return false;
	}
	*east_s = sign * (hours * HOUR_S + minutes * MINUTE_S);
	return hours < 24 && minutes < 60;
}

static bool
read_date_and_time(struct slice text, int64_t *ms)
{
	struct cursor c = {text.p, text.p + text.n};
	int seconds, fraction, east_s;
	int64_t days;

	if (!take_date(&c, &days) || !take(&c, "Tt ") || !take_clock(&c, &seconds) ||
		!take_fraction(&c, ".,", &fraction) || !take_zone(&c, &east_s) || c.p != c.end)
		return false;
	*ms = (days * DAY_S + seconds - east_s) * MS_PER_S + fraction;
	return *ms >= 0 && *ms < END_S * MS_PER_S;
}

static bool
read_date(struct slice text, int64_t *ms)
{
	struct cursor c = {text.p, text.p + text.n};
	int64_t days;

	if (!take_date(&c, &days) || c.p != c.end)
		return false;
	*ms = days * DAY_S * MS_PER_S;
	return true;
}

/* A whole number as seconds, or as ms where it can be no seconds. */
static bool
from_whole(uint64_t value, int64_t *ms)
{
	if (value >= (uint64_t)END_S * MS_PER_S)
		return false;
	*ms = (int64_t)value < FIRST_MS ? (int64_t)value * MS_PER_S : (int64_t)value;
	return true;
}

/* ms have no fraction. */
static bool
read_decimal(struct slice text, int64_t *ms)
{
	struct cursor c = {text.p, text.p + text.n};
	uint64_t whole = 0;
	int fraction;

	if (!at_digit(&c))
		return false;
	for (; at_digit(&c) && whole < (uint64_t)END_S * MS_PER_S; c.p++)
		whole = whole * 10 + (uint64_t)(*c.p - '0');
	if (!from_whole(whole, ms) ||
		!take_fraction(&c, whole < (uint64_t)FIRST_MS ? "." : "", &fraction))
		return false;
	*ms += fraction;
	return c.p == c.end;
}

/* A float of seconds holds microseconds exactly enough (2^-22 s in this century), so it is read to
 * those and cut there. */
static int64_t
from_float(double value)
{
	if (!(value > 0) || value >= (double)END_S * MS_PER_S)
		return 0;
	if (value >= (double)FIRST_MS)
		return (int64_t)value;
	return (int64_t)(value * 1e6 + 0.5) / MS_PER_S;
}

bool
timestamp_of_text(struct slice text, int64_t *ms)
{
	return text.n && (read_decimal(text, ms) || read_date_and_time(text, ms)) && *ms > 0;
}

int64_t
timestamp_of(const msgpack_object *value)
{
	int64_t ms;

	if (!value)
		return 0;
	switch (value->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return from_whole(value->via.u64, &ms) ? ms : 0;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return from_float(value->via.f64);
	case MSGPACK_OBJECT_STR:
		return timestamp_of_text(object_str(value), &ms) ? ms : 0;
	default:
		return 0;
	}
}

/* The midnight (UTC) that such a day begins with. */
static bool
read_word(const char *text, uint64_t now_ms, uint64_t *ms)
{
	static const uint64_t DAY_MS = 86400000;
	static const char *const days[] = {"yesterday", "today", "tomorrow"};

	for (size_t i = 0; i < sizeof days / sizeof *days; i++)
		if (strcmp(text, days[i]) == 0) {
			*ms = now_ms - now_ms % DAY_MS + i * DAY_MS - DAY_MS;
			return true;
		}
	return false;
}

bool
timestamp_read(const char *text, uint64_t now_ms, uint64_t *ms, struct error *why)
{
	const struct slice s = slice_of(text);
	uint64_t ago_ms;
	int64_t at_ms;

	if (read_decimal(s, &at_ms) || read_date_and_time(s, &at_ms) || read_date(s, &at_ms)) {
		*ms = (uint64_t)at_ms;
		return true;
	}
	if (read_word(text, now_ms, ms))
		return true;
	if (units_read_duration(text, &ago_ms)) {
		*ms = ago_ms < now_ms ? now_ms - ago_ms : 0;
		return true;
	}
	return error_set(why,
		"\"%s\" is no time: it is written 2026-01-02T03:04:05Z, as seconds since 1970, or as a time ago such as 90s, 2h or 7d",
		text);
}
