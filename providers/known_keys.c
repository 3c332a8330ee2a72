/* known_keys - see known_keys.h. */
#include "known_keys.h"

#include "source.h"

const struct known_key known_keys[] = {
	{"test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G", "mailersend", "MailerSend's documents"},
	{"test-webhook", "mandrill", "Mandrill's documents"},
	{"It's a Secret to Everybody", NULL, "GitHub's documents"},
	{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL, "the libraries of Standard Webhooks"},
	{"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", NULL, "the pages of Standard Webhooks"},
	{"whsec_plJ3nmyCDGBKInavdOK15jsl", NULL, "Svix's documents"},
	{"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", NULL,
		"the libraries of Standard Webhooks"},
};
const size_t known_keys_count = sizeof known_keys / sizeof *known_keys;

const struct known_key *
known_key_find(struct slice secret)
{
	for (size_t i = 0; i < known_keys_count; i++)
		if (slice_is(secret, known_keys[i].secret))
			return &known_keys[i];
	return NULL;
}

static void
free_key(void *state)
{
	struct key *key = state;

	key_destroy(&key);
}

static struct key *
make_key(const char *provider, enum key_form form)
{
	for (size_t i = 0; i < known_keys_count; i++)
		if (known_keys[i].provider && strcmp(known_keys[i].provider, provider) == 0)
			return key_new(form, slice_of(known_keys[i].secret), NULL);
	return NULL;
}

bool
known_key_signed(struct provider_source *source, enum key_form form, const struct slice *parts,
	size_t n, struct slice given)
{
	if (!source->state)
		source->state = make_key(source->provider->name, form);
	source->state_free = free_key;
	return source->state && key_mac_is(source->state, parts, n, &given, 1);
}
