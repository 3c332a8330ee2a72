/* fault_clock - a wall clock that jumps, for tests: put before libc with LD_PRELOAD.
 *
 * It is off by as many seconds as the file named by CLOCK_FILE says; without the file it is right. Other clocks go on
 * as they do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static long
off_by(void)
{
	const char *path = getenv("CLOCK_FILE");
	const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[32] = "";

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof text - 1) < 0)
		text[0] = 0;
	close(fd);
	return atol(text);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	const int rc = REAL(clock_gettime)(clock, now);

	if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += off_by();
	return rc;
}

int
gettimeofday(struct timeval *now, void *zone)
{
	const int rc = REAL(gettimeofday)(now, zone);

	now->tv_sec += off_by();
	return rc;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
