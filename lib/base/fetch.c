/* fetch - see fetch.h. No state but libcurl's own and the last answer. */
#include "fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fetch {
	CURL *curl;
	struct fetch_limits limits;
	bool too_long; /* the answer, for bytes_max */
	size_t n;
	char *body;
	char cause[CURL_ERROR_SIZE];
};

void
fetch_prepare(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct fetch *
fetch_new(const struct fetch_limits *limits)
{
	struct fetch *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->limits = *limits;
	f->curl = curl_easy_init();
	if (!f->curl)
		fetch_destroy(&f);
	return f;
}

void
fetch_destroy(struct fetch **f)
{
	if (!*f)
		return;
	curl_easy_cleanup((*f)->curl);
	free((*f)->body);
	free(*f);
	*f = NULL;
}

/* Called by libcurl for each piece of an answer's body. */
static size_t
take_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;
	const size_t n = size * count;
	char *grown;

	if (f->limits.bytes_max == 0)
		return n;
	f->too_long = n > f->limits.bytes_max - f->n;
	grown = f->too_long ? NULL : realloc(f->body, f->n + n + 1);
	if (!grown)
		return CURL_WRITEFUNC_ERROR;
	f->body = grown;
	memcpy(f->body + f->n, bytes, n);
	f->n += n;
	return n;
}

/* Asked by libcurl about once a second and with each piece; not 0 ends the transfer. */
static int
ask_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct fetch *f = arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(f->limits.stop);
}

static bool
set_answer(struct fetch *f)
{
	CURL *curl = f->curl;

	f->n = 0;
	f->too_long = false;
	f->cause[0] = '\0';
	return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, f->cause) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, f) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, f->limits.stop ? 0L : 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_stop) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFODATA, f) == CURLE_OK;
}

/* Each request begins with none of the last one's options, on its connection. */
static bool
set_request(struct fetch *f, const char *url)
{
	const char *schemes = f->limits.plain ? "http,https" : "https";
	const char *direct = f->limits.direct            ? "*"
			     : f->limits.loopback_direct ? "localhost,127.0.0.1,::1"
							 : NULL;
	const long timeout_ms = (long)f->limits.timeout_ms;
	CURL *curl = f->curl;

	curl_easy_reset(curl);
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, schemes) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROXY, direct) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "trotline/" TROTLINE_VERSION) ==
		       CURLE_OK &&
	       (!f->limits.ca_file ||
		       curl_easy_setopt(curl, CURLOPT_CAINFO, f->limits.ca_file) == CURLE_OK) &&
	       set_answer(f);
}

static bool
perform(struct fetch *f, struct fetch_answer *answer, struct error *why)
{
	const CURLcode code = curl_easy_perform(f->curl);

	if (f->too_long)
		return error_set(why, "longer than %zu bytes", f->limits.bytes_max);
	if (code != CURLE_OK)
		return error_set(why, "%s", f->cause[0] ? f->cause : curl_easy_strerror(code));
	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	answer->body = (struct slice){f->n ? f->body : "", f->n};
	return true;
}

bool
fetch_get(struct fetch *f, const char *url, struct fetch_answer *answer, struct error *why)
{
	if (!set_request(f, url))
		return error_set(why, "libcurl cannot be set up");
	return perform(f, answer, why);
}

static bool
add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (more)
		*list = more;
	return more != NULL;
}

/* libcurl's own form: `Name;` for an empty value, `Name:` would take the header away. */
static bool
add_header(struct curl_slist **list, const struct fetch_header *h)
{
	char *line;
	bool ok;

	if (asprintf(&line, h->value.n ? "%.*s: %.*s" : "%.*s;", SLICE_ARG(h->name),
		    SLICE_ARG(h->value)) < 0)
		return false;
	ok = add_line(list, line);
	free(line);
	return ok;
}

static bool
set_headers(CURL *curl, const struct fetch_header *headers, size_t count, struct curl_slist **list)
{
	/* What libcurl would add by itself. */
	static const char *const none[] = {"Expect:", "Accept:", "Content-Type:"};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (!add_line(list, none[i]))
			return false;
	for (size_t i = 0; i < count; i++)
		if (!add_header(list, &headers[i]))
			return false;
	return curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *list) == CURLE_OK;
}

static bool
set_body(CURL *curl, struct slice body)
{
	return curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.n ? body.p : "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n) == CURLE_OK;
}

/* body: NULL for a GET. */
static bool
fetch(struct fetch *f, const char *url, const struct slice *body,
	const struct fetch_header *headers, size_t count, struct fetch_answer *answer,
	struct error *why)
{
	struct curl_slist *list = NULL;
	bool ok = set_request(f, url) && (!body || set_body(f->curl, *body)) &&
		  set_headers(f->curl, headers, count, &list);

	if (ok)
		ok = perform(f, answer, why);
	else
		error_set(why, "libcurl cannot be set up");
	curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
	return ok;
}

bool
fetch_post(struct fetch *f, const char *url, struct slice body, const struct fetch_header *headers,
	size_t count, struct fetch_answer *answer, struct error *why)
{
	return fetch(f, url, &body, headers, count, answer, why);
}

bool
fetch_get_with(struct fetch *f, const char *url, const struct fetch_header *headers, size_t count,
	struct fetch_answer *answer, struct error *why)
{
	return fetch(f, url, NULL, headers, count, answer, why);
}

bool
fetch_reach(
	struct fetch *f, const char *url, const char *ca_file, uint64_t *took_ms, struct error *why)
{
	struct fetch_answer none = {.status = 0};
	curl_off_t took_us = 0;

	if (!set_request(f, url) || curl_easy_setopt(f->curl, CURLOPT_PROXY, "") != CURLE_OK ||
		curl_easy_setopt(f->curl, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
		curl_easy_setopt(f->curl, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK ||
		(ca_file && curl_easy_setopt(f->curl, CURLOPT_CAINFO, ca_file) != CURLE_OK))
		return error_set(why, "libcurl cannot be set up");
	if (!perform(f, &none, why))
		return false;
	curl_easy_getinfo(f->curl, CURLINFO_PRETRANSFER_TIME_T, &took_us);
	*took_ms = (uint64_t)took_us / 1000;
	return true;
}

bool
fetch_https(
	void *arg, const char *url, const atomic_bool *stop, struct fetched *out, struct error *why)
{
	const struct fetch_limits limits = {
		.timeout_ms = FETCH_MS_MAX, .bytes_max = FETCH_BYTES_MAX, .stop = stop};
	struct fetch *f = fetch_new(&limits);
	struct fetch_answer answer = {.status = 0};
	bool ok;

	(void)arg;
	if (!f)
		return error_set(why, "out of memory");
	ok = fetch_get(f, url, &answer, why);
	out->status = answer.status;
	out->n = answer.body.n;
	if (answer.body.n)
		memcpy(out->body, answer.body.p, answer.body.n);
	fetch_destroy(&f);
	return ok;
}
