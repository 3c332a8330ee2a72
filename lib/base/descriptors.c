/* descriptors - see descriptors.h. */
#include "descriptors.h"

#include <sys/resource.h>

enum { ENOUGH = 1 << 20 }; /* some programs walk over all that there might be */

size_t
descriptors_most(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_max > ENOUGH)
		return ENOUGH;
	return r.rlim_max;
}

size_t
descriptors_raise(void)
{
	const size_t most = descriptors_most();
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return most;
	if (r.rlim_cur >= most)
		return r.rlim_cur > ENOUGH ? ENOUGH : r.rlim_cur;
	r.rlim_cur = most;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		getrlimit(RLIMIT_NOFILE, &r);
	return r.rlim_cur;
}
