/* providers - see providers.h. */
#include "providers.h"

#include <string.h>

#define PROVIDER_NAME(name, busy) #name,
const char *const provider_names[] = {PROVIDERS(PROVIDER_NAME)};
const size_t provider_names_count = sizeof provider_names / sizeof *provider_names;

#define PROVIDER_BUSY(name, busy) busy,
static const unsigned busy_statuses[] = {PROVIDERS(PROVIDER_BUSY)};

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
