/* What a request line asks for, row by row. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "ingress/target.h"

enum { NONE = -1, EMAIL, BATCH, MY_APP };

/* The names are as tricky as the configuration allows. */
static struct config_source sources[] = {
	{.name = (char[]){"email"}}, {.name = (char[]){"batch"}}, {.name = (char[]){"my-app_2"}}};
static struct config cfg = {.sources = sources, .sources_count = 3, .public_pages = 1};

struct target_row {
	char method[10], path[60];
	enum target_kind kind;
	int source;
	bool batch;
	enum refusal_cause refused;
	char allow[20];
};

ParameterizedTestParameters(target, each_request_line_asks_for_one_thing)
{
	static struct target_row rows[] = {
		{"POST", "/webhooks/email", TARGET_POST, EMAIL, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/email/batch", TARGET_POST, EMAIL, true, REFUSAL_NONE, ""},
		{"POST", "/webhooks/my-app_2", TARGET_POST, MY_APP, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/batch", TARGET_POST, BATCH, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/batch/batch", TARGET_POST, BATCH, true, REFUSAL_NONE, ""},
		{"GET", "/webhooks/email", TARGET_PROBE, EMAIL, false, REFUSAL_NONE, ""},
		{"HEAD", "/webhooks/email", TARGET_PROBE, EMAIL, false, REFUSAL_NONE, ""},
		{"GET", "/webhooks/email/batch", TARGET_PROBE, EMAIL, true, REFUSAL_NONE, ""},
		{"GET", "/webhooks/email/batch/x-1", TARGET_ASK, EMAIL, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/email/batch/x-1", TARGET_REFUSED, NONE, false, REFUSAL_METHOD,
			"GET"},
		{"PUT", "/webhooks/email", TARGET_REFUSED, NONE, false, REFUSAL_METHOD,
			"GET, HEAD, POST"},
		{"DELETE", "/webhooks/email/batch", TARGET_REFUSED, NONE, false, REFUSAL_METHOD,
			"GET, HEAD, POST"},
		{"post", "/webhooks/email", TARGET_REFUSED, NONE, false, REFUSAL_METHOD,
			"GET, HEAD, POST"},
		{"GET", "/webhooks/health", TARGET_HEALTH, NONE, false, REFUSAL_NONE, ""},
		{"HEAD", "/webhooks/health", TARGET_HEALTH, NONE, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/health", TARGET_REFUSED, NONE, false, REFUSAL_METHOD,
			"GET, HEAD"},
		{"GET", "/metrics", TARGET_METRICS, NONE, false, REFUSAL_NONE, ""},
		{"POST", "/metrics", TARGET_REFUSED, NONE, false, REFUSAL_METHOD, "GET, HEAD"},
		{"GET", "/", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"GET", "", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/emai", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/emails", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/email/", TARGET_POST, EMAIL, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/email//", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/Email", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks//batch", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/email/batch/", TARGET_POST, EMAIL, true, REFUSAL_NONE, ""},
		{"GET", "/webhooks/email/batch/x-1/", TARGET_ASK, EMAIL, false, REFUSAL_NONE, ""},
		{"POST", "/webhooks/email/batch//", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/email/batches", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"GET", "/webhooks/none/batch/x-1", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"POST", "/webhooks/../webhooks/email", TARGET_REFUSED, NONE, false, REFUSAL_PATH,
			""},
		{"POST", "//webhooks/email", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"GET", "/metrics/", TARGET_METRICS, NONE, false, REFUSAL_NONE, ""},
		{"GET", "/metrics//", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"GET", "/webhooks/health/", TARGET_HEALTH, NONE, false, REFUSAL_NONE, ""},
		{"GET", "//", TARGET_REFUSED, NONE, false, REFUSAL_PATH, ""},
		{"OPTIONS", "*", TARGET_REFUSED, NONE, false, REFUSAL_METHOD, "GET, HEAD, POST"},
	};

	return cr_make_param_array(struct target_row, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct target_row *row, target, each_request_line_asks_for_one_thing)
{
	const struct target t = target_of(&cfg, row->method, row->path);

	cr_expect_eq(t.kind, row->kind, "%s %s", row->method, row->path);
	if (t.kind == TARGET_REFUSED) {
		cr_expect_eq(t.refused, row->refused, "%s %s", row->method, row->path);
		cr_expect_str_eq(t.allow ? t.allow : "", row->allow, "%s", row->path);
		return;
	}
	cr_expect_eq(t.source, row->source == NONE ? NULL : &sources[row->source]);
	cr_expect_eq(t.batch, row->batch, "%s %s", row->method, row->path);
}

Test(target, a_batch_that_is_asked_for_is_named)
{
	const struct target t = target_of(&cfg, "GET", "/webhooks/email/batch/0a-1/batch/2");

	cr_expect_eq(t.kind, TARGET_ASK);
	cr_expect(slice_is(t.id, "0a-1/batch/2"));
}

Test(target, pages_that_are_not_public_are_nothing)
{
	static const char *const paths[] = {"/metrics", "/metrics/", "/webhooks/health"};
	struct config hidden = cfg;

	hidden.public_pages = 0;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const struct target t = target_of(&hidden, "GET", paths[i]);

		cr_expect(t.kind == TARGET_REFUSED && t.refused == REFUSAL_PATH, "%s", paths[i]);
	}
	cr_expect_eq(target_of(&hidden, "POST", "/webhooks/email").kind, TARGET_POST);
}

Test(target, a_slash_is_hidden_where_a_path_has_it_packed_and_nowhere_else)
{
	cr_expect(target_hides_slash("/webhooks%2Femail"));
	cr_expect(target_hides_slash("/webhooks/email%2fbatch?x=1"));
	cr_expect(target_hides_slash("/%2F"));
	cr_expect_not(target_hides_slash("/webhooks/email?next=%2Fhome"));
	cr_expect_not(target_hides_slash("/webhooks/%65mail"));
	cr_expect_not(target_hides_slash("/webhooks/email%2"));
	cr_expect_not(target_hides_slash(""));
}
