/* notify_url - a notice as an HTTP POST; see notify_way.h. */
#include <curl/curl.h>
#include <string.h>

#include "notify_way.h"

static size_t
pass_over(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

/* Asked by libcurl about once a second and with each piece; not 0 ends the transfer. */
static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct notify_limits *limits = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return atomic_load(limits->stop);
}

static void
set_options(CURL *curl, const char *url, const char *text, const struct notify_limits *limits)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "trotline/" TROTLINE_VERSION);
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)limits->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pass_over);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)limits);
}

static bool
post(CURL *curl, struct error *why)
{
	char cause[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, cause);
	code = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	if (code != CURLE_OK)
		return error_set(why, "notify.url: %s", *cause ? cause : curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status / 100 == 2 || error_set(why, "notify.url answered %ld", status);
}

bool
notify_url(const char *url, const char *text, const struct notify_limits *limits, struct error *why)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init(); /* which starts libcurl at the first notice: it takes 2 MB */
	bool sent = false;

	if (curl && headers) {
		set_options(curl, url, text, limits);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		sent = post(curl, why);
	} else {
		error_set(why, "notify.url: cannot start libcurl");
	}
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return sent;
}
