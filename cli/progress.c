/* progress - see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { STEP_MS = 100 };

struct progress
progress_begin(const char *what, uint64_t total)
{
	return (struct progress){
		.what = what, .total = total, .terminal = isatty(STDERR_FILENO) == 1};
}

void
progress_show(struct progress *p, uint64_t done)
{
	const uint64_t now_ms = clock_mono_ms();

	if (!p->terminal || now_ms - p->shown_ms < STEP_MS)
		return;
	p->shown_ms = now_ms;
	if (p->total)
		fprintf(stderr, "\r\033[K%s %llu of %llu", p->what, (unsigned long long)done,
			(unsigned long long)p->total);
	else
		fprintf(stderr, "\r\033[K%s %llu", p->what, (unsigned long long)done);
	fflush(stderr);
}

void
progress_end(struct progress *p)
{
	if (p->terminal && p->shown_ms)
		fputs("\r\033[K", stderr);
	p->shown_ms = 0;
}
