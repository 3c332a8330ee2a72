/* config_place - a URL, cut: where it leads. Pure; a cause that it gives quotes no part that may be secret. */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "lib/base/peer.h"

static bool
take_scheme(const char **rest, struct config_place *place, struct error *why)
{
	const size_t n = strcspn(*rest, ":");

	if (strncmp(*rest + n, "://", 3) != 0)
		return error_set(why, "is no URL: it begins with https:// and a host");
	place->tls = n == 5 && strncasecmp(*rest, "https", n) == 0;
	if (!place->tls && (n != 4 || strncasecmp(*rest, "http", n) != 0))
		return error_set(why, "has the scheme \"%.*s\"; only https and http are known",
			(int)(n < 16 ? n : 16), *rest);
	place->port = place->tls ? 443 : 80;
	*rest += n + 3;
	return true;
}

static bool
take_port(const char *p, size_t n, struct config_place *place, struct error *why)
{
	if (n > 0 && n < 6 && strspn(p, "0123456789") == n)
		place->port = strtoul(p, NULL, 10);
	else
		place->port = 0;
	return (place->port >= 1 && place->port <= 65535) ||
	       error_set(why, "has a port that is no number from 1 to 65535");
}

static bool
take_host(const char *p, size_t n, struct config_place *place, struct error *why)
{
	static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.-_";
	const bool six = *p == '[', brackets = six && n > 1 && p[n - 1] == ']';
	struct peer peer;

	if (n == 0 || n >= sizeof place->host || *p == ':')
		return error_set(why, "has no host");
	snprintf(place->host, sizeof place->host, "%.*s", (int)(n - 2 * brackets), p + brackets);
	if (six)
		return (brackets && strchr(place->host, ':') &&
			       peer_read(slice_of(place->host), &peer)) ||
		       error_set(why, "has no IPv6 address in its brackets");
	return strspn(place->host, known) == n ||
	       error_set(why, "has a host with characters that none has; one with letters beyond "
			      "ASCII is written in its xn-- form");
}

bool
config_place_of(const char *url, struct config_place *place, struct error *why)
{
	size_t n, host;

	*place = (struct config_place){.port = 0};
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return error_set(why, "has blanks or control characters in it");
	if (!take_scheme(&url, place, why))
		return false;
	n = strcspn(url, "/?#");
	if (memchr(url, '@', n))
		return error_set(why,
			"has a user and password in it; `headers: {Authorization: ...}` is the place");
	if (strchr(url + n, '#'))
		return error_set(why, "has a fragment (#...), which no server is ever told");
	host = *url == '[' ? strcspn(url, "]") + 1 : strcspn(url, ":/?#");
	host = host < n ? host : n;
	if (!take_host(url, host, place, why))
		return false;
	return host == n ||
	       (url[host] == ':' && take_port(url + host + 1, n - host - 1, place, why)) ||
	       (url[host] != ':' && error_set(why, "has no host"));
}
