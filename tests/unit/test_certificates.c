/* Certificates and confirmations: nothing waits for the network, nothing is fetched from elsewhere,
 * what is known stays known over a restart. The network is a function here. */
#include "test_sns.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "providers/sns.h"
#include "validator/certificates.h"
#include "validator/confirmations.h"
#include "validator/kept.h"

enum { PATIENCE_MS = 20000, DAY_MS = 86400000 };

static const uint64_t START_MS = 1777890030000;

static char folder[64];
static uint64_t now;
static struct error why;
static struct fetcher *fetcher;
static struct certificates *certificates;
static struct confirmations *confirmations;
static char pem[4096];

static struct network {
	pthread_mutex_t mutex;
	sem_t go;         /* posted: one more answer may come, where held */
	bool held;        /* answers wait for it */
	long status;      /* 0: no answer at all */
	const char *body; /* of the answer */
	size_t calls;
	char last[FETCH_URL_MAX + 1];
} network = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool
wait_for_go(const atomic_bool *stop)
{
	while (!atomic_load(stop)) {
		if (sem_trywait(&network.go) == 0)
			return true;
		sched_yield();
	}
	return false;
}

static bool
fake(void *arg, const char *url, const atomic_bool *stop, struct fetched *out, struct error *cause)
{
	bool held;

	(void)arg;
	pthread_mutex_lock(&network.mutex);
	network.calls++;
	snprintf(network.last, sizeof network.last, "%s", url);
	out->status = network.status;
	out->n = strlen(network.body);
	memcpy(out->body, network.body, out->n);
	held = network.held;
	pthread_mutex_unlock(&network.mutex);
	if (held && !wait_for_go(stop))
		return error_set(cause, "stopped");
	return out->status || error_set(cause, "no way there");
}

static void
answers(long status, const char *body)
{
	pthread_mutex_lock(&network.mutex);
	network.status = status;
	network.body = body;
	pthread_mutex_unlock(&network.mutex);
}

static size_t
calls(void)
{
	size_t n;

	pthread_mutex_lock(&network.mutex);
	n = network.calls;
	pthread_mutex_unlock(&network.mutex);
	return n;
}

static uint64_t
clock_now(void)
{
	return now;
}

static void
open_all(void)
{
	fetcher = fetcher_new(fake, NULL);
	certificates = certificates_new(folder, fetcher, clock_now, &why);
	confirmations = confirmations_new(folder, 0, fetcher, clock_now, &why);
	cr_assert(fetcher && certificates && confirmations, "%s", why.text);
}

static void
close_all(void)
{
	fetcher_destroy(&fetcher);
	certificates_destroy(&certificates);
	confirmations_destroy(&confirmations);
}

static void
restart(void)
{
	close_all();
	open_all();
}

static void
make_pem(const char *name, int64_t from_s, int64_t until_s)
{
	EVP_PKEY *key = test_key();
	const int64_t today = (int64_t)START_MS / 1000;

	test_certificate(key, name, today + from_s, today + until_s, pem, sizeof pem);
	EVP_PKEY_free(key);
}

static void
setup(void)
{
	test_folder(folder);
	strcat(folder, "/certs");
	now = START_MS;
	sem_init(&network.go, 0, 0);
	make_pem("sns.amazonaws.com", -1000, 86400);
	answers(200, pem);
	open_all();
}

static void
teardown(void)
{
	close_all();
	*strrchr(folder, '/') = 0;
	test_folder_end(folder);
}

TestSuite(certificates, .init = setup, .fini = teardown, .timeout = 60);
TestSuite(confirmations, .init = setup, .fini = teardown, .timeout = 60);

static bool
has(const char *url)
{
	return certificates_get(certificates, slice_of(url), 0).p != NULL;
}

/* Ticks until the network was called so often and nothing is under way. */
static void
settle(size_t expected)
{
	const uint64_t end = clock_mono_ms() + PATIENCE_MS;

	do {
		cr_assert(clock_mono_ms() < end, "%zu calls instead of %zu", calls(), expected);
		certificates_tick(certificates);
		confirmations_tick(confirmations);
		sched_yield();
	} while (calls() < expected || fetcher_busy(fetcher));
	cr_expect_eq(calls(), expected);
}

Test(certificates, the_first_to_ask_gets_nothing_and_the_next_one_all)
{
	struct slice got;

	cr_expect_not(has(CERT_URL));
	settle(1);
	got = certificates_get(certificates, slice_of(CERT_URL), 0);
	cr_expect(slice_is(got, pem));
	cr_expect(has(CERT_URL));
	cr_expect_eq(calls(), 1);
	cr_expect_str_eq(network.last, CERT_URL);
}

Test(certificates, nobody_waits_for_the_network)
{
	const uint64_t start = clock_mono_ms();

	network.held = true;
	for (size_t i = 0; i < 1000; i++)
		cr_assert_not(has(CERT_URL));
	certificates_tick(certificates);
	cr_expect(clock_mono_ms() - start < 2000);
	sem_post(&network.go);
	settle(1);
	cr_expect(has(CERT_URL));
}

Test(certificates, an_end_does_not_wait_for_the_network)
{
	network.held = true;
	cr_expect_not(has(CERT_URL));
	close_all();
	open_all();
}

Test(certificates, a_restart_fetches_nothing)
{
	char command[160];
	struct stat st;

	has(CERT_URL);
	settle(1);
	restart();
	cr_expect(has(CERT_URL));
	cr_expect_eq(calls(), 1);
	cr_assert_eq(stat(folder, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0700);
	snprintf(command, sizeof command, "test \"$(stat -c %%a %s/certificate-*)\" = 600", folder);
	cr_expect_eq(system(command), 0);
}

Test(certificates, a_torn_file_is_passed_over)
{
	cr_assert(kept_write(folder, "certificate", slice_of(CERT_URL),
		(struct slice){pem, strlen(pem) / 2}, false, &why));
	cr_expect_not(has(CERT_URL));
	settle(1);
	cr_expect(has(CERT_URL));
}

Test(certificates, a_file_under_the_name_of_another_url_is_passed_over)
{
	char command[256];

	has(CERT_URL);
	settle(1);
	restart();
	snprintf(command, sizeof command, "sed -i '1s/-1.pem/-2.pem/' %s/certificate-*", folder);
	cr_assert_eq(system(command), 0);
	cr_expect_not(has(CERT_URL));
	settle(2);
}

Test(certificates, other_hosts_are_never_asked)
{
	cr_expect_not(has("https://sns.eu-central-1.amazonaws.com.example.net/x.pem"));
	cr_expect_not(has("https://sns.eu-central-1.amazonaws.com@example.net/x.pem"));
	cr_expect_not(has("http://sns.eu-central-1.amazonaws.com/x.pem"));
	settle(0);
}

Test(certificates, a_failed_fetch_is_tried_again_with_back_off)
{
	static const uint64_t waits_ms[] = {1000, 2000, 4000, 8000};

	answers(0, "");
	has(CERT_URL);
	settle(1);
	for (size_t i = 0; i < 4; i++) {
		now += waits_ms[i] - 1;
		settle(i + 1);
		has(CERT_URL);
		settle(i + 1);
		now += 1;
		settle(i + 2);
	}
	answers(200, pem);
	now += CERTIFICATE_RETRY_MAX_MS;
	settle(6);
	cr_expect(has(CERT_URL));
}

Test(certificates, what_nobody_asks_for_any_more_is_given_up)
{
	answers(0, "");
	has(CERT_URL);
	settle(1);
	now += CERTIFICATE_ASKED_MS;
	settle(1);
}

Test(certificates, only_a_whole_answer_counts)
{
	static const long statuses[] = {301, 302, 403, 404, 500};

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		answers(statuses[i], pem);
		has(CERT_URL);
		settle(i + 1);
		cr_expect_not(has(CERT_URL), "%ld", statuses[i]);
		now += CERTIFICATE_RETRY_MAX_MS;
	}
}

Test(certificates, a_text_that_is_no_certificate_is_not_kept)
{
	answers(200, "<html>hello</html>");
	has(CERT_URL);
	settle(1);
	cr_expect_not(has(CERT_URL));
	restart();
	cr_expect_not(has(CERT_URL));
}

Test(certificates, a_certificate_of_somebody_else_is_not_used)
{
	make_pem("sns.amazonaws.com.example.net", -1000, 1000);
	has(CERT_URL);
	settle(1);
	cr_expect_not(has(CERT_URL));
}

Test(certificates, one_that_is_not_valid_yet_or_any_more_is_not_used)
{
	make_pem("sns.amazonaws.com", 1000, 2000);
	has(CERT_URL);
	settle(1);
	cr_expect_not(has(CERT_URL));
	make_pem("sns.amazonaws.com", -2000, -1000);
	now += CERTIFICATE_RETRY_MAX_MS;
	has(CERT_URL);
	settle(2);
	cr_expect_not(has(CERT_URL));
}

Test(certificates, one_that_ends_while_it_is_known_is_fetched_anew)
{
	has(CERT_URL);
	settle(1);
	cr_expect(has(CERT_URL));
	now += 2 * (uint64_t)DAY_MS;
	make_pem("sns.amazonaws.com", 86400, 864000);
	cr_expect_not(has(CERT_URL));
	settle(2);
	cr_expect(has(CERT_URL));
}

Test(certificates, inventions_do_not_push_out_what_is_in_use)
{
	char url[128];

	has(CERT_URL);
	settle(1);
	answers(404, "");
	for (size_t i = 0; i < 4 * (size_t)CERTIFICATES_MAX; i++) {
		snprintf(url, sizeof url, CERT_HOST "/invention-%zu.pem", i);
		has(url);
		settle(i + 2);
		now += 1;
	}
	cr_expect(has(CERT_URL));
}

Test(certificates, all_inventions_at_once_are_bounded)
{
	char url[128];

	network.held = true;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(url, sizeof url, CERT_HOST "/invention-%zu.pem", i);
		cr_assert_not(has(url));
	}
	network.held = false;
	for (size_t i = 0; i < FETCHES_MAX; i++)
		sem_post(&network.go);
	cr_expect(calls() <= FETCHES_MAX);
}

Test(certificates, inventions_of_one_source_leave_the_others_their_fetches)
{
	char url[128];

	network.held = true;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(url, sizeof url, CERT_HOST "/invention-%zu.pem", i);
		cr_assert_not(certificates_get(certificates, slice_of(url), 0).p);
	}
	cr_assert_not(certificates_get(certificates, slice_of(CERT_URL), 1).p);
	for (size_t i = 0; i < CERTIFICATE_FETCHES + 1; i++)
		sem_post(&network.go);
	for (const uint64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end;)
		if (certificates_get(certificates, slice_of(CERT_URL), 1).p)
			break;
	cr_expect(certificates_get(certificates, slice_of(CERT_URL), 1).p);
	cr_expect(calls() <= 2 * CERTIFICATE_FETCHES + 1, "%zu", calls());
}

Test(certificates, what_waits_for_its_first_fetch_has_its_turn)
{
	char url[128];

	network.held = true;
	has(CERT_HOST "/invention-a.pem");
	has(CERT_HOST "/invention-b.pem");
	has(CERT_URL);
	for (size_t i = 0; i < 1000; i++) {
		snprintf(url, sizeof url, CERT_HOST "/invention-%zu.pem", i);
		has(url);
	}
	for (size_t i = 0; i < CERTIFICATE_FETCHES + 1; i++)
		sem_post(&network.go);
	for (const uint64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end;) {
		certificates_tick(certificates);
		if (certificates_known(certificates, slice_of(CERT_URL)).p)
			break;
	}
	cr_expect(certificates_known(certificates, slice_of(CERT_URL)).p);
}

Test(certificates, what_is_known_is_told_and_nothing_else_is_fetched)
{
	cr_expect_not(certificates_known(certificates, slice_of(CERT_URL)).p);
	settle(0);
	has(CERT_URL);
	settle(1);
	cr_expect(certificates_known(certificates, slice_of(CERT_URL)).p);
	restart();
	cr_expect(certificates_known(certificates, slice_of(CERT_URL)).p);
	now += 2 * (uint64_t)DAY_MS;
	cr_expect_not(certificates_known(certificates, slice_of(CERT_URL)).p);
	settle(1);
}

Test(certificates, regions_with_names_of_their_own_are_known)
{
	static const struct {
		const char *url, *name;
		bool good;
	} rows[] = {
		{"https://sns.us-east-1.amazonaws.com/x.pem", "sns.amazonaws.com", true},
		{"https://sns.me-south-1.amazonaws.com/x.pem",
			"sns-signing.me-south-1.amazonaws.com", true},
		{"https://sns.me-south-1.amazonaws.com/x.pem", "sns.me-south-1.amazonaws.com",
			true},
		{"https://sns.cn-north-1.amazonaws.com.cn/x.pem", "sns-cn-north-1.amazonaws.com.cn",
			true},
		{"https://sns.us-gov-east-1.amazonaws.com/x.pem", "sns-us-gov-west-1.amazonaws.com",
			true},
		{"https://sns.us-east-1.amazonaws.com/x.pem", "sns-us-gov-west-1.amazonaws.com",
			false},
		{"https://sns.us-east-1.amazonaws.com/x.pem",
			"sns-signing.me-south-1.amazonaws.com", false},
		{"https://sns.us-east-1.amazonaws.com/x.pem", "*.amazonaws.com", false},
		{"https://sns.us-east-1.amazonaws.com/x.pem", "s3.amazonaws.com", false},
	};
	int64_t from, until;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_pem(rows[i].name, -1000, 1000);
		cr_expect_eq(sns_certificate_read(
				     slice_of(rows[i].url), slice_of(pem), &from, &until, &why),
			rows[i].good, "%s at %s", rows[i].name, rows[i].url);
	}
}

Test(certificates, only_https_is_fetched)
{
	const atomic_bool stop = false;
	struct fetched *out = calloc(1, sizeof *out);

	fetch_prepare();
	cr_expect_not(fetch_https(NULL, "http://127.0.0.1:1/x.pem", &stop, out, &why));
	cr_expect_not(fetch_https(NULL, "file:///etc/hostname", &stop, out, &why));
	cr_expect_not(fetch_https(NULL, "https://127.0.0.1:1/x.pem", &stop, out, &why));
	cr_expect(why.text[0]);
	free(out);
}

#define CONFIRM_URL                                                                                \
	CERT_HOST "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:1:t&Token=0123"

static bool
add(const char *url)
{
	return confirmations_add(confirmations, slice_of(url), &why);
}

static size_t
files(void)
{
	char command[160];
	FILE *list;
	size_t n = 0;

	snprintf(command, sizeof command, "ls %s | grep -c ^confirmation", folder);
	list = popen(command, "r");
	cr_assert(list && fscanf(list, "%zu", &n) == 1);
	pclose(list);
	return n;
}

Test(confirmations, a_subscription_is_confirmed_once)
{
	answers(200, "<ConfirmSubscriptionResponse/>");
	cr_expect(add(CONFIRM_URL));
	cr_expect(add(CONFIRM_URL));
	cr_expect_eq(files(), 1);
	settle(1);
	cr_expect_str_eq(network.last, CONFIRM_URL);
	cr_expect_eq(files(), 0);
	cr_expect(add(CONFIRM_URL));
	now += DAY_MS;
	settle(1);
}

Test(confirmations, a_kill_before_the_fetch_costs_nothing)
{
	network.held = true;
	cr_expect(add(CONFIRM_URL));
	restart();
	network.held = false;
	answers(200, "");
	confirmations_tick(confirmations);
	settle(calls() ? calls() : 1);
	cr_expect_eq(files(), 0);
}

Test(confirmations, trouble_there_is_tried_again_and_a_refusal_is_final)
{
	answers(0, "");
	cr_expect(add(CONFIRM_URL));
	settle(1);
	answers(503, "");
	now += 2000;
	settle(2);
	answers(429, "");
	now += 4000;
	settle(3);
	cr_expect_eq(files(), 1);
	answers(403, "");
	now += 8000;
	settle(4);
	cr_expect_eq(files(), 0);
	now += DAY_MS;
	settle(4);
}

Test(confirmations, an_old_token_is_given_up)
{
	answers(500, "");
	cr_expect(add(CONFIRM_URL));
	settle(1);
	now += CONFIRMATION_DAYS * (uint64_t)DAY_MS + 1;
	settle(1);
	cr_expect_eq(files(), 0);
}

Test(confirmations, other_urls_are_never_fetched)
{
	cr_expect(add("https://example.net/?Action=ConfirmSubscription"));
	cr_expect(add(CERT_HOST "/?Action=Unsubscribe"));
	cr_expect_eq(files(), 0);
	settle(0);
}

Test(confirmations, too_many_at_once_are_refused)
{
	char url[128];

	network.held = true;
	for (size_t i = 0; i < CONFIRMATIONS_MAX; i++) {
		snprintf(url, sizeof url, CERT_HOST "/?Action=ConfirmSubscription&Token=%zu", i);
		cr_expect(add(url), "%s", why.text);
	}
	cr_expect_not(add(CONFIRM_URL));
	cr_expect_eq(files(), CONFIRMATIONS_MAX);
}
