/* bounce - see bounce.h. */
#include "bounce.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/smtp.h"

enum { TEXT_READ = 1024 };

#define ROW(cause, type, bounce_class, words)                                                      \
	[BOUNCE_##cause] = {#cause, type, bounce_class, words},
const struct bounce_row bounce_rows[BOUNCE_CAUSE_COUNT] = {BOUNCE_CAUSES(ROW)};

const struct bounce_sign bounce_enhanced[] = {
	{"5.1.7", BOUNCE_SENDER},
	{"5.1.8", BOUNCE_SENDER},
	{"5.1.", BOUNCE_ADDRESS},
	{"5.2.2", BOUNCE_FULL},
	{"5.2.3", BOUNCE_TOO_LARGE},
	{"5.3.1", BOUNCE_FULL},
	{"5.3.4", BOUNCE_TOO_LARGE},
	{"5.3.", BOUNCE_TEMPORARY},
	{"5.4.310", BOUNCE_ADDRESS}, /* Exchange: the domain does not exist */
	{"5.4.5", BOUNCE_TEMPORARY},
	{"5.4.6", BOUNCE_TEMPORARY},
	{"5.4.7", BOUNCE_GIVEN_UP},
	{"5.4.14", BOUNCE_TEMPORARY},
	{"5.5.3", BOUNCE_TEMPORARY},
	{"5.6.", BOUNCE_POLICY},
	{"5.7.", BOUNCE_POLICY},
	{"4.", BOUNCE_TEMPORARY},
	{NULL, BOUNCE_NONE},
};

/* Where neither an enhanced code nor the words tell. */
const struct bounce_sign bounce_replies[] = {
	{"521", BOUNCE_ADDRESS}, /* RFC 7504: takes no mail at all */
	{"530", BOUNCE_POLICY},
	{"534", BOUNCE_POLICY},
	{"535", BOUNCE_POLICY},
	{"538", BOUNCE_POLICY},
	{"552", BOUNCE_FULL},
	{"556", BOUNCE_ADDRESS}, /* RFC 7504 */
	{NULL, BOUNCE_NONE},
};

const struct bounce_sign bounce_texts[] = {
	{" sender address rejected", BOUNCE_SENDER},
	{" sender rejected", BOUNCE_SENDER},
	{" sender domain", BOUNCE_SENDER},
	{" sender verify", BOUNCE_SENDER},
	{" from domain", BOUNCE_SENDER},
	{" from address", BOUNCE_SENDER},
	{" user unknown", BOUNCE_ADDRESS},
	{" unknown user", BOUNCE_ADDRESS},
	{" no such user", BOUNCE_ADDRESS},
	{" user not found", BOUNCE_ADDRESS},
	{" user does not exist", BOUNCE_ADDRESS},
	{" user doesn t exist", BOUNCE_ADDRESS},
	{" not a known user", BOUNCE_ADDRESS},
	{" no such recipient", BOUNCE_ADDRESS},
	{" unknown recipient", BOUNCE_ADDRESS},
	{" recipient unknown", BOUNCE_ADDRESS},
	{" invalid recipient", BOUNCE_ADDRESS},
	{" recipient not found", BOUNCE_ADDRESS},
	{" recipient does not exist", BOUNCE_ADDRESS},
	{" recipient address rejected access denied", BOUNCE_ADDRESS}, /* Exchange */
	{" no such mailbox", BOUNCE_ADDRESS},
	{" no mailbox", BOUNCE_ADDRESS},
	{" bad mailbox", BOUNCE_ADDRESS},
	{" invalid mailbox", BOUNCE_ADDRESS},
	{" unknown mailbox", BOUNCE_ADDRESS},
	{" mailbox unknown", BOUNCE_ADDRESS},
	{" mailbox not found", BOUNCE_ADDRESS},
	{" mailbox does not exist", BOUNCE_ADDRESS},
	{" mailbox name not allowed", BOUNCE_ADDRESS},
	{" no such address", BOUNCE_ADDRESS},
	{" address unknown", BOUNCE_ADDRESS},
	{" unknown address", BOUNCE_ADDRESS},
	{" address does not exist", BOUNCE_ADDRESS},
	{" no such account", BOUNCE_ADDRESS},
	{" unknown account", BOUNCE_ADDRESS},
	{" account does not exist", BOUNCE_ADDRESS},
	{" account that you tried to reach does not exist", BOUNCE_ADDRESS},
	{" no such domain", BOUNCE_ADDRESS},
	{" unknown domain", BOUNCE_ADDRESS},
	{" invalid domain", BOUNCE_ADDRESS},
	{" domain not found", BOUNCE_ADDRESS},
	{" domain name not found", BOUNCE_ADDRESS},
	{" nxdomain", BOUNCE_ADDRESS},
	{" suppression list", BOUNCE_SUPPRESSED},
	{" suppressed", BOUNCE_SUPPRESSED},
	{" mailbox full", BOUNCE_FULL},
	{" mailbox is full", BOUNCE_FULL},
	{" inbox full", BOUNCE_FULL},
	{" inbox is full", BOUNCE_FULL},
	{" quota", BOUNCE_FULL},
	{" overquota", BOUNCE_FULL},
	{" storage", BOUNCE_FULL},
	{" too large", BOUNCE_TOO_LARGE},
	{" too big", BOUNCE_TOO_LARGE},
	{" message size", BOUNCE_TOO_LARGE},
	{" size limit", BOUNCE_TOO_LARGE},
	{" spam", BOUNCE_POLICY},
	{" junk", BOUNCE_POLICY},
	{" unsolicited", BOUNCE_POLICY},
	{" blacklist", BOUNCE_POLICY},
	{" black list", BOUNCE_POLICY},
	{" blocklist", BOUNCE_POLICY},
	{" block list", BOUNCE_POLICY},
	{" denylist", BOUNCE_POLICY},
	{" blocked", BOUNCE_POLICY},
	{" banned", BOUNCE_POLICY},
	{" is listed", BOUNCE_POLICY},
	{" reputation", BOUNCE_POLICY},
	{" policy", BOUNCE_POLICY},
	{" policies", BOUNCE_POLICY},
	{" dmarc", BOUNCE_POLICY},
	{" dkim", BOUNCE_POLICY},
	{" spf ", BOUNCE_POLICY},
	{" rbl ", BOUNCE_POLICY},
	{" dnsbl", BOUNCE_POLICY},
	{" ptr ", BOUNCE_POLICY},
	{" reverse dns", BOUNCE_POLICY},
	{" virus", BOUNCE_POLICY},
	{" malware", BOUNCE_POLICY},
	{" phish", BOUNCE_POLICY},
	{" abus", BOUNCE_POLICY},
	{" suspicious", BOUNCE_POLICY},
	{" content reject", BOUNCE_POLICY},
	{" message content", BOUNCE_POLICY},
	{" relay", BOUNCE_POLICY},
	{" client host rejected", BOUNCE_POLICY},
	{" authenticat", BOUNCE_POLICY},
	{" not authorized", BOUNCE_POLICY},
	{" rate limit", BOUNCE_POLICY},
	{" too old", BOUNCE_GIVEN_UP},
	{" delivery attempts", BOUNCE_GIVEN_UP},
	{" retry time", BOUNCE_GIVEN_UP},
	{" expired", BOUNCE_GIVEN_UP},
	{" timed out", BOUNCE_GIVEN_UP},
	{" timeout", BOUNCE_GIVEN_UP},
	{" greylist", BOUNCE_TEMPORARY},
	{" graylist", BOUNCE_TEMPORARY},
	{" temporar", BOUNCE_TEMPORARY},
	{" try again", BOUNCE_TEMPORARY},
	{" at a rate", BOUNCE_TEMPORARY},
	{" connection refused", BOUNCE_TEMPORARY},
	{" does not exist",
		BOUNCE_ADDRESS}, /* last: a record of the sender's may not exist either */
	{" doesn t exist", BOUNCE_ADDRESS},
	{NULL, BOUNCE_NONE},
};

static bool
is_space(char c)
{
	return isspace((unsigned char)c);
}

/* Bytes of the word that begins there and names a host or somebody, which says nothing:
 * <spam@example.com>, https://example.com/blocked. 0: none does. */
static size_t
name_at(struct slice text, size_t at)
{
	const char *word = text.p + at;
	size_t n = 0;

	if (at > 0 && !is_space(word[-1]))
		return 0;
	while (at + n < text.n && !is_space(word[n]))
		n++;
	return memchr(word, '@', n) || memmem(word, n, "://", 3) ? n : 0;
}

/* Small letters and digits, one blank for all between them, one at both ends. */
static void
plain(struct slice text, char out[TEXT_READ + 3])
{
	size_t n = 0;

	out[n++] = ' ';
	for (size_t at = 0; at < text.n; at++) {
		const unsigned char c = (unsigned char)text.p[at];
		const size_t name = name_at(text, at);

		if (name)
			at += name - 1;
		else if (isalnum(c))
			out[n++] = (char)tolower(c);
		else if (out[n - 1] != ' ')
			out[n++] = ' ';
	}
	if (out[n - 1] != ' ')
		out[n++] = ' ';
	out[n] = '\0';
}

static enum bounce_cause
of_text(struct slice text)
{
	char words[TEXT_READ + 3];

	if (!text.n)
		return BOUNCE_NONE;
	plain(text, words);
	for (const struct bounce_sign *row = bounce_texts; row->sign; row++)
		if (strstr(words, row->sign))
			return row->cause;
	return BOUNCE_NONE;
}

/* A sign that ends with a dot is a beginning. */
static bool
fits(struct slice code, const char *sign)
{
	return sign[strlen(sign) - 1] == '.' ? slice_starts(code, sign) : slice_is(code, sign);
}

static enum bounce_cause
of_code(struct slice code, const struct bounce_sign table[])
{
	for (; code.n && table->sign; table++)
		if (fits(code, table->sign))
			return table->cause;
	return BOUNCE_NONE;
}

static enum bounce_cause
of_reply(uint64_t code)
{
	char text[3];

	if (code < 100 || code > 999)
		return BOUNCE_NONE;
	text[0] = (char)('0' + code / 100);
	text[1] = (char)('0' + code / 10 % 10);
	text[2] = (char)('0' + code % 10);
	return of_code((struct slice){text, sizeof text}, bounce_replies);
}

/* What the receiver's answer says by itself. */
static enum bounce_cause
answer(uint64_t code, struct slice enhanced, struct slice text)
{
	enum bounce_cause cause;

	if (code >= 400 && code < 500)
		return BOUNCE_TEMPORARY;
	cause = of_code(enhanced, bounce_enhanced);
	if (!cause)
		cause = of_text(text);
	return cause ? cause : of_reply(code);
}

static bool
is_hard(enum bounce_cause cause)
{
	const char *name = bounce_rows[cause].bounce_class;

	return name && strcmp(name, "hard") == 0;
}

/* A hard word may be weakened; without one the answer must tell. */
static bool
is_final(enum bounce_cause word)
{
	return word != BOUNCE_NONE && word != BOUNCE_NO_SIGN && !is_hard(word);
}

enum bounce_cause
bounce_judge(const struct bounce_facts *facts)
{
	const struct slice text = slice_cut(facts->text, TEXT_READ);
	const uint64_t code = facts->code ? facts->code : smtp_code(text);
	const struct slice enhanced = facts->enhanced.n ? facts->enhanced : smtp_enhanced(text);
	enum bounce_cause said;

	if (is_final(facts->word))
		return facts->word;
	said = answer(code, enhanced, text);
	if (said)
		return said;
	if (is_hard(facts->word))
		return facts->word;
	return code / 100 == 5 || slice_starts(enhanced, "5.") ? BOUNCE_REFUSED : BOUNCE_NO_SIGN;
}

/* The words that senders of the native format use, in any case. */
static const struct bounce_sign native_words[] = {
	{"hard", BOUNCE_HARD},
	{"permanent", BOUNCE_HARD},
	{"soft", BOUNCE_SOFT},
	{"temporary", BOUNCE_SOFT},
	{"transient", BOUNCE_SOFT},
	{"undetermined", BOUNCE_UNDETERMINED},
	{"block", BOUNCE_POLICY},
	{"blocked", BOUNCE_POLICY},
	{"rejected", BOUNCE_NOT_SENT},
	{NULL, BOUNCE_NONE},
};

static enum bounce_cause
native_word(struct slice word)
{
	for (const struct bounce_sign *row = native_words; row->sign; row++)
		if (word.n == strlen(row->sign) && strncasecmp(word.p, row->sign, word.n) == 0)
			return row->cause;
	return BOUNCE_NONE;
}

enum bounce_cause
bounce_native(struct slice type, struct slice bounce_class, const struct bounce_facts *facts)
{
	struct bounce_facts own = *facts;
	enum bounce_cause cause;

	own.word = native_word(type);
	if (!own.word)
		own.word = native_word(bounce_class);
	cause = bounce_judge(&own);
	if (cause != BOUNCE_NO_SIGN)
		return cause;
	return type.n || bounce_class.n ? BOUNCE_NO_WORD : BOUNCE_UNSAID;
}

const char *
bounce_label(enum bounce_cause cause)
{
	static const char family[] = "email_";
	const struct bounce_row *row = &bounce_rows[cause];
	const bool mail = row->type && strncmp(row->type, family, sizeof family - 1) == 0;

	if (row->bounce_class || cause == BOUNCE_POLICY || cause == BOUNCE_SENDER)
		return row->bounce_class ? row->bounce_class : "block";
	return mail ? row->type + sizeof family - 1 : row->type;
}
