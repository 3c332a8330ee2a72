/* config_fleet - what several nodes need, once its values are taken: `node`, `database`, `redis` and
 * `fleet`, whether they fit together, and what in them may not be meant.
 *
 * Nothing is dialled; whether a database asks for TLS where it must is for its engine to say, whose
 * library reads the URL. No cause quotes a URL that may hold a password. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_private.h"
#include "lib/base/file.h"
#include "lib/base/peer.h"

/* ---- this node ---- */

/* The host's, up to its first dot, as a name of ours. */
static bool
name_node(const struct config_load *ld)
{
	char name[65] = "";

	if (ld->cfg->node.name)
		return true;
	gethostname(name, sizeof name - 1);
	name[strcspn(name, ".")] = 0;
	for (char *c = name; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		else if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *c))
			*c = '-';
	}
	ld->cfg->node.name = strdup(*name ? name : "node");
	return ld->cfg->node.name || config_memory_is_short(ld, "node.name");
}

/* ---- secrets in files ---- */

/* Who is given the file must be able to read it, and nobody else. */
static bool
check_private(const struct config_load *ld, const char *key, const char *path)
{
	const struct config_option *option;
	struct error why;
	char *text;
	size_t n;

	config_option_find(key, &option);
	if (!path || !config_is_for(ld, option) || *path != '/')
		return true;
	text = file_read_private(path, &n, &why);
	if (!text)
		return config_fault(ld, key, "%s", why.text);
	wipe_free(text, n);
	return true;
}

/* ---- the database ---- */

static bool
check_database(const struct config_load *ld)
{
	const bool url = config_entry_find(ld, "database.url");

	if (ld->cfg->database.kind == DATABASE_POSTGRESQL)
		return (url || config_fault(ld, "database.url",
				       "is needed where database.kind is postgresql")) &&
		       check_private(ld, "database.passfile", ld->cfg->database.passfile);
	return !url || config_doubt(ld, "database.url",
			       "is not used: database.kind is sqlite, so state.db in data_dir is");
}

/* ---- redis ---- */

static bool
check_redis_url(const struct config_load *ld, const char *key, const char *url)
{
	struct config_redis_place place;
	struct peer peer;
	struct error why;

	if (!config_redis_place_of(url, &place, &why))
		return config_fault(ld, key, "%s", why.text);
	return place.at.tls || config_kind_of(place.at.host, &peer) == KIND_LOOPBACK ||
	       config_doubt(ld, key,
		       "goes without TLS to another host: who is on the way reads the password; "
		       "rediss:// is with it");
}

/* Either all or none of them: which one is asked goes by how many there are. */
static void
drop_some(const struct config_load *ld, size_t written)
{
	struct config *cfg = ld->cfg;

	if (cfg->redis.urls_count == written)
		return;
	while (cfg->redis.urls_count) {
		char *url = cfg->redis.urls[--cfg->redis.urls_count];

		explicit_bzero(url, strlen(url));
		free(url);
	}
}

static bool
check_redis(const struct config_load *ld)
{
	const struct config_entry *urls = config_entry_find(ld, "redis.urls");
	const struct config *cfg = ld->cfg;
	const size_t n = urls ? urls->count : 0;

	drop_some(ld, n);
	if (n && !cfg->node.number)
		return config_fault(ld, "redis.urls",
			"need node.number, from 1 to %d and another one for each node",
			CONFIG_NODE_MAX);
	for (size_t i = 0; i < n; i++) {
		struct config_key key = config_key("redis.urls[%zu]", i);
		const char *url = cfg->redis.urls_count ? cfg->redis.urls[i]
							: config_entry_find(ld, key.text)->text;

		if ((cfg->redis.urls_count || !strchr(url, '$')) &&
			!check_redis_url(ld, key.text, url))
			return false;
	}
	if (n && cfg->redis.claim_ms <= cfg->limits.answer_timeout_ms + cfg->redis.timeout_ms)
		return config_fault(ld, "redis.claim",
			"must be longer than limits.answer_timeout and redis.timeout together");
	return !n || check_private(ld, "redis.password_file", cfg->redis.password_file);
}

/* ---- the fleet ---- */

static bool
check_node_url(const struct config_load *ld, const char *key, const char *url)
{
	struct config_place place;
	struct peer peer;
	struct error why;
	enum config_kind kind;

	if (strpbrk(url, "@?#"))
		return config_fault(ld, key,
			"must be no more than https://HOST:PORT; a token stands in token_file alone");
	if (!config_place_of(url, &place, &why))
		return config_fault(ld, key, "%s", why.text);
	kind = config_kind_of(place.host, &peer);
	if (kind == KIND_NEVER)
		return config_fault(
			ld, key, "leads to %.64s, which is the address of no node", place.host);
	if (place.tls || kind == KIND_LOOPBACK)
		return true;
	if (kind == KIND_PUBLIC)
		return config_fault(ld, key,
			"goes without TLS to a host that is neither loopback nor private; use https://");
	return config_doubt(ld, key,
		"goes without TLS to another host: who is on the way reads token and addresses; "
		"https:// is with it");
}

static bool
check_node_token(const struct config_load *ld, const char *key, const char *path)
{
	struct stat st;

	if (!path || *path != '/' || stat(path, &st) != 0 || !(st.st_mode & 077))
		return true;
	return config_doubt(
		ld, key, "others than its owner may read %s; chmod 600 mends that", path);
}

static bool
check_nodes(const struct config_load *ld)
{
	const struct config *cfg = ld->cfg;

	for (size_t i = 0; i < cfg->fleet_nodes_count; i++) {
		const struct config_fleet_node *node = &cfg->fleet_nodes[i];

		if (!check_node_url(ld, config_key("fleet.nodes[%zu].url", i).text, node->url) ||
			!check_node_token(ld, config_key("fleet.nodes[%zu].token_file", i).text,
				node->token_file))
			return false;
	}
	return true;
}

bool
config_check_fleet(const struct config_load *ld)
{
	return name_node(ld) && check_database(ld) && check_redis(ld) && check_nodes(ld);
}
