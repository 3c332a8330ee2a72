/* Which addresses may be dialled. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "forward/guard.h"

static struct config cfg = {.address = (char[]){"127.0.0.1"},
	.port = 8080,
	.admin = {.address = (char[]){"::1"}, .port = 8081}};

static char *network[4];
static struct config_forward app;

static struct guard *
guard_of(const char *url, const char *first, const char *second)
{
	struct error why = {""};
	struct guard *g;

	network[0] = (char *)first;
	network[1] = (char *)second;
	app = (struct config_forward){.url = (char *)url,
		.network = network,
		.network_count = (first != NULL) + (second != NULL)};
	g = guard_new(&cfg, &app, &why);
	cr_assert_not_null(g, "%s", why.text);
	return g;
}

static const struct sockaddr *
address_of(const char *text, in_port_t port)
{
	static struct sockaddr_storage at;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;

	memset(&at, 0, sizeof at);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else {
		cr_assert_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1, "%s", text);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	}
	return (const struct sockaddr *)&at;
}

static bool
allows(const struct guard *g, const char *text)
{
	struct error why = {""};
	const bool good = guard_allows(g, address_of(text, 443), &why);

	cr_expect(good == !*why.text, "%s: %s", text, why.text);
	return good;
}

static const char *const never[] = {"0.0.0.0", "0.1.2.3", "169.254.0.1", "169.254.169.254",
	"169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1",
	"239.255.255.255", "255.255.255.255", "::", "fe80::1", "febf::1", "ff02::1",
	"fd00:ec2::254", "fd00:42::42", "fd20:ce::254", "::ffff:169.254.169.254",
	"::169.254.169.254", "2002:a9fe:a9fe::1", "64:ff9b::169.254.169.254",
	"64:ff9b:1::169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::224.0.0.1"};
static const char *const loopback[] = {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1",
	"::127.0.0.1", "2002:7f00:1::", "64:ff9b::127.0.0.1"};
static const char *const private[] = {"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
	"192.168.0.1", "100.64.0.1", "100.127.255.255", "fc00::1", "fd12:3456::1",
	"::ffff:10.0.0.1", "2002:c0a8:1::1", "64:ff9b::10.0.0.1"};
static const char *const reserved[] = {"192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1",
	"192.88.99.1", "240.0.0.1", "2001:db8::1", "2001::1", "3fff::1", "100::1", "fec0::1",
	"64:ff9b:1:a9fe:a9:fe00::808", "4000::1", "::ffff:203.0.113.1"};
static const char *const public[] = {"8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0",
	"172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "192.167.1.1",
	"2606:4700::1111", "2a00::1", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::8.8.8.8"};

#define EACH(list, g, is)                                                                          \
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)                                    \
	cr_expect_eq(allows(g, list[i]), is, "%s", list[i])

Test(forward_guard, without_a_word_only_public_addresses_are_dialled)
{
	struct guard *g = guard_of("https://app.example.com/hooks", NULL, NULL);

	EACH(never, g, false);
	EACH(loopback, g, false);
	EACH(private, g, false);
	EACH(reserved, g, false);
	EACH(public, g, true);
	guard_destroy(&g);
	cr_expect_null(g);
	guard_destroy(&g);
}

Test(forward_guard, a_word_allows_what_it_names_and_nothing_else)
{
	struct guard *g = guard_of("https://app.example.com/", "loopback", NULL);

	EACH(never, g, false);
	EACH(loopback, g, true);
	EACH(private, g, false);
	EACH(public, g, false);
	guard_destroy(&g);
	g = guard_of("https://app.example.com/", "private", "public");
	EACH(never, g, false);
	EACH(loopback, g, false);
	EACH(private, g, true);
	EACH(reserved, g, false);
	EACH(public, g, true);
	guard_destroy(&g);
}

Test(forward_guard, a_network_allows_what_is_in_it_in_every_wrapping)
{
	struct guard *g = guard_of("https://app.example.com/", "10.1.0.0/16", "203.0.113.0/24");

	cr_expect(allows(g, "10.1.2.3"));
	cr_expect(allows(g, "::ffff:10.1.2.3"));
	cr_expect(allows(g, "64:ff9b::10.1.2.3"));
	cr_expect(allows(g, "203.0.113.9"), "what no word names, a number can");
	cr_expect_not(allows(g, "10.2.0.1"));
	cr_expect_not(allows(g, "8.8.8.8"));
	guard_destroy(&g);
	g = guard_of("https://app.example.com/", "0.0.0.0/0", "::/0");
	EACH(never, g, false);
	EACH(private, g, true);
	EACH(public, g, true);
	guard_destroy(&g);
}

Test(forward_guard, an_address_in_the_url_is_meant)
{
	static const struct {
		const char *url, *yes, *no;
	} rows[] = {
		{"http://127.0.0.1:3000/hooks", "127.0.0.1", "127.0.0.2"},
		{"http://10.0.0.5", "10.0.0.5", "10.0.0.6"},
		{"http://10.0.0.5?x=1", "::ffff:10.0.0.5", "10.0.0.6"},
		{"https://[::1]:3000/", "::1", "127.0.0.1"},
		{"https://[fd12::5]/", "fd12::5", "fd12::6"},
		{"https://[::ffff:10.0.0.5]/", "10.0.0.5", "10.0.0.6"},
		{"http://user:10.0.0.9@10.0.0.5:80/@10.0.0.7", "10.0.0.5", "10.0.0.9"},
		{"http://localhost:3000/", "127.0.0.1", "10.0.0.1"},
		{"http://LocalHost/", "::1", "10.0.0.1"},
		{"http://app.localhost:3000/", "127.0.0.1", "10.0.0.1"},
		{"https://notlocalhost/", "8.8.8.8", "127.0.0.1"},
		{"https://app.example.com/127.0.0.1", "8.8.8.8", "127.0.0.1"},
		{"https://app.example.com/?next=http://127.0.0.1/", "8.8.8.8", "127.0.0.1"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guard *g = guard_of(rows[i].url, NULL, NULL);

		cr_expect(allows(g, rows[i].yes), "%s", rows[i].url);
		cr_expect_not(allows(g, rows[i].no), "%s", rows[i].url);
		guard_destroy(&g);
	}
}

Test(forward_guard, not_even_what_the_url_names_may_be_link_local_or_ours)
{
	struct guard *g = guard_of("http://169.254.169.254/latest", NULL, NULL);
	struct error why = {""};

	cr_expect_not(guard_allows(g, address_of("169.254.169.254", 80), &why));
	cr_expect_str_eq(why.text,
		"169.254.169.254 is link-local, where metadata services are: nothing is ever sent there");
	guard_destroy(&g);
	g = guard_of("http://127.0.0.1:8080/webhooks/email", "loopback", NULL);
	cr_expect_not(guard_allows(g, address_of("127.0.0.1", 8080), &why));
	cr_expect_str_eq(why.text, "127.0.0.1 port 8080 is our own listener");
	cr_expect_not(guard_allows(g, address_of("::ffff:127.0.0.1", 8080), &why));
	cr_expect_not(guard_allows(g, address_of("::1", 8081), &why));
	cr_expect(guard_allows(g, address_of("127.0.0.1", 8081), &why));
	cr_expect(guard_allows(g, address_of("127.0.0.1", 3000), &why));
	guard_destroy(&g);
}

Test(forward_guard, who_listens_everywhere_is_met_at_every_address)
{
	static const char *const anywhere[] = {"0.0.0.0", "::"};
	struct error why = {""};

	for (size_t i = 0; i < 2; i++) {
		struct ifaddrs *list = NULL;
		struct guard *g;

		cfg.address = (char *)anywhere[i];
		g = guard_of("http://localhost/", "loopback", "0.0.0.0/0");
		cr_expect_not(guard_allows(g, address_of("127.0.0.1", 8080), &why));
		cr_expect_not(guard_allows(g, address_of("127.9.9.9", 8080), &why));
		cr_assert_eq(getifaddrs(&list), 0);
		for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
			struct sockaddr_in v4;

			if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET)
				continue;
			memcpy(&v4, a->ifa_addr, sizeof v4);
			v4.sin_port = htons(8080);
			cr_expect_not(guard_allows(g, (const struct sockaddr *)&v4, &why));
		}
		freeifaddrs(list);
		cr_expect(guard_allows(g, address_of("8.8.8.8", 8080), &why));
		guard_destroy(&g);
	}
}

Test(forward_guard, other_families_are_none_of_the_internets)
{
	struct guard *g = guard_of("https://app.example.com/", NULL, NULL);
	const struct sockaddr local = {.sa_family = AF_UNIX};
	struct error why = {""};

	cr_expect_not(guard_allows(g, &local, &why));
	cr_expect_not(guard_allows_plain(g, &local, &why));
	guard_destroy(&g);
}

Test(forward_guard, plain_http_goes_to_loopback_private_and_named_networks_only)
{
	struct guard *g = guard_of("http://8.8.8.8/", "public", "203.0.113.0/24");
	struct error why = {""};

	for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
		cr_expect(guard_allows_plain(g, address_of(loopback[i], 80), &why));
	for (size_t i = 0; i < sizeof private / sizeof *private; i++)
		cr_expect(guard_allows_plain(g, address_of(private[i], 80), &why));
	for (size_t i = 0; i < sizeof public / sizeof *public; i++)
		cr_expect_not(guard_allows_plain(g, address_of(public[i], 80), &why));
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		cr_expect_not(guard_allows_plain(g, address_of(never[i], 80), &why));
	guard_allows_plain(g, address_of("8.8.8.8", 80), &why);
	cr_expect_str_eq(why.text,
		"8.8.8.8 is a public address: http:// without TLS goes to loopback, private and named networks only");
	cr_expect(guard_allows_plain(g, address_of("203.0.113.1", 80), &why));
	guard_destroy(&g);
}

Test(forward_guard, what_is_refused_says_what_the_address_is)
{
	struct guard *g = guard_of("https://app.example.com/", NULL, NULL);
	struct error why = {""};

	guard_allows(g, address_of("10.0.0.5", 443), &why);
	cr_expect_str_eq(why.text,
		"10.0.0.5 is in a private network, which `network` of this destination does not name");
	guard_destroy(&g);
}

Test(forward_guard, a_network_that_is_none_is_told)
{
	struct error why = {""};

	network[0] = (char[]){"10.0.0.0/99"};
	app = (struct config_forward){.url = (char[]){"https://app.example.com/"},
		.network = network,
		.network_count = 1};
	cr_expect_null(guard_new(&cfg, &app, &why));
	cr_expect(strstr(why.text, "0 to 32"), "%s", why.text);
}
