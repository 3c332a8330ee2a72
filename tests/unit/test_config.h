/* What the tests of the configuration share: a folder with a file of its own for each test, loads
 * that must go well and loads that must not. */
#ifndef TROTLINE_TEST_CONFIG_H
#define TROTLINE_TEST_CONFIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config/config.h"
#include "providers/source_keys.h"

#define SOURCE "sources:\n  - name: email\n    secrets: [\"0123456789abcdef\"]\n"

static char folder[] = "/tmp/trotline-config-XXXXXX";
static char path[64], secrets[64];
static struct error why;

static inline void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/trotline.yaml", folder);
	snprintf(secrets, sizeof secrets, "%s/secrets", folder);
	setenv("TROTLINE_SECRET", "from the environment", 1);
	unsetenv("TROTLINE_UNSET");
}

static inline void
teardown(void)
{
	unlink(secrets);
	unlink(path);
	rmdir(folder);
}

static inline void
write_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(name, mode), 0);
}

static inline struct config *
load(const char *text, enum config_mode mode)
{
	write_file(path, text, 0600);
	why.text[0] = '\0';
	return mode == CONFIG_SECRETS ? source_keys_load(path, &why)
				      : config_load(path, mode, &why);
}

static inline struct config *
load_good(const char *text, enum config_mode mode)
{
	struct config *cfg = load(text, mode);

	cr_assert_not_null(cfg, "%s", why.text);
	return cfg;
}

/* The cause for which the text is refused, without the folder's name. */
static inline const char *
fault(const char *text)
{
	struct config *cfg = load(text, CONFIG_SECRETS);

	cr_assert_null(cfg, "accepted: %s", text);
	return why.text + (strncmp(why.text, folder, strlen(folder)) == 0 ? strlen(folder) + 1 : 0);
}

static inline void
expect_fault(const char *text, const char *cause)
{
	const char *said = fault(text);

	cr_expect(strncmp(said, cause, strlen(cause)) == 0, "%s\nsays: %s\nnot:  %s", text, said,
		cause);
}

#endif
