/* config_table - every option of trotline.yaml, once. Pure.
 *
 * A new option is a row here and a member in config.h; a new list, its row and those of its entries
 * under it. README.md and deploy/trotline.yaml name them all; a test holds them together. */
#include <string.h>

#include "config_private.h"
#include "lib/base/log.h"

#define OPTION(struct_, key_, member_, type_, fallback_, least_, most_, needs_)                    \
	{                                                                                          \
		.key = (key_), .type = OPTION_##type_, .needs = (needs_),                          \
		.offset = offsetof(struct struct_, member_), .fallback = (fallback_),              \
		.least = (least_), .most = (most_)                                                 \
	}
#define LIST_OF(struct_, key_, member_, type_, most_, needs_)                                      \
	{                                                                                          \
		.key = (key_), .type = OPTION_##type_, .needs = (needs_),                          \
		.offset = offsetof(struct struct_, member_),                                       \
		.count = offsetof(struct struct_, member_##_count),                                \
		.size = sizeof *((struct struct_ *)0)->member_, .fallback = "", .least = "",       \
		.most = (most_)                                                                    \
	}

/* With words that stand for what is left out. */
#define WORDS_OF(struct_, key_, member_, type_, fallback_, least_, most_, needs_)                  \
	{                                                                                          \
		.key = (key_), .type = OPTION_##type_, .needs = (needs_),                          \
		.offset = offsetof(struct struct_, member_),                                       \
		.count = offsetof(struct struct_, member_##_count), .fallback = (fallback_),       \
		.least = (least_), .most = (most_)                                                 \
	}

#define TOP(...) OPTION(config, __VA_ARGS__)
#define SOURCE(...) OPTION(config_source, __VA_ARGS__)
#define HANDLER(...) OPTION(config_handler, __VA_ARGS__)
#define RULE(...) OPTION(config_retry_type, __VA_ARGS__)
#define CONVERSION(...) OPTION(config_conversion, __VA_ARGS__)
#define FORWARD(...) OPTION(config_forward, __VA_ARGS__)
#define FLEET(...) OPTION(config_fleet_node, __VA_ARGS__)
#define FORWARD_WORDS(...) WORDS_OF(config_forward, __VA_ARGS__)

/* For all event types, and for one. */
#define RETRY_OPTIONS(ROW, group_, needs_)                                                         \
	ROW(group_ "delay", retry.delay_ms, DURATION, "2s", "10ms", "1d", needs_),                 \
		ROW(group_ "max_delay", retry.max_delay_ms, DURATION, "300s", "10ms", "30d",       \
			needs_),                                                                   \
		ROW(group_ "jitter_percent", retry.jitter_percent, PERCENT, "10", "0", "100",      \
			needs_),                                                                   \
		ROW(group_ "attempts", retry.attempts, COUNT, "5", "0", "1000", needs_)

/* clang-format off */
/* key, member, type, default, least, most, needs. */
const struct config_option config_options[] = {
	TOP("listen", listen, ADDRESS, "127.0.0.1:8080", "", "", RESTART),
	TOP("data_dir", data_dir, PATH, "./var", "", "", RESTART),
	TOP("public_pages", public_pages, FLAG, "true", "", "", LIVE),
	LIST_OF(config, "trusted_proxies", trusted_proxies, TEXTS, "64", RESTART),
	TOP("proxy_header", proxy_header, CHOICE, "x-forwarded-for", "x-forwarded-for forwarded", "", RESTART),
	TOP("log_level", log_level, CHOICE, "info", "debug info warn error", "", LIVE),

	LIST_OF(config, "sources", sources, LIST, "64", REQUIRED),
	SOURCE("sources[].name", name, NAME, "", "", "64", REQUIRED | UNIQUE),
	SOURCE("sources[].provider", provider, TEXT, "trotline", "", "", LIVE),
	LIST_OF(config_source, "sources[].secrets", secrets, SECRETS, "16", LIVE),
	SOURCE("sources[].secrets_file", secrets_file, SECRET_PATH, "", "", "", LIVE),
	SOURCE("sources[].max_age", max_age_ms, DURATION, "10m", "1s", "3650d", LIVE),
	SOURCE("sources[].max_future", max_future_ms, DURATION, "5m", "0s", "3650d", LIVE),
	SOURCE("sources[].dedup_window", dedup_window_ms, DURATION, "24h", "1s", "365d", LIVE),
	SOURCE("sources[].silent_after", silent_after_ms, DURATION, "0s", "0s", "365d", LIVE),
	SOURCE("sources[].on_bad_signature", quarantine, CHOICE, "reject", "reject quarantine", "", LIVE),
	SOURCE("sources[].scheme", scheme, TEXT, "", "", "", LIVE),
	SOURCE("sources[].header", header, TEXT, "", "", "", LIVE),
	SOURCE("sources[].url", url, TEXT, "", "", "", LIVE),
	LIST_OF(config_source, "sources[].topics", topics, TEXTS, "64", LIVE),
	SOURCE("sources[].allow_raw", allow_raw, FLAG, "false", "", "", LIVE),

	TOP("processes.ingress", processes.ingress, COUNT, "1", "1", "32", RESTART),
	TOP("processes.validator", processes.validator, COUNT, "1", "1", "32", RESTART),
	TOP("processes.router", processes.router, COUNT, "1", "1", "32", RESTART),

	LIST_OF(config, "handlers", handlers, LIST, "60", RESTART),
	HANDLER("handlers[].name", name, NAME, "", "", "32", REQUIRED | UNIQUE | RESTART),
	LIST_OF(config_handler, "handlers[].types", types, TEXTS, "64", RESTART),
	HANDLER("handlers[].processes", processes, COUNT, "1", "0", "32", RESTART),

	TOP("limits.connections", limits.connections, COUNT, "4096", "1", "65536", RESTART),
	TOP("limits.connections_per_address", limits.connections_each, COUNT, "0", "0", "65536", RESTART),
	TOP("limits.event_size", limits.event_bytes, SIZE, "1MiB", "1KiB", "64MiB", RESTART),
	TOP("limits.batch_size", limits.batch_bytes, SIZE, "10MiB", "1KiB", "256MiB", RESTART),
	TOP("limits.batch_events", limits.batch_events, COUNT, "10000", "1", "1000000", LIVE),
	TOP("limits.header_size", limits.header_bytes, SIZE, "16KiB", "1KiB", "1MiB", RESTART),
	TOP("limits.idle_timeout", limits.idle_timeout_ms, DURATION, "60s", "1s", "1h", RESTART),
	TOP("limits.head_timeout", limits.head_timeout_ms, DURATION, "10s", "100ms", "1h", LIVE),
	TOP("limits.request_timeout", limits.request_timeout_ms, DURATION, "30s", "100ms", "1h", LIVE),
	TOP("limits.answer_timeout", limits.answer_timeout_ms, DURATION, "3s", "10ms", "5m", LIVE),
	TOP("limits.memory", limits.memory_bytes, SIZE, "256MiB", "1MiB", "64GiB", RESTART),

	TOP("journal.max_size", journal.max_bytes, SIZE, "2GiB", "1MiB", "16384GiB", RESTART),
	TOP("journal.lease", journal.lease_ms, DURATION, "30s", "100ms", "1h", LIVE),

	TOP("history.keep", history.keep_ms, DURATION, "30d", "0s", "3650d", RESTART),
	TOP("history.max_size", history.max_bytes, SIZE, "10GiB", "1MiB", "16384GiB", LIVE),
	TOP("history.raw", history.raw, FLAG, "true", "", "", LIVE),
	TOP("history.compress", history.compress, FLAG, "true", "", "", LIVE),
	TOP("history.required", history.required, FLAG, "false", "", "", LIVE),

	TOP("node.name", node.name, NAME, "", "", "64", RESTART),
	TOP("node.number", node.number, COUNT, "0", "0", "9999", RESTART),

	TOP("database.kind", database.kind, CHOICE, "sqlite", "sqlite postgresql", "", RESTART),
	TOP("database.url", database.url, SECRET, "", "", "", RESTART),
	TOP("database.passfile", database.passfile, SECRET_PATH, "", "", "", RESTART),
	TOP("database.known_ids", database.known_ids, FLAG, "true", "", "", RESTART),
	TOP("database.timeout", database.timeout_ms, DURATION, "5s", "100ms", "5m", LIVE),

	LIST_OF(config, "redis.urls", redis.urls, SECRETS, "16", RESTART),
	TOP("redis.password_file", redis.password_file, SECRET_PATH, "", "", "", RESTART),
	TOP("redis.ca_file", redis.ca_file, PATH, "", "", "", RESTART),
	TOP("redis.timeout", redis.timeout_ms, DURATION, "50ms", "1ms", "10s", LIVE),
	TOP("redis.claim", redis.claim_ms, DURATION, "15s", "1s", "10m", RESTART),
	TOP("redis.window", redis.window_ms, DURATION, "0s", "0s", "365d", RESTART),
	TOP("redis.when_away", redis.when_away, CHOICE, "accept", "accept refuse", "", LIVE),

	LIST_OF(config, "fleet.nodes", fleet_nodes, LIST, "64", LIVE),
	FLEET("fleet.nodes[].name", name, NAME, "", "", "64", REQUIRED | UNIQUE),
	FLEET("fleet.nodes[].url", url, TEXT, "", "", "", REQUIRED),
	FLEET("fleet.nodes[].token_file", token_file, SECRET_PATH, "", "", "", LIVE),
	FLEET("fleet.nodes[].ca_file", ca_file, PATH, "", "", "", LIVE),

	RETRY_OPTIONS(TOP, "retry.", LIVE),
	LIST_OF(config, "retry.types", retry_types, LIST, "64", LIVE),
	RULE("retry.types[].type", type, TEXT, "", "", "", REQUIRED | UNIQUE),
	RETRY_OPTIONS(RULE, "retry.types[].", INHERITED),

	TOP("dlq.max_size", dlq.max_bytes, SIZE, "1GiB", "1MiB", "1024GiB", LIVE),
	TOP("quarantine.max_size", quarantine.max_bytes, SIZE, "256MiB", "1MiB", "64GiB", LIVE),
	TOP("quarantine.max_age", quarantine.max_age_ms, DURATION, "7d", "1m", "365d", LIVE),
	TOP("unread.max_size", unread.max_bytes, SIZE, "256MiB", "1MiB", "64GiB", LIVE),
	TOP("unread.max_age", unread.max_age_ms, DURATION, "30d", "1m", "3650d", LIVE),

	TOP("notify.command", notify.command, TEXT, "", "", "", LIVE),
	TOP("notify.url", notify.url, TEXT, "", "", "", LIVE),
	TOP("notify.interval", notify.interval_ms, DURATION, "60s", "1s", "30d", LIVE),

	TOP("admin.listen", admin.listen, ADDRESS, "", "off", "", RESTART),
	TOP("admin.token_file", admin.token_file, SECRET_PATH, "", "", "", LIVE),

	TOP("health.error_rate_percent", health.error_rate_percent, PERCENT, "5", "0", "100", LIVE),
	TOP("health.processing_time", health.processing_time_ms, DURATION, "2s", "1ms", "1h", LIVE),
	TOP("health.queue_size", health.queue_size, COUNT, "1000", "1", "1000000000", LIVE),
	TOP("health.oldest_age", health.oldest_age_ms, DURATION, "5m", "1s", "365d", LIVE),
	TOP("health.disk_free_percent", health.disk_free_percent, PERCENT, "5", "0", "100", LIVE),

	TOP("scores.opened", scores.opened, NUMBER, "10", "-1000000", "1000000", LIVE),
	TOP("scores.clicked", scores.clicked, NUMBER, "25", "-1000000", "1000000", LIVE),

	TOP("suppression.soft_bounces", suppression.soft_bounces, COUNT, "5", "1", "1000", LIVE),
	TOP("suppression.soft_bounce_period", suppression.soft_bounce_period_ms, DURATION, "30d", "1s", "3650d", LIVE),

	LIST_OF(config, "conversions", conversions, LIST, "1000", LIVE),
	CONVERSION("conversions[].name", name, TEXT, "", "", "", REQUIRED),
	CONVERSION("conversions[].url", url, TEXT, "", "", "", REQUIRED),

	LIST_OF(config, "forward", forward, LIST, "64", LIVE),
	FORWARD("forward[].name", name, NAME, "", "", "64", REQUIRED | UNIQUE),
	FORWARD("forward[].url", url, TEXT, "", "", "", REQUIRED),
	FORWARD("forward[].secrets_file", secrets_file, SECRET_PATH, "", "", "", LIVE),
	LIST_OF(config_forward, "forward[].types", types, TEXTS, "64", LIVE),
	LIST_OF(config_forward, "forward[].sources", sources, TEXTS, "64", LIVE),
	FORWARD("forward[].machine", machine, FLAG, "true", "", "", LIVE),
	FORWARD("forward[].from", from, TEXT, "now", "", "", LIVE),
	FORWARD("forward[].data", data, CHOICE, "without_raw", "without_raw full thin", "", LIVE),
	FORWARD("forward[].rate", rate, COUNT, "0", "0", "1000000", LIVE),
	FORWARD("forward[].concurrency", concurrency, COUNT, "8", "1", "256", LIVE),
	FORWARD("forward[].order", order, CHOICE, "none", "none recipient", "", LIVE),
	FORWARD("forward[].batch.events", batch_events, COUNT, "1", "1", "1000", LIVE),
	FORWARD("forward[].batch.wait", batch_wait_ms, DURATION, "0s", "0s", "5m", LIVE),
	FORWARD("forward[].timeout", timeout_ms, DURATION, "15s", "10ms", "10m", LIVE),
	FORWARD_WORDS("forward[].retry", retry_ms, DURATIONS, "5s 5m 30m 2h 5h 10h 14h 20h 24h", "10ms 7d", "32", LIVE),
	FORWARD("forward[].retry_after_max", retry_after_max_ms, DURATION, "1h", "10ms", "7d", LIVE),
	FORWARD_WORDS("forward[].network", network, TEXTS, "public", "", "64", LIVE),
	FORWARD("forward[].ca_file", ca_file, PATH, "", "", "", LIVE),
	FORWARD_WORDS("forward[].headers", headers, HEADERS, "", "", "32", LIVE),
	{0},
};
/* clang-format on */

_Static_assert(CONFIG_SOURCES_MAX == 64 && CONFIG_HANDLERS_MAX == 60 &&
		       CONFIG_PROCESSES_MAX == 32 && CONFIG_SECRETS_MAX == 16,
	"the table says so");
_Static_assert(CONFIG_FORWARD_MAX == 64 && CONFIG_FLEET_MAX == 64 && CONFIG_NODE_MAX == 9999,
	"the table says so");
_Static_assert(
	DATABASE_SQLITE == 0 && DATABASE_POSTGRESQL == 1 && REDIS_ACCEPT == 0 && REDIS_REFUSE == 1,
	"the words of database.kind and redis.when_away are in this order");
_Static_assert(FORWARD_WITHOUT_RAW == 0 && FORWARD_FULL == 1 && FORWARD_THIN == 2 &&
		       FORWARD_UNORDERED == 0 && FORWARD_BY_RECIPIENT == 1,
	"the words of forward[].data and forward[].order are in this order");
_Static_assert(LEVEL_DEBUG == 0 && LEVEL_INFO == 1 && LEVEL_WARN == 2 && LEVEL_ERROR == 3,
	"log_level's words are in this order");

static bool
is_under(const struct config_option *list, const struct config_option *option)
{
	const size_t n = list ? strlen(list->key) : 0;

	return option->key && (!list || (strncmp(option->key, list->key, n) == 0 &&
						strncmp(option->key + n, "[].", 3) == 0));
}

const struct config_option *
config_option_first(const struct config_option *list)
{
	return list ? list + 1 : config_options;
}

const struct config_option *
config_option_next(const struct config_option *list, const struct config_option *option)
{
	const struct config_option *next = option + 1;

	while (option->type == OPTION_LIST && is_under(option, next))
		next++;
	return is_under(list, next) ? next : NULL;
}

const char *
config_option_name(const struct config_option *list, const struct config_option *option)
{
	return option->key + (list ? strlen(list->key) + strlen("[].") : 0);
}

/* What the row's key goes on with after the key, whose places in lists count as []; "[]" also for
 * a place in the row itself. NULL: they differ. */
static const char *
after(const char *row, const char *key)
{
	for (; *key; row++, key++) {
		if (*row != *key)
			return !*row && *key == '[' && !strchr(key, '.') ? "[]" : NULL;
		if (*key == '[') {
			key += strcspn(key, "]");
			row++;
		}
	}
	return row;
}

/* Its entries are values: each under its place, or, of headers, its name. */
static bool
holds_values(const struct config_option *option)
{
	return option->type >= OPTION_TEXTS && option->type != OPTION_LIST;
}

static enum config_shape
shape_of(const struct config_option *option)
{
	if (option->type == OPTION_HEADERS)
		return SHAPE_HEADERS;
	return option->type < OPTION_TEXTS ? SHAPE_VALUE : SHAPE_LIST;
}

/* forward[0].headers.X-Env */
static bool
is_header_of(const struct config_option *option, const char *key)
{
	const char *name = strrchr(key, '.');
	struct config_key whole;

	if (option->type != OPTION_HEADERS || !name || strchr(name, '['))
		return false;
	whole = config_key("%.*s", (int)(name - key), key);
	name = after(option->key, whole.text);
	return name && !*name;
}

enum config_shape
config_option_find(const char *key, const struct config_option **option)
{
	const char *rest;

	for (*option = config_options; (*option)->key; ++*option) {
		if (is_header_of(*option, key))
			return SHAPE_VALUE;
		if (!(rest = after((*option)->key, key)))
			continue;
		if (!*rest)
			return shape_of(*option);
		if (*rest == '[' && holds_values(*option))
			return SHAPE_VALUE;
		if (*rest == '.')
			break;
	}
	rest = (*option)->key;
	*option = NULL;
	return rest || !*key ? SHAPE_GROUP : SHAPE_UNKNOWN;
}
