/* config_forward - the list `forward`, once its values are taken: whether each destination can be one,
 * and what in it may not be meant.
 *
 * No name is looked up and nothing is dialled: a name may mean another address by the time that it
 * is, so forward looks at the very address then. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "config_private.h"
#include "lib/base/clock.h"
#include "lib/base/near.h"
#include "lib/base/peer.h"
#include "lib/base/timestamp.h"
#include "proto/types.h"

/* ---- the URL ---- */

/* An address that takes connections for every one of this machine. */
static bool
is_any(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static bool
is_listener(const char *listen, uint64_t port, const struct config_place *place,
	enum config_kind kind, const struct peer *peer)
{
	struct peer own;

	if (!listen || port != place->port)
		return false;
	if (kind == KIND_LOOPBACK || is_any(place->host))
		return is_any(listen) || config_is_loopback(listen);
	return kind != KIND_NAME && peer_read(slice_of(listen), &own) &&
	       memcmp(&own, peer, sizeof own) == 0;
}

/* Another network than the public one is named, which a name may lead to. */
static bool
names_others(const struct config_forward *f)
{
	for (size_t i = 0; i < f->network_count; i++)
		if (strcmp(f->network[i], "public") != 0)
			return true;
	return false;
}

static bool
is_named(const struct config_forward *f, const struct peer *peer)
{
	for (size_t i = 0; i < f->network_count; i++)
		if (config_network_holds(f->network[i], peer))
			return true;
	return false;
}

/* Without TLS anyone on the way reads what mails people open. */
static bool
may_be_plain(const struct config_forward *f, enum config_kind kind, const struct peer *peer)
{
	if (kind == KIND_NAME)
		return names_others(f);
	return kind != KIND_PUBLIC || is_named(f, peer);
}

static bool
check_url(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	struct config_key full = config_key("%s.url", key);
	const struct config *cfg = ld->cfg;
	struct config_place place;
	struct peer peer = {{0}};
	struct error why;
	enum config_kind kind;

	if (!config_place_of(f->url, &place, &why))
		return config_fault(ld, full.text, "%s", why.text);
	kind = config_kind_of(place.host, &peer);
	if (is_listener(cfg->address, cfg->port, &place, kind, &peer))
		return config_fault(ld, full.text, "is `listen`: events would come back for ever");
	if (is_listener(cfg->admin.address, cfg->admin.port, &place, kind, &peer))
		return config_fault(ld, full.text, "is admin.listen, which takes no events");
	if (kind == KIND_NEVER)
		return config_fault(ld, full.text,
			"leads to %.64s, where nothing is ever sent: link-local, multicast or no "
			"address at all",
			place.host);
	return place.tls || may_be_plain(f, kind, &peer) ||
	       config_fault(ld, full.text,
		       "goes without TLS to a host that is neither loopback nor private; use "
		       "https://, or name its network in `network:` where it is private");
}

/* ---- the rest ---- */

static bool
check_network(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	static const char *const words[] = {"public", "loopback", "private"};
	struct network network;
	struct error why;

	if (f->network_count == 0)
		return config_fault(ld, config_key("%s.network", key).text,
			"at least one is needed: public, loopback, private, or a network such as "
			"10.1.0.0/16");
	for (size_t i = 0; i < f->network_count; i++) {
		size_t w = 0;

		while (w < 3 && strcmp(f->network[i], words[w]) != 0)
			w++;
		if (w == 3 && !network_read(f->network[i], &network, &why))
			return config_fault(ld, config_key("%s.network[%zu]", key, i).text,
				"\"%.64s\" must be public, loopback, private, or a network such as "
				"10.1.0.0/16",
				f->network[i]);
	}
	return true;
}

static bool
check_from(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	struct error why;
	uint64_t ms;

	return strcmp(f->from, "now") == 0 || strcmp(f->from, "start") == 0 ||
	       timestamp_read(f->from, clock_wall_ms(), &ms, &why) ||
	       config_fault(ld, config_key("%s.from", key).text,
		       "\"%.64s\" must be now, start, or a time such as 2026-11-01, "
		       "2026-11-01T06:00:00Z or 7d",
		       f->from);
}

/* Of a batch one recipient's events would hold up all others'. */
static bool
check_order(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	return f->order == FORWARD_UNORDERED || f->batch_events == 1 ||
	       config_fault(ld, config_key("%s.batch.events", key).text,
		       "must be 1 where `order` is recipient");
}

static bool
set_secrets_file(const struct config_load *ld, const char *key, struct config_forward *f)
{
	if (f->secrets_file)
		return true;
	if (asprintf(&f->secrets_file, "%s/secrets/forward-%s", ld->cfg->data_dir, f->name) < 0)
		f->secrets_file = NULL;
	return f->secrets_file || config_fault(ld, key, "memory is short");
}

/* What we say ourselves of the request, its form and its signature. */
static bool
is_ours(const char *name)
{
	static const char *const whole[] = {"host", "transfer-encoding", "connection"};
	static const char *const starts[] = {"content-", "webhook-", "trotline-"};

	for (size_t i = 0; i < 3; i++)
		if (strcasecmp(name, whole[i]) == 0 ||
			strncasecmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

/* As written, for whoever is not given them; as sent, for forward. */
static bool
check_headers(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	const struct config_key group = config_key("%s.headers.", key);
	const size_t n = strlen(group.text);

	for (const struct config_entry *e = ld->written; e; e = e->before) {
		if (strncmp(e->key, group.text, n) != 0)
			continue;
		if (is_ours(e->key + n))
			return config_fault(ld, e->key, "is set by forward itself");
		if (e->text[strcspn(e->text, "\r\n")])
			return config_fault(ld, e->key, "must be one line");
	}
	for (size_t i = 0; i < f->headers_count; i++)
		if (f->headers[i][strcspn(f->headers[i], "\r\n")])
			return config_fault(ld,
				config_key("%s%.*s", group.text, (int)strcspn(f->headers[i], ":"),
					f->headers[i])
					.text,
				"must be one line");
	return true;
}

/* ---- what may not be meant ---- */

static bool
matches_type(const struct config *cfg, const char *glob)
{
	for (size_t i = 0; i < event_types_count; i++)
		if (fnmatch(glob, event_types[i].name, 0) == 0)
			return true;
	for (size_t i = 0; i < cfg->handlers_count; i++)
		for (size_t t = 0; t < cfg->handlers[i].types_count; t++)
			if (fnmatch(glob, cfg->handlers[i].types[t], 0) == 0)
				return true;
	return false;
}

static bool
matches_source(const struct config *cfg, const char *glob)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (fnmatch(glob, cfg->sources[i].name, 0) == 0)
			return true;
	return false;
}

/* An event may have any type, so one that is not known here may come. */
static bool
doubt_types(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < f->types_count; i++) {
		struct near near = {.word = f->types[i]};

		if (matches_type(ld->cfg, f->types[i]))
			continue;
		for (size_t k = 0; k < event_types_count; k++)
			near_try(&near, event_types[k].name);
		if (!config_doubt(ld, config_key("%s.types[%zu]", key, i).text,
			    "\"%.64s\" matches no type that is known%s", f->types[i],
			    near_hint(&near, hint)))
			return false;
	}
	return true;
}

static bool
doubt_sources(const struct config_load *ld, const char *key, const struct config_forward *f)
{
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < f->sources_count; i++) {
		struct near near = {.word = f->sources[i]};

		if (matches_source(ld->cfg, f->sources[i]))
			continue;
		for (size_t k = 0; k < ld->cfg->sources_count; k++)
			near_try(&near, ld->cfg->sources[k].name);
		if (!config_doubt(ld, config_key("%s.sources[%zu]", key, i).text,
			    "\"%.64s\" matches no source, so nothing is sent for it%s",
			    f->sources[i], near_hint(&near, hint)))
			return false;
	}
	return true;
}

/* ---- all ---- */

static bool
check_one(const struct config_load *ld, const char *key, struct config_forward *f)
{
	return check_network(ld, key, f) && check_url(ld, key, f) && check_from(ld, key, f) &&
	       check_order(ld, key, f) && check_headers(ld, key, f) &&
	       set_secrets_file(ld, key, f) && doubt_types(ld, key, f) && doubt_sources(ld, key, f);
}

bool
config_check_forward(const struct config_load *ld)
{
	struct config *cfg = ld->cfg;
	uint64_t concurrency = 0;

	for (size_t i = 0; i < cfg->forward_count; i++) {
		struct config_key key = config_key("forward[%zu]", i);

		if (!check_one(ld, key.text, &cfg->forward[i]))
			return false;
		concurrency += cfg->forward[i].concurrency;
		if (concurrency > CONFIG_FORWARD_CONCURRENCY)
			return config_fault(ld, config_key("%s.concurrency", key.text).text,
				"makes %llu of all destinations together; at most %d",
				(unsigned long long)concurrency, CONFIG_FORWARD_CONCURRENCY);
	}
	cfg->history.kept = cfg->history.keep_ms || cfg->forward_count;
	cfg->history.required |= cfg->forward_count > 0;
	return true;
}

bool
config_keeps_history(const struct config *cfg)
{
	return cfg->history.kept;
}
