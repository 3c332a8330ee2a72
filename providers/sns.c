/* sns - see sns.h. The envelope and the steps; URLs and keys have files of their own. */
#include "sns.h"

#include <strings.h>

#include "fields.h"
#include "scheme_check.h"
#include "sns_private.h"
#include "source.h"

/* In which messages a field stands, and how. */
enum {
	IN_NOTIFICATION = 1,
	IN_CONFIRMATION = 2,
	IN_ALL = IN_NOTIFICATION | IN_CONFIRMATION,
	OPTIONAL = 4,
	LINES = 8,
};

struct field {
	const char *key, *lambda_key;
	size_t at;
	unsigned how;
};

#define AT(name) offsetof(struct sns_envelope, name)

/* In byte order, as they are signed. */
static const struct field signed_fields[] = {
	{"Message", NULL, AT(message), IN_ALL | LINES},
	{"MessageId", NULL, AT(message_id), IN_ALL},
	{"Subject", NULL, AT(subject), IN_NOTIFICATION | OPTIONAL},
	{"SubscribeURL", "SubscribeUrl", AT(subscribe_url), IN_CONFIRMATION},
	{"Timestamp", NULL, AT(timestamp), IN_ALL},
	{"Token", NULL, AT(token), IN_CONFIRMATION},
	{"TopicArn", NULL, AT(topic), IN_ALL},
	{"Type", NULL, AT(type_name), IN_ALL},
};

static const struct field signature_fields[] = {
	{"SignatureVersion", NULL, AT(signature_version), IN_ALL},
	{"Signature", NULL, AT(signature), IN_ALL},
	{"SigningCertURL", "SigningCertUrl", AT(cert_url), IN_ALL},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
	const char *name;
	unsigned in;
} types[] = {
	[SNS_NOTIFICATION] = {"Notification", IN_NOTIFICATION},
	[SNS_SUBSCRIBE] = {"SubscriptionConfirmation", IN_CONFIRMATION},
	[SNS_UNSUBSCRIBE] = {"UnsubscribeConfirmation", IN_CONFIRMATION},
};

static const struct {
	const char *name;
	enum digest digest;
} versions[] = {{"1", DIGEST_SHA1}, {"2", DIGEST_SHA256}};

static struct slice *
place(struct sns_envelope *envelope, const struct field *field)
{
	return (struct slice *)(void *)((char *)envelope + field->at);
}

static const msgpack_object *
value_of(const msgpack_object *root, const struct field *field)
{
	const msgpack_object *value = field_get(root, field->key);

	return value || !field->lambda_key ? value : field_get(root, field->lambda_key);
}

static bool
read_field(
	const msgpack_object *root, const struct field *field, struct slice *out, struct error *why)
{
	const msgpack_object *value = value_of(root, field);

	if ((field->how & OPTIONAL) && (!value || value->type == MSGPACK_OBJECT_NIL))
		return true;
	if (!value)
		return error_set(why, "SNS envelope: %s is missing", field->key);
	if (value->type != MSGPACK_OBJECT_STR)
		return error_set(why, "SNS envelope: %s is no text", field->key);
	*out = object_str(value);
	if (!(field->how & LINES) && memchr(out->p, '\n', out->n))
		return error_set(why, "SNS envelope: %s has more than one line", field->key);
	return true;
}

static bool
read_fields(const msgpack_object *root, const struct field *fields, size_t n, unsigned in,
	struct sns_envelope *envelope, struct error *why)
{
	for (size_t i = 0; i < n; i++)
		if ((fields[i].how & in) &&
			!read_field(root, &fields[i], place(envelope, &fields[i]), why))
			return false;
	return true;
}

static bool
read_type(const msgpack_object *root, enum sns_type *type, struct error *why)
{
	const struct slice name = field_str(root, "Type");

	for (size_t i = 0; i < COUNT(types); i++) {
		if (slice_is(name, types[i].name)) {
			*type = (enum sns_type)i;
			return true;
		}
	}
	return error_set(why, "SNS envelope: Type is %s", name.p ? "of no known kind" : "missing");
}

enum check_step
sns_read(const msgpack_object *root, struct sns_envelope *envelope, struct error *why)
{
	*envelope = (struct sns_envelope){0};
	if (!read_type(root, &envelope->type, why))
		return CHECK_MALFORMED;
	if (!read_fields(root, signed_fields, COUNT(signed_fields), types[envelope->type].in,
		    envelope, why))
		return CHECK_MALFORMED;
	if (!timestamp_of_text(envelope->timestamp, &envelope->ts_ms)) {
		error_set(why, "SNS envelope: Timestamp is no time");
		return CHECK_MALFORMED;
	}
	if (!read_fields(root, signature_fields, COUNT(signature_fields), IN_ALL, envelope, why))
		return CHECK_SIGNATURE;
	return CHECK_ACCEPTED;
}

static bool
write_line(msgpack_sbuffer *out, struct slice line)
{
	return msgpack_sbuffer_write(out, line.p ? line.p : "", line.n) == 0 &&
	       msgpack_sbuffer_write(out, "\n", 1) == 0;
}

bool
sns_canonical(const struct sns_envelope *envelope, msgpack_sbuffer *out)
{
	for (size_t i = 0; i < COUNT(signed_fields); i++) {
		const struct field *field = &signed_fields[i];
		const struct slice value =
			*(const struct slice *)(const void *)((const char *)envelope + field->at);

		if (!(field->how & types[envelope->type].in) || !value.p)
			continue;
		if (!write_line(out, slice_of(field->key)) || !write_line(out, value))
			return false;
	}
	return true;
}

static bool
digest_of(struct slice version, enum digest *digest, struct error *why)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		if (slice_is(version, versions[i].name)) {
			*digest = versions[i].digest;
			return true;
		}
	}
	return error_set(why, "SignatureVersion is neither 1 nor 2");
}

static enum check_step
check_with(struct key *key, const struct sns_envelope *envelope, enum digest digest,
	struct slice signature, struct error *why)
{
	msgpack_sbuffer text;
	enum check_step step = CHECK_ACCEPTED;

	msgpack_sbuffer_init(&text);
	if (!sns_canonical(envelope, &text)) {
		error_set(why, "out of memory for the signed text of an SNS message");
		step = CHECK_UNAVAILABLE;
	} else if (!key_verifies(
			   key, digest, &(struct slice){text.data, text.size}, 1, signature)) {
		error_set(why, "Signature: not made over these fields by the key of %.*s",
			SLICE_ARG(envelope->cert_url));
		step = CHECK_SIGNATURE;
	}
	msgpack_sbuffer_destroy(&text);
	return step;
}

static bool
topic_allowed(const struct provider_options *options, struct slice topic, struct error *why)
{
	for (size_t i = 0; i < options->topics_count; i++)
		if (slice_is(topic, options->topics[i]))
			return true;
	return error_set(why, "TopicArn %.*s is not on the allow-list", SLICE_ARG(topic));
}

/* Before the proof nobody is told whether a topic is on the list: for one that is not, nothing is
 * fetched, and else all is as for one that is. Amazon's certificates stand where the topic is: those
 * of other regions are not fetched either. */
static enum check_step
find_certificate(const struct provider_source *source, struct inbound *in,
	const struct sns_envelope *envelope, struct slice *pem, struct error *why)
{
	struct error foreign = {""};
	const bool ours = topic_allowed(&source->options, envelope->topic, &foreign);
	const bool near = sns_cert_url_of_topic(envelope->cert_url, envelope->topic, why);
	provider_certificate *ask = ours && near ? in->certificate : in->known_certificate;

	*pem = ask ? ask(in->certificate_arg, envelope->cert_url) : (struct slice){NULL, 0};
	if (pem->p)
		return CHECK_ACCEPTED;
	if (!near)
		return CHECK_SIGNATURE;
	in->untold = true;
	error_set(
		why, "the certificate at %.*s is not to be had now", SLICE_ARG(envelope->cert_url));
	if (!ours)
		*why = foreign;
	return CHECK_UNAVAILABLE;
}

static enum check_step
check_signature(struct provider_source *source, struct inbound *in,
	const struct sns_envelope *envelope, enum digest digest, struct error *why)
{
	const struct slice signature = decode_base64(envelope->signature, BASE64_STRICT, in->zone);
	enum check_step step;
	struct slice pem;
	struct key *key;

	if (!signature.n) {
		error_set(why, "Signature: not base64");
		return CHECK_SIGNATURE;
	}
	step = find_certificate(source, in, envelope, &pem, why);
	if (step != CHECK_ACCEPTED)
		return step;
	key = sns_key(source, pem, why);
	return key ? check_with(key, envelope, digest, signature, why) : CHECK_UNAVAILABLE;
}

/* The header is not signed, the body is: one that says otherwise is no work of SNS. */
static bool
headers_agree(const msgpack_object *headers, const struct sns_envelope *envelope, struct error *why)
{
	struct slice said = {NULL, 0};
	const size_t n = header_find(headers, "x-amz-sns-message-type", &said);

	if (n > 1 || (n == 1 && !slice_eq(said, envelope->type_name)))
		return error_set(why, "x-amz-sns-message-type does not say %.*s as the body does",
			SLICE_ARG(envelope->type_name));
	return true;
}

/* What can be told without a certificate. */
static enum check_step
check_plain(const struct inbound *in, const struct sns_envelope *envelope, enum digest *digest,
	struct error *why)
{
	if (!headers_agree(in->headers, envelope, why))
		return CHECK_POLICY;
	return digest_of(envelope->signature_version, digest, why) &&
			       sns_cert_url_allowed(envelope->cert_url, why)
		       ? CHECK_ACCEPTED
		       : CHECK_SIGNATURE;
}

static enum check_step
check_envelope(struct provider_source *source, struct inbound *in, struct error *why)
{
	struct sns_envelope envelope;
	enum digest digest = DIGEST_SHA256;
	enum check_step step = sns_read(&in->root, &envelope, why);

	envelope.cert_url = sns_cert_url(envelope.cert_url, in->zone);
	if (step == CHECK_ACCEPTED)
		step = check_plain(in, &envelope, &digest, why);
	if (step == CHECK_ACCEPTED)
		step = check_signature(source, in, &envelope, digest, why);
	if (step == CHECK_ACCEPTED && !topic_allowed(&source->options, envelope.topic, why))
		step = CHECK_POLICY;
	if (step == CHECK_ACCEPTED)
		step = scheme_fresh(source, in, envelope.ts_ms, why);
	if (step == CHECK_ACCEPTED && envelope.type == SNS_SUBSCRIBE &&
		!sns_subscribe_url_allowed(envelope.subscribe_url, why))
		step = CHECK_POLICY;
	return step;
}

bool
sns_is_raw(const msgpack_object *headers)
{
	struct slice said = {NULL, 0};

	return header_find(headers, "x-amz-sns-rawdelivery", &said) && said.n == strlen("true") &&
	       strncasecmp(said.p, "true", said.n) == 0;
}

/* Nothing proves raw delivery but the credentials of the source, if it has any; the topic in the
 * header keeps apart what was mixed up by mistake. */
static enum check_step
check_raw(struct provider_source *source, struct inbound *in, struct error *why)
{
	in->untold = source->scheme == SCHEME_SNS;
	if (!source->options.allow_raw) {
		error_set(why, "raw delivery is not signed, and this source does not allow it");
		return CHECK_SIGNATURE;
	}
	return topic_allowed(
		       &source->options, header_value(in->headers, "x-amz-sns-topic-arn"), why)
		       ? CHECK_ACCEPTED
		       : CHECK_POLICY;
}

enum check_step
sns_verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	enum check_step step = CHECK_ACCEPTED;

	if (source->scheme != SCHEME_SNS)
		step = scheme_check(source, in, why);
	if (step == CHECK_ACCEPTED && sns_is_raw(in->headers))
		step = check_raw(source, in, why);
	if (step != CHECK_ACCEPTED)
		return step;
	if (!json_read(in->json, in->body, in->zone, &in->root, why))
		return CHECK_MALFORMED;
	in->parsed = true;
	return sns_is_raw(in->headers) ? CHECK_ACCEPTED : check_envelope(source, in, why);
}
