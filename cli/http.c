/* http - see http.h. */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/field.h"

enum { ANSWER_MAX = 64 << 20 };

struct fetch *
http_new(uint64_t timeout_ms, struct error *why)
{
	const struct fetch_limits limits = {.timeout_ms = timeout_ms,
		.bytes_max = ANSWER_MAX,
		.plain = true,
		.loopback_direct = true};
	struct fetch *http = fetch_new(&limits);

	if (!http)
		error_set(why, "cannot start libcurl");
	return http;
}

bool
http_get(struct fetch *http, const char *url, struct fetch_answer *answer, struct error *why)
{
	return fetch_get(http, url, answer, why) || error_wrap(why, "%s", url);
}

bool
http_post(struct fetch *http, const char *url, struct slice body, const char *signature,
	struct fetch_answer *answer, struct error *why)
{
	const struct fetch_header headers[] = {
		{slice_of("Accept"), slice_of("*/*")},
		{slice_of("Content-Type"), slice_of("application/json")},
		{slice_of("X-Signature"), slice_of(signature)},
	};

	return fetch_post(
		       http, url, body, headers, sizeof headers / sizeof *headers, answer, why) ||
	       error_wrap(why, "%s", url);
}

static bool
of_connection(struct slice name)
{
	static const char *const names[] = {"Content-Length", "Connection", "Transfer-Encoding",
		"Expect", "Keep-Alive", "TE", "Trailer", "Upgrade"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (name.n == strlen(names[i]) && strncasecmp(name.p, names[i], name.n) == 0)
			return true;
	return false;
}

bool
http_post_as_is(struct fetch *http, const char *url, struct slice body,
	const msgpack_object *headers, struct fetch_answer *answer, struct error *why)
{
	struct fetch_header *list = calloc(headers->via.array.size + 1, sizeof *list);
	size_t n = 0;
	bool ok;

	if (!list)
		return error_set(why, "out of memory");
	for (uint32_t i = 0; i < headers->via.array.size; i++) {
		const msgpack_object *pair = headers->via.array.ptr[i].via.array.ptr;

		list[n] = (struct fetch_header){object_str(&pair[0]), object_str(&pair[1])};
		n += !of_connection(list[n].name);
	}
	ok = fetch_post(http, url, body, list, n, answer, why) || error_wrap(why, "%s", url);
	free(list);
	return ok;
}

char *
http_url(const struct config *cfg, const char *path, const char *name, const char *more)
{
	bool v6 = strchr(cfg->address, ':') != NULL;
	const char *host = cfg->address;
	char *url;

	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	if (strcmp(host, "::") == 0)
		host = "::1";
	if (asprintf(&url, "http://%s%s%s:%lu%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "",
		    (unsigned long)cfg->port, path, name, more) < 0)
		return NULL;
	return url;
}
