/* SparkPost: keys across batches, and what is flagged. */
#include "captured.h"

#define BATCH_ID "X-MessageSystems-Batch-ID"
#define RELAYED                                                                                    \
	"[{\"msys\":{\"relay_message\":{\"rcpt_to\":\"in@example.com\",\"content\":\"hello\"}}}]"

static struct captured c;
static const char *const secrets[] = {"user:old", "user:new", NULL};

static void
setup(void)
{
	captured_open(&c, "sparkpost", NULL, secrets);
}

static void
teardown(void)
{
	captured_close(&c);
}

TestSuite(sparkpost, .init = setup, .fini = teardown);

static struct slice
key_in_batch(const char *id, const char *body)
{
	c.headers.via.array.size = 0;
	if (id)
		captured_header(&c, BATCH_ID, id);
	captured_read(&c, body);
	cr_assert_eq(c.out.count, 1);
	return c.out.list[0].dedup_key;
}

Test(sparkpost, each_live_password_counts)
{
	for (int i = 0; i < 2; i++) {
		char value[64];

		c.headers.via.array.size = 0;
		snprintf(
			value, sizeof value, "Basic %s", captured_base64(&c, slice_of(secrets[i])));
		captured_header(&c, "Authorization", value);
		cr_assert_eq(captured_check(&c, slice_of("[]")), CHECK_ACCEPTED, "%s", c.why.text);
	}
}

Test(sparkpost, two_authorizations_are_refused)
{
	captured_header(&c, "Authorization", "Basic dXNlcjpvbGQ=");
	captured_header(&c, "Authorization", "Basic dXNlcjpvbGQ=");
	cr_assert_eq(captured_check(&c, slice_of("[]")), CHECK_SIGNATURE);
}

Test(sparkpost, an_event_with_an_id_is_the_same_in_every_batch)
{
	static const char body[] =
		"[{\"msys\":{\"track_event\":{\"type\":\"open\",\"event_id\":\"7\"}}}]";
	const struct slice key = key_in_batch("b1", body);

	cr_assert(slice_eq(key, key_in_batch("b2", body)));
	cr_assert(slice_eq(key, key_in_batch(NULL, body)));
}

Test(sparkpost, an_event_without_an_id_is_the_same_in_a_repeated_batch_only)
{
	const struct slice key = key_in_batch("b1", RELAYED);

	cr_assert(slice_eq(key, key_in_batch("b1", RELAYED)));
	cr_assert(!slice_eq(key, key_in_batch("b2", RELAYED)));
}

Test(sparkpost, proxies_and_prefetches_are_machines)
{
	captured_read(&c, "[{\"msys\":{\"track_event\":{\"type\":\"open\",\"event_id\":\"1\","
			  "\"user_agent_parsed\":{\"is_proxy\":true}}}},"
			  "{\"msys\":{\"track_event\":{\"type\":\"click\",\"event_id\":\"2\","
			  "\"user_agent_parsed\":{\"is_prefetched\":true}}}},"
			  "{\"msys\":{\"track_event\":{\"type\":\"open\",\"event_id\":\"3\","
			  "\"user_agent_parsed\":{\"is_proxy\":false}}}}]");
	cr_assert(c.out.list[0].machine && c.out.list[1].machine && !c.out.list[2].machine);
}

Test(sparkpost, the_address_of_a_delivery_is_not_the_recipients)
{
	captured_read(&c, "[{\"msys\":{\"message_event\":{\"type\":\"delivery\","
			  "\"event_id\":\"1\",\"ip_address\":\"192.0.2.25\"}}}]");
	cr_assert_null(c.out.list[0].ip.p);
}
