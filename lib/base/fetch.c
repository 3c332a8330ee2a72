/* fetch - see fetch.h. No state but libcurl's own. */
#include "fetch.h"

#include <curl/curl.h>
#include <string.h>

void
fetch_prepare(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t
take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetched *out = arg;

	if (size * n > sizeof out->body - out->n)
		return 0; /* libcurl takes that for an error */
	memcpy(out->body + out->n, bytes, size * n);
	out->n += size * n;
	return size * n;
}

static int
ask_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const atomic_bool *stop = *(const atomic_bool *const *)arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(stop);
}

static bool
prepare(CURL *curl, const char *url, const atomic_bool *const *stop, struct fetched *out)
{
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FETCH_MS_MAX) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "trotline/" TROTLINE_VERSION) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_stop) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stop) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, out) == CURLE_OK;
}

static bool
perform(CURL *curl, struct fetched *out, struct error *why)
{
	const CURLcode code = curl_easy_perform(curl);

	if (code == CURLE_WRITE_ERROR && out->n > 0)
		return error_set(why, "longer than %d bytes", FETCH_BYTES_MAX);
	if (code != CURLE_OK)
		return error_set(why, "%s", curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
	return true;
}

bool
fetch_https(
	void *arg, const char *url, const atomic_bool *stop, struct fetched *out, struct error *why)
{
	CURL *curl = curl_easy_init();
	bool ok;

	(void)arg;
	out->status = 0;
	out->n = 0;
	if (!curl || !prepare(curl, url, &stop, out))
		ok = error_set(why, "libcurl cannot be set up");
	else
		ok = perform(curl, out, why);
	curl_easy_cleanup(curl);
	return ok;
}
