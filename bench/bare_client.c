/* bare_client - the client that the stage `forward` is measured against: libcurl's multi interface, with bodies and
 * headers that are ready, and nothing else to do.
 *
 * usage: bench-bare_client URL REQUESTS AT_ONCE BYTES
 *
 * In: as many requests as are told, AT_ONCE of them under way, each with a body of BYTES and the headers of a signed
 * one. Out: requests/s. Fails on any answer but 200. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"

enum { AT_ONCE_MAX = 512, WAIT_MS = 1000 };

struct client {
	CURLM *multi;
	CURL *easy[AT_ONCE_MAX];
	struct curl_slist *headers;
	char *body;
	long bytes;
	unsigned long begun, done, wanted;
};

static void
fail(const char *what)
{
	fprintf(stderr, "bench-bare_client: %s\n", what);
	exit(1);
}

static size_t
swallow(char *bytes, size_t one, size_t n, void *arg)
{
	(void)bytes, (void)arg;
	return one * n;
}

static void
prepare(struct client *c, const char *url, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, c->bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
}

static void
begin(struct client *c, CURL *easy)
{
	if (c->begun++ >= c->wanted)
		return;
	if (curl_multi_add_handle(c->multi, easy) != CURLM_OK)
		fail("curl_multi_add_handle");
}

static void
end(struct client *c, CURL *easy, CURLcode result)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (result != CURLE_OK || status != 200)
		fail(result != CURLE_OK ? curl_easy_strerror(result) : "an answer that is not 200");
	curl_multi_remove_handle(c->multi, easy);
	c->done++;
	begin(c, easy);
}

static void
run(struct client *c)
{
	int running, left;
	CURLMsg *told;

	while (c->done < c->wanted) {
		curl_multi_perform(c->multi, &running);
		while ((told = curl_multi_info_read(c->multi, &left)))
			end(c, told->easy_handle, told->data.result);
		if (c->done < c->wanted)
			curl_multi_poll(c->multi, NULL, 0, WAIT_MS, NULL);
	}
}

static struct curl_slist *
headers(void)
{
	static const char *const all[] = {"content-type: application/json",
		"Expect:", "webhook-id: evt_0123456789abcdef_1234567",
		"webhook-timestamp: 1796000000",
		"webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
		"trotline-attempt: 1", "trotline-reason: first", "trotline-hops: 1"};
	struct curl_slist *list = NULL;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		list = curl_slist_append(list, all[i]);
	return list;
}

int
main(int argc, char **argv)
{
	static struct client c;
	const long at_once = argc == 5 ? atol(argv[3]) : 0;
	unsigned long long from_us;

	if (at_once < 1 || at_once > AT_ONCE_MAX || atol(argv[4]) < 1) {
		fprintf(stderr, "usage: bench-bare_client URL REQUESTS AT_ONCE BYTES\n");
		return 1;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	c.multi = curl_multi_init();
	c.headers = headers();
	c.wanted = strtoul(argv[2], NULL, 10);
	c.bytes = atol(argv[4]);
	c.body = malloc((size_t)c.bytes);
	memset(c.body, 'x', (size_t)c.bytes);
	for (long i = 0; i < at_once; i++)
		prepare(&c, argv[1], c.easy[i] = curl_easy_init());
	from_us = clock_mono_us();
	for (long i = 0; i < at_once; i++)
		begin(&c, c.easy[i]);
	run(&c);
	printf("%.0f\n", (double)c.done * 1e6 / (double)(clock_mono_us() - from_us));
	return 0;
}
