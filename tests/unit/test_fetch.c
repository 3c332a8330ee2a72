/* One HTTP request: what goes out, which answers are taken, and what a failure may say. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fetch.h"

static const char *reply; /* NULL: none, ever */
static char asked[4096], url[128];
static int listener;
static pthread_t thread;
static struct error why;
static struct fetch_answer answer;

/* Takes one connection and its requests, until it is closed. */
static void *
serve(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	ssize_t n;

	(void)arg;
	while ((n = read(fd, asked, sizeof asked - 1)) > 0) {
		asked[n] = '\0';
		if (reply && write(fd, reply, strlen(reply)) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static void
setup(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert(bind(listener, (struct sockaddr *)&at, n) == 0 && listen(listener, 4) == 0);
	getsockname(listener, (struct sockaddr *)&at, &n);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/hook/token-0123", ntohs(at.sin_port));
	pthread_create(&thread, NULL, serve, NULL);
}

/* So that a server that nobody called ends too. */
static void
teardown(void)
{
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
}

TestSuite(fetch, .init = setup, .fini = teardown);

static struct fetch *
plain(size_t bytes_max)
{
	return fetch_new(&(struct fetch_limits){.timeout_ms = 5000,
		.bytes_max = bytes_max,
		.plain = true,
		.loopback_direct = true});
}

Test(fetch, a_post_has_the_headers_given_and_its_body)
{
	const struct fetch_header headers[] = {
		{slice_of("X-One"), slice_of("1")}, {slice_of("X-None"), slice_of("")}};
	struct fetch *f = plain(100);

	reply = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok";
	cr_assert(fetch_post(f, url, slice_of("{}"), headers, 2, &answer, &why), "%s", why.text);
	cr_expect_eq(answer.status, 202);
	cr_expect(slice_is(answer.body, "ok"));
	cr_expect_not_null(strstr(asked, "POST /hook/token-0123 HTTP/1.1\r\n"));
	cr_expect_not_null(strstr(asked, "\r\nX-One: 1\r\n"));
	cr_expect_not_null(strstr(asked, "\r\nX-None:\r\n"));
	cr_expect_not_null(strstr(asked, "\r\n\r\n{}"));
	cr_expect_null(strstr(asked, "Accept"));
	cr_expect_null(strstr(asked, "Content-Type"));
	fetch_destroy(&f);
}

Test(fetch, the_next_request_on_a_connection_has_nothing_of_the_last)
{
	const struct fetch_header header = {slice_of("X-One"), slice_of("1")};
	struct fetch *f = plain(100);

	reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	cr_assert(fetch_post(f, url, slice_of("{}"), &header, 1, &answer, &why), "%s", why.text);
	cr_assert(fetch_get(f, url, &answer, &why), "%s", why.text);
	cr_expect(slice_is(answer.body, "ok"));
	cr_expect_eq(strncmp(asked, "GET ", 4), 0);
	cr_expect_null(strstr(asked, "X-One"));
	fetch_destroy(&f);
}

Test(fetch, a_redirect_is_an_answer)
{
	struct fetch *f = plain(100);

	reply = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
	cr_assert(fetch_get(f, url, &answer, &why), "%s", why.text);
	cr_expect_eq(answer.status, 302);
	cr_expect_eq(answer.body.n, 0);
	fetch_destroy(&f);
}

Test(fetch, a_longer_answer_than_allowed_is_none)
{
	struct fetch *f = plain(3);

	reply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong";
	cr_expect_not(fetch_get(f, url, &answer, &why));
	cr_expect_str_eq(why.text, "longer than 3 bytes");
	fetch_destroy(&f);
}

Test(fetch, a_body_that_nobody_wants_may_have_any_length)
{
	struct fetch *f = plain(0);

	reply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong";
	cr_assert(fetch_get(f, url, &answer, &why), "%s", why.text);
	cr_expect_eq(answer.body.n, 0);
	fetch_destroy(&f);
}

Test(fetch, what_is_not_plain_goes_by_https_only)
{
	struct fetch *f = fetch_new(&(struct fetch_limits){.timeout_ms = 5000, .bytes_max = 1});

	cr_expect_not(fetch_get(f, url, &answer, &why));
	cr_expect_eq(asked[0], '\0');
	fetch_destroy(&f);
}

Test(fetch, one_that_gets_no_answer_ends_in_time_and_tells_no_secret)
{
	const uint64_t start_ms = clock_mono_ms();
	struct fetch *f = fetch_new(&(struct fetch_limits){.timeout_ms = 200, .plain = true});

	reply = NULL;
	cr_expect_not(fetch_get(f, url, &answer, &why));
	cr_expect_lt(clock_mono_ms() - start_ms, 3000);
	cr_expect_neq(why.text[0], '\0');
	cr_expect_null(strstr(why.text, "token"), "%s", why.text);
	fetch_destroy(&f);
}

Test(fetch, one_that_is_told_to_stop_does)
{
	const uint64_t start_ms = clock_mono_ms();
	atomic_bool stop = true;
	struct fetch *f = fetch_new(
		&(struct fetch_limits){.timeout_ms = 60000, .stop = &stop, .plain = true});

	reply = NULL;
	cr_expect_not(fetch_get(f, url, &answer, &why));
	cr_expect_lt(clock_mono_ms() - start_ms, 5000);
	fetch_destroy(&f);
}
