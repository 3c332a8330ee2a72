/* Destinations: what a row says and what stands for what it leaves out, URLs that lead nowhere good, and
 * who is given whose secrets. */
#include "lib/config/config_processes.h"
#include "test_config.h"

TestSuite(config_forward, .init = setup, .fini = teardown, .timeout = 60);

#define APP "forward:\n  - name: app\n    url: https://app.example.com/hooks/mail?key=1\n"

static const struct config_forward *
only(struct config *cfg)
{
	cr_assert_eq(cfg->forward_count, 1);
	return &cfg->forward[0];
}

Test(config_forward, what_a_row_leaves_out_has_its_default)
{
	struct config *cfg = load_good(SOURCE APP, CONFIG_NO_SECRETS);
	const struct config_forward *f = only(cfg);
	char file[128];

	snprintf(file, sizeof file, "%s/var/secrets/forward-app", folder);
	cr_expect_str_eq(f->name, "app");
	cr_expect_str_eq(f->url, "https://app.example.com/hooks/mail?key=1");
	cr_expect_str_eq(f->secrets_file, file);
	cr_expect_eq(f->types_count + f->sources_count + f->headers_count, 0);
	cr_expect_eq(f->machine, 1);
	cr_expect_str_eq(f->from, "now");
	cr_expect_eq(f->data, FORWARD_WITHOUT_RAW);
	cr_expect_eq(f->order, FORWARD_UNORDERED);
	cr_expect_eq(f->rate, 0);
	cr_expect_eq(f->concurrency, 8);
	cr_expect_eq(f->batch_events, 1);
	cr_expect_eq(f->batch_wait_ms, 0);
	cr_expect_eq(f->timeout_ms, 15000);
	cr_expect_eq(f->retry_after_max_ms, 3600000);
	cr_assert_eq(f->retry_ms_count, 9);
	cr_expect_eq(f->retry_ms[0], 5000);
	cr_expect_eq(f->retry_ms[8], 86400000);
	cr_assert_eq(f->network_count, 1);
	cr_expect_str_eq(f->network[0], "public");
	cr_expect_null(f->ca_file);
	cr_expect_eq(cfg->doubts_count, 0);
	config_destroy(&cfg);
}

Test(config_forward, order_is_by_recipient_of_single_events)
{
	struct config *cfg = load_good(SOURCE APP "    order: recipient\n", CONFIG_NO_SECRETS);

	cr_expect_eq(only(cfg)->order, FORWARD_BY_RECIPIENT);
	config_destroy(&cfg);
}

Test(config_forward, a_row_says_it_all)
{
	struct config *cfg = load_good(SOURCE
		"forward:\n"
		"  - name: app\n"
		"    url: http://[::1]:3000/hook\n"
		"    secrets_file: ./keys/app\n"
		"    types: [\"email_b*\", email_clicked]\n"
		"    sources: [\"em*\"]\n"
		"    machine: false\n"
		"    from: 2026-11-01\n"
		"    data: thin\n"
		"    rate: 100\n"
		"    concurrency: 256\n"
		"    order: none\n"
		"    batch: {events: 100, wait: 1s}\n"
		"    timeout: 20s\n"
		"    retry: [10ms, 7d]\n"
		"    retry_after_max: 2h\n"
		"    network: [public, 10.1.0.0/16, loopback]\n"
		"    ca_file: ./ca.pem\n"
		"    headers: {X-Env: prod, Authorization: \"Bearer ${TROTLINE_SECRET}\"}\n",
		CONFIG_DESTINATIONS);
	const struct config_forward *f = only(cfg);
	char file[128];

	snprintf(file, sizeof file, "%s/keys/app", folder);
	cr_expect_str_eq(f->secrets_file, file);
	cr_expect_eq(f->types_count, 2);
	cr_expect_str_eq(f->types[0], "email_b*");
	cr_expect_str_eq(f->sources[0], "em*");
	cr_expect_eq(f->machine, 0);
	cr_expect_str_eq(f->from, "2026-11-01");
	cr_expect_eq(f->data, FORWARD_THIN);
	cr_expect_eq(f->order, FORWARD_UNORDERED);
	cr_expect_eq(f->rate, 100);
	cr_expect_eq(f->concurrency, 256);
	cr_expect_eq(f->batch_events, 100);
	cr_expect_eq(f->batch_wait_ms, 1000);
	cr_expect_eq(f->timeout_ms, 20000);
	cr_expect_eq(f->retry_after_max_ms, 7200000);
	cr_assert_eq(f->retry_ms_count, 2);
	cr_expect_eq(f->retry_ms[0], 10);
	cr_expect_eq(f->retry_ms[1], 604800000);
	cr_expect_eq(f->network_count, 3);
	snprintf(file, sizeof file, "%s/ca.pem", folder);
	cr_expect_str_eq(f->ca_file, file);
	cr_assert_eq(f->headers_count, 2);
	cr_expect_str_eq(f->headers[1], "X-Env: prod");
	cr_expect_str_eq(f->headers[0], "Authorization: Bearer from the environment");
	config_destroy(&cfg);
}

/* ---- faults ---- */

static void
expect_row_fault(const char *row, const char *cause)
{
	char text[1024];

	snprintf(text, sizeof text, SOURCE "forward:\n  - name: app\n    %s\n", row);
	expect_fault(text, cause);
}

static void
expect_url_fault(const char *url, const char *cause)
{
	char row[512], whole[512];

	snprintf(row, sizeof row, "url: \"%s\"", url);
	snprintf(whole, sizeof whole, "trotline.yaml line 6: forward[0].url: %s", cause);
	expect_row_fault(row, whole);
}

Test(config_forward, a_url_that_leads_nowhere_good_is_told_with_its_line)
{
	static const char *const bad[][2] = {
		{"app.example.com/hook", "is no URL: it begins with https://"},
		{"localhost:3000/hook", "is no URL"},
		{"ftp://app.example.com/", "has the scheme \"ftp\"; only https and http"},
		{"https://", "has no host"},
		{"https:///hook", "has no host"},
		{"https://:8443/hook", "has no host"},
		{"https://?a", "has no host"},
		{"https://jo:secret@app.example.com/", "has a user and password in it"},
		{"https://app.example.com/hook#top", "has a fragment"},
		{"https://app.example.com:0/", "has a port"},
		{"https://app.example.com:/", "has a port"},
		{"https://app.example.com:65536/", "has a port"},
		{"https://app.example.com:http/", "has a port"},
		{"https://app example.com/", "has blanks"},
		{"https://[app]/", "has no IPv6 address"},
		{"https://[::1/", "has no IPv6 address"},
		{"https://\\u00e4pp.example.com/", "has a host with characters"},
		{"http://app.example.com/hook", "goes without TLS to a host"},
		{"http://192.0.2.7/hook", "goes without TLS to a host"},
		{"http://127.0.0.1:8080/hook", "is `listen`"},
		{"http://localhost:8080/hook", "is `listen`"},
		{"http://[::1]:8080/hook", "is `listen`"},
		{"http://[::ffff:127.0.0.1]:8080/hook", "is `listen`"},
		{"http://0.0.0.0:8080/hook", "is `listen`"},
		{"https://LOCALHOST:8081/hook", "is admin.listen"},
		{"http://169.254.169.254/latest/meta-data", "leads to 169.254.169.254, where"},
		{"https://[fe80::1]/", "leads to fe80::1, where"},
		{"https://0.0.0.0/", "leads to 0.0.0.0, where"},
		{"https://224.0.0.1/", "leads to 224.0.0.1, where"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_url_fault(bad[i][0], bad[i][1]);
}

static void
expect_good(const char *row)
{
	char text[1024];
	struct config *cfg;

	snprintf(text, sizeof text, SOURCE "forward:\n  - name: app\n    %s\n", row);
	cfg = load_good(text, CONFIG_NO_SECRETS);
	config_destroy(&cfg);
}

Test(config_forward, a_url_without_tls_is_for_hosts_nearby)
{
	static const char *const good[] = {
		"url: \"http://127.0.0.1:3000/hook\"",
		"url: \"http://localhost:3000/\"",
		"url: \"http://app.localhost/\"",
		"url: \"http://10.1.2.3/\"",
		"url: \"http://[fd00::7]:80/\"",
		"url: \"HTTPS://app.example.com\"",
		"url: \"https://app.example.com:8080/\"",
		"url: \"https://app.example.com?a@b\"",
		"url: \"http://app.internal/\"\n    network: [private]",
		"url: \"http://192.0.2.7/\"\n    network: [192.0.2.0/24]",
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		expect_good(good[i]);
	}
}

Test(config_forward, an_address_that_only_another_listener_has_is_not_ours)
{
	struct config *cfg =
		load_good("listen: 192.0.2.1:8080\nadmin: {listen: off}\n" SOURCE
			  "forward:\n  - {name: app, url: \"http://127.0.0.1:8080\"}\n",
			CONFIG_NO_SECRETS);

	config_destroy(&cfg);
	expect_fault("listen: 192.0.2.1:8080\nadmin: {listen: off}\n" SOURCE
		     "forward:\n  - {name: app, url: \"https://192.0.2.1:8080\"}\n",
		"trotline.yaml line 7: forward[0].url: is `listen`");
	expect_fault("listen: 0.0.0.0:8080\nadmin: {listen: off}\n" SOURCE
		     "forward:\n  - {name: app, url: \"http://127.0.0.1:8080\"}\n",
		"trotline.yaml line 7: forward[0].url: is `listen`");
}

Test(config_forward, what_else_is_wrong_is_told_with_its_line)
{
	static const char *const bad[][2] = {
		{"types: [a]", "trotline.yaml line 5: forward[0].url: missing"},
		{"url: https://a.example.com\n    from: soon",
			"trotline.yaml line 7: forward[0].from: \"soon\" must be now, start"},
		{"url: https://a.example.com\n    network: [public, lan]",
			"trotline.yaml line 7: forward[0].network[1]: \"lan\" must be public"},
		{"url: https://a.example.com\n    network: []",
			"trotline.yaml line 7: forward[0].network: at least one"},
		{"url: https://a.example.com\n    retry: []",
			"trotline.yaml line 7: forward[0].retry: at least one"},
		{"url: https://a.example.com\n    retry: [5s, 8d]",
			"trotline.yaml line 7: forward[0].retry[1]: \"8d\" must be a duration such"},
		{"url: https://a.example.com\n    order: recipient\n    batch: {events: 2}",
			"trotline.yaml line 8: forward[0].batch.events: must be 1 where `order` is"},
		{"url: https://a.example.com\n    batch: {events: 1001}",
			"trotline.yaml line 7: forward[0].batch.events: \"1001\" must be a whole"},
		{"url: https://a.example.com\n    concurrency: 257",
			"trotline.yaml line 7: forward[0].concurrency: \"257\" must be"},
		{"url: https://a.example.com\n    data: raw",
			"trotline.yaml line 7: forward[0].data: \"raw\" must be one of"},
		{"url: https://a.example.com\n    headers:\n      Content-Type: x",
			"trotline.yaml line 8: forward[0].headers.Content-Type: is set by forward"},
		{"url: https://a.example.com\n    headers: {WEBHOOK-ID: x}",
			"trotline.yaml line 7: forward[0].headers.WEBHOOK-ID: is set by forward"},
		{"url: https://a.example.com\n    headers: {host: x}",
			"trotline.yaml line 7: forward[0].headers.host: is set by forward"},
		{"url: https://a.example.com\n    headers: {X: \"a\\r\\nY: b\"}",
			"trotline.yaml line 7: forward[0].headers.X: must be one line"},
		{"url: https://a.example.com\n    headers: {X: \"${\"}",
			"trotline.yaml line 7: forward[0].headers.X: a `${` must be"},
		{"url: https://a.example.com\n    verdict: true",
			"trotline.yaml line 7: forward[0].verdict: unknown key"},
		{"url: https://a.example.com\n  - name: app\n    url: https://b.example.com",
			"trotline.yaml line 7: forward[1].name: \"app\" stands there twice"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_row_fault(bad[i][0], bad[i][1]);
}

Test(config_forward, all_destinations_together_have_a_bound)
{
	expect_fault(SOURCE "forward:\n"
			    "  - {name: a, url: \"https://a.example.com\", concurrency: 256}\n"
			    "  - {name: b, url: \"https://b.example.com\", concurrency: 256}\n"
			    "  - {name: c, url: \"https://c.example.com\", concurrency: 1}\n",
		"trotline.yaml line 7: forward[2].concurrency: makes 513 of all");
}

Test(config_forward, destinations_may_share_a_file_of_secrets)
{
	struct config *cfg = load_good(SOURCE
		"forward:\n"
		"  - {name: a, url: \"https://a.example.com\", secrets_file: ./k}\n"
		"  - {name: b, url: \"https://b.example.com\", secrets_file: ./k}\n",
		CONFIG_NO_SECRETS);

	cr_expect_str_eq(cfg->forward[0].secrets_file, cfg->forward[1].secrets_file);
	config_destroy(&cfg);
}

/* ---- what may not be meant ---- */

Test(config_forward, globs_that_match_nothing_are_doubted_with_their_line)
{
	struct config *cfg =
		load_good("handlers:\n  - {name: survey, types: [survey_answered]}\n" SOURCE APP
			  "    types: [\"survey_*\", \"email_*\",\n"
			  "      email_bouncd]\n"
			  "    sources: [email, emial]\n",
			CONFIG_NO_SECRETS);

	cr_assert_eq(cfg->doubts_count, 2);
	cr_expect_not_null(strstr(cfg->doubts[0],
		"trotline.yaml line 10: forward[0].types[2]: \"email_bouncd\" matches no type that "
		"is known; did you mean \"email_bounced\"?"));
	cr_expect_not_null(strstr(cfg->doubts[1],
		"trotline.yaml line 11: forward[0].sources[1]: \"emial\" matches no source"));
	config_destroy(&cfg);
}

/* ---- who is given what ---- */

#define BOTH                                                                                       \
	"sources:\n  - name: email\n    secrets: [\"${TROTLINE_SENDER}\"]\n" APP                   \
	"    headers: {Authorization: \"Bearer ${TROTLINE_APP}\"}\n"

static void
set_both(void)
{
	setenv("TROTLINE_SENDER", "whsec of the sender", 1);
	setenv("TROTLINE_APP", "token of the app", 1);
}

Test(config_forward, who_has_senders_secrets_has_no_destinations_and_the_reverse)
{
	struct config *cfg;

	set_both();
	write_file(path, BOTH, 0600);
	cfg = source_keys_load_alone(path, &why);
	cr_assert_not_null(cfg, "%s", why.text);
	cr_expect_eq(cfg->sources[0].secrets_count, 1);
	cr_expect_eq(cfg->forward[0].headers_count, 0);
	cr_expect_not_null(getenv("TROTLINE_SENDER"));
	cr_expect_null(getenv("TROTLINE_APP"));
	config_destroy(&cfg);

	set_both();
	cfg = load_good(BOTH, CONFIG_DESTINATIONS);
	cr_expect_eq(cfg->sources[0].secrets_count, 0);
	cr_assert_eq(cfg->forward[0].headers_count, 1);
	cr_expect_str_eq(cfg->forward[0].headers[0], "Authorization: Bearer token of the app");
	cr_expect_null(getenv("TROTLINE_SENDER"));
	cr_expect_not_null(getenv("TROTLINE_APP"));
	config_destroy(&cfg);
}

Test(config_forward, all_others_have_neither_and_the_command_line_leaves_the_environment)
{
	struct config *cfg;

	set_both();
	cfg = load_good(BOTH, CONFIG_SECRETS);
	cr_expect_eq(cfg->forward[0].headers_count, 0);
	cr_expect_not_null(getenv("TROTLINE_SENDER"));
	cr_expect_not_null(getenv("TROTLINE_APP"));
	config_destroy(&cfg);
	cfg = load_good(BOTH, CONFIG_LOOK);
	cr_expect_not_null(getenv("TROTLINE_APP"));
	config_destroy(&cfg);
	cfg = load_good(BOTH, CONFIG_NO_SECRETS);
	cr_expect_eq(cfg->sources[0].secrets_count + cfg->forward[0].headers_count, 0);
	cr_expect_null(getenv("TROTLINE_SENDER"));
	cr_expect_null(getenv("TROTLINE_APP"));
	config_destroy(&cfg);
}

Test(config_forward, a_variable_of_both_stays_where_it_is_needed)
{
	static const char text[] =
		"sources:\n  - name: email\n    secrets: [\"${TROTLINE_APP}\"]\n" APP
		"    headers: {X-A: \"${TROTLINE_APP}\", X-B: \"${TROTLINE_SENDER}\"}\n";
	struct config *cfg;

	set_both();
	write_file(path, text, 0600);
	for (size_t reload = 0; reload < 2; reload++) {
		cfg = source_keys_load_alone(path, &why);
		cr_assert_not_null(cfg, "%s", why.text);
		config_destroy(&cfg);
	}
	cr_expect_not_null(getenv("TROTLINE_APP"));
	cr_expect_null(getenv("TROTLINE_SENDER"));
}

Test(config_forward, a_header_of_a_variable_that_is_not_set_is_told_to_forward_alone)
{
	static const char text[] = SOURCE APP "    headers: {X-A: \"${TROTLINE_UNSET}\"}\n";
	struct config *cfg = load_good(text, CONFIG_NO_SECRETS);

	config_destroy(&cfg);
	cr_assert_null(load(text, CONFIG_DESTINATIONS));
	cr_expect_not_null(strstr(why.text,
		"trotline.yaml line 7: forward[0].headers.X-A: environment variable TROTLINE_UNSET"));
}

Test(config_forward, a_variable_may_not_smuggle_a_line_into_a_header)
{
	setenv("TROTLINE_APP", "a\r\nX-Other: b", 1);
	cr_assert_null(
		load(SOURCE APP "    headers: {X-A: \"${TROTLINE_APP}\"}\n", CONFIG_DESTINATIONS));
	cr_expect_not_null(strstr(why.text, "line 7: forward[0].headers.X-A: must be one line"));
}

/* ---- history ---- */

static bool
runs_history(const struct config *cfg)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(cfg, plan);

	for (size_t i = 0; i < n; i++)
		if (strcmp(plan[i].name, "history") == 0)
			return true;
	return false;
}

Test(config_forward, a_destination_keeps_a_history_and_requires_it)
{
	struct config *cfg = load_good("history: {keep: 0s}\n" SOURCE APP, CONFIG_NO_SECRETS);

	cr_expect(config_keeps_history(cfg) && runs_history(cfg) && cfg->history.required);
	config_destroy(&cfg);
	cfg = load_good("history: {keep: 0s}\n" SOURCE, CONFIG_NO_SECRETS);
	cr_expect(!config_keeps_history(cfg) && !runs_history(cfg) && !cfg->history.required);
	config_destroy(&cfg);
}

static const char *
replace(struct config *live, const char *text)
{
	config_replace(live, load_good(text, CONFIG_NO_SECRETS), &why);
	return why.text;
}

Test(config_forward, a_reload_adds_changes_and_removes_destinations)
{
	struct config *live = load_good(SOURCE, CONFIG_NO_SECRETS);

	cr_expect_str_eq(replace(live, SOURCE APP), "");
	cr_assert_eq(live->forward_count, 1);
	cr_expect(live->history.required);
	cr_expect_str_eq(
		replace(live, SOURCE APP "    rate: 7\n"
					 "  - {name: b, url: \"https://b.example.com\"}\n"),
		"");
	cr_assert_eq(live->forward_count, 2);
	cr_expect_eq(live->forward[0].rate, 7);
	cr_expect_str_eq(replace(live, SOURCE), "");
	cr_expect_eq(live->forward_count, 0);
	cr_expect(!live->history.required);
	config_destroy(&live);
}

/* History runs, or does not, since the process began. */
Test(config_forward, a_reload_cannot_begin_a_history_nor_end_it)
{
	struct config *live = load_good("history: {keep: 0s}\n" SOURCE, CONFIG_NO_SECRETS);

	cr_expect_str_eq(replace(live, "history: {keep: 0s}\n" SOURCE APP), "forward");
	cr_expect_eq(live->forward_count, 0);
	cr_expect(!config_keeps_history(live));
	config_destroy(&live);
	live = load_good("history: {keep: 0s}\n" SOURCE APP, CONFIG_NO_SECRETS);
	cr_expect_str_eq(replace(live, "history: {keep: 0s}\n" SOURCE), "");
	cr_expect_eq(live->forward_count, 0);
	cr_expect(config_keeps_history(live));
	cr_expect_str_eq(replace(live, "history: {keep: 0s}\n" SOURCE APP), "");
	cr_expect_eq(live->forward_count, 1);
	config_destroy(&live);
}
