/* fuzz - the fuzzer's entry: FUZZ_TARGET in the environment names one of targets.h. libFuzzer calls
 * it with bytes of its own invention until it is stopped or something breaks. */
#include <stdio.h>
#include <stdlib.h>

#include "targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct fuzz_target *target;
	const char *name = getenv("FUZZ_TARGET");

	if (!target && (!name || !(target = target_find(name)))) {
		fprintf(stderr, "FUZZ_TARGET: one of\n");
		for (size_t i = 0; i < targets_count; i++)
			fprintf(stderr, "  %s\n", targets[i].name);
		_Exit(2); /* not exit: libFuzzer would take it for a crash and say where */
	}
	target->run(target, (struct slice){n ? (const char *)bytes : "", n});
	return 0;
}
