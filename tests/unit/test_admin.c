/* The admin listener's decisions: what a request line asks for, and who may ask. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/guard.h"
#include "admin/route.h"
#include "admin/tries.h"

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
		const bool act = known[i].kind == ROUTE_DESTINATION_ACT;
		const bool more = known[i].path[strlen(known[i].path) - 1] == '/';
		struct admin_route route;

		snprintf(path, sizeof path, "%s%s%s", known[i].path, more ? "x" : "",
			replay ? "/replay"
			: act  ? "/pause"
			       : "");
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
	cr_expect_str_eq(route_of("POST", "/forward/app/enable").argument, "app/enable");
	cr_expect_eq(route_of("POST", "/forward/app/drop").status, 404);
	cr_expect_eq(route_of("GET", "/forward/app/pause").status, 405);
	cr_expect_eq(route_of("POST", "/forward/app").status, 405);
	cr_expect_eq(route_of("POST", "/forward/a/b/pause").status, 404);
	cr_expect_str_eq(
		route_of("GET", "/suppressions/jo@example.com").argument, "jo@example.com");
}

Test(admin_route, what_is_nowhere_is_404)
{
	static const char *const paths[] = {"", "/", "/healthz/", "/health/x", "/events/", "/dlq/",
		"/dlqx", "//healthz", "/HEALTHZ", "/webhooks/email", "healthz"};

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
		{"DELETE", "/history", "GET, HEAD, POST"},
		{"GET", "/person", "POST"},
		{"GET", "/events", "POST"},
		{"PUT", "/dlq", "GET, HEAD, POST"},
		{"POST", "/node", "GET, HEAD"},
		{"POST", "/messages/x", "GET, HEAD"},
		{"get", "/healthz", "GET, HEAD"},
		{"", "/healthz", "GET, HEAD"},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const struct admin_route route = route_of(wrong[i].method, wrong[i].path);

		cr_expect_eq(route.status, 405, "%s %s", wrong[i].method, wrong[i].path);
		cr_expect_str_eq(route.allow, wrong[i].allow);
	}
}

Test(admin_route, what_the_public_listener_shows_is_shown_here)
{
	static const char *const shown[] = {
		"/healthz", "/readyz", "/metrics", "/health", "/webhooks/health"};
	size_t n = 0;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		n += route_is_shown(known[i].kind);
	cr_expect_eq(n, sizeof shown / sizeof *shown);
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		cr_expect(route_is_shown(route_of("GET", shown[i]).kind), "%s", shown[i]);
	cr_expect_not(route_is_shown(ROUTE_NONE));
}

/* ---- the guard ---- */

static char folder[] = "/tmp/trotline-guard-XXXXXX";
static char path[64], own[64];
static struct guard guard;
static struct error why;

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/token", folder);
	snprintf(own, sizeof own, "%s/admin.token", folder);
}

static void
teardown(void)
{
	unlink(path);
	unlink(own);
	cr_expect_eq(rmdir(folder), 0, "nothing else is left in it");
}

TestSuite(admin_guard, .init = setup, .fini = teardown);

static void
put(const char *where, const char *text, mode_t mode)
{
	FILE *f = fopen(where, "we");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	chmod(where, mode);
}

/* The operator's own token. */
static bool
load(const char *token, mode_t mode, bool loopback)
{
	put(path, token, mode);
	return guard_load(&guard, path, folder, loopback, &why);
}

static const char *
made_token(char bearer[96])
{
	char text[96] = "";
	FILE *f = fopen(own, "re");

	cr_assert_not_null(f);
	cr_assert_not_null(fgets(text, sizeof text, f));
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	snprintf(bearer, 96, "Bearer %.80s", text);
	return bearer;
}

static enum guard_refusal
ask(const char *authorization, const char *host, bool shown)
{
	return guard_check(
		&guard, &(struct guard_request){
				.authorization = authorization, .host = host, .shown = shown});
}

Test(admin_guard, without_a_file_of_the_operators_a_token_is_made)
{
	char bearer[96], again[96];
	struct stat st;

	cr_assert(guard_load(&guard, NULL, folder, true, &why), "%s", why.text);
	cr_assert_eq(stat(own, &st), 0);
	cr_expect_eq(st.st_mode, S_IFREG | 0600);
	cr_expect_eq(strlen(made_token(bearer)), strlen("Bearer ") + 64, "%s", bearer);
	cr_expect_eq(ask(bearer, "127.0.0.1:8081", false), GUARD_GOOD);
	cr_expect_eq(ask(NULL, "127.0.0.1:8081", false), GUARD_NO_TOKEN);
	cr_expect_eq(ask("Bearer whatever", "127.0.0.1:8081", false), GUARD_WRONG_TOKEN);
	cr_assert(guard_load(&guard, NULL, folder, true, &why));
	cr_expect_str_eq(made_token(again), bearer, "it is kept");
}

Test(admin_guard, the_token_that_is_made_is_no_link_and_private)
{
	put(path, "0123456789abcdef", 0600);
	cr_assert_eq(symlink(path, own), 0);
	cr_expect_not(guard_load(&guard, NULL, folder, true, &why));
	unlink(own);
	cr_assert_eq(symlink("/nonexistent/there", own), 0);
	cr_expect_not(guard_load(&guard, NULL, folder, true, &why));
	unlink(own);
	put(own, "0123456789abcdef", 0644);
	cr_expect_not(guard_load(&guard, NULL, folder, true, &why));
	cr_expect(strstr(why.text, "chmod 600"));
}

Test(admin_guard, what_is_shown_to_all_needs_none_on_loopback_alone)
{
	cr_assert(load("0123456789abcdef", 0600, true));
	cr_expect_eq(ask(NULL, "localhost", true), GUARD_GOOD);
	cr_expect_eq(ask("Bearer wrong", "localhost", true), GUARD_GOOD);
	cr_expect_eq(ask(NULL, "localhost", false), GUARD_NO_TOKEN);
	cr_assert(load("0123456789abcdef", 0600, false));
	cr_expect_eq(ask(NULL, "localhost", true), GUARD_NO_TOKEN);
	cr_expect_eq(ask("Bearer 0123456789abcdef", "localhost", true), GUARD_GOOD);
}

Test(admin_guard, only_who_has_the_token)
{
	cr_assert(load("0123456789abcdef\nand more", 0600, false), "%s", why.text);
	cr_expect_eq(ask("Bearer 0123456789abcdef", "a", false), GUARD_GOOD);
	cr_expect_eq(ask("bearer 0123456789abcdef", "any.example.com", false), GUARD_GOOD);
	for (size_t n = 0; n <= 17; n++) {
		char text[40];

		snprintf(text, sizeof text, "Bearer %.*s", (int)n, "0123456789abcdefg");
		cr_expect_eq(ask(text, "a", false), n == 16 ? GUARD_GOOD : GUARD_WRONG_TOKEN, "%s",
			text);
	}
	cr_expect_eq(ask(NULL, "a", false), GUARD_NO_TOKEN);
	cr_expect_eq(ask("0123456789abcdef", "a", false), GUARD_WRONG_TOKEN);
	cr_expect_eq(ask("Bearer", "a", false), GUARD_WRONG_TOKEN);
	cr_expect_eq(ask("Basic 0123456789abcdef", "a", false), GUARD_WRONG_TOKEN);
}

Test(admin_guard, a_token_file_is_private_and_long_enough)
{
	cr_expect_not(load("0123456789abcde", 0600, true));
	cr_expect(strstr(why.text, "fewer than 16"));
	cr_expect_not(load("", 0600, true));
	cr_expect_not(load("0123456789abcdef", 0644, true));
	cr_expect(strstr(why.text, "chmod 600"));
	cr_expect_not(load("0123456789abcdef", 0602, true));
	unlink(path);
	cr_expect(load("0123456789abcdef", 0400, true));
	cr_expect_not(guard_load(&guard, "/nonexistent/token", folder, true, &why));
	cr_expect(strstr(why.text, "/nonexistent/token"));
	cr_expect_eq(ask("Bearer 0123456789abcdef", "localhost", false), GUARD_GOOD,
		"the one before stays");
}

Test(admin_guard, a_browsers_page_is_refused_with_the_token_too)
{
	static const struct {
		const char *origin, *site;
		bool good;
	} pages[] = {
		{NULL, NULL, true},
		{"https://www.example.com", NULL, false},
		{"null", NULL, false},
		{NULL, "cross-site", false},
		{NULL, "same-site", false},
		{NULL, "Cross-Site", false},
		{NULL, "", false},
		{NULL, "same-origin", true},
		{NULL, "none", true},
	};

	cr_assert(load("0123456789abcdef", 0600, true));
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		for (int shown = 0; shown < 2; shown++) {
			const struct guard_request rq = {"Bearer 0123456789abcdef", "127.0.0.1",
				pages[i].origin, pages[i].site, shown};

			cr_expect_eq(guard_check(&guard, &rq),
				pages[i].good ? GUARD_GOOD : GUARD_BROWSER, "row %zu", i);
		}
}

Test(admin_guard, a_name_that_somebody_has_pointed_here_is_refused)
{
	static const char *const good[] = {"localhost", "LOCALHOST:8081", "127.0.0.1",
		"127.0.0.1:8081", "192.0.2.7:80", "[::1]", "[::1]:8081", "[2001:db8::1]:1"};
	static const char *const bad[] = {"", "www.example.com", "127.0.0.1.example.com",
		"localhost.example.com:8081", "127.0.0.1:8081:1", "999.0.0.1", "::1"};
	char bearer[96];

	cr_assert(guard_load(&guard, NULL, folder, true, &why));
	made_token(bearer);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		cr_expect_eq(ask(NULL, good[i], true), GUARD_GOOD, "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_expect_eq(ask(NULL, bad[i], true), GUARD_HOST, "%s", bad[i]);
		cr_expect_eq(ask(bearer, bad[i], false), GUARD_HOST, "%s", bad[i]);
	}
	cr_expect_eq(ask(bearer, NULL, false), GUARD_HOST_MISSING);
	cr_expect_eq(ask(NULL, NULL, true), GUARD_HOST_MISSING);
	cr_assert(load("0123456789abcdef", 0600, true));
	cr_expect_eq(ask("Bearer 0123456789abcdef", "admin.example.com", false), GUARD_GOOD,
		"the operator's own token may come by a proxy");
}

/* ---- wrong tokens ---- */

static struct tries tries;

static bool
wrong(const char *address, uint64_t now_ms, unsigned *wait_s)
{
	struct peer whole;

	cr_assert(peer_read(slice_of(address), &whole), "%s", address);
	return tries_wrong(&tries, whole, now_ms, wait_s);
}

Test(admin_tries, ten_at_once_and_then_one_in_six_seconds)
{
	unsigned wait_s = 0;
	uint64_t now_ms = 1000;

	for (int i = 0; i < TRIES_AT_ONCE; i++)
		cr_expect_not(wrong("192.0.2.7", now_ms, &wait_s));
	for (int i = 0; i < 300; i++)
		cr_expect(wrong("192.0.2.7", now_ms, &wait_s));
	cr_expect_eq(wait_s, TRIES_EACH_MS / 1000);
	cr_expect_not(wrong("192.0.2.8", now_ms, &wait_s), "another address");
	now_ms += TRIES_EACH_MS;
	cr_expect_not(wrong("192.0.2.7", now_ms, &wait_s));
	cr_expect(wrong("192.0.2.7", now_ms, &wait_s));
	now_ms += (uint64_t)TRIES_AT_ONCE * TRIES_EACH_MS;
	for (int i = 0; i < TRIES_AT_ONCE; i++)
		cr_expect_not(wrong("192.0.2.7", now_ms, &wait_s), "all is forgiven");
}

Test(admin_tries, who_has_a_network_has_no_more_of_them)
{
	unsigned wait_s = 0, taken = 0;
	char address[PEER_TEXT];

	for (int i = 0; i < 100; i++) {
		snprintf(address, sizeof address, "2001:db8:1:2::%x", i);
		taken += !wrong(address, 1000, &wait_s);
	}
	cr_expect_eq(taken, TRIES_AT_ONCE);
	cr_expect_not(wrong("2001:db8:1:3::1", 1000, &wait_s), "another network");
}

Test(admin_tries, of_too_many_addresses_those_go_that_can_be_missed)
{
	unsigned wait_s = 0;
	char address[PEER_TEXT];

	for (int i = 0; i < TRIES_AT_ONCE; i++)
		wrong("192.0.2.7", 1000, &wait_s);
	for (int i = 0; i < 10 * TRIES_ADDRESSES; i++) {
		snprintf(address, sizeof address, "2001:db8:%x::1", i);
		cr_expect_not(wrong(address, 1000, &wait_s));
	}
	cr_expect(wrong("192.0.2.7", 1000, &wait_s), "it is still known");
}
