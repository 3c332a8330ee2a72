/* node, database, redis and fleet: what they are filled with, for whom their secrets are, and what in
 * them is refused, with its line. */
#include "lib/config/config_private.h"
#include "test_config.h"

TestSuite(config_fleet, .init = setup, .fini = teardown, .timeout = 60);

#define DATABASE                                                                                   \
	"database:\n  kind: postgresql\n  url: \"postgresql://t:${TROTLINE_DB}@db/t?sslmode=verify-full\"\n"
#define REDIS                                                                                      \
	"node: {name: mx-a, number: 7}\nredis:\n"                                                  \
	"  urls: [\"rediss://:${TROTLINE_REDIS}@r1:6380/2\", \"rediss://r2\"]\n"

static void
set_both(void)
{
	setenv("TROTLINE_DB", "ocelot", 1);
	setenv("TROTLINE_REDIS", "marmot", 1);
}

Test(config_fleet, one_node_needs_none_of_it)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);

	cr_expect_gt(strlen(cfg->node.name), 0);
	cr_expect_eq(cfg->node.number, 0);
	cr_expect_eq(cfg->database.kind, DATABASE_SQLITE);
	cr_expect_null(cfg->database.url);
	cr_expect_eq(cfg->database.known_ids, 1);
	cr_expect_eq(cfg->database.timeout_ms, 5000);
	cr_expect_eq(cfg->redis.urls_count, 0);
	cr_expect_eq(cfg->redis.timeout_ms, 50);
	cr_expect_eq(cfg->redis.claim_ms, 15000);
	cr_expect_eq(cfg->redis.window_ms, 0);
	cr_expect_eq(cfg->redis.when_away, REDIS_ACCEPT);
	cr_expect_eq(cfg->fleet_nodes_count, 0);
	cr_expect_eq(cfg->doubts_count, 0);
	config_destroy(&cfg);
}

Test(config_fleet, all_of_it_is_taken)
{
	struct config *cfg;

	set_both();
	cfg = load_good(REDIS
		"  when_away: refuse\n  claim: 20s\n" DATABASE
		"fleet:\n  nodes:\n    - {name: mx-a, url: \"http://127.0.0.1:8081\"}\n"
		"    - {name: mx-b, url: \"https://b.example.com:8081\", token_file: b, "
		"ca_file: ca}\n" SOURCE,
		CONFIG_SECRETS);
	cr_expect_str_eq(cfg->node.name, "mx-a");
	cr_expect_eq(cfg->node.number, 7);
	cr_expect_eq(cfg->database.kind, DATABASE_POSTGRESQL);
	cr_expect_str_eq(cfg->database.url, "postgresql://t:ocelot@db/t?sslmode=verify-full");
	cr_assert_eq(cfg->redis.urls_count, 2);
	cr_expect_str_eq(cfg->redis.urls[0], "rediss://:marmot@r1:6380/2");
	cr_expect_eq(cfg->redis.when_away, REDIS_REFUSE);
	cr_assert_eq(cfg->fleet_nodes_count, 2);
	cr_expect_null(cfg->fleet_nodes[0].token_file);
	cr_expect_str_eq(cfg->fleet_nodes[1].name, "mx-b");
	cr_expect_eq(cfg->fleet_nodes[1].token_file[0], '/');
	cr_expect_eq(cfg->doubts_count, 0);
	config_destroy(&cfg);
}

static bool
is_as(bool is, bool wanted)
{
	return is == wanted;
}

static void
expect_kept(enum config_mode mode, bool database, bool redis)
{
	const bool all = mode == CONFIG_LOOK;

	cr_expect(is_as(getenv("TROTLINE_DB") != NULL, database || all) &&
			  is_as(getenv("TROTLINE_REDIS") != NULL, redis || all),
		"mode %d", mode);
}

static void
expect_given(enum config_mode mode, bool database, bool redis)
{
	struct config *cfg;

	set_both();
	cfg = load_good(REDIS DATABASE SOURCE, mode);
	cr_expect(is_as(cfg->database.url != NULL, database) &&
			  cfg->redis.urls_count == (redis ? 2 : 0) &&
			  cfg->database.kind == DATABASE_POSTGRESQL && cfg->node.number == 7,
		"mode %d", mode);
	expect_kept(mode, database, redis);
	config_destroy(&cfg);
}

Test(config_fleet, the_database_is_told_to_what_opens_it_and_redis_to_what_asks_it)
{
	expect_given(CONFIG_NO_SECRETS, false, false);
	expect_given(CONFIG_DATABASE, true, false);
	expect_given(CONFIG_SENDERS, false, true);
	expect_given(CONFIG_DESTINATIONS, false, false);
	expect_given(CONFIG_LOOK, false, false);
	expect_given(CONFIG_OPERATOR, true, true);
	expect_given(CONFIG_SECRETS, true, true);
}

Test(config_fleet, an_operators_shell_may_lack_their_variables_where_a_process_may_not)
{
	struct config *cfg;

	unsetenv("TROTLINE_DB");
	unsetenv("TROTLINE_REDIS");
	cfg = load_good(REDIS DATABASE SOURCE, CONFIG_OPERATOR);
	cr_expect_null(cfg->database.url);
	cr_expect_eq(cfg->redis.urls_count, 0, "one of two would be asked for the other's ids");
	config_destroy(&cfg);
	cr_assert_null(load(DATABASE SOURCE, CONFIG_DATABASE));
	cr_expect_not_null(strstr(
		why.text, "line 3: database.url: environment variable TROTLINE_DB is not set"));
	cr_assert_null(load(REDIS SOURCE, CONFIG_SENDERS));
	cr_expect_not_null(strstr(why.text, "redis.urls[0]: environment variable TROTLINE_REDIS"));
}

Test(config_fleet, what_does_not_fit_together_is_named_with_its_line)
{
	expect_fault("database: {kind: postgresql}\n" SOURCE,
		"trotline.yaml line 1: database.url: is needed where database.kind is postgresql");
	expect_fault("redis: {urls: [\"redis://127.0.0.1\"]}\n" SOURCE,
		"trotline.yaml line 1: redis.urls: need node.number, from 1 to 9999");
	expect_fault(
		"node: {number: 1}\nredis:\n  urls: [\"redis://127.0.0.1\"]\n  claim: 3s\n" SOURCE,
		"trotline.yaml line 4: redis.claim: must be longer than limits.answer_timeout");
	expect_fault("node: {number: 1}\nredis:\n  urls: [\"redis://127.0.0.1\"]\n"
		     "  password_file: nothing\n" SOURCE,
		"trotline.yaml line 4: redis.password_file: cannot read ");
	expect_fault("database:\n  kind: postgresql\n  url: x\n  passfile: /etc/passwd\n" SOURCE,
		"trotline.yaml line 4: database.passfile: /etc/passwd ");
	expect_fault(
		"node: {name: MX}\n" SOURCE, "trotline.yaml line 1: node.name: \"MX\" must be");
}

static void
expect_redis(const char *url, const char *cause)
{
	char text[512], start[256];

	snprintf(text, sizeof text, "node: {number: 1}\nredis:\n  urls:\n    - \"%s\"\n%s", url,
		SOURCE);
	snprintf(start, sizeof start, "trotline.yaml line 4: redis.urls[0]: %s", cause);
	expect_fault(text, start);
	cr_expect_null(strstr(why.text, "marmot"), "%s", why.text);
}

Test(config_fleet, a_redis_url_is_refused_without_being_quoted)
{
	expect_redis("r1:6379", "is no URL of a Redis server");
	expect_redis("http://marmot/", "is no URL of a Redis server");
	expect_redis("redis://", "has no host");
	expect_redis("redis://:marmot@", "has no host");
	expect_redis("redis://:marmot@r1:x", "has a port that is no number");
	expect_redis("redis://:marmot@r1/marmot", "has no number of a database");
	expect_redis("redis://:marmot@r1/0?x=1", "has no number of a database");
	expect_redis("redis://:mar mot@r1/0", "has blanks");
}

Test(config_fleet, a_redis_url_is_cut)
{
	struct config_redis_place place;

	cr_assert(config_redis_place_of("rediss://ops:p@ss:w@[::1]:7/12", &place, &why));
	cr_expect(place.at.tls && place.at.port == 7 && place.db == 12);
	cr_expect_str_eq(place.at.host, "::1");
	cr_expect(slice_is(place.user, "ops") && slice_is(place.password, "p@ss:w"));
	cr_assert(config_redis_place_of("redis://r1.example.com", &place, &why));
	cr_expect(!place.at.tls && place.at.port == 6379 && place.db == 0 && place.user.n == 0);
	cr_assert(config_redis_place_of("redis://r1/", &place, &why));
	cr_expect_str_eq(place.at.host, "r1");
}

#define NODE(url_) "fleet:\n  nodes:\n    - name: mx-b\n      url: \"" url_ "\"\n" SOURCE
#define NODE_URL "trotline.yaml line 4: fleet.nodes[0].url: "

Test(config_fleet, a_node_is_an_address_without_a_token)
{
	expect_fault(NODE("mx-b:8081"), NODE_URL "is no URL");
	expect_fault(NODE("ftp://b.example.com"), NODE_URL "has the scheme");
	expect_fault(NODE("https://t@b.example.com"), NODE_URL "must be no more than");
	expect_fault(NODE("https://b.example.com/?token=x"), NODE_URL "must be no more than");
	expect_fault(NODE("http://203.0.113.7:8081"), NODE_URL "goes without TLS to a host that");
	expect_fault(NODE("http://0.0.0.0:8081"), NODE_URL "leads to 0.0.0.0");
	expect_fault("fleet:\n  nodes:\n    - name: mx-b\n" SOURCE,
		"trotline.yaml line 3: fleet.nodes[0].url: missing");
	expect_fault("fleet:\n  nodes:\n    - {name: b, url: \"https://b\"}\n"
		     "    - {name: b, url: \"https://c\"}\n" SOURCE,
		"trotline.yaml line 4: fleet.nodes[1].name: \"b\" stands there twice");
}

static void
expect_doubt(const char *text, const char *doubt)
{
	struct config *cfg = load_good(text, CONFIG_SECRETS);
	const char *said = cfg->doubts_count == 1 ? cfg->doubts[0] : "";

	cr_expect(strstr(said, doubt), "%s\nsays: %s\nnot:  %s", text, said, doubt);
	config_destroy(&cfg);
}

Test(config_fleet, what_may_not_be_meant_is_a_doubt_with_its_line)
{
	expect_doubt("database:\n  url: \"postgresql://db/t\"\n" SOURCE,
		"line 2: database.url: is not used: database.kind is sqlite");
	expect_doubt("node: {number: 1}\nredis:\n  urls: [\"redis://r1\"]\n" SOURCE,
		"line 3: redis.urls[0]: goes without TLS");
	expect_doubt(NODE("http://10.0.0.7:8081"), "line 4: fleet.nodes[0].url: goes without TLS");
	expect_doubt(NODE("http://b.example.com"), "line 4: fleet.nodes[0].url: goes without TLS");
	write_file(secrets, "token", 0644);
	expect_doubt("fleet:\n  nodes:\n    - name: b\n      url: \"https://b\"\n"
		     "      token_file: secrets\n" SOURCE,
		"line 5: fleet.nodes[0].token_file: others than its owner may read ");
}

Test(config_fleet, a_reload_keeps_who_a_node_is_and_takes_the_fleet)
{
	struct config *live = load_good(SOURCE, CONFIG_SECRETS), *next;

	set_both();
	next = load_good(REDIS DATABASE
		"fleet:\n  nodes:\n    - {name: b, url: \"https://b\"}\n" SOURCE,
		CONFIG_SECRETS);
	config_replace(live, next, &why);
	cr_expect_str_eq(
		why.text, "node.name, node.number, database.kind, database.url, redis.urls");
	cr_expect_eq(live->fleet_nodes_count, 1);
	cr_expect_eq(live->redis.urls_count, 0);
	config_destroy(&live);
}
