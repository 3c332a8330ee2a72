/* fields_time - times as providers write them, to ms since 1970. See fields.h.
 *
 * Cut, not rounded: a time of 7 fraction digits (Postmark) and its copy with 3 stay the same. A
 * float of seconds holds microseconds exactly enough (2^-22 s in this century), so it is read to
 * those and cut there. */
#include "fields.h"

#include <math.h>

enum { MS_PER_S = 1000, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

/* The year 10000. */
static const int64_t END_S = 253402300800;
/* Seconds reach this in the year 5138; ms did in 1973. */
static const int64_t FIRST_MS = 100000000000;

struct cursor {
	const char *p, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
at_digit(const struct cursor *c)
{
	return c->p < c->end && is_digit(*c->p);
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

/* Digits after the point, to ms; what is finer is passed over. */
static int
take_fraction(struct cursor *c)
{
	int ms = 0;

	for (int place = 100; at_digit(c); c->p++, place /= 10)
		ms += (*c->p - '0') * place;
	return ms;
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

static bool
take_zone(struct cursor *c, int *offset_s)
{
	int hours, minutes = 0, sign;

	*offset_s = 0;
	take(c, " ");
	if (c->p == c->end || take(c, "Zz") || take_word(c, "UTC") || take_word(c, "GMT"))
		return true;
	sign = *c->p == '-' ? -1 : 1;
	if (!take(c, "+-") || !take_number(c, 2, &hours))
		return false;
	if (c->p < c->end) {
		take(c, ":");
		if (!take_number(c, 2, &minutes))
			return false;
	}
	*offset_s = sign * (hours * HOUR_S + minutes * MINUTE_S);
	return hours < 24 && minutes < 60;
}

bool
time_iso(struct slice text, int64_t *ms)
{
	struct cursor c = {text.p, text.p ? text.p + text.n : NULL};
	int seconds, fraction = 0, offset;
	int64_t days, result;

	if (!text.p || !take_date(&c, &days) || !take(&c, "Tt ") || !take_clock(&c, &seconds))
		return false;
	if (take(&c, ".,")) {
		if (!at_digit(&c))
			return false;
		fraction = take_fraction(&c);
	}
	if (!take_zone(&c, &offset) || c.p != c.end)
		return false;
	result = (days * DAY_S + seconds - offset) * MS_PER_S + fraction;
	if (result <= 0)
		return false;
	*ms = result;
	return true;
}

/* A whole number as seconds, or as ms where it can be no seconds. */
static int64_t
from_whole(int64_t value)
{
	if (value <= 0 || value >= END_S * MS_PER_S)
		return 0;
	return value < FIRST_MS ? value * MS_PER_S : value;
}

bool
time_seconds_text(struct slice text, int64_t *ms)
{
	struct cursor c = {text.p, text.p ? text.p + text.n : NULL};
	int64_t whole = 0;
	int fraction = 0;

	if (!text.n || !at_digit(&c))
		return false;
	for (; at_digit(&c); c.p++) {
		whole = whole * 10 + (*c.p - '0');
		if (whole >= END_S * MS_PER_S)
			return false;
	}
	if (take(&c, ".")) {
		if (!at_digit(&c) || whole >= FIRST_MS)
			return false;
		fraction = take_fraction(&c);
	}
	if (c.p != c.end)
		return false;
	*ms = from_whole(whole) + fraction;
	return *ms > 0;
}

static int64_t
from_float(double seconds)
{
	if (!(seconds > 0) || seconds >= (double)END_S * MS_PER_S)
		return 0;
	if (seconds >= (double)FIRST_MS)
		return (int64_t)seconds;
	return (int64_t)llround(seconds * 1e6) / 1000;
}

static int64_t
from_text(struct slice text)
{
	int64_t ms = 0;

	return time_seconds_text(text, &ms) || time_iso(text, &ms) ? ms : 0;
}

int64_t
time_of_seconds(const msgpack_object *value)
{
	if (!value)
		return 0;
	switch (value->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return value->via.u64 > INT64_MAX ? 0 : from_whole((int64_t)value->via.u64);
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return from_float(value->via.f64);
	case MSGPACK_OBJECT_STR:
		return from_text(object_str(value));
	default:
		return 0;
	}
}

int64_t
time_of_ms(const msgpack_object *value)
{
	const int64_t end = END_S * MS_PER_S;

	if (!value)
		return 0;
	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		return value->via.u64 < (uint64_t)end ? (int64_t)value->via.u64 : 0;
	if (value->type != MSGPACK_OBJECT_FLOAT64 || !(value->via.f64 > 0))
		return 0;
	return value->via.f64 < (double)end ? (int64_t)value->via.f64 : 0;
}

int64_t
fields_time_s(const msgpack_object *map, const char *key)
{
	return time_of_seconds(field_get(map, key));
}

int64_t
fields_time_ms(const msgpack_object *map, const char *key)
{
	int64_t ms;

	if (!field_int(map, key, &ms))
		return time_of_ms(field_get(map, key));
	return ms > 0 && ms < END_S * MS_PER_S ? ms : 0;
}

int64_t
fields_time_iso(const msgpack_object *map, const char *key)
{
	int64_t ms = 0;

	return time_iso(field_str(map, key), &ms) ? ms : 0;
}
