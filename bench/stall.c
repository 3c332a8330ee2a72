/* stall - how long the machine itself stands still: a thread on each processor that goes before all
 * others (SCHED_FIFO, so it needs root) wakes every millisecond and sees how late it is.
 *
 * usage: bench-stall SECONDS
 *
 * A virtual machine whose host gives it less than its processors' full time, or an interrupt that
 * takes long, shows here and nowhere else: to everybody within, time just jumps. In: nothing. Out:
 * one JSON line, of the processor that stood still longest. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/histogram.h"

enum { CPUS_MAX = 256, PRIORITY = 50, EVERY_US = 1000, LONG_US = 1000 };

struct watch {
	pthread_t thread;
	int cpu;
	uint64_t end_us, lost_us; /* lost: by what was late for more than LONG_US */
	struct histogram late;
};

static void *
watch(void *arg)
{
	struct watch *w = arg;
	uint64_t due_us = clock_mono_us();
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(w->cpu, &own);
	pthread_setaffinity_np(pthread_self(), sizeof own, &own);
	while (due_us < w->end_us) {
		uint64_t late_us;

		due_us += EVERY_US;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
			&(struct timespec){
				(time_t)(due_us / 1000000), (long)(due_us % 1000000) * 1000},
			NULL);
		late_us = clock_mono_us() - due_us;
		histogram_add(&w->late, late_us);
		if (late_us > LONG_US)
			w->lost_us += late_us;
		due_us += late_us / EVERY_US * EVERY_US;
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	static struct watch all[CPUS_MAX];
	const double seconds = argc == 2 ? atof(argv[1]) : 0;
	const struct sched_param first = {PRIORITY};
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const struct watch *worst = &all[0];

	if (seconds <= 0 || cpus > CPUS_MAX || sched_setscheduler(0, SCHED_FIFO, &first) != 0) {
		fprintf(stderr, "usage: bench-stall SECONDS, as root\n");
		return 1;
	}
	for (int i = 0; i < (int)cpus; i++) {
		all[i].cpu = i;
		all[i].end_us = clock_mono_us() + (uint64_t)(seconds * 1e6);
		if (pthread_create(&all[i].thread, NULL, watch, &all[i]) != 0)
			return 1;
	}
	for (int i = 0; i < (int)cpus; i++) {
		pthread_join(all[i].thread, NULL);
		if (all[i].lost_us > worst->lost_us)
			worst = &all[i];
	}
	printf("{\"lost_percent\": %.2f, \"p99_ms\": %.3f, \"most_ms\": %.3f}\n",
		(double)worst->lost_us / seconds / 1e4,
		(double)histogram_percentile(&worst->late, 99) / 1e3,
		(double)worst->late.most / 1e3);
	return 0;
}
