/* Who goes on, who hangs, and who waits before it starts again. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/doing.h"
#include "lib/stage/heart.h"
#include "lib/stage/life.h"
#include "lib/stage/watch.h"
#include "scratch.h"

static struct watch w;
static struct live_stages found;
static uint64_t now_ms;

static void
setup(void)
{
	w = (struct watch){.n = 0};
	found = (struct live_stages){.n = 0};
	now_ms = 1000000;
	watch_time(&w, now_ms);
}

TestSuite(watch, .init = setup);

static void
lives(const char *name, size_t instance, pid_t pid)
{
	struct live_stage *one = &found.list[found.n++];

	*one = (struct live_stage){.instance = instance, .pid = pid};
	strcpy(one->name, name);
	watch_find(&w, &found, now_ms);
}

static void
beats(const char *name, size_t instance, pid_t pid, enum doing at)
{
	const struct beat beat = {
		.stage = slice_of(name), .instance = instance, .doing = at, .deaths = 3};

	watch_hear(&w, &beat, pid, now_ms);
}

/* Somebody looks every half second. */
static void
passes(uint64_t ms)
{
	for (const uint64_t end = now_ms + ms; now_ms < end;) {
		now_ms += 500;
		cr_assert(watch_time(&w, now_ms));
	}
}

Test(watch, one_that_beats_goes_on)
{
	lives("router", 0, 7);
	for (int i = 0; i < 20; i++) {
		beats("router", 0, 7, DOING_NOTHING);
		passes(2000);
		cr_expect_not(watch_is_hung(&w.list[0], now_ms));
		cr_expect_eq(watch_doing(&w.list[0], now_ms), DOING_NOTHING);
	}
	cr_expect_eq(w.list[0].deaths, 3);
}

Test(watch, one_that_is_silent_is_called_hung_and_then_ended)
{
	lives("router", 0, 7);
	beats("router", 0, 7, DOING_NOTHING);
	passes(WATCH_SILENT_MS);
	cr_expect_eq(watch_doing(&w.list[0], now_ms), DOING_HUNG);
	cr_expect_not(watch_is_hung(&w.list[0], now_ms));
	passes(WATCH_HUNG_MS - WATCH_SILENT_MS);
	cr_expect(watch_is_hung(&w.list[0], now_ms));
	watch_anew(&w.list[0], now_ms);
	cr_expect_not(watch_is_hung(&w.list[0], now_ms), "it is being ended");
}

Test(watch, one_that_holds_a_lock_and_never_beat_hangs_too)
{
	lives("handler-opened", 1, 8);
	passes(WATCH_HUNG_MS);
	cr_expect(watch_is_hung(&w.list[0], now_ms));
}

Test(watch, who_waits_and_says_so_does_not_hang)
{
	lives("validator", 0, 9);
	for (int i = 0; i < 10; i++) {
		beats("validator", 0, 9, DOING_FLUSH);
		passes(2000);
		cr_expect_eq(watch_doing(&w.list[0], now_ms), DOING_FLUSH);
	}
	cr_expect_not(watch_is_hung(&w.list[0], now_ms));
}

Test(watch, one_that_was_started_again_is_counted_from_then)
{
	lives("router", 0, 7);
	passes(WATCH_HUNG_MS - 500);
	found.list[0].pid = 70;
	watch_find(&w, &found, now_ms);
	passes(500);
	cr_expect_not(watch_is_hung(&w.list[0], now_ms));
	cr_expect_eq(w.list[0].stage.pid, 70);
}

Test(watch, one_without_a_lock_is_forgotten)
{
	lives("router", 0, 7);
	beats("router", 1, 8, DOING_NOTHING);
	cr_expect_eq(w.n, 2);
	watch_find(&w, &found, now_ms);
	cr_expect_eq(w.n, 1, "a beat by itself is no process");
	found.n = 0;
	watch_find(&w, &found, now_ms);
	cr_expect_eq(w.n, 0);
}

Test(watch, who_stood_still_itself_counts_anew)
{
	lives("router", 0, 7);
	now_ms += 60000;
	cr_expect_not(watch_time(&w, now_ms));
	cr_expect_not(watch_is_hung(&w.list[0], now_ms));
	passes(WATCH_HUNG_MS);
	cr_expect(watch_is_hung(&w.list[0], now_ms));
}

Test(watch, a_beat_that_came_since_the_clock_was_read_is_none_from_long_ago)
{
	lives("router", 0, 7);
	w.list[0].heard_ms = now_ms + 1;
	cr_expect_not(watch_is_hung(&w.list[0], now_ms));
	cr_expect_eq(watch_doing(&w.list[0], now_ms), w.list[0].doing);
}

Test(watch, a_beat_that_is_none_is_passed_over)
{
	char long_name[200];

	memset(long_name, 'x', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	beats(long_name, 0, 7, DOING_NOTHING);
	beats("router", 0, 7, DOINGS_COUNT);
	cr_expect_eq(w.n, 0);
}

Test(life, only_who_died_within_a_minute_has_died_in_a_row)
{
	cr_expect_eq(life_deaths("", 1000), 0, "none before");
	cr_expect_eq(life_deaths("17\n", 1000), 0, "a good end");
	cr_expect_eq(life_deaths("17\n0 1000\n", 2000), 1);
	cr_expect_eq(life_deaths("17\n4 1000\n", 2000), 5);
	cr_expect_eq(life_deaths("17\n4 1000\n", 1000 + LIFE_LONG_MS), 1, "a minute forgets");
	cr_expect_eq(life_deaths("17\n4 100000\n", 2000), 0, "of another boot");
	cr_expect_eq(life_deaths("rubbish", 2000), 0);
}

Test(life, the_pause_doubles_from_1_s_to_30_s)
{
	static const uint64_t s[] = {0, 0, 1, 2, 4, 8, 16, 30, 30};

	for (size_t deaths = 0; deaths < sizeof s / sizeof *s; deaths++)
		cr_expect_eq(life_pause_ms(deaths), s[deaths] * 1000, "%zu", deaths);
	cr_expect_eq(life_pause_ms(UINT64_MAX), LIFE_PAUSE_MOST_MS);
}

Test(life, what_is_written_is_what_the_next_one_reads)
{
	char path[] = "/tmp/life-XXXXXX", text[80] = "";
	const int fd = mkstemp(path);

	cr_assert(fd >= 0 && unlink(path) == 0);
	cr_expect(life_write(fd, 11, 123456));
	cr_expect(pread(fd, text, sizeof text - 1, 0) > 0);
	cr_expect_eq(atoi(text), getpid());
	cr_expect_eq(life_deaths(text, 123457), 12);
	memset(text, 0, sizeof text);
	cr_expect(life_write(fd, 0, 0));
	cr_expect(pread(fd, text, sizeof text - 1, 0) > 0);
	cr_expect_eq(life_deaths(text, 123457), 0);
	close(fd);
}

Test(doing, what_was_before_comes_back)
{
	uint64_t steps;

	cr_expect_eq(doing(DOING_FLUSH), DOING_NOTHING);
	cr_expect_eq(doing_now(), DOING_NOTHING, "of a thread that does not count");
	doing_counts();
	steps = doing_steps();
	cr_expect_eq(doing(DOING_START), DOING_NOTHING);
	cr_expect_eq(doing(DOING_FLUSH), DOING_START);
	cr_expect_eq(doing_now(), DOING_FLUSH);
	cr_expect_eq(doing(DOING_START), DOING_FLUSH);
	cr_expect_eq(doing_steps() - steps, 3);
}

/* Where the watcher would listen; what it hears is waited for as long as one may be silent. */
static int
listen_for_beats(const struct config *cfg)
{
	const struct timeval most = {.tv_sec = WATCH_SILENT_MS / 1000};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof at.sun_path, "%s/run", cfg->data_dir);
	mkdir(at.sun_path, 0700);
	strcat(at.sun_path, "/" HEART_BEATS);
	cr_assert(bind(fd, (const struct sockaddr *)&at, sizeof at) == 0);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) == 0);
	return fd;
}

/* What the next beat says; -1: none comes. */
static int
hears(int fd)
{
	char bytes[512];
	const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
	struct beat beat = {.doing = 0};
	msgpack_zone zone;

	if (n < 0)
		return -1;
	msgpack_zone_init(&zone, 1024);
	cr_assert(frame_unpack(&beat_schema, bytes, (size_t)n, &zone, &beat, NULL));
	cr_expect(slice_is(beat.stage, "router"));
	cr_expect_eq(beat.deaths, 2);
	msgpack_zone_destroy(&zone);
	return (int)beat.doing;
}

Test(heart, it_beats_for_a_loop_that_stands_and_says_why_and_for_no_other)
{
	struct scratch s;
	struct error why = {""};
	struct heart *h;
	int fd;

	scratch_open(&s, "");
	fd = listen_for_beats(s.cfg);
	doing_counts();
	doing(DOING_START);
	h = heart_new(s.cfg, "router", 0, 2, &why);
	cr_assert(h, "%s", why.text);
	cr_expect_eq(hears(fd), DOING_START);
	cr_expect_eq(hears(fd), DOING_START, "the loop stands, and says why");
	doing(DOING_NOTHING);
	heart_beat(h);
	cr_expect_eq(hears(fd), DOING_NOTHING, "what has changed is said at once");
	cr_expect_eq(hears(fd), -1, "it stands without a word");
	heart_destroy(&h);
	cr_expect_null(h);
	close(fd);
	scratch_close(&s);
}
