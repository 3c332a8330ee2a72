/* What Redis says, and what it means: values, error replies, INFO; and how a form writes an order. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/redis_wire.h"
#include "lib/store/redis_words.h"

TestSuite(redis_words, .timeout = 60);

Test(redis_words, a_value_says_who_has_it_and_anything_else_is_nobodys)
{
	static const struct {
		const char *value;
		unsigned node;
		bool durable;
		enum seen_answer to_7;
	} rows[] = {
		{"", 0, false, SEEN_FREE},
		{"7", 7, true, SEEN_FREE},
		{"c7", 7, false, SEEN_FREE},
		{"8", 8, true, SEEN_TAKEN},
		{"9999", 9999, true, SEEN_TAKEN},
		{"c8", 8, false, SEEN_BUSY},
		{"c9999", 9999, false, SEEN_BUSY},
		{"0", 0, false, SEEN_FREE},
		{"c0", 0, false, SEEN_FREE},
		{"c", 0, false, SEEN_FREE},
		{"12345", 0, false, SEEN_FREE},
		{"-8", 0, false, SEEN_FREE},
		{"8 ", 0, false, SEEN_FREE},
		{"cc8", 0, false, SEEN_FREE},
		{"{\"a\":8}", 0, false, SEEN_FREE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct redis_holder holder = redis_holder_of(slice_of(rows[i].value));

		cr_expect_eq(holder.node, rows[i].node, "%s", rows[i].value);
		cr_expect_eq(holder.durable, rows[i].durable, "%s", rows[i].value);
		cr_expect_eq(redis_answer(holder, 7), rows[i].to_7, "%s", rows[i].value);
		cr_expect_eq(redis_is_conflict(holder, 7), rows[i].to_7 == SEEN_TAKEN, "%s",
			rows[i].value);
	}
}

Test(redis_words, each_error_reply_has_its_cause_and_none_quotes_what_was_sent)
{
	static const struct {
		const char *reply;
		enum store_cause cause;
	} rows[] = {
		{"WRONGTYPE Operation against a key holding the wrong kind of value", CAUSE_NONE},
		{"OOM command not allowed when used memory > 'maxmemory'.", CAUSE_FULL},
		{"NOAUTH Authentication required.", CAUSE_DENIED},
		{"WRONGPASS invalid username-password pair or user is disabled.", CAUSE_DENIED},
		{"ERR AUTH <password> called without any password configured", CAUSE_DENIED},
		{"NOPERM this user has no permissions to run the 'set' command", CAUSE_DENIED},
		{"ERR The user executing the script can't run this command or subcommand script",
			CAUSE_DENIED},
		{"READONLY You can't write against a read only replica.", CAUSE_UNFIT},
		{"MASTERDOWN Link with MASTER is down", CAUSE_UNFIT},
		{"MOVED 3999 127.0.0.1:6381", CAUSE_UNFIT},
		{"CLUSTERDOWN Hash slot not served", CAUSE_UNFIT},
		{"ERR DB index is out of range", CAUSE_UNFIT},
		{"ERR syntax error", CAUSE_UNFIT},
		{"LOADING Redis is loading the dataset in memory", CAUSE_AWAY},
		{"MISCONF Redis is configured to save RDB snapshots", CAUSE_AWAY},
		{"BUSY Redis is busy running a script.", CAUSE_AWAY},
		{"ERR max number of clients reached", CAUSE_AWAY},
		{"ERR unknown command 'AUTH', with args beginning with: 'hunter2'", CAUSE_AWAY},
		{"ERR unknown command `AUTH`, with args beginning with: `hunter2`", CAUSE_AWAY},
	};
	struct error why;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		*why.text = 0;
		cr_expect_eq(redis_fault_of(slice_of(rows[i].reply), &why), rows[i].cause, "%s",
			rows[i].reply);
		cr_expect(*why.text, "%s", rows[i].reply);
		cr_expect_null(strstr(why.text, "hunter2"));
	}
}

static enum store_cause
look(const char *text, struct redis_info *info)
{
	struct error why;

	return redis_info_read(slice_of(text), info, &why);
}

Test(redis_words, a_server_is_of_use_when_it_is_7_or_later_a_master_alone_and_never_evicts)
{
	struct redis_info info;

	cr_expect_eq(look("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nrole:master\r\n"
			  "used_memory:1000\r\nmaxmemory:2000\r\nmaxmemory_policy:noeviction\r\n"
			  "cluster_enabled:0\r\nloading:0\r\n",
			     &info),
		CAUSE_NONE);
	cr_expect_str_eq(info.version, "7.0.15");
	cr_expect_str_eq(info.run_id, "abc");
	cr_expect_eq(info.used_bytes, 1000);
	cr_expect_eq(info.limit_bytes, 2000);
	cr_expect_eq(look("redis_version:10.1.0\r\n", &info), CAUSE_NONE);
	cr_expect_eq(look("redis_version:6.2.14\r\n", &info), CAUSE_UNFIT);
	cr_expect_eq(look("", &info), CAUSE_UNFIT);
	cr_expect_eq(look("redis_version:7.2.4\r\nrole:slave\r\n", &info), CAUSE_UNFIT);
	cr_expect_eq(look("redis_version:7.2.4\r\ncluster_enabled:1\r\n", &info), CAUSE_UNFIT);
	cr_expect_eq(look("redis_version:7.2.4\r\nloading:1\r\n", &info), CAUSE_AWAY);
	cr_expect_eq(look("redis_version:7.2.4\r\nmaxmemory_policy:volatile-ttl\r\n", &info),
		CAUSE_EVICTING);
	cr_expect_eq(look("x_redis_version:7\nmaxmemory_policy", &info), CAUSE_UNFIT);
}

Test(redis_words, ids_are_shared_out_evenly_by_their_first_bits)
{
	size_t counts[3] = {0};

	for (uint64_t i = 0; i < 30000; i++) {
		const struct hash128 hash = {i * 0x9e3779b97f4a7c15U, i};
		const size_t server = redis_server_of(hash, 3);

		cr_assert_lt(server, 3);
		counts[server]++;
	}
	for (size_t i = 0; i < 3; i++)
		cr_expect(counts[i] > 9000 && counts[i] < 11000, "%zu", counts[i]);
	cr_expect_eq(redis_server_of((struct hash128){UINT64_MAX, 0}, 16), 15);
	cr_expect_eq(redis_server_of((struct hash128){0, 0}, 16), 0);
}

Test(redis_words, a_form_writes_the_order_that_the_library_writes)
{
	const struct slice words[] = {slice_of("SET"), slice_of("0123456789abcdef"), slice_of("c7"),
		slice_of("NX"), slice_of("PX"), slice_of("15000"), slice_of("GET")};
	struct redis_form form;

	cr_assert(redis_form_make(&form, words, 7, 1));
	cr_expect_eq(form.width, 16);
	cr_expect_eq(memcmp(form.text + form.at, "0123456789abcdef", 16), 0);
	free(form.text);
	cr_assert(redis_form_make(&form, words, 7, 5));
	cr_expect_eq(memcmp(form.text + form.at, "15000", 5), 0);
	free(form.text);
}

Test(redis_words, a_claim_is_old_past_half_its_life)
{
	cr_expect_not(redis_claim_is_old(1000, 1000, 15000));
	cr_expect_not(redis_claim_is_old(1000, 8500, 15000));
	cr_expect(redis_claim_is_old(1000, 8501, 15000));
	cr_expect(redis_claim_is_old(1000, 61000, 15000));
}
