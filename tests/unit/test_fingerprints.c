/* fingerprints - what two nodes compare instead of secrets: the same for the same, nothing of what could be
 * guessed, no password. */
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/ops/fingerprints.h"
#include "scratch.h"

static struct scratch s;
static msgpack_zone zone;

static void
setup(void)
{
	scratch_open(&s,
		"node: {number: 1}\n"
		"redis: {urls: [\"rediss://:marmot@r1:6380/2\", \"redis://127.0.0.1\"]}\n");
	msgpack_zone_init(&zone, 4096);
}

static void
teardown(void)
{
	msgpack_zone_destroy(&zone);
	scratch_close(&s);
}

TestSuite(fingerprints, .init = setup, .fini = teardown, .timeout = 60);

static struct slice
print_of(const msgpack_object *all, const char *source, size_t i)
{
	const msgpack_object *prints = field_get(field_get(all, "sources"), source);

	cr_assert(prints && prints->via.array.size > i);
	return object_str(&prints->via.array.ptr[i]);
}

Test(fingerprints, one_secret_has_one_for_each_source_and_tells_nothing_of_it)
{
	const msgpack_object all = fingerprints_object(s.cfg, &zone);
	char *text = json_write(&all, false);

	cr_expect_eq(print_of(&all, "email", 0).n, 16);
	cr_expect_not(slice_eq(print_of(&all, "email", 0), print_of(&all, "email", 1)));
	cr_expect_not(slice_eq(print_of(&all, "email", 0), print_of(&all, "other", 0)));
	cr_expect(!strstr(text, SCRATCH_SECRET) && !strstr(text, "marmot"), "%s", text);
	cr_expect_not_null(
		strstr(text, "\"redis\":[\"r1:6380/2\",\"127.0.0.1:6379/0\"]"), "%s", text);
	free(text);
}

Test(fingerprints, a_secret_that_could_be_guessed_has_none)
{
	msgpack_object all;

	s.cfg->sources[0].secrets[0][15] = 0;
	all = fingerprints_object(s.cfg, &zone);
	cr_expect_null(print_of(&all, "email", 0).p);
	cr_expect_not_null(print_of(&all, "email", 1).p);
}

Test(fingerprints, they_are_read_as_they_were_written_by_their_owner_alone)
{
	const msgpack_object none = fingerprints_read(s.cfg, &zone);
	struct stat st;
	msgpack_object all;
	char *wrote, *read;

	cr_expect_eq(none.type, MSGPACK_OBJECT_NIL);
	cr_assert_eq(mkdir(scratch_path(&s, "run"), 0700), 0);
	cr_assert(fingerprints_write(s.cfg, &s.why), "%s", s.why.text);
	cr_assert_eq(stat(scratch_path(&s, "run/fingerprints"), &st), 0);
	cr_expect_eq(st.st_mode & 077, 0);
	all = fingerprints_object(s.cfg, &zone);
	wrote = json_write(&all, false);
	all = fingerprints_read(s.cfg, &zone);
	read = json_write(&all, false);
	cr_expect_str_eq(read, wrote);
	free(wrote);
	free(read);
}
