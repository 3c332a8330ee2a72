/* The event in hand outlives its process. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "handlers/hand.h"

static char path[] = "/tmp/trotline-hand-XXXXXX";
static struct slice journal;
static uint64_t seq;

static void
make_file(void)
{
	close(mkstemp(path));
}

static void
remove_file(void)
{
	unlink(path);
}

TestSuite(handlers_hand, .init = make_file, .fini = remove_file);

static const struct slice j1 = {"0123456789abcdef", 16}, j2 = {"j2", 2};

static struct hand *
open_hand(void)
{
	struct error why = {""};
	struct hand *hand = hand_open(path, &why);

	cr_assert(hand, "%s", why.text);
	return hand;
}

/* Runs fn in a process that has the hand open; returns the signal that ended it. */
static int
end_of(void (*fn)(struct hand *hand))
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		fn(open_hand());
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
die_with_the_second(struct hand *hand)
{
	hand_take(hand, j1, 1);
	hand_put(hand);
	hand_take(hand, j2, 2);
	raise(SIGKILL);
}

static void
die_between_two(struct hand *hand)
{
	hand_take(hand, j1, 1);
	hand_put(hand);
	raise(SIGKILL);
}

static void
be_slow(struct hand *hand)
{
	hand_take(hand, j1, 3);
	alarm(1);
	for (;;)
		pause();
}

Test(handlers_hand, the_next_process_finds_what_the_last_had_in_hand)
{
	struct hand *hand;

	cr_assert_eq(end_of(die_with_the_second), SIGKILL);
	hand = open_hand();
	cr_expect(hand_left(hand, &journal, &seq));
	cr_expect_eq(seq, 2);
	cr_expect(slice_is(journal, "j2"));
	hand_take(hand, j1, 5);
	hand_put(hand);
	cr_expect(hand_left(hand, &journal, &seq) && seq == 2, "until it is reported");
	hand_reported(hand);
	cr_expect_not(hand_left(hand, &journal, &seq));
	hand_close(&hand);
	hand = open_hand();
	cr_expect_not(hand_left(hand, &journal, &seq));
	hand_close(&hand);
}

Test(handlers_hand, nobody_is_blamed_for_a_death_between_two_events)
{
	struct hand *hand;

	cr_assert_eq(end_of(die_between_two), SIGKILL);
	hand = open_hand();
	cr_expect_not(hand_left(hand, &journal, &seq));
	hand_close(&hand);
}

Test(handlers_hand, a_process_that_takes_too_long_ends_with_the_event_in_hand)
{
	struct hand *hand;

	cr_assert_eq(end_of(be_slow), SIGALRM);
	hand = open_hand();
	cr_expect(hand_left(hand, &journal, &seq));
	cr_expect_eq(seq, 3);
	hand_close(&hand);
}

Test(handlers_hand, the_alarm_is_set_from_the_first_event_until_the_hand_rests)
{
	struct hand *hand = open_hand();
	unsigned left;

	hand_take(hand, j1, 1);
	hand_put(hand);
	hand_take(hand, j1, 2);
	left = alarm(0);
	cr_expect(left > HAND_SECONDS - 2 && left <= HAND_SECONDS + 1, "%u s", left);
	hand_put(hand);
	hand_rest(hand);
	hand_take(hand, j1, 3);
	hand_put(hand);
	hand_rest(hand);
	cr_expect_eq(alarm(0), 0);
	hand_close(&hand);
}

Test(handlers_hand, a_file_of_garbage_blames_nobody)
{
	FILE *f = fopen(path, "w");
	struct hand *hand;

	for (int i = 0; i < 100; i++)
		fputc(0xff, f);
	fclose(f);
	hand = open_hand();
	cr_expect_not(hand_left(hand, &journal, &seq));
	hand_close(&hand);
}

Test(handlers_hand, a_path_that_cannot_be_opened_is_an_error_that_names_it)
{
	struct error why = {""};

	cr_expect_null(hand_open("/nonexistent/x.hand", &why));
	cr_expect(strstr(why.text, "/nonexistent/x.hand"), "%s", why.text);
}
