/* config_sources - the list `sources`, once its values are taken: whether each can be, and which
 * secrets it has. */
#include <stdio.h>

#include "config_private.h"
#include "lib/base/near.h"
#include "lib/base/units.h"
#include "proto/providers.h"

static bool
check_name(const struct config_load *ld, const char *key, const struct config_source *src)
{
	return strcmp(src->name, "health") != 0 || config_fault(ld, config_key("%s.name", key).text,
							   "/webhooks/health is taken already");
}

static bool
check_provider(const struct config_load *ld, const char *key, const struct config_source *src)
{
	struct config_key full = config_key("%s.provider", key);
	char known[256] = "", hint[NEAR_BYTES];
	struct near near = {.word = src->provider};

	if (provider_is_known(src->provider))
		return true;
	for (size_t i = 0; i < provider_names_count; i++) {
		const size_t n = strlen(known);

		snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", provider_names[i]);
		near_try(&near, provider_names[i]);
	}
	return config_fault(ld, full.text, "\"%.64s\" is no provider; known: %s%s",
		config_entry_find(ld, full.text)->text, known, near_hint(&near, hint));
}

/* Amazon signs with a certificate of its own. */
static bool
needs_secret(const struct config_source *src)
{
	return strcmp(src->provider, "ses") != 0;
}

static bool
check_secrets(const struct config_load *ld, const char *key, struct config_source *src)
{
	const struct config_entry *listed =
		config_entry_find(ld, config_key("%s.secrets", key).text);

	if (!src->secrets_file && (!listed || listed->count == 0) && needs_secret(src))
		return config_fault(ld, key, "has no secret; give `secrets` or `secrets_file`");
	return (ld->mode != CONFIG_SECRETS && ld->mode != CONFIG_SENDERS) ||
	       config_secrets_read(ld, key, src);
}

/* Without topics SES would be told 403 for all it has to say, which SNS takes for delivered. */
static bool
check_topics(const struct config_load *ld, const char *key, const struct config_source *src)
{
	return strcmp(src->provider, "ses") != 0 || src->topics_count ||
	       config_fault(ld, key,
		       "provider ses needs topics: what comes from any other is refused, and SNS does not send it again");
}

static bool
is_written(const struct config_load *ld, const char *key, const char *name)
{
	return config_entry_find(ld, config_key("%s.%s", key, name).text) != NULL;
}

/* Only the native format has an age of its own; the others' lie with the provider. */
static void
leave_ages_to_provider(const struct config_load *ld, const char *key, struct config_source *src)
{
	if (strcmp(src->provider, "trotline") == 0)
		return;
	if (!is_written(ld, key, "max_age"))
		src->max_age_ms = 0;
	if (!is_written(ld, key, "max_future"))
		src->max_future_ms = 0;
	else if (!src->max_future_ms)
		src->max_future_ms = 1; /* 0 would be the default */
}

/* What is sent again within the source's window must still be known. */
static bool
set_dedup_window(const struct config_load *ld, const char *key, struct config_source *src)
{
	const struct provider_window window = provider_window(src->provider, src->scheme,
		(struct provider_window){src->max_age_ms, src->max_future_ms});
	const uint64_t least_ms = window.max_age_ms + window.max_future_ms;
	char least[UNITS_TEXT];

	if (src->dedup_window_ms >= least_ms)
		return true;
	if (!is_written(ld, key, "dedup_window")) {
		src->dedup_window_ms = least_ms;
		return true;
	}
	return config_fault(ld, config_key("%s.dedup_window", key).text,
		"is shorter than max_age and max_future together, %s: what is posted once more "
		"within them would count again",
		units_duration_text(least_ms, least));
}

/* A scheme that its provider does not have, or a key that cannot be read, is a fault of the file:
 * to be told now, not by a validator that cannot start. */
static bool
check_keys(const struct config_load *ld, const char *key, const struct config_source *src)
{
	struct error why = {""};

	return !ld->check || ld->check(src, &why) || config_fault(ld, key, "%s", why.text);
}

/* As it was entered at the provider. */
static bool
check_url(const struct config_load *ld, const char *key, const struct config_source *src)
{
	return !src->url || config_is_url(src->url) ||
	       config_fault(ld, config_key("%s.url", key).text, CONFIG_NO_URL);
}

bool
config_check_sources(const struct config_load *ld)
{
	for (size_t i = 0; i < ld->cfg->sources_count; i++) {
		struct config_source *src = &ld->cfg->sources[i];
		struct config_key key = config_key("sources[%zu]", i);

		leave_ages_to_provider(ld, key.text, src);
		if (!check_name(ld, key.text, src) || !check_provider(ld, key.text, src) ||
			!check_url(ld, key.text, src) || !check_secrets(ld, key.text, src) ||
			!check_topics(ld, key.text, src) || !set_dedup_window(ld, key.text, src) ||
			!check_keys(ld, key.text, src))
			return false;
	}
	return true;
}

const struct config_source *
config_source_find(const struct config *cfg, struct slice name)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (slice_is(name, cfg->sources[i].name))
			return &cfg->sources[i];
	return NULL;
}
