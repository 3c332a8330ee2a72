/* source - what a source keeps from request to request: its provider's row, its options and its
 * keys made ready. Made by registry.c; read by the schemes and the providers' own files. */
#ifndef TROTLINE_PROVIDERS_SOURCE_H
#define TROTLINE_PROVIDERS_SOURCE_H

#include "key.h"
#include "provider.h"
#include "scheme_table.h"

struct provider_source {
	const struct provider *provider;
	/* A copy; its texts stay the caller's. max_age_ms and max_future_ms are resolved; still 0:
	 * without limit. */
	struct provider_options options;
	bool window_written; /* one of them is the configuration's own */
	enum scheme scheme;
	struct key **keys; /* one a secret, in the order of the options; all of them are live */
	size_t keys_count;
	/* The provider's own, from its first use on (SNS: certificates by URL); state_free takes it
	 * back when the source ends. Both may be NULL. */
	void *state;
	void (*state_free)(void *state);
};

#endif
