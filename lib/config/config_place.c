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

/* host[:port] in n bytes. */
static bool
take_where(const char *url, size_t n, struct config_place *place, struct error *why)
{
	size_t host = *url == '[' ? strcspn(url, "]") + 1 : strcspn(url, ":/?#");

	host = host < n ? host : n;
	if (!take_host(url, host, place, why))
		return false;
	return host == n ||
	       (url[host] == ':' && take_port(url + host + 1, n - host - 1, place, why)) ||
	       (url[host] != ':' && error_set(why, "has no host"));
}

static bool
has_blanks(const char *url)
{
	while ((unsigned char)*url > ' ' && *url != 0x7f)
		url++;
	return *url;
}

bool
config_place_of(const char *url, struct config_place *place, struct error *why)
{
	size_t n;

	*place = (struct config_place){.port = 0};
	if (has_blanks(url))
		return error_set(why, "has blanks or control characters in it");
	if (!take_scheme(&url, place, why))
		return false;
	n = strcspn(url, "/?#");
	if (memchr(url, '@', n))
		return error_set(why,
			"has a user and password in it; `headers: {Authorization: ...}` is the place");
	if (strchr(url + n, '#'))
		return error_set(why, "has a fragment (#...), which no server is ever told");
	return take_where(url, n, place, why);
}

/* user:password@, either of which may be empty; *n comes down by it. */
static const char *
take_user(const char *p, size_t *n, struct config_redis_place *place)
{
	const char *at = memrchr(p, '@', *n), *colon;

	if (!at)
		return p;
	colon = memchr(p, ':', (size_t)(at - p));
	place->user = (struct slice){p, (size_t)((colon ? colon : at) - p)};
	if (colon)
		place->password = (struct slice){colon + 1, (size_t)(at - colon - 1)};
	*n -= (size_t)(at + 1 - p);
	return at + 1;
}

bool
config_redis_place_of(const char *url, struct config_redis_place *place, struct error *why)
{
	static const char plain[] = "redis://", tls[] = "rediss://";
	const char *path;
	size_t n;

	*place = (struct config_redis_place){.at.port = 6379};
	place->at.tls = strncmp(url, tls, sizeof tls - 1) == 0;
	if (!place->at.tls && strncmp(url, plain, sizeof plain - 1) != 0)
		return error_set(why, "is no URL of a Redis server: redis://HOST:PORT/DB, or "
				      "rediss://HOST:PORT/DB for TLS");
	if (has_blanks(url))
		return error_set(why, "has blanks or control characters in it");
	url += place->at.tls ? sizeof tls - 1 : sizeof plain - 1;
	n = strcspn(url, "/?#");
	path = url + n;
	url = take_user(url, &n, place);
	if (!take_where(url, n, &place->at, why))
		return false;
	path += *path == '/';
	place->db = strtoul(path, NULL, 10);
	n = strspn(path, "0123456789");
	return (!path[n] && n < 6) ||
	       error_set(why, "has no number of a database behind the host, such as /0");
}

struct slice
config_database_place(const char *url)
{
	const char *start = url ? strstr(url, "://") : NULL, *at;
	size_t n;

	if (!start)
		return (struct slice){NULL, 0};
	start += 3;
	n = strcspn(start, "?#");
	if (strchr(start + n, '@'))
		return (struct slice){NULL, 0};
	at = memrchr(start, '@', n);
	n -= at ? (size_t)(at + 1 - start) : 0;
	return (struct slice){at ? at + 1 : start, n};
}
