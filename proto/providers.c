/* names - see names.h. */
#include "providers.h"

#include <string.h>

#define PROVIDER_NAME(name) #name,
const char *const provider_names[] = {PROVIDERS(PROVIDER_NAME)};
const size_t provider_names_count = sizeof provider_names / sizeof *provider_names;

bool
provider_is_known(const char *name)
{
	for (size_t i = 0; i < provider_names_count; i++)
		if (strcmp(provider_names[i], name) == 0)
			return true;
	return false;
}
