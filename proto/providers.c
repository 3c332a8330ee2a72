/* providers - see providers.h. */
#include "providers.h"

#include <string.h>

enum { MS_PER_S = 1000, LEAD_MS = 300 * MS_PER_S };

#define PROVIDER_NAME(name, ...) #name,
const char *const provider_names[] = {PROVIDERS(PROVIDER_NAME)};
const size_t provider_names_count = sizeof provider_names / sizeof *provider_names;

#define PROVIDER_BUSY(name, busy, ...) busy,
static const unsigned busy_statuses[] = {PROVIDERS(PROVIDER_BUSY)};

#define PROVIDER_BODY(name, busy, age, future, body) (body) * UINT64_C(1024),
static const uint64_t bodies[] = {PROVIDERS(PROVIDER_BODY)};

#define WINDOW(age, future)                                                                        \
	{                                                                                          \
		(age) * (uint64_t)MS_PER_S, (future) * (uint64_t)MS_PER_S                          \
	}
#define PROVIDER_WINDOW(name, busy, age, future, ...) WINDOW(age, future),
static const struct provider_window windows[] = {PROVIDERS(PROVIDER_WINDOW)};

#define SCHEME_WINDOW(name, age, future) {name, WINDOW(age, future)},
static const struct {
	const char *scheme;
	struct provider_window window;
} of_schemes[] = {SCHEME_WINDOWS(SCHEME_WINDOW)};

/* The row of that name, or how many there are. */
static size_t
row_of(const char *name)
{
	size_t i = 0;

	while (i < provider_names_count && (!name || strcmp(provider_names[i], name) != 0))
		i++;
	return i;
}

bool
provider_is_known(const char *name)
{
	return row_of(name) < provider_names_count;
}

unsigned
provider_busy(const char *name)
{
	const size_t row = row_of(name);

	return row < provider_names_count ? busy_statuses[row] : 503;
}

uint64_t
provider_body(const char *name)
{
	const size_t row = row_of(name);

	return row < provider_names_count ? bodies[row] : 0;
}

struct provider_window
provider_usual_window(const char *provider, const char *scheme)
{
	const size_t row = row_of(provider);

	if (row < provider_names_count && windows[row].max_age_ms)
		return windows[row];
	for (size_t i = 0; scheme && i < sizeof of_schemes / sizeof *of_schemes; i++)
		if (strcmp(of_schemes[i].scheme, scheme) == 0)
			return of_schemes[i].window;
	return (struct provider_window){0, 0};
}

struct provider_window
provider_window(const char *provider, const char *scheme, struct provider_window written)
{
	const struct provider_window usual = provider_usual_window(provider, scheme);

	if (!written.max_age_ms)
		written.max_age_ms = usual.max_age_ms;
	if (!written.max_future_ms)
		written.max_future_ms = usual.max_future_ms;
	if (written.max_age_ms && !written.max_future_ms)
		written.max_future_ms = LEAD_MS;
	return written;
}
