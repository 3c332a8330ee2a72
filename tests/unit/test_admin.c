/* The admin listener's decisions: what a request line asks for, and who may ask. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/guard.h"
#include "admin/route.h"

/* ---- routes ---- */

#define KNOWN(name, method, path) {method, path, ROUTE_##name},
static const struct {
	const char *method, *path;
	enum route_kind kind;
} known[] = {ADMIN_ROUTES(KNOWN)};

Test(admin_route, each_row_is_found_by_its_own_line)
{
	char path[80];

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const bool replay = known[i].kind == ROUTE_LETTER_REPLAY;
		const bool more = known[i].path[strlen(known[i].path) - 1] == '/';
		struct admin_route route;

		snprintf(path, sizeof path, "%s%s%s", known[i].path, more ? "x" : "",
			replay ? "/replay" : "");
		route = route_of(known[i].method, path);
		cr_expect_eq(route.kind, known[i].kind, "%s %s", known[i].method, path);
	}
}

Test(admin_route, head_goes_where_get_does)
{
	cr_expect_eq(route_of("HEAD", "/healthz").kind, ROUTE_LIVE);
	cr_expect_eq(route_of("HEAD", "/dlq/x").kind, ROUTE_LETTER);
	cr_expect_eq(route_of("HEAD", "/dlq/replay").status, 405);
}

Test(admin_route, the_argument_is_all_that_follows)
{
	cr_expect_str_eq(route_of("GET", "/events/a/b?c").argument, "a/b?c");
	cr_expect_str_eq(route_of("GET", "/dlq/replayed").argument, "replayed");
	cr_expect_str_eq(route_of("POST", "/dlq/a/b/replay").argument, "a/b/replay");
	cr_expect_str_eq(
		route_of("GET", "/suppressions/jo@example.com").argument, "jo@example.com");
}

Test(admin_route, what_is_nowhere_is_404)
{
	static const char *const paths[] = {"", "/", "/healthz/", "/health/x", "/events",
		"/events/", "/dlq/", "/dlqx", "//healthz", "/HEALTHZ", "/webhooks/email",
		"healthz"};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const struct admin_route route = route_of("GET", paths[i]);

		cr_expect(route.kind == ROUTE_NONE && route.status == 404 && !route.allow, "%s",
			paths[i]);
	}
}

Test(admin_route, what_is_there_for_others_is_405_with_them)
{
	static const struct {
		const char *method, *path, *allow;
	} wrong[] = {
		{"POST", "/healthz", "GET, HEAD"},
		{"PUT", "/dlq/x", "GET, HEAD, DELETE"},
		{"POST", "/dlq/x", "GET, HEAD, DELETE"},
		{"GET", "/dlq/replay", "POST"},
		{"DELETE", "/dlq/replay", "POST"},
		{"GET", "/dlq/x/replay", "POST"},
		{"get", "/healthz", "GET, HEAD"},
		{"", "/healthz", "GET, HEAD"},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const struct admin_route route = route_of(wrong[i].method, wrong[i].path);

		cr_expect_eq(route.status, 405, "%s %s", wrong[i].method, wrong[i].path);
		cr_expect_str_eq(route.allow, wrong[i].allow);
	}
}

/* ---- the guard ---- */

static char path[] = "/tmp/trotline-token-XXXXXX";
static struct guard guard;
static struct error why;

static void
setup(void)
{
	close(mkstemp(path));
}

static void
teardown(void)
{
	unlink(path);
}

TestSuite(admin_guard, .init = setup, .fini = teardown);

static bool
load(const char *token, mode_t mode)
{
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f);
	fputs(token, f);
	fclose(f);
	chmod(path, mode);
	return guard_load(&guard, path, &why);
}

Test(admin_guard, without_a_token_anybody_may_ask)
{
	cr_assert(guard_load(&guard, NULL, &why));
	cr_expect_eq(guard_check(&guard, NULL, NULL, NULL), 0);
	cr_expect_eq(guard_check(&guard, "Bearer whatever", NULL, "127.0.0.1:8081"), 0);
}

Test(admin_guard, with_one_only_who_has_it)
{
	cr_assert(load("0123456789abcdef\nand more", 0600), "%s", why.text);
	cr_expect_eq(guard_check(&guard, "Bearer 0123456789abcdef", NULL, NULL), 0);
	cr_expect_eq(guard_check(&guard, "bearer 0123456789abcdef", NULL, "any.example.com"), 0);
	for (size_t n = 0; n <= 17; n++) {
		char text[40];

		snprintf(text, sizeof text, "Bearer %.*s", (int)n, "0123456789abcdefg");
		cr_expect_eq(
			guard_check(&guard, text, NULL, NULL), n == 16 ? 0U : 401U, "%s", text);
	}
	cr_expect_eq(guard_check(&guard, NULL, NULL, NULL), 401);
	cr_expect_eq(guard_check(&guard, "0123456789abcdef", NULL, NULL), 401);
	cr_expect_eq(guard_check(&guard, "Bearer", NULL, NULL), 401);
	cr_expect_eq(guard_check(&guard, "Basic 0123456789abcdef", NULL, NULL), 401);
}

Test(admin_guard, a_token_file_is_private_and_long_enough)
{
	cr_expect_not(load("0123456789abcde", 0600));
	cr_expect(strstr(why.text, "fewer than 16"));
	cr_expect_not(load("", 0600));
	cr_expect_not(load("0123456789abcdef", 0644));
	cr_expect(strstr(why.text, "chmod 600"));
	cr_expect_not(load("0123456789abcdef", 0602));
	cr_expect(load("0123456789abcdef", 0400));
	cr_expect_not(guard_load(&guard, "/nonexistent/token", &why));
	cr_expect(strstr(why.text, "/nonexistent/token"));
}

Test(admin_guard, a_browsers_page_is_refused)
{
	cr_assert(guard_load(&guard, NULL, &why));
	cr_expect_eq(guard_check(&guard, NULL, "https://www.example.com", "127.0.0.1"), 403);
	cr_expect_eq(guard_check(&guard, NULL, "null", "127.0.0.1"), 403);
	cr_assert(load("0123456789abcdef", 0600));
	cr_expect_eq(
		guard_check(&guard, "Bearer 0123456789abcdef", "https://www.example.com", NULL),
		403);
}

Test(admin_guard, a_name_that_somebody_has_pointed_here_is_refused)
{
	static const char *const good[] = {"localhost", "LOCALHOST:8081", "127.0.0.1",
		"127.0.0.1:8081", "192.0.2.7:80", "[::1]", "[::1]:8081", "[2001:db8::1]:1"};
	static const char *const bad[] = {"", "www.example.com", "127.0.0.1.example.com",
		"localhost.example.com:8081", "127.0.0.1:8081:1", "999.0.0.1", "::1"};

	cr_assert(guard_load(&guard, NULL, &why));
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		cr_expect_eq(guard_check(&guard, NULL, NULL, good[i]), 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_eq(guard_check(&guard, NULL, NULL, bad[i]), 403, "%s", bad[i]);
}
