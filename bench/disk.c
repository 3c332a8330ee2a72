/* disk - how long the disk itself takes: appends to a file and flushes it, again and again.
 *
 * usage: bench-disk FILE SECONDS [BYTES [PAUSE_MS]]
 *
 * In: nothing. Out: one JSON line with percentiles of write + fdatasync. The file is removed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/histogram.h"

enum { BYTES = 32768, BYTES_MAX = 1 << 20 };

int
main(int argc, char **argv)
{
	static struct histogram h;
	static char block[BYTES_MAX];
	const size_t n = argc > 3 ? (size_t)atoi(argv[3]) : BYTES;
	const useconds_t pause_us = argc > 4 ? (useconds_t)atoi(argv[4]) * 1000 : 0;
	int fd = argc > 2 ? open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	uint64_t end_us;

	if (fd < 0 || n == 0 || n > sizeof block) {
		fprintf(stderr, "usage: bench-disk FILE SECONDS [BYTES [PAUSE_MS]]\n");
		return 1;
	}
	memset(block, 'x', sizeof block);
	end_us = clock_mono_us() + (uint64_t)(atof(argv[2]) * 1e6);
	while (clock_mono_us() < end_us) {
		const uint64_t from_us = clock_mono_us();

		if (write(fd, block, n) != (ssize_t)n || fdatasync(fd) != 0) {
			perror(argv[1]);
			return 1;
		}
		histogram_add(&h, clock_mono_us() - from_us);
		usleep(pause_us);
	}
	unlink(argv[1]);
	printf("{\"flushes\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"most_ms\": %.3f}\n",
		(unsigned long long)h.count, (double)histogram_percentile(&h, 50) / 1e3,
		(double)histogram_percentile(&h, 99) / 1e3, (double)h.most / 1e3);
	return 0;
}
