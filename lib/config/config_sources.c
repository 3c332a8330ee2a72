/* config_sources - the list `sources`: who may post, under which name, and how it proves itself. */
#include <stdio.h>
#include <stdlib.h>

#include "config_private.h"
#include "proto/providers.h"

enum { SOURCE_NAME_MAX = 64 };

static bool
take_name(
	const struct config_load *ld, const char *key, const char *text, struct config_source *src)
{
	struct config_key full = config_key("%s.name", key);

	src->name = config_take_text(ld, full.text, text, NULL);
	if (!src->name)
		return false;
	if (!config_is_name(src->name, SOURCE_NAME_MAX))
		return config_fault(&ld->at, full.text,
			"\"%.64s\" must be 1 to %d characters of a-z, 0-9, - and _", text,
			SOURCE_NAME_MAX);
	if (strcmp(src->name, "health") == 0)
		return config_fault(&ld->at, full.text, "/webhooks/health is taken already");
	for (const struct config_source *other = ld->cfg->sources; other < src; other++)
		if (strcmp(other->name, src->name) == 0)
			return config_fault(
				&ld->at, full.text, "\"%.64s\" stands there twice", text);
	return true;
}

static bool
take_provider(
	const struct config_load *ld, const char *key, const char *text, struct config_source *src)
{
	struct config_key full = config_key("%s.provider", key);
	char known[256] = "";

	src->provider = config_take_text(ld, full.text, text, "trotline");
	if (!src->provider)
		return false;
	if (provider_is_known(src->provider))
		return true;
	for (size_t i = 0; i < provider_names_count; i++) {
		const size_t n = strlen(known);

		snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", provider_names[i]);
	}
	return config_fault(&ld->at, full.text, "\"%.64s\" is no provider; known: %s", text, known);
}

/* Amazon signs with a certificate of its own. */
static bool
needs_secret(const char *provider)
{
	return strcmp(provider, "ses") != 0;
}

static bool
take_secrets(const struct config_load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key full = config_key("%s.secrets_file", key);

	if (file->secrets_file &&
		!(src->secrets_file = config_take_secret_path(ld, full.text, file->secrets_file)))
		return false;
	if (!file->secrets_file && file->secrets_count == 0 && needs_secret(src->provider))
		return config_fault(
			&ld->at, key, "has no secret; give `secrets` or `secrets_file`");
	if (ld->mode == CONFIG_SECRETS)
		return config_secrets_read(&ld->at, key, file, src);
	return config_secrets_pass(&ld->at, key, file);
}

static bool
take_topics(const struct config_load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key entry;

	src->topics = calloc(file->topics_count + 1, sizeof *src->topics);
	if (!src->topics)
		return config_fault(&ld->at, key, "memory is short");
	for (size_t i = 0; i < file->topics_count; i++) {
		entry = config_key("%s.topics[%zu]", key, i);
		src->topics[i] = config_take_text(ld, entry.text, file->topics[i], NULL);
		if (!src->topics[i])
			return false;
		src->topics_count++;
	}
	return true;
}

/* What says how the provider's requests prove themselves. */
static bool
take_scheme(const struct config_load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key scheme = config_key("%s.scheme", key);
	struct config_key header = config_key("%s.header", key);
	struct config_key url = config_key("%s.url", key);

	return config_take_optional(ld, scheme.text, file->scheme, &src->scheme) &&
	       config_take_optional(ld, header.text, file->header, &src->header) &&
	       config_take_optional(ld, url.text, file->url, &src->url) &&
	       take_topics(ld, key, file, src);
}

/* Only the native format has an age of its own; the others' lie with the provider. */
static void
leave_ages_to_provider(const struct config_file_source *file, struct config_source *src)
{
	if (strcmp(src->provider, "trotline") == 0)
		return;
	if (!file->options[SOURCE_OPTION_MAX_AGE])
		src->max_age_ms = 0;
	if (!file->options[SOURCE_OPTION_MAX_FUTURE])
		src->max_future_ms = 0;
}

static bool
take_options(const struct config_load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	for (size_t i = 0; i < SOURCE_OPTION_COUNT; i++)
		if (!config_take_option(ld, key, &config_source_options[i], file->options[i], src))
			return false;
	leave_ages_to_provider(file, src);
	return true;
}

/* A scheme that its provider does not have, or a key that cannot be read, is a fault of the file:
 * to be told now, not by a validator that cannot start. */
static bool
check_keys(const struct config_load *ld, const char *key, const struct config_source *src)
{
	struct error why = {""};

	return !ld->check || ld->check(src, &why) || config_fault(&ld->at, key, "%s", why.text);
}

/* Without topics SES would be told 403 for all it has to say, which SNS takes for delivered. */
static bool
check_topics(const struct config_load *ld, const char *key, const struct config_source *src)
{
	return strcmp(src->provider, "ses") != 0 || src->topics_count ||
	       config_fault(&ld->at, key,
		       "provider ses needs topics: what comes from any other is refused, and SNS "
		       "does not send it again");
}

static bool
take_source(const struct config_load *ld, size_t i)
{
	const struct config_file_source *file = &ld->file->sources[i];
	struct config_source *src = &ld->cfg->sources[i];
	struct config_key key = config_key("sources[%zu]", i);

	ld->cfg->sources_count = i + 1;
	return take_name(ld, key.text, file->name, src) &&
	       take_provider(ld, key.text, file->provider, src) &&
	       take_secrets(ld, key.text, file, src) && take_scheme(ld, key.text, file, src) &&
	       check_topics(ld, key.text, src) && take_options(ld, key.text, file, src) &&
	       check_keys(ld, key.text, src);
}

bool
config_take_sources(const struct config_load *ld)
{
	if (ld->file->sources_count == 0)
		return config_fault(&ld->at, "sources", "at least one is needed");
	ld->cfg->sources = calloc(ld->file->sources_count, sizeof *ld->cfg->sources);
	if (!ld->cfg->sources)
		return config_fault(&ld->at, "sources", "memory is short");
	for (size_t i = 0; i < ld->file->sources_count; i++)
		if (!take_source(ld, i))
			return false;
	/* Only now: two sources may name the same variable. */
	for (size_t i = 0; ld->mode == CONFIG_NO_SECRETS && i < ld->file->sources_count; i++)
		config_secrets_wipe_environment(&ld->file->sources[i]);
	return true;
}

static void
free_source(struct config_source *src)
{
	config_secrets_destroy(src);
	for (size_t i = 0; i < src->topics_count; i++)
		free(src->topics[i]);
	free(src->topics);
	free(src->scheme);
	free(src->header);
	free(src->url);
	free(src->secrets_file);
	free(src->provider);
	free(src->name);
}

void
config_free_sources(struct config *cfg)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		free_source(&cfg->sources[i]);
	free(cfg->sources);
}

const struct config_source *
config_source_find(const struct config *cfg, struct slice name)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (slice_is(name, cfg->sources[i].name))
			return &cfg->sources[i];
	return NULL;
}
