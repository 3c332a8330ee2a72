/* The configuration's keys for retries, dead letters, notices, the admin listener, providers and
 * quarantine: defaults, values, and what is refused. */
#include "lib/base/log.h"
#include "test_config.h"

TestSuite(config_keys, .init = setup, .fini = teardown, .timeout = 60);

static const struct config_retry *
rule_of(const struct config *cfg, const char *type)
{
	return config_retry_of(cfg, slice_of(type));
}

Test(config_keys, retries_double_from_2_s_to_300_s_five_times_unless_told_otherwise)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);
	const struct config_retry *rule = rule_of(cfg, "email_opened");

	cr_expect_eq(rule, &cfg->retry);
	cr_expect_eq(rule->delay_ms, 2000);
	cr_expect_eq(rule->max_delay_ms, 300000);
	cr_expect_eq(rule->jitter_percent, 10.0);
	cr_expect_eq(rule->attempts, 5);
	config_destroy(&cfg);
}

Test(config_keys, a_type_has_a_rule_of_its_own_and_the_rest_of_it_from_the_general_one)
{
	struct config *cfg =
		load_good("retry:\n"
			  "  delay: 1s\n"
			  "  jitter_percent: 0\n"
			  "  types:\n"
			  "    - {type: email_bounced, delay: 4s, attempts: 9}\n"
			  "    - {type: survey_answered, max_delay: 1h, jitter_percent: 50}\n"
			  "    - {type: email_opened}\n"
			  "  attempts: 3\n" SOURCE,
			CONFIG_SECRETS);
	const struct config_retry *bounced = rule_of(cfg, "email_bounced");
	const struct config_retry *survey = rule_of(cfg, "survey_answered");
	const struct config_retry *opened = rule_of(cfg, "email_opened");

	cr_assert_eq(cfg->retry_types_count, 3);
	cr_expect_eq(bounced->delay_ms, 4000);
	cr_expect_eq(bounced->max_delay_ms, 300000);
	cr_expect_eq(bounced->attempts, 9);
	cr_expect_eq(bounced->jitter_percent, 0.0);
	cr_expect_eq(survey->delay_ms, 1000);
	cr_expect_eq(survey->max_delay_ms, 3600000);
	cr_expect_eq(survey->jitter_percent, 50.0);
	cr_expect_eq(survey->attempts, 3);
	cr_expect_eq(opened->delay_ms, 1000);
	cr_expect_eq(rule_of(cfg, "email_bounce"), &cfg->retry);
	config_destroy(&cfg);
}

Test(config_keys, a_retry_rule_that_cannot_be_is_refused)
{
	expect_fault("retry: {delay: 10m}\n" SOURCE,
		"trotline.yaml line 1: retry.max_delay: less than retry.delay");
	expect_fault("retry:\n  types:\n    - {type: a, delay: 10m}\n" SOURCE,
		"trotline.yaml line 3: retry.types[0]: max_delay is less than delay");
	expect_fault("retry:\n  types:\n    - {type: a}\n    - {type: b}\n    - {type: a}\n" SOURCE,
		"trotline.yaml line 5: retry.types[2].type: \"a\" stands there twice");
	expect_fault("retry:\n  types:\n    - {delay: 1s}\n" SOURCE,
		"trotline.yaml line 3: retry.types[0].type: missing");
	expect_fault("retry:\n  types:\n    - {type: \"\"}\n" SOURCE,
		"trotline.yaml line 3: retry.types[0].type: must not be empty");
	expect_fault("retry:\n  types:\n    - {type: a, tries: 3}\n" SOURCE,
		"trotline.yaml line 3: retry.types[0].tries: unknown key");
	expect_fault("retry:\n  types:\n    - {type: a, attempts: 1001}\n" SOURCE,
		"trotline.yaml line 3: retry.types[0].attempts: \"1001\" must be a whole number, "
		"from 0 to 1000");
}

Test(config_keys, nobody_is_told_of_dead_letters_unless_told_to)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);

	cr_expect_null(cfg->notify.command);
	cr_expect_null(cfg->notify.url);
	cr_expect_eq(cfg->notify.interval_ms, 60000);
	config_destroy(&cfg);
}

Test(config_keys, a_notice_is_a_command_or_a_url_or_both)
{
	struct config *cfg;

	setenv("TROTLINE_HOOK", "https://alerts.example.com/dlq", 1);
	cfg = load_good("notify:\n"
			"  command: mail -s 'dead letters' ops@example.com\n"
			"  url: \"${TROTLINE_HOOK}\"\n"
			"  interval: 5m\n" SOURCE,
		CONFIG_SECRETS);
	cr_expect_str_eq(cfg->notify.command, "mail -s 'dead letters' ops@example.com");
	cr_expect_str_eq(cfg->notify.url, "https://alerts.example.com/dlq");
	cr_expect_eq(cfg->notify.interval_ms, 300000);
	config_destroy(&cfg);
	expect_fault("notify: {command: \"\"}\n" SOURCE,
		"trotline.yaml line 1: notify.command: must not be empty");
	expect_fault("notify: {interval: 10ms}\n" SOURCE,
		"trotline.yaml line 1: notify.interval: \"10ms\" must be a duration");
}

static void
expect_admin(const char *text, const char *address, uint64_t port)
{
	struct config *cfg = load_good(text, CONFIG_SECRETS);

	cr_assert_not_null(cfg->admin.listen, "%s", text);
	cr_expect_str_eq(cfg->admin.address, address);
	cr_expect_eq(cfg->admin.port, port, "%s: %llu", text, (unsigned long long)cfg->admin.port);
	config_destroy(&cfg);
}

Test(config_keys, the_admin_listener_is_on_loopback_one_port_up)
{
	expect_admin(SOURCE, "127.0.0.1", 8081);
	expect_admin("listen: 0.0.0.0:9000\n" SOURCE, "127.0.0.1", 9001);
	expect_admin("listen: \"[::]:80\"\n" SOURCE, "127.0.0.1", 81);
	expect_admin("listen: 127.0.0.1:65535\n" SOURCE, "127.0.0.1", 8081);
	expect_admin("admin: {listen: \"[::1]:7\"}\n" SOURCE, "::1", 7);
	expect_admin("admin: {listen: 127.0.0.2:7}\n" SOURCE, "127.0.0.2", 7);
}

Test(config_keys, the_admin_listener_can_be_off)
{
	struct config *cfg = load_good("admin: {listen: off}\n" SOURCE, CONFIG_SECRETS);

	cr_expect_null(cfg->admin.listen);
	cr_expect_null(cfg->admin.address);
	cr_expect_eq(cfg->admin.port, 0);
	config_destroy(&cfg);
}

Test(config_keys, an_admin_listener_that_others_can_reach_needs_a_token)
{
	struct config *cfg;
	char token[64];

	expect_fault("admin: {listen: 0.0.0.0:9001}\n" SOURCE,
		"trotline.yaml line 1: admin.listen: \"0.0.0.0:9001\" is not loopback, so "
		"admin.token_file is needed");
	expect_fault("admin: {listen: 192.0.2.1:9001}\n" SOURCE,
		"trotline.yaml line 1: admin.listen: \"192.0.2.1:9001\" is not loopback");
	expect_fault("admin: {listen: \"[::]:9001\"}\n" SOURCE,
		"trotline.yaml line 1: admin.listen: \"[::]:9001\" is not loopback");
	cfg = load_good(
		"admin: {listen: 0.0.0.0:9001, token_file: ./token}\n" SOURCE, CONFIG_SECRETS);
	snprintf(token, sizeof token, "%s/token", folder);
	cr_expect_str_eq(cfg->admin.token_file, token);
	config_destroy(&cfg);
	expect_admin("admin: {token_file: ./token}\n" SOURCE, "127.0.0.1", 8081);
}

Test(config_keys, an_admin_address_is_as_good_as_any_and_not_the_pipelines_own)
{
	expect_fault("admin: {listen: \"9001\"}\n" SOURCE,
		"trotline.yaml line 1: admin.listen: \"9001\" must be a numeric address and a "
		"port");
	expect_fault("admin: {listen: 127.0.0.1:8080}\n" SOURCE,
		"trotline.yaml line 1: admin.listen: is the address of `listen`");
	expect_fault("admin: {port: 1}\n" SOURCE, "trotline.yaml line 1: admin.port: unknown key");
}

Test(config_keys, stores_and_alerts_are_bounded_by_default)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);

	cr_expect_eq(cfg->dlq.max_bytes, 1ULL << 30);
	cr_expect_eq(cfg->quarantine.max_bytes, 256ULL << 20);
	cr_expect_eq(cfg->quarantine.max_age_ms, 7ULL * 86400000);
	cr_expect_eq(cfg->health.oldest_age_ms, 300000);
	cr_expect_eq(cfg->health.disk_free_percent, 5.0);
	config_destroy(&cfg);
}

Test(config_keys, stores_and_alerts_can_be_set)
{
	struct config *cfg =
		load_good("dlq: {max_size: 4MiB}\n"
			  "quarantine: {max_size: 2MiB, max_age: 1h}\n"
			  "health: {oldest_age: 30s, disk_free_percent: 12.5}\n" SOURCE,
			CONFIG_SECRETS);

	cr_expect_eq(cfg->dlq.max_bytes, 4 << 20);
	cr_expect_eq(cfg->quarantine.max_bytes, 2 << 20);
	cr_expect_eq(cfg->quarantine.max_age_ms, 3600000);
	cr_expect_eq(cfg->health.oldest_age_ms, 30000);
	cr_expect_eq(cfg->health.disk_free_percent, 12.5);
	config_destroy(&cfg);
	expect_fault("dlq: {max_size: 64KiB}\n" SOURCE,
		"trotline.yaml line 1: dlq.max_size: \"64KiB\" must be a size");
	expect_fault("quarantine: {max_age: 1s}\n" SOURCE,
		"trotline.yaml line 1: quarantine.max_age: \"1s\" must be a duration");
}

Test(config_keys, a_source_refuses_bad_signatures_and_may_be_silent)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);
	const struct config_source *src = &cfg->sources[0];

	cr_expect_eq(src->quarantine, 0);
	cr_expect_eq(src->allow_raw, 0);
	cr_expect_eq(src->silent_after_ms, 0);
	cr_expect_eq(src->topics_count, 0);
	cr_expect_null(src->scheme);
	cr_expect_null(src->header);
	cr_expect_null(src->url);
	config_destroy(&cfg);
}

Test(config_keys, what_a_source_says_of_its_sender_is_taken)
{
	struct config *cfg = load_good(SOURCE
		"    scheme: hmac\n"
		"    header: X-Hub-Signature-256\n"
		"    url: https://hooks.example.com/webhooks/email\n"
		"    topics: [\"arn:aws:sns:eu-west-1:123456789012:mail\", second]\n"
		"    allow_raw: true\n"
		"    on_bad_signature: quarantine\n"
		"    silent_after: 6h\n",
		CONFIG_SECRETS);
	const struct config_source *src = &cfg->sources[0];

	cr_expect_str_eq(src->scheme, "hmac");
	cr_expect_str_eq(src->header, "X-Hub-Signature-256");
	cr_expect_str_eq(src->url, "https://hooks.example.com/webhooks/email");
	cr_assert_eq(src->topics_count, 2);
	cr_expect_str_eq(src->topics[0], "arn:aws:sns:eu-west-1:123456789012:mail");
	cr_expect_str_eq(src->topics[1], "second");
	cr_expect_eq(src->allow_raw, 1);
	cr_expect_eq(src->quarantine, 1);
	cr_expect_eq(src->silent_after_ms, 6 * 3600000);
	config_destroy(&cfg);
}

Test(config_keys, a_choice_is_one_of_its_words)
{
	expect_fault(SOURCE "    on_bad_signature: ignore\n",
		"trotline.yaml line 4: sources[0].on_bad_signature: \"ignore\" must be reject or "
		"quarantine");
	expect_fault(SOURCE "    allow_raw: yes\n",
		"trotline.yaml line 4: sources[0].allow_raw: \"yes\" must be true or false");
	cr_expect_null(strstr(fault(SOURCE "    allow_raw: 1\n"), "from"));
	expect_fault(SOURCE "    topics: [\"\"]\n",
		"trotline.yaml line 4: sources[0].topics[0]: must not be empty");
	expect_fault(SOURCE "    topics: one\n",
		"trotline.yaml line 4: sources[0].topics: must be a list");
}

Test(config_keys, ses_needs_topics)
{
	cr_expect(strstr(fault("sources:\n  - {name: c, provider: ses}\n"),
		"trotline.yaml line 2: sources[0]: provider ses needs topics"));
}

Test(config_keys, a_scheme_or_a_key_that_its_provider_cannot_use_is_refused)
{
	struct config *cfg = load_good("sources:\n"
				       "  - {name: a, provider: generic, secrets: [abc]}\n"
				       "  - {name: b, provider: generic, scheme: basic, secrets: "
				       "[\"user:password\"]}\n"
				       "  - {name: c, provider: ses, topics: "
				       "[\"arn:aws:sns:eu-west-1:123456789012:mail\"]}\n",
		CONFIG_SECRETS);

	config_destroy(&cfg);
	expect_fault("sources:\n  - {name: a, provider: generic, scheme: hamc, secrets: [abc]}\n",
		"trotline.yaml line 2: sources[0]: there is no scheme \"hamc\"");
	expect_fault("sources:\n  - {name: a, provider: sendgrid, secrets: [no-public-key]}\n",
		"trotline.yaml line 2: sources[0]: secret 1 for scheme ecdsa: ");
	cr_expect_null(strstr(why.text, "no-public-key"));
	expect_fault("sources:\n  - {name: a, provider: sendgrid, scheme: hmac, secrets: [abc]}\n",
		"trotline.yaml line 2: sources[0]: provider sendgrid has the scheme ecdsa");
}
