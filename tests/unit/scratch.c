/* scratch - see scratch.h. fdatasync and clock_gettime are defined here, before the C library's,
 * for the whole test program. */
#include "scratch.h"

#include <errno.h>
#include <ftw.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

int scratch_flush_error;
unsigned scratch_flushes;
void (*scratch_on_flush)(int fd);

static int64_t mono_ahead_ms, wall_ahead_ms;

/* No test cuts the power, so nothing needs to reach the disk in truth. */
int
fdatasync(int fd)
{
	scratch_flushes++;
	if (scratch_on_flush)
		scratch_on_flush(fd);
	if (scratch_flush_error == 0)
		return 0;
	errno = scratch_flush_error;
	return -1;
}

static void
add_ms(struct timespec *at, int64_t ms)
{
	const int64_t ns = at->tv_nsec + ms % 1000 * 1000000;

	at->tv_sec += ms / 1000 + (ns >= 1000000000) - (ns < 0);
	at->tv_nsec = (ns + 1000000000) % 1000000000;
}

int
clock_gettime(clockid_t clock, struct timespec *at)
{
	const int rc = (int)syscall(SYS_clock_gettime, clock, at);

	if (rc == 0 && clock == CLOCK_REALTIME)
		add_ms(at, wall_ahead_ms);
	else if (rc == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME))
		add_ms(at, mono_ahead_ms);
	return rc;
}

void
scratch_skip_ms(uint64_t ms)
{
	mono_ahead_ms += (int64_t)ms;
	wall_ahead_ms += (int64_t)ms;
}

void
scratch_jump_ms(int64_t ms)
{
	wall_ahead_ms += ms;
}

void
scratch_reboot(uint64_t off_ms)
{
	static int64_t boots; /* no boot id changes here, so each looks shorter ago than the last */
	struct timespec at;

	wall_ahead_ms += (int64_t)off_ms;
	syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &at);
	mono_ahead_ms = (100 - 2 * ++boots - (int64_t)at.tv_sec) * 1000;
}

static void
write_config(const struct scratch *s, const char *more)
{
	FILE *f = fopen(scratch_path(s, "trotline.yaml"), "w");

	cr_assert_not_null(f);
	fprintf(f,
		"data_dir: .\nlog_level: error\nsources:\n"
		"  - name: email\n    secrets: [\"%s\", \"%s\"]\n"
		"  - name: other\n    secrets: [\"%s\"]\n%s%s",
		SCRATCH_SECRET, SCRATCH_OTHER_SECRET, SCRATCH_SECRET, more ? more : "",
		more && strstr(more, "history:") ? "" : "history: {keep: 0s}\n");
	fclose(f);
	cr_assert_eq(chmod(scratch_path(s, "trotline.yaml"), 0600), 0);
}

void
scratch_open(struct scratch *s, const char *more)
{
	*s = (struct scratch){.folder = "/tmp/trotline-unit-XXXXXX"};
	cr_assert_not_null(mkdtemp(s->folder));
	log_set_level(LEVEL_ERROR);
	scratch_configure(s, more);
}

void
scratch_configure(struct scratch *s, const char *more)
{
	config_destroy(&s->cfg);
	write_config(s, more);
	s->cfg = config_load(scratch_path(s, "trotline.yaml"), CONFIG_SECRETS, &s->why);
	cr_assert_not_null(s->cfg, "%s", s->why.text);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void
scratch_close(struct scratch *s)
{
	config_destroy(&s->cfg);
	cr_expect_eq(nftw(s->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *
scratch_path(const struct scratch *s, const char *file)
{
	static char path[160];

	snprintf(path, sizeof path, "%s/%s", s->folder, file);
	return path;
}

struct journal *
scratch_journal(struct scratch *s)
{
	struct journal *j = journal_open(s->cfg, JOURNAL_ACCEPT, &s->why);

	cr_assert_not_null(j, "%s", s->why.text);
	return j;
}

struct slice
scratch_frame(struct slice journal, uint64_t seq, const char *type, const char *id)
{
	static msgpack_sbuffer out;
	const struct event ev = {
		.seq = seq,
		.journal = journal,
		.source = slice_of("email"),
		.type = slice_of(type),
		.id = slice_of(id),
		.ts = clock_wall_ms(),
		.received = clock_wall_ms(),
		.data = {.type = MSGPACK_OBJECT_MAP},
	};

	msgpack_sbuffer_clear(&out);
	cr_assert(frame_pack(&event_schema, &ev, &out));
	return (struct slice){out.data, out.size};
}

struct journal_key
scratch_key(const struct scratch *s, struct journal *j, const char *id, uint64_t request)
{
	return (struct journal_key){
		.hash = journal_hash(j, slice_of("email"), slice_of(id)),
		.request = request,
		.now_ms = clock_wall_ms(),
		.window_ms = s->cfg->sources[0].dedup_window_ms,
	};
}

/* Every call is another request, in every process. */
static uint64_t
next_request(void)
{
	static uint64_t number;

	return (uint64_t)getpid() << 32 | ++number;
}

uint64_t
scratch_accept(const struct scratch *s, struct journal *j, const char *type, const char *id)
{
	const struct journal_key key = scratch_key(s, j, id, next_request());
	struct error why = {""};
	uint64_t seq;

	cr_assert_eq(journal_begin(j, &why), STORE_OK, "%s", why.text);
	seq = journal_next(j);
	cr_assert_eq(journal_append(j, &key, scratch_frame(journal_id(j), seq, type, id),
			     key.now_ms, &why),
		STORE_OK, "%s", why.text);
	cr_assert_eq(journal_commit(j, &why), STORE_OK, "%s", why.text);
	return seq;
}

struct journal_change
scratch_settle(struct journal *j, uint64_t seq, enum journal_move move)
{
	struct journal_change change = {
		.delivery = seq,
		.move = move,
		.due_ms = clock_wall_ms() + 1000,
		.attempts_max = 5,
		.reason = slice_of("why"),
		.handler = slice_of("test"),
	};
	struct error why = {""};

	cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_OK, "%s", why.text);
	return change;
}

enum journal_seen
scratch_seen(const struct scratch *s, struct journal *j, const char *id)
{
	const struct journal_key key = scratch_key(s, j, id, next_request());
	struct error why = {""};
	enum journal_seen seen;
	uint64_t seq;

	cr_assert_eq(journal_begin(j, &why), STORE_OK, "%s", why.text);
	seen = journal_seen(j, &key, &seq);
	journal_abort(j);
	return seen;
}

const char *
scratch_sign(struct slice body, const char *secret)
{
	static char text[80];
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int at;

	cr_assert_not_null(HMAC(EVP_sha256(), secret, (int)strlen(secret),
		(const unsigned char *)body.p, body.n, mac, &n));
	at = snprintf(text, sizeof text, "sha256=");
	for (unsigned i = 0; i < n; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, "%02x", mac[i]);
	return text;
}

static msgpack_object
text_object(const char *text)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(text), text}};
}

void
scratch_request_signed(
	struct job *job, uint64_t number, bool batch, struct slice body, const char *signature)
{
	msgpack_object pair[2] = {
		text_object("X-Signature"), text_object(signature ? signature : "")};
	msgpack_object header = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pair}};
	const struct request rq = {
		.boot = 77,
		.request = number,
		.source = slice_of("email"),
		.target = slice_of(""),
		.batch = batch,
		.received = clock_wall_ms(),
		.deadline = clock_mono_ms() + 3600 * 1000,
		.headers = {.type = MSGPACK_OBJECT_ARRAY,
			.via.array = {signature != NULL, &header}},
		.body = body,
	};
	struct error why = {""};
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	cr_assert(frame_pack(&request_schema, &rq, &out));
	job_reset(job);
	cr_assert(job_open(job, (struct slice){out.data, out.size}, &why), "%s", why.text);
	msgpack_sbuffer_destroy(&out);
}

void
scratch_request(struct job *job, uint64_t number, bool batch, const char *body)
{
	scratch_request_signed(
		job, number, batch, slice_of(body), scratch_sign(slice_of(body), SCRATCH_SECRET));
}
