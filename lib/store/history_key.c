/* history_key - what an event is found by, as hashes under the installation's own key: so the file of
 * keys says of no address that it is in it, but to who holds the key. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_private.h"
#include "lib/base/address.h"
#include "lib/base/codec.h"
#include "lib/base/field.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"

enum { SECRET_BYTES = 32, MAC_BYTES = 32 };

struct hasher {
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
	uint32_t mark;
};

static bool
read_secret(const char *folder, bool make, unsigned char secret[SECRET_BYTES], struct error *why)
{
	char path[PATH_ROOM];
	size_t size = 0;
	char *text;
	bool made, good;

	snprintf(path, sizeof path, "%s/key", folder);
	if (make && !secret_make(path, "", &made, why))
		return false;
	text = file_read_private(path, &size, why);
	if (!text)
		return false;
	good = decode_hex(slice_trim(slice_of(text), " \r\n"), secret, SECRET_BYTES);
	wipe_free(text, size);
	return good || error_set(why, "%s is no key: 64 hex digits", path);
}

static bool
prepare(struct hasher *h, const unsigned char secret[SECRET_BYTES])
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end()};

	h->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	h->ctx = h->mac ? EVP_MAC_CTX_new(h->mac) : NULL;
	if (!h->ctx || !EVP_MAC_init(h->ctx, secret, SECRET_BYTES, params))
		return false;
	h->mark = (uint32_t)hasher_text(h, slice_of("trotline history")) & 0x7fffffff;
	return true;
}

struct hasher *
hasher_open(const char *folder, bool make, struct error *why)
{
	unsigned char secret[SECRET_BYTES];
	struct hasher *h;

	if (!read_secret(folder, make, secret, why))
		return NULL;
	h = calloc(1, sizeof *h);
	if (!h || !prepare(h, secret)) {
		error_set(why, "cannot get HMAC from OpenSSL");
		hasher_close(&h);
	}
	explicit_bzero(secret, sizeof secret);
	return h;
}

void
hasher_close(struct hasher **h)
{
	if (!*h)
		return;
	EVP_MAC_CTX_free((*h)->ctx);
	EVP_MAC_free((*h)->mac);
	free(*h);
	*h = NULL;
}

uint64_t
hasher_text(struct hasher *h, struct slice text)
{
	unsigned char out[MAC_BYTES];
	size_t n = 0;
	uint64_t x = 0;

	if (EVP_MAC_init(h->ctx, NULL, 0, NULL) &&
		EVP_MAC_update(h->ctx, (const unsigned char *)text.p, text.n) &&
		EVP_MAC_final(h->ctx, out, &n, sizeof out))
		memcpy(&x, out, sizeof x);
	return x ? x : 1;
}

uint32_t
hasher_mark(const struct hasher *h)
{
	return h->mark;
}

uint64_t
place_x(struct slice journal, uint64_t seq)
{
	uint64_t x = 0xcbf29ce484222325U;

	for (size_t i = 0; i < journal.n; i++)
		x = (x ^ (unsigned char)journal.p[i]) * 0x100000001b3U;
	return (x ^ x >> 32) << 48 | (seq & 0xffffffffffffU);
}

/* A text, or a whole number as its decimal text, as handlers read it. */
static struct slice
text_or_number(const msgpack_object *data, const char *name, char number[24])
{
	const msgpack_object *value = field_get(data, name);

	if (!value)
		return (struct slice){NULL, 0};
	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		snprintf(number, 24, "%" PRIu64, value->via.u64);
	else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		snprintf(number, 24, "%" PRIi64, value->via.i64);
	else
		return object_str(value);
	return slice_of(number);
}

void
key_texts_of(const struct event *ev, struct key_texts *t)
{
	struct slice written = ev->email.p ? ev->email : field_str(&ev->data, "email"), bare;
	struct error ignored;

	memset(t->word, 0, sizeof t->word);
	memset(t->index, 0, sizeof t->index);
	if (written.p && address_read(written, t->lower, &bare, &ignored))
		t->index[INDEX_EMAIL] = (struct slice){t->lower, bare.n};
	t->index[INDEX_MESSAGE] = text_or_number(&ev->data, "message_id", t->numbers[0]);
	t->index[INDEX_EVENT] = ev->id;
	t->word[WORD_TYPE] = ev->type;
	t->word[WORD_SOURCE] = ev->source;
	t->word[WORD_JOURNAL] = ev->journal;
	t->word[WORD_CAMPAIGN] =
		slice_cut(text_or_number(&ev->data, "campaign_id", t->numbers[1]), 256);
}

void
key_of(struct hasher *h, const struct event *ev, struct key *key, struct key_texts *texts)
{
	key_texts_of(ev, texts);
	*key = (struct key){.at = ev->ts, .received = ev->received, .seq = ev->seq};
	for (int i = 0; i < INDEX_TEXTS; i++)
		if (texts->index[i].n)
			key->x[i] = hasher_text(h, texts->index[i]);
	key->domain = domain_class(texts->index[INDEX_EMAIL]);
	if (field_bool(&ev->data, "machine", false))
		key->flags |= KEY_MACHINE;
}
