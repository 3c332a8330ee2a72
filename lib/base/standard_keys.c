/* standard_keys - see standard_keys.h.
 *
 * State: the keys, made ready once, and wiped. A file is read whole before anything of it counts. */
#include "standard_keys.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"
#include "file.h"
#include "secret.h"
#include "timestamp.h"

enum {
	HMAC_LEAST = 24,
	KEY_MOST = 64,
	HMAC_NEW = 32,
	SEED = 32,
	MAC_LEN = 32,
	ED25519_LEN = 64,
	LINE_BYTES = 512,
	SECONDS_TEXT = 24,
};

static const char HMAC[] = "whsec_", ED25519[] = "whsk_", PUBLIC[] = "whpk_", UNTIL[] = "until";
static const char BLANKS[] = " \t\r";

struct key {
	EVP_MAC_CTX *mac; /* one of the two */
	EVP_PKEY *pkey;
	uint64_t until_ms; /* 0: for good */
};

struct standard_keys {
	struct key keys[STANDARD_KEYS_MAX];
	size_t n;
};

/* ---- a line ---- */

struct line {
	size_t number;
	struct slice whole; /* as it stands there */
	struct slice key;   /* absent: only a remark */
	uint64_t until_ms;
};

static struct slice
take_word(struct slice *rest)
{
	struct slice word;

	*rest = slice_trim(*rest, BLANKS);
	word = *rest;
	for (word.n = 0; word.n < rest->n && !strchr(BLANKS, rest->p[word.n]);)
		word.n++;
	*rest = (struct slice){rest->p + word.n, rest->n - word.n};
	return word;
}

static bool
wrong(const struct line *line, struct error *why, const char *what)
{
	return error_set(why, "line %zu: %s", line->number, what);
}

static bool
read_until(struct line *line, struct slice rest, struct error *why)
{
	const struct slice word = take_word(&rest);
	int64_t ms;

	if (!word.n)
		return true;
	rest = slice_trim(rest, BLANKS);
	if (!slice_is(word, UNTIL) || rest.n < 10 || rest.p[4] != '-' ||
		!timestamp_of_text(rest, &ms))
		return wrong(line, why,
			"behind the key stands nothing, or `until` and a time such as 2026-01-02T03:04:05Z");
	line->until_ms = (uint64_t)ms;
	return true;
}

/* Cuts the first line off; false at the end, and with the cause. */
static bool
next_line(struct slice *text, struct line *line, struct error *why)
{
	const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL, *remark;
	struct slice rest;

	if (!text->n)
		return false;
	*line = (struct line){.number = line->number + 1,
		.whole = {text->p, end ? (size_t)(end - text->p) : text->n}};
	text->n -= line->whole.n + (end != NULL);
	text->p += line->whole.n + (end != NULL);
	rest = line->whole;
	remark = memchr(rest.p, '#', rest.n);
	if (remark)
		rest.n = (size_t)(remark - rest.p);
	line->key = take_word(&rest);
	if (!line->key.n)
		line->key.p = NULL;
	return read_until(line, rest, why);
}

/* ---- a key ---- */

static EVP_MAC_CTX *
hmac_of(const unsigned char *bytes, size_t n)
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (context && EVP_MAC_init(context, bytes, n, params) == 1)
		return context;
	EVP_MAC_CTX_free(context);
	return NULL;
}

/* 64 bytes are seed and public key, which must belong together. */
static EVP_PKEY *
ed25519_of(const unsigned char *bytes, size_t n)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, SEED);
	unsigned char public[SEED];
	size_t size = sizeof public;

	if (pkey && n > SEED &&
		(EVP_PKEY_get_raw_public_key(pkey, public, &size) != 1 ||
			CRYPTO_memcmp(public, bytes + SEED, SEED) != 0)) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return pkey;
}

static bool
has_size(const struct line *line, bool hmac, size_t n, struct error *why)
{
	if (hmac)
		return (n >= HMAC_LEAST && n <= KEY_MOST) ||
		       wrong(line, why, "behind whsec_ must stand the base64 of 24 to 64 bytes");
	return n == SEED || n == 2 * SEED ||
	       wrong(line, why, "behind whsk_ must stand the base64 of 32 or 64 bytes");
}

static bool
read_key(const struct line *line, struct key *key, struct error *why)
{
	const bool hmac = slice_starts(line->key, HMAC);
	const size_t prefix = hmac ? strlen(HMAC) : strlen(ED25519);
	unsigned char bytes[KEY_MOST];
	size_t n = 0;
	bool good;

	if (slice_starts(line->key, PUBLIC))
		return wrong(line, why, "whpk_ is the public key: it signs nothing");
	if (!hmac && !slice_starts(line->key, ED25519))
		return wrong(line, why, "a key begins with whsec_ or whsk_");
	if (!decode_base64_to((struct slice){line->key.p + prefix, line->key.n - prefix},
		    BASE64_STRICT, bytes, sizeof bytes, &n))
		n = 0;
	*key = (struct key){.until_ms = line->until_ms};
	good = has_size(line, hmac, n, why);
	if (good && hmac)
		key->mac = hmac_of(bytes, n);
	else if (good)
		key->pkey = ed25519_of(bytes, n);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return !good || key->mac || key->pkey ? good
					      : wrong(line, why, "OpenSSL takes no such key");
}

static bool
read_line(struct standard_keys *keys, const struct line *line, struct error *why)
{
	if (!line->key.p)
		return true;
	if (keys->n == STANDARD_KEYS_MAX)
		return wrong(line, why, "more than 4 keys");
	return read_key(line, &keys->keys[keys->n], why) && ++keys->n > 0;
}

void
standard_keys_destroy(struct standard_keys **keys)
{
	for (size_t i = 0; *keys && i < (*keys)->n; i++) {
		EVP_MAC_CTX_free((*keys)->keys[i].mac);
		EVP_PKEY_free((*keys)->keys[i].pkey);
	}
	free(*keys);
	*keys = NULL;
}

/* NULL with the cause, without the file's name. */
static struct standard_keys *
read_text(struct slice text, struct error *why)
{
	struct standard_keys *keys = calloc(1, sizeof *keys);
	struct error none = {""}, *cause = why ? why : &none;
	struct line line = {0};
	bool good = true;

	if (!keys)
		return error_set(why, "memory is short"), NULL;
	cause->text[0] = '\0';
	while (good && next_line(&text, &line, cause))
		good = read_line(keys, &line, cause);
	good = good && !cause->text[0] && (keys->n || error_set(cause, "it holds no key"));
	if (!good)
		standard_keys_destroy(&keys);
	return keys;
}

struct standard_keys *
standard_keys_read(const char *path, struct error *why)
{
	size_t size;
	char *text = file_read_private(path, &size, why);
	struct standard_keys *keys;

	if (!text)
		return NULL;
	keys = read_text(slice_of(text), why);
	wipe_free(text, size);
	if (!keys)
		error_wrap(why, "%s", path);
	return keys;
}

/* ---- new ones ---- */

/* The hex digits that it makes are base64 digits, too: of 48 bytes, with 256 random bits in them. */
bool
standard_keys_make(const char *path, bool *made, struct error *why)
{
	return secret_make(path, HMAC, made, why);
}

static size_t
write_hmac(char out[LINE_BYTES])
{
	unsigned char bytes[HMAC_NEW];
	size_t n = 0;

	if (RAND_bytes(bytes, sizeof bytes) == 1) {
		n = strlen(strcpy(out, HMAC));
		n += encode_base64_to(bytes, sizeof bytes, out + n);
		out[n++] = '\n';
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	return n;
}

/* With the public key beside it, which is what a receiver needs. */
static size_t
write_ed25519(char out[LINE_BYTES])
{
	unsigned char seed[SEED], public[SEED];
	size_t n = 0, size = sizeof public;
	EVP_PKEY *pkey = NULL;

	if (RAND_bytes(seed, sizeof seed) == 1)
		pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
	if (pkey && EVP_PKEY_get_raw_public_key(pkey, public, &size) == 1) {
		n = strlen(strcpy(out, ED25519));
		n += encode_base64_to(seed, sizeof seed, out + n);
		n += strlen(strcpy(out + n, " # public: whpk_"));
		n += encode_base64_to(public, sizeof public, out + n);
		out[n++] = '\n';
	}
	EVP_PKEY_free(pkey);
	OPENSSL_cleanse(seed, sizeof seed);
	return n;
}

/* ---- rotation ---- */

/* The file as it is to be; texts are secrets. */
struct rotation {
	char *text;
	size_t n, room, keys;
	uint64_t now_ms, until_ms;
	bool hmac, ed25519; /* kinds that are live for good */
};

static bool
append(struct rotation *r, struct slice text)
{
	if (r->n + text.n > r->room)
		return false;
	memcpy(r->text + r->n, text.p, text.n);
	r->n += text.n;
	return true;
}

static bool
append_until(struct rotation *r, const struct line *line)
{
	const uint64_t until_ms =
		line->until_ms && line->until_ms < r->until_ms ? line->until_ms : r->until_ms;
	char time[TIMESTAMP_BYTES];

	return append(r, line->key) && append(r, slice_of(" until ")) &&
	       append(r, slice_of(timestamp_text(until_ms, time))) && append(r, slice_of("\n"));
}

/* Remarks stay, keys get their end; what is over by then goes, and so do the oldest that are too many. */
static bool
append_line(struct rotation *r, const struct line *line)
{
	if (!line->key.p)
		return append(r, line->whole) && append(r, slice_of("\n"));
	if ((line->until_ms && line->until_ms <= r->now_ms) || r->until_ms <= r->now_ms ||
		r->keys == STANDARD_KEYS_MAX)
		return true;
	r->keys++;
	return append_until(r, line);
}

static bool
append_new(struct rotation *r)
{
	char line[LINE_BYTES];
	size_t n = 0;
	bool good = true;

	if (r->hmac) {
		n = write_hmac(line);
		good = n && append(r, (struct slice){line, n});
		r->keys++;
	}
	if (good && r->ed25519) {
		n = write_ed25519(line);
		good = n && append(r, (struct slice){line, n});
		r->keys++;
	}
	OPENSSL_cleanse(line, sizeof line);
	return good;
}

/* Which kinds there are, and whether one is on its way out. */
static bool
look(struct rotation *r, struct slice text, bool force, struct error *why)
{
	struct line line = {0};
	char time[TIMESTAMP_BYTES];

	while (next_line(&text, &line, why)) {
		if (!line.key.p)
			continue;
		if (line.until_ms > r->now_ms && !force)
			return error_set(why,
				"a key is on its way out already, until %s: a receiver that has only that one would be cut off (--force does it all the same)",
				timestamp_text(line.until_ms, time));
		r->hmac |= !line.until_ms && slice_starts(line.key, HMAC);
		r->ed25519 |= !line.until_ms && slice_starts(line.key, ED25519);
	}
	r->hmac |= !r->ed25519;
	return true;
}

static bool
rewrite(struct rotation *r, const char *path, struct slice text, struct error *why)
{
	struct line line = {0};
	bool good = append_new(r);

	while (good && next_line(&text, &line, why))
		good = append_line(r, &line);
	if (!good)
		return error_set(why, "OpenSSL makes no new key");
	return file_replace(path, &(struct slice){r->text, r->n}, 1, true, why);
}

static bool
rotate_text(const char *path, struct slice text, struct rotation *r, bool force, struct error *why)
{
	struct standard_keys *keys = read_text(text, why);
	bool good = keys && look(r, text, force, why);

	standard_keys_destroy(&keys);
	if (!good)
		return false;
	r->room = text.n + 2 * LINE_BYTES + STANDARD_KEYS_MAX * (size_t)64;
	r->text = malloc(r->room);
	if (!r->text)
		return error_set(why, "memory is short");
	good = rewrite(r, path, text, why);
	wipe_free(r->text, r->room);
	return good;
}

bool
standard_keys_rotate(
	const char *path, uint64_t now_ms, uint64_t grace_ms, bool force, struct error *why)
{
	struct rotation r = {.now_ms = now_ms, .until_ms = now_ms + grace_ms};
	size_t size;
	char *text = file_read_private(path, &size, why);
	bool good;

	if (!text)
		return false;
	good = rotate_text(path, slice_of(text), &r, force, why) || error_wrap(why, "%s", path);
	wipe_free(text, size);
	return good;
}

/* ---- what they are for ---- */

static bool
is_live(const struct key *key, uint64_t now_ms)
{
	return !key->until_ms || key->until_ms > now_ms;
}

struct standard_keys_facts
standard_keys_facts(const struct standard_keys *keys, uint64_t now_ms)
{
	struct standard_keys_facts facts = {0};

	for (size_t i = 0; i < keys->n; i++) {
		const struct key *key = &keys->keys[i];

		if (!is_live(key, now_ms))
			continue;
		facts.live++;
		if (key->until_ms && (!facts.until_ms || key->until_ms < facts.until_ms))
			facts.until_ms = key->until_ms;
	}
	return facts;
}

enum { PARTS = 5 };

static size_t
sign_hmac(EVP_MAC_CTX *mac, const struct slice parts[PARTS], unsigned char out[ED25519_LEN])
{
	size_t n = 0;
	bool good = EVP_MAC_init(mac, NULL, 0, NULL) == 1;

	for (size_t i = 0; good && i < PARTS; i++)
		good = EVP_MAC_update(mac, (const unsigned char *)parts[i].p, parts[i].n) == 1;
	return good && EVP_MAC_final(mac, out, &n, MAC_LEN) == 1 ? n : 0;
}

/* Ed25519 reads the message twice, so it must have it in one piece. */
static size_t
sign_ed25519(EVP_PKEY *pkey, const struct slice parts[PARTS], unsigned char out[ED25519_LEN])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t size = 0, n = ED25519_LEN;
	char *whole, *to;
	bool good;

	for (size_t i = 0; i < PARTS; i++)
		size += parts[i].n;
	whole = to = malloc(size);
	for (size_t i = 0; whole && i < PARTS; i++)
		to = parts[i].n ? mempcpy(to, parts[i].p, parts[i].n) : to;
	good = context && whole && EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
	       EVP_DigestSign(context, out, &n, (const unsigned char *)whole, size) == 1;
	free(whole);
	EVP_MD_CTX_free(context);
	return good ? n : 0;
}

/* Returns its length; 0: OpenSSL would not. */
static size_t
write_signature(const struct key *key, const struct slice parts[PARTS], char *out)
{
	unsigned char bytes[ED25519_LEN];
	const size_t n = key->mac ? sign_hmac(key->mac, parts, bytes)
				  : sign_ed25519(key->pkey, parts, bytes);
	const size_t prefix = strlen(strcpy(out, key->mac ? "v1," : "v1a,"));

	return n ? prefix + encode_base64_to(bytes, n, out + prefix) : 0;
}

size_t
standard_keys_sign(const struct standard_keys *keys, struct slice id, uint64_t timestamp_s,
	struct slice body, uint64_t now_ms, char out[STANDARD_SIGNATURES], struct error *why)
{
	char seconds[SECONDS_TEXT];
	const struct slice parts[PARTS] = {id, {".", 1},
		{seconds, (size_t)snprintf(seconds, sizeof seconds, "%" PRIu64, timestamp_s)},
		{".", 1}, body};
	size_t n = 0;

	for (size_t i = 0; i < keys->n; i++) {
		size_t more;

		if (!is_live(&keys->keys[i], now_ms))
			continue;
		if (n)
			out[n++] = ' ';
		more = write_signature(&keys->keys[i], parts, out + n);
		if (!more)
			return error_set(why, "OpenSSL signs nothing"), 0;
		n += more;
	}
	if (!n)
		error_set(why, "no key is live: the last one has reached its `until`");
	return n;
}
