/* guard - see guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/peer.h"

enum place { PLACE_PUBLIC, PLACE_RESERVED, PLACE_PRIVATE, PLACE_LOOPBACK, PLACE_NEVER };

struct place_row {
	const char *text;
	enum place place;
	const char *what;
};

/* By the registries of special addresses (RFC 6890) and the providers' manuals. The first row that holds counts. */
static const struct place_row rows[] = {
	{"0.0.0.0/8", PLACE_NEVER, "no address of another host"},
	{"169.254.0.0/16", PLACE_NEVER, "link-local, where metadata services are"},
	{"100.100.100.200", PLACE_NEVER, "a metadata service"},
	{"168.63.129.16", PLACE_NEVER, "a metadata service"},
	{"192.0.0.192", PLACE_NEVER, "a metadata service"},
	{"fd00:ec2::/32", PLACE_NEVER, "a metadata service"},
	{"fd00:42::42", PLACE_NEVER, "a metadata service"},
	{"fd20:ce::254", PLACE_NEVER, "a metadata service"},
	{"224.0.0.0/4", PLACE_NEVER, "multicast"},
	{"255.255.255.255", PLACE_NEVER, "broadcast"},
	{"fe80::/10", PLACE_NEVER, "link-local"},
	{"ff00::/8", PLACE_NEVER, "multicast"},
	{"127.0.0.0/8", PLACE_LOOPBACK, "a loopback address"},
	{"::1", PLACE_LOOPBACK, "a loopback address"},
	{"10.0.0.0/8", PLACE_PRIVATE, "in a private network"},
	{"172.16.0.0/12", PLACE_PRIVATE, "in a private network"},
	{"192.168.0.0/16", PLACE_PRIVATE, "in a private network"},
	{"100.64.0.0/10", PLACE_PRIVATE, "in a private network (a carrier's)"},
	{"fc00::/7", PLACE_PRIVATE, "in a private network"},
	{"192.0.0.0/24", PLACE_RESERVED, "a reserved address"},
	{"192.0.2.0/24", PLACE_RESERVED, "an address for documents"},
	{"192.88.99.0/24", PLACE_RESERVED, "a reserved address"},
	{"198.18.0.0/15", PLACE_RESERVED, "an address for measurements"},
	{"198.51.100.0/24", PLACE_RESERVED, "an address for documents"},
	{"203.0.113.0/24", PLACE_RESERVED, "an address for documents"},
	{"240.0.0.0/4", PLACE_RESERVED, "a reserved address"},
	{"0.0.0.0/0", PLACE_PUBLIC, "a public address"},
	{"2001::/23", PLACE_RESERVED, "a reserved address"},
	{"2001:db8::/32", PLACE_RESERVED, "an address for documents"},
	{"3fff::/20", PLACE_RESERVED, "an address for documents"},
	{"2000::/3", PLACE_PUBLIC, "a public address"},
	{"::/0", PLACE_RESERVED, "a reserved address"},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* IPv6 addresses that stand for an IPv4 address, and at which byte it begins. */
static const struct {
	const char *text;
	size_t at;
} wraps[] = {{"::/96", 12}, {"2002::/16", 2}, {"64:ff9b::/96", 12}, {"64:ff9b:1::/96", 12}};
enum { WRAPS = sizeof wraps / sizeof *wraps };

struct own {
	struct network network;
	in_port_t port;
};

struct guard {
	struct network places[ROWS], wraps[WRAPS];
	bool allowed[PLACE_NEVER]; /* by word */
	struct network *networks;  /* by number */
	size_t networks_count;
	struct network host; /* the URL's, where it is an address; else nothing is in it */
	struct own *own;
	size_t own_count;
};

/* ---- what an address is ---- */

static struct peer
peer_of_v4(const uint8_t bytes[4])
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	memcpy(&v4.sin_addr, bytes, 4);
	return peer_of((const struct sockaddr *)&v4);
}

/* ::1 is itself. */
static struct peer
unwrapped(const struct guard *g, struct peer peer)
{
	static const struct peer one = {{[15] = 1}};

	for (size_t i = 0; i < WRAPS && !peer_same(&peer, &one); i++)
		if (network_holds(&g->wraps[i], &peer))
			return peer_of_v4(peer.bytes + wraps[i].at);
	return peer;
}

static const struct place_row *
place_of(const struct guard *g, const struct peer *peer)
{
	size_t i = 0;

	while (i < ROWS - 1 && !network_holds(&g->places[i], peer))
		i++;
	return &rows[i];
}

static in_port_t
port_of(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
}

static const char *
address_text(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
	const void *bytes =
		address->sa_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)address)
				  ->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)(const void *)address)
				  ->sin6_addr;
	const char *text = inet_ntop(address->sa_family, bytes, out, INET6_ADDRSTRLEN);

	return text ? text : "?";
}

/* ---- what it may be ---- */

static bool
is_own(const struct guard *g, const struct peer *peer, in_port_t port)
{
	for (size_t i = 0; i < g->own_count; i++)
		if (g->own[i].port == port && network_holds(&g->own[i].network, peer))
			return true;
	return false;
}

static bool
is_named(const struct guard *g, const struct peer *peer)
{
	for (size_t i = 0; i < g->networks_count; i++)
		if (network_holds(&g->networks[i], peer))
			return true;
	return false;
}

static bool
is_internet(const struct sockaddr *address, struct error *why)
{
	return address->sa_family == AF_INET || address->sa_family == AF_INET6 ||
	       error_set(why, "an address of family %u is none of the internet's",
		       (unsigned)address->sa_family);
}

/* An address, and which row of the table it is. */
struct examined {
	struct peer peer; /* unwrapped */
	const struct place_row *row;
	char text[INET6_ADDRSTRLEN];
};

static bool
examine(const struct guard *g, const struct sockaddr *address, struct examined *j,
	struct error *why)
{
	if (!is_internet(address, why))
		return false;
	j->peer = unwrapped(g, peer_of(address));
	j->row = place_of(g, &j->peer);
	address_text(address, j->text);
	return true;
}

bool
guard_allows(const struct guard *g, const struct sockaddr *address, struct error *why)
{
	struct examined j;

	if (!examine(g, address, &j, why))
		return false;
	if (is_own(g, &j.peer, port_of(address)))
		return error_set(why, "%s port %u is our own listener", j.text, port_of(address));
	if (j.row->place == PLACE_NEVER)
		return error_set(why, "%s is %s: nothing is ever sent there", j.text, j.row->what);
	if (g->allowed[j.row->place] || is_named(g, &j.peer) || network_holds(&g->host, &j.peer))
		return true;
	return error_set(why, "%s is %s, which `network` of this destination does not name", j.text,
		j.row->what);
}

bool
guard_allows_plain(const struct guard *g, const struct sockaddr *address, struct error *why)
{
	struct examined j;

	if (!examine(g, address, &j, why))
		return false;
	if (j.row->place == PLACE_LOOPBACK || j.row->place == PLACE_PRIVATE)
		return true;
	if (j.row->place != PLACE_NEVER && is_named(g, &j.peer))
		return true;
	return error_set(why,
		"%s is %s: http:// without TLS goes to loopback, private and named networks only",
		j.text, j.row->what);
}

/* ---- what is ours ---- */

static bool
add_own(struct guard *g, struct network network, uint64_t port, struct error *why)
{
	struct own *grown = realloc(g->own, (g->own_count + 1) * sizeof *grown);

	if (!grown)
		return error_set(why, "memory is short");
	g->own = grown;
	network.peer = unwrapped(g, network.peer);
	g->own[g->own_count++] = (struct own){network, (in_port_t)port};
	return true;
}

static bool
add_local(struct guard *g, uint64_t port, struct error *why)
{
	struct ifaddrs *list = NULL;
	bool good = getifaddrs(&list) == 0 ||
		    error_set(why, "the addresses of this machine cannot be told");

	for (const struct ifaddrs *i = list; good && i; i = i->ifa_next)
		if (i->ifa_addr &&
			(i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
			good = add_own(g, (struct network){peer_of(i->ifa_addr), 128}, port, why);
	if (list)
		freeifaddrs(list);
	return good;
}

/* Who listens on every address listens on all of 127.0.0.0/8, too. */
static bool
add_listener(struct guard *g, const char *address, uint64_t port, struct error *why)
{
	struct network network, loopback;

	if (!address || !port)
		return true;
	if (!network_read(address, &network, why) || !network_read("127.0.0.0/8", &loopback, why))
		return false;
	if (!strcmp(address, "0.0.0.0") || !peer_known(&network.peer))
		return add_own(g, loopback, port, why) && add_local(g, port, why);
	return add_own(g, network, port, why);
}

/* ---- what is allowed ---- */

static bool
add_network(struct guard *g, const char *text, struct error *why)
{
	static const struct {
		const char *word;
		enum place place;
	} words[] = {
		{"public", PLACE_PUBLIC}, {"loopback", PLACE_LOOPBACK}, {"private", PLACE_PRIVATE}};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(text, words[i].word))
			return g->allowed[words[i].place] = true;
	return network_read(text, &g->networks[g->networks_count], why) && ++g->networks_count > 0;
}

/* Of scheme://user@host:port/path; with the brackets of an IPv6 address. */
static struct slice
host_of(const char *url)
{
	const char *begin = strstr(url, "://"), *at, *colon;
	struct slice host = slice_of(begin ? begin + 3 : url);

	host.n = strcspn(host.p, "/?#");
	at = memrchr(host.p, '@', host.n);
	if (at)
		host = (struct slice){at + 1, (size_t)(host.p + host.n - at) - 1};
	colon = memrchr(host.p, ':', host.n);
	if (colon && !memchr(colon, ']', (size_t)(host.p + host.n - colon)))
		host.n = (size_t)(colon - host.p);
	return host;
}

/* `localhost`, and what ends in `.localhost` (RFC 6761). */
static bool
is_localhost(struct slice host)
{
	static const char end[] = ".localhost";
	const size_t n = sizeof end - 1;

	return (host.n == n - 1 && strncasecmp(host.p, end + 1, n - 1) == 0) ||
	       (host.n > n && strncasecmp(host.p + host.n - n, end, n) == 0);
}

/* Whoever writes an address into the URL means it. */
static void
take_host(struct guard *g, const char *url)
{
	const struct slice host = host_of(url);

	g->host.bits = 128;
	if (is_localhost(host))
		g->allowed[PLACE_LOOPBACK] = true;
	else if (peer_read(host, &g->host.peer))
		g->host.peer = unwrapped(g, g->host.peer);
}

static bool
read_tables(struct guard *g, struct error *why)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!network_read(rows[i].text, &g->places[i], why))
			return false;
	for (size_t i = 0; i < WRAPS; i++)
		if (!network_read(wraps[i].text, &g->wraps[i], why))
			return false;
	return true;
}

static bool
fill(struct guard *g, const struct config *cfg, const struct config_forward *destination,
	struct error *why)
{
	bool good = read_tables(g, why);

	g->allowed[PLACE_PUBLIC] = destination->network_count == 0;
	for (size_t i = 0; good && i < destination->network_count; i++)
		good = add_network(g, destination->network[i], why);
	take_host(g, destination->url);
	return good && add_listener(g, cfg->address, cfg->port, why) &&
	       add_listener(g, cfg->admin.address, cfg->admin.port, why);
}

struct guard *
guard_new(const struct config *cfg, const struct config_forward *destination, struct error *why)
{
	struct guard *g = calloc(1, sizeof *g);

	if (g)
		g->networks = calloc(destination->network_count + 1, sizeof *g->networks);
	if (g && g->networks && fill(g, cfg, destination, why))
		return g;
	if (!g || !g->networks)
		error_set(why, "memory is short");
	guard_destroy(&g);
	return NULL;
}

void
guard_destroy(struct guard **g)
{
	if (!*g)
		return;
	free((*g)->networks);
	free((*g)->own);
	free(*g);
	*g = NULL;
}
