/* http - see http.h. */
#include "http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/field.h"

enum { ANSWER_MAX = 64 << 20 };

struct http {
	CURL *curl;
	char *body;
	size_t n;
	char cause[CURL_ERROR_SIZE];
};

/* Called by libcurl for each piece of an answer's body. */
static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http *http = arg;
	size_t n = size * count;
	char *grown = n <= ANSWER_MAX - http->n ? realloc(http->body, http->n + n + 1) : NULL;

	if (!grown)
		return CURL_WRITEFUNC_ERROR;
	http->body = grown;
	memcpy(http->body + http->n, bytes, n);
	http->n += n;
	return n;
}

struct http *
http_new(long timeout_ms, struct error *why)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
		!(http->curl = curl_easy_init())) {
		free(http);
		return error_set(why, "cannot start libcurl"), NULL;
	}
	curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(http->curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
	curl_easy_setopt(http->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(http->curl, CURLOPT_USERAGENT, "trotline/" TROTLINE_VERSION);
	curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->cause);
	return http;
}

void
http_destroy(struct http **http)
{
	if (!*http)
		return;
	curl_easy_cleanup((*http)->curl);
	free((*http)->body);
	free(*http);
	*http = NULL;
}

static bool
perform(struct http *http, const char *url, struct http_answer *answer, struct error *why)
{
	CURLcode code;

	http->n = 0;
	http->cause[0] = '\0';
	curl_easy_setopt(http->curl, CURLOPT_URL, url);
	code = curl_easy_perform(http->curl);
	if (code != CURLE_OK)
		return error_set(why, "%s: %s", url,
			http->cause[0] ? http->cause : curl_easy_strerror(code));
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	answer->body = (struct slice){http->n ? http->body : "", http->n};
	return true;
}

bool
http_get(struct http *http, const char *url, struct http_answer *answer, struct error *why)
{
	curl_easy_setopt(http->curl, CURLOPT_HTTPGET, 1L);
	return perform(http, url, answer, why);
}

bool
http_post(struct http *http, const char *url, struct slice body, const char *header,
	struct http_answer *answer, struct error *why)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	bool ok;

	headers = curl_slist_append(headers, "Expect:");
	headers = curl_slist_append(headers, header);
	curl_easy_setopt(http->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
	ok = perform(http, url, answer, why);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return ok;
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

/* libcurl's own form: `Name;` for an empty value, `Name:` would take the header away. */
static struct curl_slist *
add_header(struct curl_slist *list, struct slice name, struct slice value)
{
	struct curl_slist *more;
	char *line;

	if (asprintf(&line, value.n ? "%.*s: %.*s" : "%.*s;", SLICE_ARG(name), SLICE_ARG(value)) <
		0)
		return list;
	more = curl_slist_append(list, line);
	free(line);
	return more ? more : list;
}

static struct curl_slist *
headers_of(const msgpack_object *headers)
{
	/* What libcurl would add by itself. */
	static const char *const none[] = {"Expect:", "Accept:", "Content-Type:"};
	struct curl_slist *list = NULL;

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		list = curl_slist_append(list, none[i]);
	for (uint32_t i = 0; i < headers->via.array.size; i++) {
		const msgpack_object *pair = headers->via.array.ptr[i].via.array.ptr;

		if (!of_connection(object_str(&pair[0])))
			list = add_header(list, object_str(&pair[0]), object_str(&pair[1]));
	}
	return list;
}

bool
http_post_as_is(struct http *http, const char *url, struct slice body,
	const msgpack_object *headers, struct http_answer *answer, struct error *why)
{
	struct curl_slist *list = headers_of(headers);
	bool ok;

	curl_easy_setopt(http->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body.n ? body.p : "");
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, list);
	ok = perform(http, url, answer, why);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
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
