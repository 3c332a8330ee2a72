/* units - see units.h. */
#include "units.h"

#include <stdio.h>
#include <string.h>

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix durations[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* A decimal number and one of the suffixes (a NULL text ends them), nothing else. */
static bool
read_scaled(const char *text, const struct suffix *suffixes, uint64_t *value)
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
		if (strcmp(p, suffixes->text) == 0)
			return !__builtin_mul_overflow(number, suffixes->factor, value);
	return false;
}

bool
units_read_duration(const char *text, uint64_t *ms)
{
	return read_scaled(text, durations, ms);
}

bool
units_read_size(const char *text, uint64_t *bytes)
{
	static const struct suffix suffixes[] = {
		{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

	return read_scaled(text, suffixes, bytes);
}

bool
units_read_count(const char *text, uint64_t *count)
{
	static const struct suffix suffixes[] = {{"", 1}, {NULL, 0}};

	return read_scaled(text, suffixes, count);
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
