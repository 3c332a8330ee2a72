/* config_kind - where a host lies: this machine, a private network, the public one, or where nothing is
 * ever sent. Pure: no name is looked up, for it may mean another address by the time that it is. */
#include "config_private.h"
#include "lib/base/peer.h"

static const struct {
	const char *network;
	enum config_kind kind;
} kinds[] = {
	{"127.0.0.0/8", KIND_LOOPBACK},
	{"::1/128", KIND_LOOPBACK},
	{"10.0.0.0/8", KIND_PRIVATE},
	{"172.16.0.0/12", KIND_PRIVATE},
	{"192.168.0.0/16", KIND_PRIVATE},
	{"100.64.0.0/10", KIND_PRIVATE},
	{"fc00::/7", KIND_PRIVATE},
	{"0.0.0.0/8", KIND_NEVER},
	{"169.254.0.0/16", KIND_NEVER},
	{"224.0.0.0/4", KIND_NEVER},
	{"::/128", KIND_NEVER},
	{"fe80::/10", KIND_NEVER},
	{"ff00::/8", KIND_NEVER},
};

bool
config_network_holds(const char *text, const struct peer *peer)
{
	struct network network;
	struct error why;

	return network_read(text, &network, &why) && network_holds(&network, peer);
}

static bool
is_localhost(const char *host)
{
	static const char end[] = ".localhost";
	const size_t n = strlen(host);

	return strcasecmp(host, end + 1) == 0 ||
	       (n > sizeof end - 1 && strcasecmp(host + n - (sizeof end - 1), end) == 0);
}

enum config_kind
config_kind_of(const char *host, struct peer *peer)
{
	if (is_localhost(host))
		return peer_read(slice_of("127.0.0.1"), peer) ? KIND_LOOPBACK : KIND_NAME;
	if (!peer_read(slice_of(host), peer))
		return KIND_NAME;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (config_network_holds(kinds[i].network, peer))
			return kinds[i].kind;
	return KIND_PUBLIC;
}
