/* sns - Amazon's envelope: what SNS signs, whose certificates count, which topics are ours.
 *
 * Facts (SNS developer guide, proved with messages that SNS really signed):
 * - signed is not the body but a text rebuilt from it, `Key\nValue\n` for the fields of the
 *   message's type in byte order, values as JSON decodes them; RSA PKCS#1 v1.5, SignatureVersion
 *   1 = SHA-1 (the default), 2 = SHA-256;
 * - the certificate stands at SigningCertURL, which the sender writes: it is worth something only
 *   when its host is SNS itself, else anybody signs with a certificate of his own;
 * - a right signature proves "some topic of some AWS customer", so the TopicArn must be ours as
 *   well;
 * - Timestamp is signed and stays the same on every retry, up to 3600 s later;
 * - the x-amz-sns-* headers are not signed; raw delivery (x-amz-sns-rawdelivery: true) has no
 *   envelope and no signature at all. */
#ifndef TROTLINE_PROVIDERS_SNS_H
#define TROTLINE_PROVIDERS_SNS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "provider.h"

enum { SNS_CERT_URL_MAX = 512 };

enum sns_type { SNS_NOTIFICATION, SNS_SUBSCRIBE, SNS_UNSUBSCRIBE };

/* An envelope; the texts belong to the tree it was read from. */
struct sns_envelope {
	enum sns_type type;
	struct slice type_name;
	struct slice message, message_id, topic, timestamp;
	struct slice subject;              /* absent where the envelope has none, or null */
	struct slice subscribe_url, token; /* (un)subscription only */
	struct slice signature, signature_version, cert_url;
	int64_t ts_ms; /* Timestamp */
};

/* Reads a parsed body. CHECK_MALFORMED where a signed field is missing, no text, or (but for
 * Message) has more than one line: else a Message with lines such as `MessageId\n...` could stand
 * for another envelope of the same signed text. CHECK_SIGNATURE where a field of the signature is
 * missing. Keys may be in the spelling of Lambda payloads (SigningCertUrl). */
enum check_step sns_read(
	const msgpack_object *root, struct sns_envelope *envelope, struct error *why);

/* Appends the text that SNS signed. False when memory is short. */
bool sns_canonical(const struct sns_envelope *envelope, msgpack_sbuffer *out);

/* The URL with its host in lower case, in the zone: compared, fetched and cached so, for a host has no
 * case. What is no https URL, or longer than SNS_CERT_URL_MAX, comes back as it is. */
struct slice sns_cert_url(struct slice url, msgpack_zone *zone);

/* https, host sns.<region>.amazonaws.com[.cn] in any case, no user, no port, no query; a plain path to a .pem.
 */
bool sns_cert_url_allowed(struct slice url, struct error *why);

/* Does it stand with SNS in the region of the topic (arn:<partition>:sns:<region>:...)? */
bool sns_cert_url_of_topic(struct slice url, struct slice topic, struct error *why);

/* Is the PEM a certificate that SNS may sign with for messages that name this URL? Gives the time
 * of its validity. */
bool sns_certificate_read(
	struct slice url, struct slice pem, int64_t *from_ms, int64_t *until_ms, struct error *why);

/* The same hosts; a ConfirmSubscription call. To be asked again before such a URL is fetched. */
bool sns_subscribe_url_allowed(struct slice url, struct error *why);

/* Does the request say of itself that it is raw delivery? */
bool sns_is_raw(const msgpack_object *headers);

/* All steps of a request, which must be allowed to be raw, or an envelope: fields, headers that
 * agree, version, certificate's URL, topic, signature, age, SubscribeURL. Leaves the parsed body in
 * in->root. The certificate's own validity is for whoever hands it out to judge. */
enum check_step sns_verify(struct provider_source *source, struct inbound *in, struct error *why);

#endif
