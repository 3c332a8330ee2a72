/* credential - see credential.h. */
#include "credential.h"

#include <strings.h>

enum { NAME_MAX_BYTES = 128 };

/* Does it stand in the name, in whatever case? */
static bool
holds(struct slice name, const char *part)
{
	const size_t n = strlen(part);

	for (size_t i = 0; i + n <= name.n; i++)
		if (strncasecmp(name.p + i, part, n) == 0)
			return true;
	return false;
}

bool
credential_header(struct slice name, const char *own)
{
	static const char *const parts[] = {
		"authorization", "token", "secret", "password", "cookie", "api-key", "apikey"};

	if (own && name.n == strlen(own) && strncasecmp(name.p, own, name.n) == 0)
		return true;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (holds(name, parts[i]))
			return true;
	return name.n >= NAME_MAX_BYTES;
}
