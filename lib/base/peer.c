/* peer - see peer.h. */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

static bool
is_v4(const struct peer *peer)
{
	return memcmp(peer->bytes, MAPPED, sizeof MAPPED) == 0;
}

static struct peer
of_v4(const void *address)
{
	struct peer peer;

	memcpy(peer.bytes, MAPPED, sizeof MAPPED);
	memcpy(peer.bytes + sizeof MAPPED, address, 4);
	return peer;
}

struct peer
peer_of(const struct sockaddr *address)
{
	struct peer peer = {{0}};

	if (address && address->sa_family == AF_INET)
		return of_v4(&((const struct sockaddr_in *)(const void *)address)->sin_addr);
	if (address && address->sa_family == AF_INET6)
		memcpy(peer.bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
			16);
	return peer;
}

/* Without a port, and the brackets that go with one. */
static struct slice
host_of(struct slice text)
{
	const char *colon = memchr(text.p, ':', text.n), *end;

	if (text.n > 0 && text.p[0] == '[') {
		end = memchr(text.p, ']', text.n);
		return end ? (struct slice){text.p + 1, (size_t)(end - text.p) - 1} : text;
	}
	if (colon && !memchr(colon + 1, ':', text.n - (size_t)(colon + 1 - text.p)))
		text.n = (size_t)(colon - text.p);
	return text;
}

static bool
read_plain(struct slice text, struct peer *peer)
{
	struct in_addr v4;
	char host[INET6_ADDRSTRLEN];

	if (text.n == 0 || text.n >= sizeof host)
		return false;
	memcpy(host, text.p, text.n);
	host[text.n] = 0;
	if (inet_pton(AF_INET, host, &v4) == 1) {
		*peer = of_v4(&v4);
		return true;
	}
	return inet_pton(AF_INET6, host, peer->bytes) == 1;
}

bool
peer_read(struct slice text, struct peer *peer)
{
	return read_plain(host_of(text), peer);
}

bool
peer_known(const struct peer *peer)
{
	return !peer_same(peer, &(struct peer){{0}});
}

struct peer
peer_counted(struct peer whole)
{
	if (!is_v4(&whole))
		memset(whole.bytes + 8, 0, 8);
	return whole;
}

bool
peer_same(const struct peer *a, const struct peer *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

char *
peer_text(const struct peer *counted, char out[PEER_TEXT])
{
	char address[INET6_ADDRSTRLEN] = "?";

	if (is_v4(counted))
		inet_ntop(AF_INET, counted->bytes + sizeof MAPPED, address, sizeof address);
	else
		inet_ntop(AF_INET6, counted->bytes, address, sizeof address);
	snprintf(out, PEER_TEXT, "%s%s", address, is_v4(counted) ? "" : "/64");
	return out;
}

bool
network_read(const char *text, struct network *network, struct error *why)
{
	const char *slash = strchr(text, '/');
	const size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits, most;

	if (!read_plain((struct slice){text, n}, &network->peer))
		return error_set(
			why, "\"%.64s\" must be an address or a network such as 10.0.0.0/8", text);
	most = is_v4(&network->peer) ? 32 : 128;
	if (!slash)
		bits = most;
	else if (!units_read_count(slash + 1, &bits) || bits > most)
		return error_set(why, "\"%.64s\" must have a length of 0 to %u behind its slash",
			text, (unsigned)most);
	network->bits = (unsigned)(128 - most + bits);
	return true;
}

bool
network_holds(const struct network *network, const struct peer *whole)
{
	const unsigned bytes = network->bits / 8, rest = network->bits % 8;
	const uint8_t *a = network->peer.bytes, *b = whole->bytes;

	return memcmp(a, b, bytes) == 0 && (rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0);
}
