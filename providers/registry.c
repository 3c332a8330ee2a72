/* registry - the table of providers, and sources made from it. See provider.h.
 *
 * Adding a provider is adding its file, and its row to proto/providers.h. */
#include <stdio.h>
#include <stdlib.h>

#include "bounce_words.h"
#include "hops.h"
#include "known_keys.h"
#include "notice.h"
#include "proto/providers.h"
#include "scheme.h"
#include "source.h"
#include "unread.h"

#define PROVIDER_DECLARED(name, ...) extern const struct provider provider_##name;
PROVIDERS(PROVIDER_DECLARED)

#define PROVIDER_ROW(name, ...) &provider_##name,
const struct provider *const providers[] = {PROVIDERS(PROVIDER_ROW)};
const size_t providers_count = sizeof providers / sizeof *providers;

enum { FIRST_ROOM = 4 };

const struct provider *
provider_find(const char *name)
{
	for (size_t i = 0; i < providers_count; i++)
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	return NULL;
}

const struct provider *
provider_of(const struct provider_source *source)
{
	return source->provider;
}

static bool
shows_credentials(enum scheme scheme)
{
	return scheme == SCHEME_BASIC || scheme == SCHEME_BEARER || scheme == SCHEME_HEADER;
}

/* Where the receiver may choose what is shown: instead of nothing, or (SNS) besides the signature,
 * which raw delivery lacks. */
static bool
leaves_credentials(enum scheme usual)
{
	return shows_credentials(usual) || usual == SCHEME_SNS;
}

/* A scheme that no provider keeps for itself. */
static bool
is_standard(enum scheme scheme)
{
	return scheme <= SCHEME_HEADER;
}

/* A token holds no colon (RFC 6750 section 2.1), a user:password does: where the configuration is
 * silent and no secret has one, the sender shows a token. */
static bool
all_tokens(const struct provider_options *options)
{
	for (size_t i = 0; i < options->secrets_count; i++)
		if (strchr(options->secrets[i], ':'))
			return false;
	return options->secrets_count > 0;
}

/* What a provider without a signature is shown is the receiver's choice; generic leaves all open.
 */
static bool
choose_scheme(struct provider_source *source, struct error *why)
{
	const struct provider_options *options = &source->options;
	const char *own = source->provider->scheme;
	enum scheme usual = SCHEME_HMAC;

	if (own && !scheme_find(own, &usual))
		return error_set(why, "provider %s: no scheme %s", source->provider->name, own);
	source->scheme = usual;
	if (!options->scheme) {
		if (usual == SCHEME_BASIC && all_tokens(options))
			source->scheme = SCHEME_BEARER;
		return true;
	}
	if (!scheme_find(options->scheme, &source->scheme) ||
		(source->scheme != usual && !is_standard(source->scheme)))
		return error_set(why, "there is no scheme \"%s\"", options->scheme);
	if (!own || source->scheme == usual ||
		(leaves_credentials(usual) && shows_credentials(source->scheme)))
		return true;
	return error_set(why, "provider %s has the scheme %s, it cannot have %s",
		source->provider->name, own, options->scheme);
}

static void
choose_window(struct provider_source *source)
{
	struct provider_options *options = &source->options;
	const struct provider_window window =
		provider_window(source->provider->name, scheme_rows[source->scheme].name,
			(struct provider_window){options->max_age_ms, options->max_future_ms});

	source->window_written = options->max_age_ms || options->max_future_ms;
	options->max_age_ms = window.max_age_ms;
	options->max_future_ms = window.max_future_ms;
}

/* One that signs trials and is known to all is no live key of anybody's. */
static bool
make_keys(struct provider_source *source, struct error *why)
{
	const struct provider_options *options = &source->options;
	const struct scheme_row *row = &scheme_rows[source->scheme];

	if (row->form == KEY_NONE)
		return true;
	if (!options->secrets_count)
		return error_set(why, "scheme %s needs at least one secret", row->name);
	source->keys = calloc(options->secrets_count, sizeof *source->keys);
	if (!source->keys)
		return error_set(why, "out of memory for keys");
	for (size_t i = 0; i < options->secrets_count; i++) {
		const struct known_key *known = known_key_find(slice_of(options->secrets[i]));
		struct key *key;

		if (known && known->provider)
			continue;
		key = key_new(row->form, slice_of(options->secrets[i]), why);
		if (!key)
			return error_wrap(why, "secret %zu for scheme %s", i + 1, row->name);
		source->keys[source->keys_count++] = key;
	}
	return true;
}

static struct provider_source *
source_alloc(const struct provider_options *options, struct error *why)
{
	const char *name = options->provider ? options->provider : "";
	const struct provider *provider = provider_find(name);
	struct provider_source *source = provider ? calloc(1, sizeof *source) : NULL;

	if (!provider)
		error_set(why, "there is no provider \"%s\"", name);
	else if (!source)
		error_set(why, "out of memory for a source");
	else
		*source = (struct provider_source){.provider = provider, .options = *options};
	return source;
}

struct provider_source *
provider_source_new(const struct provider_options *options, struct error *why)
{
	struct provider_source *source = source_alloc(options, why);

	if (!source)
		return NULL;
	if (choose_scheme(source, why) && make_keys(source, why)) {
		choose_window(source);
		return source;
	}
	provider_source_destroy(&source);
	return NULL;
}

struct provider_source *
provider_reader_new(const struct provider_options *options, struct error *why)
{
	struct provider_source *source = source_alloc(options, why);

	if (source) {
		source->options.max_age_ms = 0;
		source->options.max_future_ms = INT64_MAX / 2;
	}
	return source;
}

void
provider_source_destroy(struct provider_source **source)
{
	if (!*source)
		return;
	for (size_t i = 0; i < (*source)->keys_count; i++)
		key_destroy(&(*source)->keys[i]);
	free((*source)->keys);
	if ((*source)->state_free)
		(*source)->state_free((*source)->state);
	free(*source);
	*source = NULL;
}

/* Did memory last? An event that fell out of the list, or has no key, would be lost behind a 200.
 */
static bool
is_whole(const struct normals *out)
{
	for (size_t i = 0; i < out->count; i++)
		if (!out->list[i].dedup_key.p && !out->list[i].fault)
			return false;
	return !out->incomplete;
}

/* Whatever the provider's file took from wherever: one address, or none with the reason. */
static void
read_addresses(struct normals *out)
{
	for (size_t i = 0; i < out->count; i++) {
		struct normal *ev = &out->list[i];

		ev->email_written = ev->email;
		ev->email_fault = address_find(ev->email_written, &ev->email);
	}
}

static void
tell_fault(const struct normal *ev, struct error *why)
{
	char text[128];
	int n = snprintf(text, sizeof text, "%s", event_fault_text(ev->fault));
	const char *between = ": ";

	for (size_t i = 0; i < NATIVE_FIELDS; i++) {
		if (!(ev->missing & 1U << i))
			continue;
		n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", between, native_names[i]);
		between = ", ";
	}
	error_set(why, "%s", text);
}

/* A request of one event stands and falls with it. */
static enum check_step
judge_single(const struct inbound *in, const struct normals *out, struct error *why)
{
	if (in->batch || out->count != 1 || !out->list->fault)
		return CHECK_ACCEPTED;
	tell_fault(out->list, why);
	return CHECK_EVENT;
}

enum check_step
provider_read(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	const bool ok = source->provider->normalise(source, in, out, why);

	for (size_t i = 0; !source->provider->native && i < out->count; i++) {
		bounce_settle(&out->list[i]);
		notice_settle(&out->list[i]);
	}
	read_addresses(out);
	if (ok)
		unread_of(in, out);
	if (!is_whole(out)) {
		error_set(why, "out of memory for the events");
		return CHECK_UNAVAILABLE;
	}
	if (!ok)
		return out->too_many ? CHECK_TOO_MANY : CHECK_MALFORMED;
	return judge_single(in, out, why);
}

/* Where nothing signs a time, a window that somebody has written holds for the newest event's own:
 * what is signed or shown was so no earlier. No event with a time: nothing to judge. */
static enum check_step
judge_own_times(const struct provider_source *source, struct inbound *in, const struct normals *out,
	struct error *why)
{
	enum check_step step = CHECK_ACCEPTED;
	int64_t newest = 0;

	for (size_t i = 0; i < out->count; i++)
		newest = out->list[i].ts_ms > newest ? out->list[i].ts_ms : newest;
	if (source->window_written && !in->timed && newest)
		step = scheme_fresh(source, in, newest, why);
	if (step != CHECK_ACCEPTED)
		error_wrap(why, "nothing signs a time, so the newest event's own counts");
	return step;
}

enum check_step
provider_check(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	enum check_step step = source->provider->verify(source, in, why);

	if (in->ping)
		return step;
	if (step == CHECK_ACCEPTED && !hops_read(in->headers, &in->hops, why))
		return CHECK_LOOP;
	if (step == CHECK_ACCEPTED)
		step = provider_read(source, in, out, why);
	return step == CHECK_ACCEPTED ? judge_own_times(source, in, out, why) : step;
}

unsigned
provider_status(const struct provider_source *source, enum check_step step)
{
	const struct provider *p = source->provider;

	switch (step) {
	case CHECK_ACCEPTED:
		return p->accepted ? p->accepted : 200;
	case CHECK_SIGNATURE:
	case CHECK_STALE:
		return p->bad_signature;
	/* Also where another status stops a sender (Mailgun's 406): what is empty or cut proves nothing
	 * and is no bad proof, so it may come again. */
	case CHECK_MALFORMED:
	case CHECK_EVENT:
		return 400;
	case CHECK_TOO_MANY:
		return 413;
	case CHECK_LOOP:
		return 422;
	case CHECK_POLICY:
		return p->bad_signature == 401 ? 403 : p->bad_signature;
	default:
		return provider_busy(p->name);
	}
}

void
normals_expect(struct normals *out, size_t more, msgpack_zone *zone)
{
	const size_t room = out->count + more;
	struct normal *list =
		room > out->room ? msgpack_zone_malloc(zone, room * sizeof *list) : NULL;

	if (!list)
		return;
	if (out->count)
		memcpy(list, out->list, out->count * sizeof *list);
	out->list = list;
	out->room = room;
}

struct normal *
normals_add(struct normals *out, msgpack_zone *zone)
{
	struct normal *ev;

	if (out->count == out->room)
		normals_expect(out, out->count ? out->count : FIRST_ROOM, zone);
	if (out->count == out->room) {
		out->incomplete = true;
		return NULL;
	}
	ev = &out->list[out->count++];
	*ev = (struct normal){.type = slice_of("unknown"), .item = out->item};
	return ev;
}
