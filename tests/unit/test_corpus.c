/* What the fuzzer once broke something with, or found a new way with, and the bodies of all
 * fixtures: every target of tests/fuzz takes them. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "tests/fuzz/targets.h"

enum { FILE_MAX = 8 << 20 };

static struct slice
read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *bytes = malloc(FILE_MAX);
	size_t n;

	cr_assert(f && bytes, "%s", path);
	n = fread(bytes, 1, FILE_MAX, f);
	fclose(f);
	return (struct slice){bytes, n};
}

/* From an allocation of its own size, so that a sanitizer sees a step beyond it. */
static void
run(const struct fuzz_target *target, struct slice bytes)
{
	char *copy = malloc(bytes.n + !bytes.n);

	cr_assert(copy);
	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	target->run(target, (struct slice){copy, bytes.n});
	free(copy);
}

static void
run_fixture(const struct fuzz_target *target, struct slice text)
{
	struct json_reader *json = json_reader_new();
	msgpack_object root;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 8192);
	if (json_read(json, text, &zone, &root, NULL) && field_str(&root, "body").p)
		run(target, field_str(&root, "body"));
	msgpack_zone_destroy(&zone);
	json_reader_destroy(&json);
}

static size_t
run_folder(const char *folder, const struct fuzz_target *target,
	void (*with)(const struct fuzz_target *target, struct slice bytes))
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[1024];
	size_t count = 0;

	while (dir && (entry = readdir(dir))) {
		struct slice bytes;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		bytes = read_file(path);
		with(target, bytes);
		free((char *)bytes.p);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

Test(corpus, every_target_takes_what_is_kept_for_it)
{
	char folder[256];

	for (size_t i = 0; i < targets_count; i++) {
		snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", targets[i].name);
		run_folder(folder, &targets[i], run);
		run(&targets[i], (struct slice){"", 0});
	}
}

Test(corpus, every_provider_takes_its_fixtures)
{
	char folder[256];
	size_t count = 0;

	for (size_t i = 0; i < targets_count; i++) {
		if (!targets[i].provider)
			continue;
		snprintf(folder, sizeof folder, "tests/fixtures/%s", targets[i].provider);
		count += run_folder(folder, &targets[i], run_fixture);
	}
	cr_expect_gt(count, 100, "run from the top of the tree");
}
