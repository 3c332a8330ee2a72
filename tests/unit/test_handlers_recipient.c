/* Counters, scores, interests and conversions. */
#include "handlers/recipient.h"
#include "test_handlers.h"

static struct bench b;

static void
open_bench(void)
{
	bench_open(&b);
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
}

static void
close_bench(void)
{
	bench_close(&b);
}

TestSuite(handlers_recipient, .init = open_bench, .fini = close_bench);

static void
commit(void)
{
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
}

static void
count(uint64_t ts, const char *json, enum statement counter, int64_t score)
{
	struct event ev = bench_event(&b, ts, json);
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(recipient_count(b.db, &in, counter, score, &b.why), "%s", b.why.text);
}

static void
engage(uint64_t ts, const char *json, enum engagement what)
{
	struct event ev = bench_event(&b, ts, json);
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(engagement_add(b.db, &in, what, &b.why), "%s", b.why.text);
}

Test(handlers_recipient, events_count_and_scores_add_up_whatever_the_case_of_the_address)
{
	count(100, "{\"email\":\"Ann@example.com\"}", SQL_RECIPIENT_OPENED, 10);
	count(300, "{\"email\":\"ann@Example.com\"}", SQL_RECIPIENT_OPENED, 10);
	count(200, "{\"email\":\"ann@example.com\"}", SQL_RECIPIENT_CLICKED, 25);
	commit();
	expect_row(&b,
		"SELECT email, address, opened, clicked, delivered, score, last_opened_at,"
		" last_clicked_at, last_delivered_at, (SELECT count(*) FROM recipients)"
		" FROM recipients",
		"ann@example.com|Ann@example.com|2|1|0|45|300|200|-|1");
}

Test(handlers_recipient, a_late_event_does_not_turn_the_last_time_back)
{
	count(300, "{\"email\":\"ann@example.com\"}", SQL_RECIPIENT_DELIVERED, 0);
	count(100, "{\"email\":\"ann@example.com\"}", SQL_RECIPIENT_DELIVERED, 0);
	commit();
	expect_row(&b, "SELECT delivered, last_delivered_at FROM recipients", "2|300");
}

Test(handlers_recipient, every_counter_of_the_table_has_its_columns)
{
#define COUNT(statement, column)                                                                   \
	count(7, "{\"email\":\"" column "@example.com\"}", SQL_##statement, 1);
	RECIPIENT_COUNTERS(COUNT)
	commit();
#define LOOK(statement, column)                                                                    \
	expect_row(&b,                                                                             \
		"SELECT " column ", last_" column "_at FROM recipients WHERE email='" column       \
		"@example.com'",                                                                   \
		"1|7");
	RECIPIENT_COUNTERS(LOOK)
}

Test(handlers_recipient, an_engagement_keeps_its_circumstances)
{
	engage(100,
		"{\"email\":\"ann@example.com\",\"message_id\":\"m1\",\"campaign_id\":\"spring\","
		"\"url\":\"https://example.com/\",\"user_agent\":\"UA/1\",\"ip\":\"192.0.2.1\"}",
		ENGAGEMENT_CLICK);
	commit();
	expect_row(&b,
		"SELECT kind, email, message_id, campaign_id, user_id, url, user_agent, ip, at,"
		" source, event_id FROM engagements",
		"click|ann@example.com|m1|spring|-|https://example.com/|UA/1|192.0.2.1|100|email|"
		"evt_1");
}

Test(handlers_recipient, interests_weigh_campaign_content_key_and_tags)
{
	const char *json = "{\"email\":\"ann@example.com\",\"user_id\":\"u1\",\"campaign_id\":"
			   "\"spring\",\"content_key\":\"boats\",\"tags\":[\"nets\",7,\"\"]}";

	engage(100, json, ENGAGEMENT_OPEN);
	engage(200, json, ENGAGEMENT_REPLY);
	commit();
	expect_row(&b,
		"SELECT group_concat(kind || ' ' || key || ' ' || weight || ' ' || last_at)"
		" FROM (SELECT * FROM interests WHERE \"user\" = 'u1' ORDER BY key) r",
		"content boats 6 200,content nets 6 200,campaign spring 6 200");
}

Test(handlers_recipient, without_a_user_id_the_address_is_the_user)
{
	engage(100, "{\"email\":\"Ann@example.com\",\"content_key\":\"boats\"}", ENGAGEMENT_OPEN);
	commit();
	expect_row(&b, "SELECT \"user\", weight FROM interests", "ann@example.com|1");
}

Test(handlers_recipient, content_keys_are_bounded_in_number_and_length)
{
	char json[8192];
	size_t n = (size_t)snprintf(json, sizeof json,
		"{\"email\":\"ann@example.com\",\"content_key\":\"%0999d\",\"tags\":[\"t\"", 0);

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(json + n, sizeof json - n, ",\"tag%d\"", i);
	snprintf(json + n, sizeof json - n, "]}");
	engage(100, json, ENGAGEMENT_OPEN);
	commit();
	expect_row(&b, "SELECT count(*), max(length(key)) FROM interests", "16|256");
}

/* The pattern as loaded from a file: the configuration owns its texts. */
static struct config_conversion
conversion(char *name, char *url)
{
	return (struct config_conversion){.name = name, .url = url};
}

Test(handlers_recipient, a_conversion_matches_by_pattern)
{
	char url[] = "https://*.example.com/thanks*";
	const struct config_conversion c = conversion(NULL, url);

	cr_expect(conversion_matches(&c, slice_of("https://shop.example.com/thanks?o=1")));
	cr_expect(conversion_matches(&c, slice_of("https://a/b.example.com/thanks")));
	cr_expect_not(conversion_matches(&c, slice_of("https://shop.example.com/cart")));
	cr_expect_not(conversion_matches(&c, slice_of("")));
	cr_expect_not(conversion_matches(&c, (struct slice){NULL, 0}));
	cr_expect_not(
		conversion_matches(&c, (struct slice){"https://a.example.com/thanks\0x", 30}));
}

Test(handlers_recipient, one_click_may_be_several_conversions)
{
	char any[] = "any", all[] = "*", cart[] = "cart", to_cart[] = "*/cart", shop[] = "shop",
	     to_shop[] = "https://shop.*";
	struct config_conversion list[] = {
		conversion(any, all), conversion(cart, to_cart), conversion(shop, to_shop)};
	const struct config cfg = {.conversions = list, .conversions_count = 3};
	struct event ev = bench_event(&b, 100,
		"{\"email\":\"ann@example.com\",\"url\":\"https://shop.example.com/thanks\"}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(conversions_add(b.db, &in, &cfg, &b.why), "%s", b.why.text);
	commit();
	expect_row(&b, "SELECT group_concat(name), min(url) FROM conversions",
		"any,shop|https://shop.example.com/thanks");
}
