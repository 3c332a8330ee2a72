/* source_keys - see source_keys.h. */
#include "source_keys.h"

#include "known_keys.h"
#include "scheme_table.h"

/* Without a lead at all an event of the native format may be ahead of nothing; 0 would be the
 * default. */
static uint64_t
lead_of(const struct config_source *source)
{
	const bool none = strcmp(source->provider, "trotline") == 0 && !source->max_future_ms;

	return none ? 1 : source->max_future_ms;
}

static bool
secrets_are_secret(const struct config_source *source, struct error *why)
{
	for (size_t i = 0; i < source->secrets_count; i++) {
		const struct known_key *known = known_key_find(slice_of(source->secrets[i]));

		if (known)
			return error_set(why,
				"secret %zu is none: %s publish it, and anybody can sign with it%s",
				i + 1, known->where,
				known->provider ? "; the trial request is taken without it" : "");
	}
	return true;
}

/* Postmark and Mailjet put what they were given into a URL: it has a colon. Where it has none, it must be
 * said that a token was entered as a header of one's own. */
static bool
secrets_fit(const struct config_source *source, struct error *why)
{
	const struct provider *provider = provider_find(source->provider);

	if (!provider || provider->tokens || source->scheme || !provider->scheme ||
		strcmp(provider->scheme, "basic") != 0)
		return true;
	for (size_t i = 0; i < source->secrets_count; i++)
		if (!strchr(source->secrets[i], ':'))
			return error_set(why,
				"secret %zu: it is not user:password, as %s shows it; for a token in a header of your own write `scheme: bearer`",
				i + 1, source->provider);
	return true;
}

static struct provider_options
options_of(const struct config_source *source)
{
	return (struct provider_options){
		.provider = source->provider,
		.scheme = source->scheme,
		.header = source->header,
		.secrets = source->secrets,
		.secrets_count = source->secrets_count,
		.topics = source->topics,
		.topics_count = source->topics_count,
		.url = source->url,
		.max_age_ms = source->max_age_ms,
		.max_future_ms = lead_of(source),
		.allow_raw = source->allow_raw,
	};
}

static struct provider_source *
make(const struct config_source *source, struct error *why)
{
	const struct provider_options options = options_of(source);

	return secrets_are_secret(source, why) && secrets_fit(source, why)
		       ? provider_source_new(&options, why)
		       : NULL;
}

struct provider_source *
source_reader(const struct config_source *source, struct error *why)
{
	const struct provider_options options = options_of(source);

	return provider_reader_new(&options, why);
}

struct provider_source *
source_keys(const struct config_source *source, struct error *why)
{
	struct provider_source *made = make(source, why);

	if (!made)
		error_wrap(why, "source %s", source->name);
	return made;
}

static bool
can_be_made(const struct config_source *source, struct error *why)
{
	struct provider_source *made = make(source, why);

	if (!made)
		return false;
	provider_source_destroy(&made);
	return true;
}

struct config *
source_keys_load(const char *path, struct error *why)
{
	return config_load_checked(path, CONFIG_SECRETS, can_be_made, why);
}

struct config *
source_keys_load_alone(const char *path, struct error *why)
{
	return config_load_checked(path, CONFIG_SENDERS, can_be_made, why);
}

enum key_form
source_key_form(const struct config_source *source)
{
	const struct provider *provider = provider_find(source->provider);
	const char *name = source->scheme ? source->scheme : provider ? provider->scheme : NULL;
	enum scheme scheme = SCHEME_HMAC;

	return name && !scheme_find(name, &scheme) ? KEY_NONE : scheme_rows[scheme].form;
}
