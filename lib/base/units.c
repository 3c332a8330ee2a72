/* units - see units.h. */
#include "units.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix durations[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* Of 1000 and of 1024 each; a letter alone is taken for the latter, as by most tools. */
static const struct suffix sizes[] = {{"", 1}, {"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20},
	{"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}, {"K", 1ULL << 10}, {"M", 1ULL << 20},
	{"G", 1ULL << 30}, {"T", 1ULL << 40}, {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
	{"TB", 1000000000000}, {NULL, 0}};

/* A decimal number and one of the suffixes (a NULL text ends them), nothing else. */
static bool
read_scaled(const char *text, const struct suffix *suffixes,
	int (*compare)(const char *, const char *), uint64_t *value)
{
	uint64_t number = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
			return false;
	if (p == text)
		return false;
	for (; suffixes->text; suffixes++)
		if (compare(p, suffixes->text) == 0)
			return !__builtin_mul_overflow(number, suffixes->factor, value);
	return false;
}

bool
units_read_duration(const char *text, uint64_t *ms)
{
	return read_scaled(text, durations, strcmp, ms);
}

bool
units_read_size(const char *text, uint64_t *bytes)
{
	return read_scaled(text, sizes, strcasecmp, bytes);
}

bool
units_read_count(const char *text, uint64_t *count)
{
	static const struct suffix suffixes[] = {{"", 1}, {NULL, 0}};

	return read_scaled(text, suffixes, strcmp, count);
}

char *
units_duration_text(uint64_t ms, char out[UNITS_TEXT])
{
	size_t i = 0;

	while (durations[i + 1].text && ms % durations[i + 1].factor == 0 && ms)
		i++;
	snprintf(out, UNITS_TEXT, "%llu%s", (unsigned long long)(ms / durations[i].factor),
		durations[i].text);
	return out;
}

char *
units_size_text(double bytes, char out[UNITS_TEXT])
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t i = 0;

	for (; bytes >= 1024 && i + 1 < sizeof names / sizeof *names; i++)
		bytes /= 1024;
	snprintf(out, UNITS_TEXT, i ? "%.1f %s" : "%.0f %s", bytes, names[i]);
	return out;
}

char *
units_ago_text(uint64_t at_ms, uint64_t now_ms, char out[UNITS_TEXT])
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} rows[] = {{365 * 86400000ULL, "y"}, {86400000, "d"}, {3600000, "h"}, {60000, "min"},
		{1000, "s"}};
	const bool past = at_ms <= now_ms;
	const uint64_t apart = past ? now_ms - at_ms : at_ms - now_ms;

	snprintf(out, UNITS_TEXT, "now");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		/* Days up to two years, hours up to two days, and so on. */
		if (apart >= (i < 3 ? 2 : 1) * rows[i].ms) {
			snprintf(out, UNITS_TEXT, past ? "%llu %s ago" : "in %llu %s",
				(unsigned long long)(apart / rows[i].ms), rows[i].unit);
			break;
		}
	return out;
}
