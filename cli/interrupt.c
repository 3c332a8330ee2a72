/* interrupt - see interrupt.h. */
#include "interrupt.h"

volatile sig_atomic_t interrupted;

static void
on_signal(int signum)
{
	(void)signum;
	interrupted = 1;
}

void
interrupt_catch_one(int signum)
{
	const struct sigaction act = {.sa_handler = on_signal};

	sigaction(signum, &act, NULL);
}

void
interrupt_catch(void)
{
	interrupt_catch_one(SIGINT);
	interrupt_catch_one(SIGTERM);
}
