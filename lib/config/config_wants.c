/* config_wants - which destination there is, and what it wants. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "proto/limits.h"

/* What a glob would not see whole is meant by none but `*`. */
static bool
is_any(struct slice text, char **patterns, size_t n)
{
	char copy[WIDTH_TYPE + 1];
	const bool whole = text.n < sizeof copy && !(text.n && memchr(text.p, 0, text.n));
	bool is = n == 0;

	snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(text));
	for (size_t i = 0; !is && i < n; i++)
		is = whole ? fnmatch(patterns[i], copy, 0) == 0 : strcmp(patterns[i], "*") == 0;
	return is;
}

bool
config_forward_wants(const struct config_forward *destination, struct slice type,
	struct slice source, bool machine)
{
	return (destination->machine || !machine) &&
	       is_any(type, destination->types, destination->types_count) &&
	       is_any(source, destination->sources, destination->sources_count);
}

const struct config_forward *
config_forward_find(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->forward_count; i++)
		if (strcmp(cfg->forward[i].name, name) == 0)
			return &cfg->forward[i];
	return NULL;
}
