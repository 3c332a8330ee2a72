/* The configuration: what is read, what is refused and in which words, and where secrets go. */
#include "test_config.h"
#include "lib/base/log.h"

TestSuite(config, .init = setup, .fini = teardown, .timeout = 60);

Test(config, the_sample_of_the_manual_works_as_written)
{
	struct config *cfg = load_good(
		"listen: 127.0.0.1:8080\n"
		"data_dir: ./var\n"
		"sources:\n"
		"  - name: email              # POST /webhooks/email and /webhooks/email/batch\n"
		"    provider: trotline       # the native format\n"
		"    secrets: [\"${TROTLINE_SECRET}\"]\n"
		"    max_age: 10m\n"
		"    dedup_window: 24h\n",
		CONFIG_SECRETS);
	char var[64];

	snprintf(var, sizeof var, "%s/var", folder);
	cr_expect_str_eq(cfg->path, path);
	cr_expect_str_eq(cfg->data_dir, var);
	cr_expect_str_eq(cfg->address, "127.0.0.1");
	cr_expect_eq(cfg->port, 8080);
	cr_assert_eq(cfg->sources_count, 1);
	cr_expect_str_eq(cfg->sources[0].name, "email");
	cr_expect_str_eq(cfg->sources[0].provider, "trotline");
	cr_assert_eq(cfg->sources[0].secrets_count, 1);
	cr_expect_str_eq(cfg->sources[0].secrets[0], "from the environment");
	cr_expect_eq(cfg->sources[0].max_age_ms, 600000);
	cr_expect_eq(cfg->sources[0].max_future_ms, 300000);
	cr_expect_eq(cfg->sources[0].dedup_window_ms, 86400000);
	config_destroy(&cfg);
	cr_expect_null(cfg);
}

Test(config, what_is_left_out_has_its_default)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);

	cr_expect_str_eq(cfg->listen, "127.0.0.1:8080");
	cr_expect_eq(cfg->log_level, LEVEL_INFO);
	cr_expect_eq(cfg->processes.ingress, 1);
	cr_expect_eq(cfg->limits.event_bytes, 1 << 20);
	cr_expect_eq(cfg->limits.batch_bytes, 10 << 20);
	cr_expect_eq(cfg->limits.batch_events, 10000);
	cr_expect_eq(cfg->limits.header_bytes, 16 << 10);
	cr_expect_eq(cfg->limits.answer_timeout_ms, 3000);
	cr_expect_eq(cfg->journal.max_bytes, 2ULL << 30);
	cr_expect_eq(cfg->journal.lease_ms, 30000);
	cr_expect_eq(cfg->health.error_rate_percent, 5.0);
	cr_expect_eq(cfg->scores.opened, 10);
	cr_expect_eq(cfg->scores.clicked, 25);
	cr_expect_eq(cfg->suppression.soft_bounces, 5);
	cr_expect_eq(cfg->suppression.soft_bounce_period_ms, 30ULL * 86400000);
	cr_expect_eq(cfg->handlers_count, cfg->handler_unknown + 1);
	cr_expect_str_eq(cfg->handlers[cfg->handler_unknown].name, "unknown");
	cr_expect_eq(cfg->handlers[0].processes, 1);
	config_destroy(&cfg);
}

Test(config, every_group_can_be_set)
{
	struct config *cfg = load_good(
		"listen: \"[::1]:9\"\n"
		"data_dir: /srv/trotline\n"
		"log_level: debug\n"
		"processes: {ingress: 2, validator: 3, router: 4}\n"
		"limits: {event_size: 2KiB, batch_size: 4096, memory: 1GiB}\n"
		"journal: {max_size: 1MiB, lease: 250ms}\n"
		"retry: {delay: 1s, attempts: 0}\n"
		"health: {error_rate_percent: 2.5, processing_time: 1ms}\n"
		"scores: {opened: -3, clicked: 0}\n"
		"conversions:\n  - {name: order, url: \"https://shop.example.com/*\"}\n" SOURCE,
		CONFIG_SECRETS);

	cr_expect_str_eq(cfg->address, "::1");
	cr_expect_eq(cfg->port, 9);
	cr_expect_str_eq(cfg->data_dir, "/srv/trotline");
	cr_expect_eq(cfg->log_level, LEVEL_DEBUG);
	cr_expect_eq(cfg->processes.router, 4);
	cr_expect_eq(cfg->limits.event_bytes, 2048);
	cr_expect_eq(cfg->limits.batch_bytes, 4096);
	cr_expect_eq(cfg->limits.memory_bytes, 1 << 30);
	cr_expect_eq(cfg->journal.lease_ms, 250);
	cr_expect_eq(cfg->retry.attempts, 0);
	cr_expect_eq(cfg->health.error_rate_percent, 2.5);
	cr_expect_eq(cfg->scores.opened, -3);
	cr_assert_eq(cfg->conversions_count, 1);
	cr_expect_str_eq(cfg->conversions[0].url, "https://shop.example.com/*");
	config_destroy(&cfg);
}

Test(config, an_unknown_key_is_named_with_its_line)
{
	expect_fault("lisen: 127.0.0.1:80\n" SOURCE, "trotline.yaml line 1: lisen: unknown key");
	expect_fault("limits:\n# evnt_size: 1\n  evnt_size: 1KiB\n" SOURCE,
		"trotline.yaml line 3: limits.evnt_size: unknown key");
	expect_fault(SOURCE "    max_agee: 10m\n",
		"trotline.yaml line 4: sources[0].max_agee: unknown key");
	expect_fault("journal: {lease: 3s, size: 2}\n" SOURCE,
		"trotline.yaml line 1: journal.size: unknown key");
}

Test(config, a_bad_value_is_named_with_what_is_allowed)
{
	expect_fault("limits:\n  event_size: 5XB\n" SOURCE,
		"trotline.yaml line 2: limits.event_size: \"5XB\" must be a size such as 64KiB, "
		"10MiB, 2GiB or plain bytes, from 1KiB to 64MiB");
	expect_fault(SOURCE "    max_age: 10\n", "trotline.yaml line 4: sources[0].max_age: \"10\" "
						 "must be a duration such as 250ms, "
						 "30s, 10m, 24h or 30d, from 1s to 3650d");
	expect_fault("processes: {router: 33}\n" SOURCE,
		"trotline.yaml line 1: processes.router: "
		"\"33\" must be a whole number, from 1 to 32");
	expect_fault("processes: {router: 0}\n" SOURCE,
		"trotline.yaml line 1: processes.router: \"0\" must");
	expect_fault("scores: {opened: 1000001}\n" SOURCE,
		"trotline.yaml line 1: scores.opened: \"1000001\" must");
	expect_fault("health: {error_rate_percent: nan}\n" SOURCE,
		"trotline.yaml line 1: health.error_rate_percent: \"nan\" must be a number, from 0 "
		"to "
		"100");
	expect_fault("log_level: loud\n" SOURCE, "trotline.yaml line 1: log_level: \"loud\" must "
						 "be one of debug, info, warn, error");
	expect_fault("limits: {connections: }\n" SOURCE,
		"trotline.yaml line 1: limits.connections: \"\" must be a whole number");
}

Test(config, limits_that_do_not_fit_together_are_refused)
{
	expect_fault("limits: {batch_size: 1KiB}\n" SOURCE,
		"trotline.yaml line 1: limits.batch_size: less than limits.event_size");
	expect_fault("limits: {memory: 1MiB}\n" SOURCE,
		"trotline.yaml line 1: limits.memory: less than limits.batch_size");
}

Test(config, an_address_must_be_numeric_and_whole)
{
	static const char *const bad[] = {"8080", "example.com:80", "127.0.0.1", "127.0.0.1:0",
		"127.0.0.1:65536", "127.0.0.1:80x", "::1:80", "[127.0.0.1]:80", "[::1]", ":80"};
	char text[256];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "listen: \"%s\"\n%s", bad[i], SOURCE);
		expect_fault(text, "trotline.yaml line 1: listen: ");
	}
}

Test(config, a_wrong_shape_is_named_with_the_right_one)
{
	expect_fault(
		"listen: [a]\n" SOURCE, "trotline.yaml line 1: listen: must be a single value");
	expect_fault("limits: 3\n" SOURCE,
		"trotline.yaml line 1: limits: must be a group of `key: value` lines");
	expect_fault("sources: 3\n", "trotline.yaml line 1: sources: must be a list");
	expect_fault("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n" SOURCE,
		"trotline.yaml line 2: listen: stands there twice");
	expect_fault("- a\n", "trotline.yaml line 1: must be a group");
	expect_fault(SOURCE "---\nlisten: 127.0.0.1:1\n",
		"trotline.yaml line 4: more than one document");
	expect_fault("listen: [1\n" SOURCE, "trotline.yaml line ");
	expect_fault("listen: &a 127.0.0.1:1\ndata_dir: *a\n" SOURCE,
		"trotline.yaml line 2: data_dir: YAML alias unsupported");
}

Test(config, an_empty_file_lacks_its_sources)
{
	expect_fault("", "trotline.yaml: sources: at least one is needed");
	expect_fault("listen: 127.0.0.1:80\n", "trotline.yaml: sources: at least one is needed");
	expect_fault("sources: []\n", "trotline.yaml line 1: sources: at least one is needed");
}

Test(config, a_file_that_is_not_there_is_named)
{
	cr_expect_null(config_load("/nonexistent/trotline.yaml", CONFIG_SECRETS, &why));
	cr_expect_str_eq(
		why.text, "cannot read /nonexistent/trotline.yaml: No such file or directory");
	cr_expect_null(config_load(folder, CONFIG_SECRETS, &why));
}

Test(config, a_source_has_a_good_name_of_its_own)
{
	expect_fault(
		"sources:\n  - secrets: [a]\n", "trotline.yaml line 2: sources[0].name: missing");
	expect_fault("sources:\n  - name: E-Mail\n    secrets: [a]\n",
		"trotline.yaml line 2: sources[0].name: \"E-Mail\" must be 1 to 64 characters");
	expect_fault("sources:\n  - name: health\n    secrets: [a]\n",
		"trotline.yaml line 2: sources[0].name: /webhooks/health is taken already");
	expect_fault(SOURCE "  - name: email\n    secrets: [a]\n",
		"trotline.yaml line 4: sources[1].name: \"email\" stands there twice");
	expect_fault(SOURCE "    provider: nobody\n",
		"trotline.yaml line 4: sources[0].provider: \"nobody\" is no provider");
}

Test(config, a_source_without_a_secret_is_refused)
{
	expect_fault("sources:\n  - name: email\n", "trotline.yaml line 2: sources[0]: has no "
						    "secret; give `secrets` or `secrets_file`");
	expect_fault("sources:\n  - name: email\n    secrets: []\n",
		"trotline.yaml line 2: sources[0]: has no secret");
	expect_fault("sources:\n  - name: email\n    secrets: [\"\"]\n",
		"trotline.yaml line 3: sources[0].secrets[0]: the secret is empty");
	setenv("TROTLINE_SECRET", "", 1);
	expect_fault("sources:\n  - name: email\n    secrets: [\"${TROTLINE_SECRET}\"]\n",
		"trotline.yaml line 3: sources[0].secrets[0]: the secret is empty");
}

Test(config, variables_are_replaced_in_every_text)
{
	struct config *cfg;

	setenv("TROTLINE_PORT", "8099", 1);
	setenv("TROTLINE_AGE", "7m", 1);
	cfg = load_good("listen: 127.0.0.1:${TROTLINE_PORT}\n"
			"sources:\n"
			"  - name: email\n"
			"    secrets: [\"<${TROTLINE_SECRET}>$${x}$1\", two]\n"
			"    max_age: ${TROTLINE_AGE}\n",
		CONFIG_SECRETS);
	cr_expect_eq(cfg->port, 8099);
	cr_expect_eq(cfg->sources[0].max_age_ms, 420000);
	cr_expect_str_eq(cfg->sources[0].secrets[0], "<from the environment>${x}$1");
	cr_expect_str_eq(cfg->sources[0].secrets[1], "two");
	cr_expect_eq(cfg->sources[0].weak_secrets, 1);
	config_destroy(&cfg);
}

Test(config, a_variable_that_is_not_set_is_named_with_its_key)
{
	expect_fault("sources:\n  - name: email\n    secrets: [\"${TROTLINE_UNSET}\"]\n",
		"trotline.yaml line 3: sources[0].secrets[0]: environment variable TROTLINE_UNSET "
		"is "
		"not set");
	expect_fault("data_dir: ${TROTLINE_UNSET}/x\n" SOURCE,
		"trotline.yaml line 1: data_dir: environment variable TROTLINE_UNSET is not set");
	expect_fault("data_dir: \"${TROTLINE_SECRET\"\n" SOURCE,
		"trotline.yaml line 1: data_dir: a `${` must be followed by NAME}");
}

Test(config, a_fault_never_shows_what_a_variable_holds)
{
	cr_expect_null(strstr(fault("sources:\n  - name: ${TROTLINE_SECRET}\n    secrets: [a]\n"),
		"environment"));
	cr_expect_null(strstr(fault("log_level: ${TROTLINE_SECRET}\n" SOURCE), "environment"));
}

Test(config, secrets_come_from_a_private_file_too)
{
	struct config *cfg;

	write_file(secrets, "\n  first secret \r\nsecond\n\n", 0600);
	cfg = load_good("sources:\n  - name: email\n    secrets_file: ./secrets\n", CONFIG_SECRETS);
	cr_expect_str_eq(cfg->sources[0].secrets_file, secrets);
	cr_assert_eq(cfg->sources[0].secrets_count, 2);
	cr_expect_str_eq(cfg->sources[0].secrets[0], "first secret");
	cr_expect_str_eq(cfg->sources[0].secrets[1], "second");
	config_destroy(&cfg);
}

Test(config, a_secrets_file_that_others_can_read_is_refused)
{
	static const char text[] = "sources:\n  - name: email\n    secrets_file: secrets\n";

	write_file(secrets, "secret\n", 0640);
	cr_expect_not_null(strstr(fault(text), "can be read by others than its owner; chmod 600"));
	write_file(secrets, "\n", 0600);
	cr_expect_not_null(strstr(fault(text), "holds no secret"));
	unlink(secrets);
	cr_expect_not_null(strstr(fault(text), "line 3: sources[0].secrets_file: cannot read"));
}

Test(config, processes_without_secrets_neither_read_nor_keep_them)
{
	struct config *cfg =
		load_good("sources:\n  - name: email\n"
			  "    secrets: [\"${TROTLINE_SECRET}\", \"${TROTLINE_UNSET}\", plain]\n"
			  "    secrets_file: /nonexistent\n"
			  "  - name: other\n    secrets: [\"${TROTLINE_SECRET}\"]\n",
			CONFIG_NO_SECRETS);

	cr_expect_eq(cfg->sources[0].secrets_count, 0);
	cr_expect_null(cfg->sources[0].secrets);
	cr_expect_null(getenv("TROTLINE_SECRET"));
	config_destroy(&cfg);
}

static bool
environment_shows(const char *text)
{
	static char block[1 << 20];
	FILE *f = fopen("/proc/self/environ", "r");
	size_t n = fread(block, 1, sizeof block, f);

	fclose(f);
	return memmem(block, n, text, strlen(text)) != NULL;
}

Test(config, secrets_are_wiped_from_what_proc_shows_of_a_process)
{
	struct config *cfg;
	char was[4096];

	/* PATH stands for any variable that the process has from its start. */
	snprintf(was, sizeof was, "PATH=%s", getenv("PATH"));
	cr_assert(environment_shows(was));
	cfg = load_good("sources:\n  - name: email\n    secrets: [\"${PATH}\"]\n", CONFIG_LOOK);
	cr_expect(environment_shows(was));
	config_destroy(&cfg);
	cfg = load_good(
		"sources:\n  - name: email\n    secrets: [\"${PATH}\"]\n", CONFIG_NO_SECRETS);
	cr_expect_not(environment_shows(was));
	cr_expect_null(getenv("PATH"));
	config_destroy(&cfg);
}

static size_t
route(const struct config *cfg, const char *type)
{
	return config_route(cfg, slice_of(type));
}

Test(config, a_type_goes_to_the_files_handler_then_the_built_in_one_then_unknown)
{
	struct config *cfg =
		load_good("handlers:\n"
			  "  - {name: opened, processes: 3, types: [newsletter_opened]}\n"
			  "  - {name: survey, types: [survey_answered, email_replied], processes: "
			  "0}\n" SOURCE,
			CONFIG_SECRETS);
	size_t survey = cfg->handlers_count - 1;

	cr_expect_eq(survey, cfg->handler_unknown + 1);
	cr_expect_str_eq(cfg->handlers[survey].name, "survey");
	cr_expect_eq(cfg->handlers[survey].processes, 0);
	cr_expect_str_eq(cfg->handlers[route(cfg, "email_opened")].name, "opened");
	cr_expect_eq(route(cfg, "newsletter_opened"), route(cfg, "email_opened"));
	cr_expect_eq(cfg->handlers[route(cfg, "email_opened")].processes, 3);
	cr_expect_eq(route(cfg, "survey_answered"), survey);
	cr_expect_eq(route(cfg, "email_replied"), survey);
	cr_expect_eq(route(cfg, "no_such_type"), cfg->handler_unknown);
	cr_expect_eq(route(cfg, ""), cfg->handler_unknown);
	config_destroy(&cfg);
}

Test(config, handlers_that_cannot_be_are_refused)
{
	expect_fault("handlers:\n  - name: survey\n" SOURCE,
		"trotline.yaml line 2: handlers[0]: is not built in, so it needs `types`");
	expect_fault("handlers:\n  - {name: opened}\n  - {name: opened}\n" SOURCE,
		"trotline.yaml line 3: handlers[1].name: \"opened\" stands there twice");
	expect_fault("handlers:\n  - {name: a, types: [x]}\n  - {name: b, types: [y, x]}\n" SOURCE,
		"trotline.yaml line 3: handlers[1].types[1]: \"x\" stands there twice");
	expect_fault("handlers:\n  - {name: ../a, types: [x]}\n" SOURCE,
		"trotline.yaml line 2: handlers[0].name: \"../a\" must be 1 to 32 characters");
	expect_fault("handlers:\n  - {name: opened, processes: 33}\n" SOURCE,
		"trotline.yaml line 2: handlers[0].processes: \"33\" must");
}

Test(config, there_is_room_for_sixty_handlers_and_no_more)
{
	char text[8192] = "handlers:\n";
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);
	const size_t room = CONFIG_HANDLERS_MAX - cfg->handlers_count;
	size_t n = strlen(text), i = 0;

	config_destroy(&cfg);
	for (; i < room; i++)
		n += (size_t)sprintf(text + n, "  - {name: h%zu, types: [t%zu]}\n", i, i);
	strcpy(text + n, SOURCE);
	cfg = load_good(text, CONFIG_SECRETS);
	cr_expect_eq(cfg->handlers_count, CONFIG_HANDLERS_MAX);
	config_destroy(&cfg);
	sprintf(text + n, "  - {name: h%zu, types: [t%zu]}\n%s", i, i, SOURCE);
	cr_expect_not_null(strstr(fault(text), "more than 60 handlers"));
}

Test(config, a_data_dir_too_long_for_socket_names_is_refused)
{
	expect_fault(
		"data_dir: /srv/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" SOURCE,
		"trotline.yaml line 1: data_dir: ");
}

Test(config, a_source_is_found_by_its_whole_name)
{
	struct config *cfg = load_good(SOURCE, CONFIG_NO_SECRETS);

	cr_expect_eq(config_source_find(cfg, slice_of("email")), &cfg->sources[0]);
	cr_expect_null(config_source_find(cfg, slice_of("emai")));
	cr_expect_null(config_source_find(cfg, slice_of("email2")));
	config_destroy(&cfg);
}

Test(config, the_file_is_the_one_given_else_the_environments_else_the_folders)
{
	unsetenv("TROTLINE_CONFIG");
	cr_expect_str_eq(config_path(NULL), "./trotline.yaml");
	setenv("TROTLINE_CONFIG", "/etc/trotline.yaml", 1);
	cr_expect_str_eq(config_path(NULL), "/etc/trotline.yaml");
	cr_expect_str_eq(config_path("x.yaml"), "x.yaml");
}

Test(config, a_dedup_window_is_no_shorter_than_what_may_come_again)
{
	static const struct {
		const char *source;
		uint64_t minutes;
	} sources[] = {
		{"provider: trotline", 24 * 60},
		{"provider: trotline\n    max_age: 30d", 30 * 24 * 60 + 5},
		{"provider: sendgrid", 24 * 60 + 20},
		{"provider: mailgun", 24 * 60},
		{"provider: postal\n    max_age: 2d", 2 * 24 * 60 + 5},
		{"provider: generic\n    scheme: stripe\n    max_age: 3d\n    max_future: 1h",
			3 * 24 * 60 + 60},
		{"provider: generic\n    scheme: stripe\n    dedup_window: 10m", 10},
	};

	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		char text[400];
		struct config *cfg;

		snprintf(text, sizeof text,
			"sources:\n  - name: a\n    secrets: [sixteen-and-more-bytes]\n    %s\n",
			sources[i].source);
		cfg = load_good(text, CONFIG_NO_SECRETS);
		cr_expect_eq(cfg->sources[0].dedup_window_ms, sources[i].minutes * 60000,
			"%s: %llu", sources[i].source,
			(unsigned long long)cfg->sources[0].dedup_window_ms);
		config_destroy(&cfg);
	}
}

Test(config, a_dedup_window_that_is_written_too_short_is_refused)
{
	expect_fault(SOURCE "    dedup_window: 14m\n",
		"trotline.yaml line 4: sources[0].dedup_window: is shorter than max_age and max_future "
		"together, 15m: what is posted once more within them would count again");
	expect_fault("sources:\n  - name: a\n    provider: sendgrid\n    secrets: [x]\n"
		     "    dedup_window: 1d\n",
		"trotline.yaml line 5: sources[0].dedup_window: is shorter than max_age and max_future "
		"together, 1460m: what is posted once more within them would count again");
	expect_fault("sources:\n  - name: a\n    provider: generic\n    secrets: [x]\n"
		     "    scheme: standard-webhooks\n    dedup_window: 9m\n",
		"trotline.yaml line 6: sources[0].dedup_window: is shorter than max_age and max_future "
		"together, 10m: what is posted once more within them would count again");
}
