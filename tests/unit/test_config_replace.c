/* A running configuration and a new file: what changes, what stays and is named, and that nobody's
 * texts go away. */
#include "lib/base/log.h"
#include "test_config.h"

TestSuite(config_replace, .init = setup, .fini = teardown, .timeout = 60);

/* Loads the text over live; returns the keys that were kept. */
static const char *
replace(struct config *live, const char *text)
{
	struct config *next = load_good(text, CONFIG_SECRETS);

	config_replace(live, next, &why);
	return why.text;
}

Test(config_replace, what_a_running_pipeline_can_take_on_is_taken)
{
	struct config *live = load_good(SOURCE, CONFIG_SECRETS);

	cr_expect_str_eq(
		replace(live, "log_level: warn\n"
			      "limits: {answer_timeout: 1s, batch_events: 7}\n"
			      "journal: {lease: 5s}\n"
			      "retry:\n  delay: 3s\n  types:\n    - {type: a, attempts: 1}\n"
			      "health: {queue_size: 9}\n"
			      "notify: {url: \"https://alerts.example.com/\"}\n"
			      "scores: {opened: 1}\n"
			      "suppression: {soft_bounces: 2}\n"
			      "quarantine: {max_age: 1h}\n"
			      "conversions:\n  - {name: order, url: \"*\"}\n"
			      "sources:\n"
			      "  - name: email\n"
			      "    secrets: [new-secret-of-16-bytes]\n"
			      "    max_age: 1h\n"
			      "  - name: second\n"
			      "    secrets: [other-secret-of-16-b]\n"),
		"");
	cr_expect_eq(live->log_level, LEVEL_WARN);
	cr_expect_eq(live->limits.answer_timeout_ms, 1000);
	cr_expect_eq(live->limits.batch_events, 7);
	cr_expect_eq(live->journal.lease_ms, 5000);
	cr_expect_eq(live->retry.delay_ms, 3000);
	cr_expect_eq(config_retry_of(live, slice_of("a"))->attempts, 1);
	cr_expect_eq(live->health.queue_size, 9);
	cr_expect_str_eq(live->notify.url, "https://alerts.example.com/");
	cr_expect_eq(live->scores.opened, 1);
	cr_expect_eq(live->suppression.soft_bounces, 2);
	cr_expect_eq(live->quarantine.max_age_ms, 3600000);
	cr_expect_str_eq(live->conversions[0].name, "order");
	cr_assert_eq(live->sources_count, 2);
	cr_expect_str_eq(live->sources[0].secrets[0], "new-secret-of-16-bytes");
	cr_expect_eq(live->sources[0].max_age_ms, 3600000);
	cr_expect_eq(config_source_find(live, slice_of("second")), &live->sources[1]);
	config_destroy(&live);
}

static void
expect_kept(const char *text, const char *keys)
{
	struct config *live = load_good(SOURCE, CONFIG_SECRETS);

	cr_expect_str_eq(
		replace(live, text), keys, "%s\nkeeps: %s\nnot:   %s", text, why.text, keys);
	config_destroy(&live);
}

Test(config_replace, what_needs_a_restart_is_named)
{
	expect_kept("listen: 127.0.0.1:9090\nadmin: {listen: 127.0.0.1:8081}\n" SOURCE, "listen");
	expect_kept("listen: 0.0.0.0:8080\n" SOURCE, "listen");
	expect_kept("data_dir: ./elsewhere\n" SOURCE, "data_dir");
	expect_kept("processes: {ingress: 2, validator: 3, router: 4}\n" SOURCE,
		"processes.ingress, processes.validator, processes.router");
	expect_kept("limits: {connections: 10, memory: 512MiB, header_size: 32KiB, event_size: "
		    "2MiB, batch_size: 20MiB, idle_timeout: 5s}\n" SOURCE,
		"limits.connections, limits.event_size, limits.batch_size, limits.header_size, "
		"limits.idle_timeout, limits.memory");
	expect_kept(
		"journal: {max_size: 4MiB}\ndlq: {max_size: 4MiB}\n" SOURCE, "journal.max_size");
	expect_kept("admin: {listen: 127.0.0.1:7}\n" SOURCE, "admin.listen");
	expect_kept("admin: {listen: off}\n" SOURCE, "admin.listen");
	expect_kept("handlers:\n  - {name: opened, processes: 2}\n" SOURCE, "handlers");
	expect_kept("handlers:\n  - {name: opened, types: [seen]}\n" SOURCE, "handlers");
	expect_kept("handlers:\n  - {name: survey, types: [answered]}\n" SOURCE, "handlers");
	expect_kept("handlers:\n  - {name: opened, processes: 1}\n" SOURCE, "");
}

Test(config_replace, what_is_kept_is_as_it_was)
{
	struct config *live = load_good(
		"handlers:\n  - {name: survey, types: [answered]}\n" SOURCE, CONFIG_SECRETS);
	const size_t survey = config_route(live, slice_of("answered"));
	char var[64];

	replace(live, "listen: \"[::1]:9090\"\n"
		      "data_dir: /srv/elsewhere\n"
		      "processes: {ingress: 2}\n"
		      "limits: {event_size: 2MiB}\n"
		      "journal: {max_size: 4MiB}\n"
		      "handlers:\n"
		      "  - {name: poll, types: [voted]}\n"
		      "  - {name: survey, types: [asked]}\n" SOURCE);
	snprintf(var, sizeof var, "%s/var", folder);
	cr_expect_str_eq(live->listen, "127.0.0.1:8080");
	cr_expect_str_eq(live->address, "127.0.0.1");
	cr_expect_eq(live->port, 8080);
	cr_expect_str_eq(live->admin.listen, "127.0.0.1:8081");
	cr_expect_str_eq(live->admin.address, "127.0.0.1");
	cr_expect_eq(live->admin.port, 8081);
	cr_expect_str_eq(live->data_dir, var);
	cr_expect_eq(live->processes.ingress, 1);
	cr_expect_eq(live->limits.event_bytes, 1 << 20);
	cr_expect_eq(live->journal.max_bytes, 2ULL << 30);
	cr_expect_eq(live->handlers_count, survey + 1);
	cr_expect_eq(config_route(live, slice_of("answered")), survey);
	cr_expect_eq(config_route(live, slice_of("voted")), live->handler_unknown);
	config_destroy(&live);
}

Test(config_replace, texts_that_somebody_still_holds_stay_valid)
{
	struct config *live = load_good(
		"handlers:\n  - {name: survey, types: [answered]}\n" SOURCE, CONFIG_SECRETS);
	const struct config *const address = live;
	const size_t survey = live->handlers_count - 1;
	const struct config_source *source = &live->sources[0];
	const char *listen = live->listen, *data_dir = live->data_dir;
	const char *secret = source->secrets[0], *handler = live->handlers[survey].name;
	const char *second = NULL;

	replace(live, "listen: 127.0.0.1:1\nsources:\n  - {name: second, secrets: [b]}\n");
	second = live->sources[0].name;
	replace(live, "data_dir: /srv/x\nsources:\n  - {name: third, secrets: [c]}\n");
	replace(live, SOURCE);
	cr_expect_eq(live, address);
	cr_expect_str_eq(source->name, "email");
	cr_expect_str_eq(secret, "0123456789abcdef");
	cr_expect_str_eq(listen, "127.0.0.1:8080");
	cr_expect_str_eq(live->data_dir, data_dir);
	cr_expect_eq(live->handlers[survey].name, handler);
	cr_expect_str_eq(second, "second");
	cr_expect_str_eq(live->sources[0].name, "email");
	config_destroy(&live);
	cr_expect_null(live);
}
