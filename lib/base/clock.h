/* clock - the clocks, in milliseconds. */
#ifndef TROTLINE_CLOCK_H
#define TROTLINE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Wall clock, ms since 1970: for what people and senders see. It may jump. */
static inline uint64_t
clock_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Monotonic, µs: for durations and deadlines; the same for all processes of one boot. */
static inline uint64_t
clock_mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline uint64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

/* Since boot, ms, with the time that the machine slept: for what another process has written down. */
static inline uint64_t
clock_boot_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
