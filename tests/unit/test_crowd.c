/* Who gives way when there are too many connections, and whose a proxied request is. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/stage/crowd.h"
#include "lib/stage/forwarded.h"

static struct peer
at(const char *text)
{
	struct peer peer;

	cr_assert(peer_read(slice_of(text), &peer), "%s", text);
	return peer_counted(peer);
}

static void
check_text(const char *text, const char *counted)
{
	const struct peer peer = at(text);
	char out[PEER_TEXT];

	cr_expect_str_eq(peer_text(&peer, out), counted);
}

Test(peer, is_read_in_every_form_and_counted_by_what_one_holder_has)
{
	struct peer peer;

	check_text("192.0.2.1", "192.0.2.1");
	check_text("192.0.2.1:443", "192.0.2.1");
	check_text("::ffff:192.0.2.1", "192.0.2.1");
	check_text("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
	check_text("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64");
	for (const char **bad = (const char *[]){"", "unknown", "_x", "192.0.2", "[::1",
		     "1.2.3.4.5", ":1", "[]", NULL};
		*bad; bad++)
		cr_expect_not(peer_read(slice_of(*bad), &peer), "%s", *bad);
}

static bool
holds(const char *network, const char *address)
{
	struct network n;
	struct peer peer;
	struct error why;

	cr_assert(network_read(network, &n, &why) && peer_read(slice_of(address), &peer), "%s, %s",
		network, address);
	return network_holds(&n, &peer);
}

Test(peer, a_network_holds_what_its_bits_say)
{
	struct network n;
	struct error why;

	cr_expect(holds("10.0.0.0/8", "10.255.0.1"));
	cr_expect_not(holds("10.0.0.0/8", "11.0.0.1"));
	cr_expect(holds("10.0.0.128/25", "10.0.0.200"));
	cr_expect_not(holds("10.0.0.128/25", "10.0.0.100"));
	cr_expect(holds("127.0.0.1", "127.0.0.1"));
	cr_expect_not(holds("127.0.0.1", "127.0.0.2"));
	cr_expect(holds("0.0.0.0/0", "198.51.100.1"));
	cr_expect_not(holds("0.0.0.0/0", "2001:db8::1"));
	cr_expect(holds("2001:db8::/32", "2001:db8:ffff::1"));
	cr_expect(holds("::/0", "2001:db8::1"));
	for (const char **bad = (const char *[]){"", "/8", "10.0.0.0/33", "10.0.0.0/", "::1/129",
		     "10.0.0.0/-1", "10.0.0.1:80", "[::1]", "example.com", NULL};
		*bad; bad++)
		cr_expect_not(network_read(*bad, &n, &why), "%s", *bad);
}

static const char *
client_of(bool by_rfc, const char *const *lines)
{
	static char out[PEER_TEXT];
	struct network trusted[2];
	struct forwarded f = {trusted, 2, by_rfc, false, {{0}}};
	struct peer counted;

	network_read("10.0.0.0/8", &trusted[0], NULL);
	network_read("2001:db8:aaaa::/48", &trusted[1], NULL);
	for (; *lines; lines++)
		forwarded_read(&f, slice_of(*lines));
	counted = peer_counted(f.client);
	return peer_known(&counted) ? peer_text(&counted, out) : "unknown";
}
#define CLIENT(rfc, ...) client_of(rfc, (const char *[]){__VA_ARGS__, NULL})

Test(forwarded, the_last_address_that_is_no_trusted_proxy_counts)
{
	cr_expect_str_eq(CLIENT(false, "192.0.2.1"), "192.0.2.1");
	cr_expect_str_eq(CLIENT(false, "192.0.2.1, 10.0.0.1"), "192.0.2.1");
	cr_expect_str_eq(CLIENT(false, "1.1.1.1, 192.0.2.1 ,10.0.0.1,10.2.2.2"), "192.0.2.1");
	cr_expect_str_eq(CLIENT(false, "1.1.1.1", "192.0.2.1"), "192.0.2.1");
	cr_expect_str_eq(CLIENT(false, "10.0.0.1, 10.0.0.2"), "10.0.0.1");
	cr_expect_str_eq(CLIENT(false, "1.1.1.1, nonsense, 10.0.0.2"), "unknown");
	cr_expect_str_eq(CLIENT(false, ""), "unknown");
	cr_expect_str_eq(CLIENT(true, "for=192.0.2.1;proto=https, for=10.0.0.1"), "192.0.2.1");
	cr_expect_str_eq(
		CLIENT(true, "proto=http;For=\"[2001:db8:1:2::9]:4711\""), "2001:db8:1:2::/64");
	cr_expect_str_eq(CLIENT(true, "for=1.1.1.1, for=_hidden"), "unknown");
	cr_expect_str_eq(CLIENT(true, "for=192.0.2.1, for=\"[2001:db8:aaaa::1]\""), "192.0.2.1");
}

static struct crowd_member members[16];

static struct crowd *
crowd_of(const char *address, size_t n, size_t limit, size_t each)
{
	struct crowd *crowd = crowd_new(limit, each);
	const struct peer peer = at(address);

	memset(members, 0, sizeof members);
	for (size_t i = 0; i < n; i++)
		cr_assert(crowd_enter(crowd, &members[i], &peer, 100 + i));
	return crowd;
}

static void
end(struct crowd *crowd)
{
	for (size_t i = 0; i < 16; i++)
		crowd_leave(crowd, &members[i]);
	cr_expect_eq(crowd_count(crowd), 0);
	crowd_destroy(&crowd);
}

Test(crowd, the_longest_idle_of_an_address_gives_way_at_its_share)
{
	struct crowd *crowd = crowd_of("192.0.2.1", 4, 16, 4);
	const struct peer one = at("192.0.2.1"), other = at("192.0.2.2");

	cr_expect_eq(crowd_wants(crowd, &one, false), CROWD_ADDRESS);
	cr_expect_eq(crowd_wants(crowd, &one, true), CROWD_ROOM);
	cr_expect_eq(crowd_wants(crowd, &other, false), CROWD_ROOM);
	crowd_move(crowd, &members[0], CROWD_BUSY, 200);
	crowd_move(crowd, &members[0], CROWD_IDLE, 300);
	crowd_move(crowd, &members[1], CROWD_HELD, 300);
	cr_expect_eq(crowd_first_to_go(crowd, &one, CROWD_ADDRESS, 300), &members[2]);
	crowd_leave(crowd, &members[2]);
	cr_expect_eq(crowd_wants(crowd, &one, false), CROWD_ROOM);
	end(crowd);
}

Test(crowd, who_is_busy_gives_way_after_a_while_and_who_is_held_never)
{
	struct crowd *crowd = crowd_of("192.0.2.1", 2, 2, 2);
	const struct peer other = at("192.0.2.2");

	cr_expect_eq(crowd_wants(crowd, &other, false), CROWD_LIMIT);
	crowd_move(crowd, &members[0], CROWD_HELD, 1000);
	crowd_move(crowd, &members[1], CROWD_BUSY, 1000);
	cr_expect_eq(crowd_first_to_go(crowd, &other, CROWD_LIMIT, 1000), NULL);
	cr_expect_eq(crowd_first_to_go(crowd, &other, CROWD_LIMIT, 1000 + CROWD_PATIENCE_MS),
		&members[1]);
	crowd_move(crowd, &members[1], CROWD_HELD, 1000);
	cr_expect_eq(crowd_first_to_go(crowd, &other, CROWD_LIMIT, 100000), NULL);
	end(crowd);
}

Test(crowd, tells_who_holds_most_and_when_the_limit_is_near)
{
	struct crowd *crowd = crowd_of("192.0.2.1", 8, 10, 10);
	const struct peer other = at("2001:db8::1");
	struct peer most;
	char text[PEER_TEXT];

	cr_expect_not(crowd_is_near(crowd));
	cr_assert(crowd_enter(crowd, &members[8], &other, 1));
	cr_expect(crowd_is_near(crowd));
	cr_expect_eq(crowd_most(crowd, &most), 8);
	cr_expect_str_eq(peer_text(&most, text), "192.0.2.1");
	end(crowd);
}

Test(crowd, counts_the_requests_of_a_client_behind_a_proxy)
{
	struct crowd *crowd = crowd_new(10, 2);
	const struct peer client = at("192.0.2.1");
	struct crowd_holder *h;
	bool over = true;

	h = crowd_request(crowd, &client, &over);
	cr_assert_not_null(h);
	cr_expect_not(over);
	cr_expect_eq(crowd_request(crowd, &client, &over), h);
	cr_expect_not(over);
	cr_expect_eq(crowd_request(crowd, &client, &over), h);
	cr_expect(over);
	for (int i = 0; i < 3; i++)
		crowd_request_over(crowd, h);
	crowd_destroy(&crowd);
}
