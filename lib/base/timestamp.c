/* timestamp - see timestamp.h. */
#include "timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "units.h"

static const uint64_t FIRST_MS = 100000000000; /* as seconds: the year 5138 */

char *
timestamp_text(uint64_t ms, char out[TIMESTAMP_BYTES])
{
	const time_t second = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (!gmtime_r(&second, &tm))
		tm = (struct tm){.tm_mday = 1};
	n = strftime(out, TIMESTAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIMESTAMP_BYTES - n, ".%03uZ", (unsigned)(ms % 1000));
	return out;
}

static bool
read_number(const char *text, uint64_t *ms)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ms = strtoull(text, &end, 10);
	if (*end || errno || *ms > UINT64_MAX / 1000)
		return false;
	if (*ms < FIRST_MS)
		*ms *= 1000;
	return true;
}

/* "Z", "+02:00" or nothing (UTC), as seconds east; false when something else stands there. */
static bool
read_zone(const char *text, long *east_s)
{
	int hours, minutes;
	char sign, more;

	*east_s = 0;
	if (!*text || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (sscanf(text, "%c%2d:%2d%c", &sign, &hours, &minutes, &more) != 3 ||
		(sign != '+' && sign != '-') || hours < 0 || hours > 23 || minutes < 0 ||
		minutes > 59)
		return false;
	*east_s = (sign == '-' ? -1L : 1L) * (hours * 3600L + minutes * 60L);
	return true;
}

static unsigned
read_fraction(const char **text)
{
	unsigned ms = 0, place = 100;

	if (**text != '.')
		return 0;
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, place /= 10)
		ms += (unsigned)(**text - '0') * place;
	return ms;
}

static bool
read_date(const char *text, uint64_t *ms)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	unsigned fraction = 0;
	long east_s = 0;
	int64_t second;

	if (rest && *rest) {
		if (*rest != 'T' && *rest != 't' && *rest != ' ')
			return false;
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
		fraction = rest ? read_fraction(&rest) : 0;
		if (rest && !read_zone(rest, &east_s))
			return false;
	}
	second = rest ? (int64_t)timegm(&tm) - east_s : -1;
	if (second < 0)
		return false;
	*ms = (uint64_t)second * 1000 + fraction;
	return true;
}

bool
timestamp_read(const char *text, uint64_t now_ms, uint64_t *ms, struct error *why)
{
	uint64_t ago_ms;

	if (read_number(text, ms) || read_date(text, ms))
		return true;
	if (units_read_duration(text, &ago_ms)) {
		*ms = ago_ms < now_ms ? now_ms - ago_ms : 0;
		return true;
	}
	return error_set(why,
		"\"%s\" is no time: it is written 2026-01-02T03:04:05Z, as seconds since 1970, or "
		"as a time ago such as 90s, 2h or 7d",
		text);
}
