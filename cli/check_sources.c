/* check_sources - see check_sources.h. */
#include "check_sources.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/units.h"
#include "proto/providers.h"

bool
check_time_is_signed(const struct config_source *source)
{
	return provider_usual_window(source->provider, source->scheme).max_age_ms != 0;
}

void
check_print_age(const struct config_source *source)
{
	char window[UNITS_TEXT], age[UNITS_TEXT];

	if (check_time_is_signed(source))
		return;
	units_duration_text(source->dedup_window_ms, window);
	if (source->max_age_ms)
		printf("       no time is signed: max_age %s is held against the newest event's own; what comes again counts once within dedup_window %s\n",
			units_duration_text(source->max_age_ms, age), window);
	else
		printf("       no time is signed: max_age has no effect; what comes again counts once within dedup_window %s\n",
			window);
}

static bool
has_one_of(const struct config_source *a, const struct config_source *b)
{
	for (size_t i = 0; i < a->secrets_count; i++)
		for (size_t k = 0; k < b->secrets_count; k++)
			if (strcmp(a->secrets[i], b->secrets[k]) == 0)
				return true;
	return false;
}

const char *
check_shares_secret(const struct config *whole, size_t source)
{
	for (size_t i = 0; i < source; i++)
		if (has_one_of(&whole->sources[i], &whole->sources[source]))
			return whole->sources[i].name;
	return NULL;
}
