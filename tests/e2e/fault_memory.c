/* fault_memory - memory that runs out on demand, for tests: put before libc with LD_PRELOAD.
 *
 * While the file named by FAULT_FILE followed by a dot and a function's name exists, that function
 * finds no memory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
fails(const char *function)
{
	const char *file = getenv("FAULT_FILE");
	char path[4096];

	snprintf(path, sizeof path, "%s.%s", file ? file : "", function);
	return file && access(path, F_OK) == 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

char *
strndup(const char *text, size_t n)
{
	return fails("strndup") ? NULL : REAL(strndup)(text, n);
}

void *
msgpack_zone_malloc_expand(msgpack_zone *zone, size_t n)
{
	return fails("msgpack_zone_malloc_expand") ? NULL
						   : REAL(msgpack_zone_malloc_expand)(zone, n);
}
