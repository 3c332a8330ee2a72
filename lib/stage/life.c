/* life - see life.h. */
#include "life.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/log.h"

uint64_t
life_deaths(const char *text, uint64_t boot_ms)
{
	uint64_t deaths, start_ms;

	if (sscanf(text, "%*d\n%" SCNu64 " %" SCNu64, &deaths, &start_ms) != 2)
		return 0;
	if (boot_ms < start_ms) /* of a boot before */
		return 0;
	return boot_ms - start_ms >= LIFE_LONG_MS ? 1 : deaths + 1;
}

uint64_t
life_pause_ms(uint64_t deaths)
{
	uint64_t ms = LIFE_PAUSE_MS;

	if (deaths < 2)
		return 0;
	for (uint64_t i = 2; i < deaths && ms < LIFE_PAUSE_MOST_MS; i++)
		ms *= 2;
	return ms < LIFE_PAUSE_MOST_MS ? ms : LIFE_PAUSE_MOST_MS;
}

bool
life_write(int fd, uint64_t deaths, uint64_t start_ms)
{
	char text[80];
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());

	if (start_ms)
		n += snprintf(text + n, sizeof text - (size_t)n, "%" PRIu64 " %" PRIu64 "\n",
			deaths, start_ms);
	return pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) == 0;
}

uint64_t
life_begin(int fd)
{
	const uint64_t now_ms = clock_boot_ms();
	char text[80] = "";
	uint64_t deaths = 0;

	if (pread(fd, text, sizeof text - 1, 0) > 0)
		deaths = life_deaths(text, now_ms);
	life_write(fd, deaths, now_ms);
	return deaths;
}

void
life_pause(int fd, int signals, uint64_t deaths)
{
	struct pollfd signal = {.fd = signals, .events = POLLIN};
	const uint64_t pause_ms = life_pause_ms(deaths);
	const enum doing before = doing(DOING_PAUSE);

	if (deaths > 0)
		log_warn("starts again after a death", LF_UINT("deaths_in_a_row", deaths),
			LF_UINT("waits_ms", pause_ms));
	if (pause_ms > 0) {
		log_flush();
		poll(&signal, 1, (int)pause_ms);
		life_write(fd, deaths, clock_boot_ms());
	}
	doing(before);
}
