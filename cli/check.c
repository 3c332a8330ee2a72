/* check - reads the configuration and says what it would run; starts and changes nothing.
 *
 * In: the file, the environment, the secrets. Out: the plan on stdout, without any secret. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "check_destinations.h"
#include "check_fleet.h"
#include "check_online.h"
#include "check_redis.h"
#include "check_sources.h"
#include "cli.h"
#include "lib/base/descriptors.h"
#include "lib/base/harden.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/config/advice.h"
#include "lib/config/config_descriptors.h"
#include "lib/config/config_processes.h"
#include "place.h"
#include "programs.h"
#include "proto/types.h"
#include "providers/source_keys.h"

enum { TOKEN_PATH_BYTES = 4096 };

/* Where the bearer token for admin stands, or will: the stage makes it. NULL: nobody asks for one. */
static const char *
token_file(const struct config *cfg, char out[TOKEN_PATH_BYTES])
{
	if (!cfg->admin.listen)
		return NULL;
	if (cfg->admin.token_file)
		return cfg->admin.token_file;
	snprintf(out, TOKEN_PATH_BYTES, "%s/admin.token", cfg->data_dir);
	return out;
}

/* A source whose secrets_file is not there yet; `trotline up` makes it. */
static bool
lacks_secret(const struct config_source *src)
{
	return src->secrets_file && access(src->secrets_file, F_OK) != 0 && errno == ENOENT;
}

/* The same file with its secrets, as the validator will read it. False with the cause. */
static bool
read_secrets(const struct config *cfg, struct config **whole, struct error *why)
{
	*whole = NULL;
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (lacks_secret(&cfg->sources[i]))
			return place_secret_can_be(&cfg->sources[i], why);
	*whole = source_keys_load(cfg->path, why);
	return *whole != NULL;
}

static msgpack_object
source_object(const struct config *cfg, const struct config *whole, size_t i, msgpack_zone *zone)
{
	const struct config_source *src = &cfg->sources[i];
	const struct config_source *secret = whole ? &whole->sources[i] : NULL;
	struct map m = map_in(zone);
	char path[96];

	snprintf(path, sizeof path, "/webhooks/%s", src->name);
	map_text(&m, "name", slice_of(src->name));
	map_text(&m, "provider", slice_of(src->provider));
	map_text(&m, "path", slice_of(path));
	if (secret) {
		map_uint(&m, "secrets", secret->secrets_count);
		map_uint(&m, "weak_secrets", secret->weak_secrets);
		map_text(&m, "secret_shared_with", slice_of(check_shares_secret(whole, i)));
	}
	map_bool(&m, "time_signed", check_time_is_signed(src));
	map_bool(&m, "secret_missing", lacks_secret(src));
	return map_object(&m);
}

static msgpack_object
processes_object(const struct config *cfg, msgpack_zone *zone)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(cfg, plan);
	struct list l = list_in(zone);

	for (size_t i = 0; i < n; i++) {
		struct map m = map_in(zone);

		map_text(&m, "stage", slice_of(plan[i].name));
		map_uint(&m, "processes", plan[i].wanted);
		list_add(&l, map_object(&m));
	}
	return list_object(&l);
}

/* Who takes each type: the built-in ones, what handlers add, and all others. */
struct taker {
	const char *type, *handler;
	const char *instead_of; /* the built-in handler that would take it, or NULL */
};
enum { TAKERS_MAX = 2048 };

static size_t
takers_of(const struct config *cfg, struct taker *list)
{
	size_t n = 0;

	for (size_t i = 0; i < event_types_count; i++) {
		const struct event_type *type = &event_types[i];
		const char *handler = cfg->handlers[config_route(cfg, slice_of(type->name))].name;
		const bool other = strcmp(handler, type->handler) != 0;

		list[n++] = (struct taker){type->name, handler, other ? type->handler : NULL};
	}
	for (size_t i = 0; i < cfg->handlers_count; i++)
		for (size_t t = 0; t < cfg->handlers[i].types_count && n < TAKERS_MAX; t++)
			if (!event_type_find(slice_of(cfg->handlers[i].types[t])))
				list[n++] = (struct taker){
					cfg->handlers[i].types[t], cfg->handlers[i].name, NULL};
	return n;
}

static msgpack_object
takers_object(const struct config *cfg, msgpack_zone *zone)
{
	struct taker list[TAKERS_MAX];
	const size_t n = takers_of(cfg, list);
	struct list l = list_in(zone);

	for (size_t i = 0; i < n; i++) {
		struct map m = map_in(zone);

		map_text(&m, "type", slice_of(list[i].type));
		map_text(&m, "handler", slice_of(list[i].handler));
		map_text(&m, "instead_of", slice_of(list[i].instead_of));
		list_add(&l, map_object(&m));
	}
	return list_object(&l);
}

static void
print_takers(const struct config *cfg)
{
	struct taker list[TAKERS_MAX];
	const size_t n = takers_of(cfg, list);

	for (size_t i = 0; i < n; i++)
		printf("  %-28s %s\n", list[i].type, list[i].handler);
	printf("  %-28s %s\n", "(every other)", cfg->handlers[cfg->handler_unknown].name);
}

/* What is allowed, and may not be meant. */
static void
warn_of_takers(const struct config *cfg)
{
	struct taker list[TAKERS_MAX];
	const size_t n = takers_of(cfg, list);

	for (size_t i = 0; i < n; i++)
		if (list[i].instead_of)
			fprintf(stderr,
				"trotline check: warning: %s goes to the handler %s, so the built-in %s "
				"does nothing with it: no status, no suppression\n",
				list[i].type, list[i].handler, list[i].instead_of);
}

static void
warn_of_doubts(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->doubts_count; i++)
		fprintf(stderr, "trotline check: warning: %s\n", cfg->doubts[i]);
}

/* What is outside of this machine: asked with --online. */
struct outside {
	bool asked;
	uint64_t faults;
};

static msgpack_object
plan_object(const struct config *cfg, const struct config *whole, const struct outside *outside,
	msgpack_object online, msgpack_zone *zone)
{
	struct list sources = list_in(zone);
	struct map m = map_in(zone);
	char token[TOKEN_PATH_BYTES];

	for (size_t i = 0; i < cfg->sources_count; i++)
		list_add(&sources, source_object(cfg, whole, i, zone));
	map_text(&m, "file", slice_of(cfg->path));
	map_bool(&m, "good", outside->faults == 0);
	map_text(&m, "listen", slice_of(cfg->listen));
	map_text(&m, "admin", slice_of(cfg->admin.listen));
	map_text(&m, "admin_token_file", slice_of(token_file(cfg, token)));
	map_text(&m, "data_dir", slice_of(cfg->data_dir));
	map_uint(&m, "connections",
		config_connections(cfg, cfg->limits.connections, descriptors_most()));
	map_put(&m, "sources", list_object(&sources));
	map_put(&m, "destinations", check_destinations_object(cfg, zone));
	map_put(&m, "redis", check_redis_object(whole ? whole : cfg, zone));
	map_put(&m, "stages", processes_object(cfg, zone));
	map_put(&m, "types", takers_object(cfg, zone));
	if (outside->asked)
		map_put(&m, "online", online);
	return map_object(&m);
}

static bool
print_json(const struct config *cfg, const struct config *whole, struct outside *outside,
	struct error *why)
{
	msgpack_object plan, online = {.type = MSGPACK_OBJECT_NIL};
	msgpack_zone zone;
	bool good;

	msgpack_zone_init(&zone, 8192);
	good = !outside->asked ||
	       check_online_object(cfg->path, &zone, &online, &outside->faults, why);
	plan = plan_object(cfg, whole, outside, online, &zone);
	if (good)
		object_print(&plan);
	msgpack_zone_destroy(&zone);
	return good;
}

static void
print_warnings(const struct config *whole, size_t i)
{
	const struct config_source *src = &whole->sources[i];
	const char *other = check_shares_secret(whole, i);

	if (src->weak_secrets)
		fprintf(stderr,
			"trotline check: warning: a secret of source %s is shorter than 16 characters\n",
			src->name);
	if (other)
		fprintf(stderr,
			"trotline check: warning: sources %s and %s share a secret: what is signed for one is good at the other, and counts at both\n",
			other, src->name);
}

static void
print_source(const struct config *cfg, const struct config *whole, size_t i)
{
	const struct config_source *src = &cfg->sources[i];
	const size_t secrets = whole ? whole->sources[i].secrets_count : 0;
	char up[ADVICE_BYTES];

	printf("  POST /webhooks/%-16s %s", src->name, src->provider);
	if (lacks_secret(src))
		printf("; %s will make a secret in %s", advice(ADVICE_UP, NULL, cli_config, up),
			src->secrets_file);
	else if (whole)
		printf("; %zu secret%s", secrets, secrets == 1 ? "" : "s");
	puts("");
	check_print_age(src);
	if (whole)
		print_warnings(whole, i);
}

/* What it is for, and which stores it opens. */
static void
print_row(const struct process_row *row)
{
	const char *before = "; opens ";

	fputs(row->purpose, stdout);
	for (size_t i = 0; i < STORES_COUNT; i++) {
		if (!(row->stores & 1U << i))
			continue;
		printf("%s%s", before, store_words[i]);
		before = ", ";
	}
	puts("");
}

static void
print_processes(const struct config *cfg)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(cfg, plan);

	for (size_t i = 0; i < n; i++) {
		printf("  %-24s %llu process%-3s ", plan[i].name,
			(unsigned long long)plan[i].wanted, plan[i].wanted == 1 ? "" : "es");
		print_row(plan[i].row);
	}
}

/* Where effects go, if that is not a file here. */
static void
print_database(const struct config *cfg)
{
	const struct slice place = config_database_place(cfg->database.url);

	if (cfg->database.kind == DATABASE_POSTGRESQL)
		printf("\ndatabase\n  postgresql %.*s%s\n", SLICE_ARG(place),
			cfg->database.known_ids ? "" : "; ids of other nodes are not looked at");
}

static void
print_text(const struct config *cfg, const struct config *whole)
{
	char path[TOKEN_PATH_BYTES];
	const char *token = token_file(cfg, path);

	printf("%s: good\n\nlisten    %s\nadmin     %s%s%s\ndata_dir  %s\n\nsources\n", cfg->path,
		cfg->listen, token ? cfg->admin.listen : "off", token ? "; token in " : "",
		token ? token : "", cfg->data_dir);
	for (size_t i = 0; i < cfg->sources_count; i++)
		print_source(cfg, whole, i);
	print_database(whole ? whole : cfg);
	check_print_destinations(cfg);
	check_print_redis(whole ? whole : cfg);
	puts("\nstages");
	print_processes(cfg);
	puts("\ntypes and who takes them");
	print_takers(cfg);
}

static void
warn_of_descriptors(const struct config *cfg)
{
	struct error text;

	if (config_connections_short(cfg, cfg->limits.connections, descriptors_most(), &text))
		fprintf(stderr, "trotline check: warning: limits.connections: %s\n", text.text);
}

struct check_ask {
	bool json, online, fleet;
};

static int
tell(const struct call *call, const struct check_ask *ask, const struct config *whole)
{
	struct outside outside = {.asked = ask->online};
	struct error why = {""};
	bool good = true;

	if (ask->json) {
		good = print_json(call->cfg, whole, &outside, &why);
	} else {
		print_text(call->cfg, whole);
		if (ask->online)
			good = check_online(call->cfg->path, &outside.faults, &why);
	}
	if (!good)
		return cli_failed(call->verb, &why);
	return outside.faults ? CLI_FAILED : CLI_DONE;
}

static int
run(struct call *call)
{
	const struct check_ask *ask = call->options;
	const struct config *cfg = call->cfg;
	struct config *whole;
	struct error why = {""};
	int status;

	if (!harden_check_folder(cfg->data_dir, &why) || place_adopted(cfg, &why) ||
		!programs_check(cfg, &why) || !check_keys(cfg, &why) ||
		!read_secrets(cfg, &whole, &why)) {
		cli_failed(call->verb, &why);
		return CLI_BAD_CONFIG;
	}
	if (ask->fleet) {
		config_destroy(&whole);
		return check_fleet(call, ask->json);
	}
	status = tell(call, ask, whole);
	warn_of_descriptors(cfg);
	warn_of_takers(cfg);
	warn_of_doubts(cfg);
	check_warn_of_destinations(cfg);
	config_destroy(&whole);
	return status;
}

const struct verb verb_check = {
	.name = "check",
	.summary = "Check the configuration and say what it would run",
	.details =
		"Reads the secrets too, and shows none. Starts and changes nothing. Exits 0 when all is\n"
		"good, otherwise 100 with the line and the key at fault.\n\n"
		"--online also asks the database, Redis and destinations how they are: for each thing what is,\n"
		"what should be, and how to set it; exits 1 when something is at fault. No request is made to a\n"
		"destination.\n\n"
		"--fleet asks the nodes of fleet.nodes instead: same sources, secrets (by fingerprint), windows,\n"
		"database and redis; numbers and journals apart; clocks within a minute. Exits 1 when something\n"
		"does not fit or a node does not answer, 3 when none does.\n",
	.flags =
		(const struct flag[]){
			{"online", 0, FLAG_SWITCH, NULL,
				"ask the database, Redis and destinations, too",
				FLAG_AT(check_ask, online)},
			{"fleet", 0, FLAG_SWITCH, NULL, "do the nodes fit together?",
				FLAG_AT(check_ask, fleet)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(check_ask, json)},
			{.name = NULL},
		},
	.options = sizeof(struct check_ask),
	.actions =
		(const struct action[]){
			{.config = PARENT_CONFIG, .run = run},
		},
};
