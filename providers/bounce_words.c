/* bounce_words - see bounce_words.h. */
#include "bounce_words.h"

#include <strings.h>

#include "fields.h"

enum { WORD_READ = 1024 };

/* clang-format off */
const struct bounce_word bounce_words[] = {
	{"sendgrid", "type", "bounce", BOUNCE_HARD},
	{"sendgrid", "type", "blocked", BOUNCE_POLICY},
	{"sendgrid", "type", "expired", BOUNCE_GIVEN_UP},
	{"sendgrid", "bounce_classification", "Reputation", BOUNCE_POLICY},
	{"sendgrid", "bounce_classification", "Content", BOUNCE_POLICY},
	{"sendgrid", "bounce_classification", "Frequency*", BOUNCE_POLICY},
	{"sendgrid", "bounce_classification", "Technical*", BOUNCE_TEMPORARY},

	{"mailgun", "severity", "temporary", BOUNCE_TRYING},
	{"mailgun", "severity", "permanent", BOUNCE_NO_SIGN},
	{"mailgun", "reason", "suppress-*", BOUNCE_SUPPRESSED},
	{"mailgun", "reason", "old", BOUNCE_GIVEN_UP},
	{"mailgun", "reason", "espblock", BOUNCE_POLICY},
	{"mailgun", "code", "602", BOUNCE_GIVEN_UP},
	{"mailgun", "code", "605", BOUNCE_SUPPRESSED},
	{"mailgun", "code", "606", BOUNCE_SUPPRESSED},
	{"mailgun", "code", "607", BOUNCE_SUPPRESSED},
	{"mailgun", "code", "625", BOUNCE_NOT_SENT},

	{"postmark", "Type", "HardBounce", BOUNCE_HARD},
	{"postmark", "Type", "SoftBounce", BOUNCE_SOFT},
	{"postmark", "Type", "Transient", BOUNCE_TRYING},
	{"postmark", "Type", "DnsError", BOUNCE_TRYING},
	{"postmark", "Type", "OpenRelayTest", BOUNCE_TRYING},
	{"postmark", "Type", "Blocked", BOUNCE_POLICY},
	{"postmark", "Type", "SpamNotification", BOUNCE_POLICY},
	{"postmark", "Type", "DMARCPolicy", BOUNCE_POLICY},
	{"postmark", "Type", "VirusNotification", BOUNCE_POLICY},
	{"postmark", "Type", "BadEmailAddress", BOUNCE_NOT_SENT},
	{"postmark", "Type", "ManuallyDeactivated", BOUNCE_SUPPRESSED},
	{"postmark", "Type", "Unconfirmed", BOUNCE_NOT_SENT},
	{"postmark", "Type", "AutoResponder", BOUNCE_ANSWER},
	{"postmark", "Type", "AddressChange", BOUNCE_ANSWER},
	{"postmark", "Type", "ChallengeVerification", BOUNCE_ANSWER},
	{"postmark", "Type", "SpamComplaint", BOUNCE_COMPLAINT},
	{"postmark", "Type", "Unsubscribe", BOUNCE_OPTED_OUT},
	{"postmark", "Type", "Subscribe", BOUNCE_OPTED_IN},
	{"postmark", "Type", "SMTPApiError", BOUNCE_FAULT},
	{"postmark", "Type", "TemplateRenderingFailed", BOUNCE_FAULT},
	{"postmark", "Type", "InboundError", BOUNCE_NOTICE},
	{"postmark", "Type", "Unknown", BOUNCE_UNDETERMINED},
	{"postmark", "SuppressionReason", "ManualSuppression", BOUNCE_OPTED_OUT},
	{"postmark", "SuppressionReason", "HardBounce", BOUNCE_HARD},
	{"postmark", "SuppressionReason", "SpamComplaint", BOUNCE_COMPLAINT},

	{"ses", "bounceType", "Permanent", BOUNCE_HARD},
	{"ses", "bounceType", "Transient", BOUNCE_SOFT},
	{"ses", "bounceType", "Undetermined", BOUNCE_UNDETERMINED},
	{"ses", "bounceSubType", "*Suppress*", BOUNCE_SUPPRESSED},
	{"ses", "bounceSubType", "*Unsubscribed*", BOUNCE_SUPPRESSED},
	{"ses", "bounceSubType", "General", BOUNCE_HARD},
	{"ses", "bounceSubType", "NoEmail", BOUNCE_HARD},
	{"ses", "bounceSubType", "Undetermined", BOUNCE_UNDETERMINED},
	{"ses", "bounceSubType", "MailboxFull", BOUNCE_FULL},
	{"ses", "bounceSubType", "MessageTooLarge", BOUNCE_TOO_LARGE},
	{"ses", "bounceSubType", "CustomTimeoutExceeded", BOUNCE_GIVEN_UP},
	{"ses", "bounceSubType", "ContentRejected", BOUNCE_POLICY},
	{"ses", "bounceSubType", "AttachmentRejected", BOUNCE_POLICY},
	{"ses", "complaintSubType", "*Suppress*", BOUNCE_SUPPRESSED},
	{"ses", "complaintFeedbackType", "abuse", BOUNCE_COMPLAINT},
	{"ses", "complaintFeedbackType", "fraud", BOUNCE_COMPLAINT},
	{"ses", "complaintFeedbackType", "virus", BOUNCE_COMPLAINT},
	{"ses", "complaintFeedbackType", "other", BOUNCE_COMPLAINT},
	{"ses", "complaintFeedbackType", "not-spam", BOUNCE_NOTICE},
	{"ses", "complaintFeedbackType", "auth-failure", BOUNCE_NOTICE},

	{"sparkpost", "bounce_class", "1", BOUNCE_UNDETERMINED},
	{"sparkpost", "bounce_class", "10", BOUNCE_HARD},
	{"sparkpost", "bounce_class", "20", BOUNCE_SOFT},
	{"sparkpost", "bounce_class", "21", BOUNCE_TEMPORARY},
	{"sparkpost", "bounce_class", "22", BOUNCE_FULL},
	{"sparkpost", "bounce_class", "23", BOUNCE_TOO_LARGE},
	{"sparkpost", "bounce_class", "24", BOUNCE_GIVEN_UP},
	{"sparkpost", "bounce_class", "25", BOUNCE_NOT_SENT},
	{"sparkpost", "bounce_class", "26", BOUNCE_SUPPRESSED},
	{"sparkpost", "bounce_class", "30", BOUNCE_HARD},
	{"sparkpost", "bounce_class", "40", BOUNCE_SOFT},
	{"sparkpost", "bounce_class", "50", BOUNCE_POLICY},
	{"sparkpost", "bounce_class", "51", BOUNCE_POLICY},
	{"sparkpost", "bounce_class", "52", BOUNCE_POLICY},
	{"sparkpost", "bounce_class", "53", BOUNCE_POLICY},
	{"sparkpost", "bounce_class", "54", BOUNCE_POLICY},
	{"sparkpost", "bounce_class", "60", BOUNCE_ANSWER},
	{"sparkpost", "bounce_class", "70", BOUNCE_TEMPORARY},
	{"sparkpost", "bounce_class", "80", BOUNCE_OPTED_IN},
	{"sparkpost", "bounce_class", "90", BOUNCE_OPTED_OUT},
	{"sparkpost", "bounce_class", "100", BOUNCE_ANSWER},

	{"mandrill", "bounce_description", "mailbox_full", BOUNCE_FULL},

	{"mailjet", "error", "user unknown", BOUNCE_HARD},
	{"mailjet", "error", "mailbox inactive", BOUNCE_HARD},
	{"mailjet", "error", "invalid domain", BOUNCE_HARD},
	{"mailjet", "error", "no mail host", BOUNCE_HARD},
	{"mailjet", "error", "quota exceeded", BOUNCE_FULL},
	{"mailjet", "error", "greylisted", BOUNCE_TRYING},
	{"mailjet", "error", "system issue", BOUNCE_TEMPORARY},
	{"mailjet", "error", "protocol issue", BOUNCE_TEMPORARY},
	{"mailjet", "error", "connection issue", BOUNCE_TEMPORARY},
	{"mailjet", "error", "relay/access denied", BOUNCE_POLICY},
	{"mailjet", "error", "sender blocked", BOUNCE_POLICY},
	{"mailjet", "error", "content blocked", BOUNCE_POLICY},
	{"mailjet", "error", "policy issue", BOUNCE_POLICY},
	{"mailjet", "error", "blacklisted", BOUNCE_SUPPRESSED},
	{"mailjet", "error", "spam reporter", BOUNCE_SUPPRESSED},
	{"mailjet", "error", "preblocked", BOUNCE_SUPPRESSED},
	{"mailjet", "error", "duplicate in campaign", BOUNCE_NOT_SENT},
	{"mailjet", "error", "typofix", BOUNCE_NOT_SENT},
	{"mailjet", "error", "bad or empty template", BOUNCE_FAULT},
	{"mailjet", "error", "error in template language", BOUNCE_FAULT},
	{"mailjet", "error_related_to", "recipient", BOUNCE_HARD},
	{"mailjet", "error_related_to", "domain", BOUNCE_HARD},
	{"mailjet", "error_related_to", "content", BOUNCE_POLICY},
	{"mailjet", "error_related_to", "spam", BOUNCE_POLICY},
	{"mailjet", "error_related_to", "policy issue", BOUNCE_POLICY},
	{"mailjet", "error_related_to", "system", BOUNCE_TEMPORARY},
	{"mailjet", "error_related_to", "mailjet", BOUNCE_NOT_SENT},

	{"resend", "bounce.message", "*suppressed sending*", BOUNCE_SUPPRESSED},
	{"resend", "bounce.message", "*suppression list*", BOUNCE_SUPPRESSED},
	{"resend", "bounce.message", "*hard bounce*", BOUNCE_HARD},
	{"resend", "bounce.message", "*general bounce*", BOUNCE_SOFT},
	{"resend", "bounce.message", "*inbox*full*", BOUNCE_FULL},
	{"resend", "bounce.message", "*mailbox*full*", BOUNCE_FULL},

	{"postal", "details", "Maximum number of delivery attempts*", BOUNCE_GIVEN_UP},
	{"postal", "details", "*likely spam*", BOUNCE_NOT_SENT},
	{"postal", "details", "Raw message has been removed*", BOUNCE_FAULT},
	{"postal", "details", "*domain no longer exist*", BOUNCE_FAULT},
	{"postal", "details", "*doesn't have an RCPT to*", BOUNCE_FAULT},
	{"postal", "details", "Scope * is not valid*", BOUNCE_FAULT},
	{"postal", "details", "*suppression list*", BOUNCE_SUPPRESSED},
	{"postal", "details", "*recipient*domain*not exist*", BOUNCE_ADDRESS},
};
/* clang-format on */
const size_t bounce_words_count = sizeof bounce_words / sizeof *bounce_words;

typedef int compare(const char *, const char *, size_t);

/* Between stars the first place that fits is as good as any later one: nothing is tried twice. */
static bool
fits(struct slice text, const char *pattern, compare *differ)
{
	size_t n = strcspn(pattern, "*");

	if (text.n < n || differ(text.p, pattern, n) != 0)
		return false;
	if (!pattern[n])
		return text.n == n;
	for (;;) {
		text = (struct slice){text.p + n, text.n - n};
		pattern += n + 1;
		n = strcspn(pattern, "*");
		if (!pattern[n])
			return text.n >= n && differ(text.p + text.n - n, pattern, n) == 0;
		while (text.n >= n && differ(text.p, pattern, n) != 0)
			text.p++, text.n--;
		if (text.n < n)
			return false;
	}
}

enum bounce_cause
bounce_word(const char *provider, const char *field, struct slice word)
{
	if (!word.n)
		return BOUNCE_NONE;
	word = slice_cut(word, WORD_READ);
	for (size_t i = 0; i < bounce_words_count; i++) {
		const struct bounce_word *row = &bounce_words[i];

		if (strcmp(row->provider, provider) == 0 && strcmp(row->field, field) == 0 &&
			fits(word, row->word, *row->word == '*' ? strncasecmp : strncmp))
			return row->cause;
	}
	return BOUNCE_NO_WORD;
}

enum bounce_cause
bounce_word_of(struct normal *ev, const char *provider, const char *field, struct slice word,
	msgpack_zone *zone)
{
	const enum bounce_cause cause = bounce_word(provider, field, word);

	if (cause == BOUNCE_NO_WORD)
		fields_unknown(ev, word, zone);
	return cause;
}

enum bounce_cause
bounce_amazon(struct normal *ev, struct slice type, struct slice subtype, msgpack_zone *zone)
{
	const enum bounce_cause word = bounce_word_of(ev, "ses", "bounceType", type, zone);
	const enum bounce_cause sub = bounce_word_of(ev, "ses", "bounceSubType", subtype, zone);

	if (sub == BOUNCE_SUPPRESSED)
		return sub;
	if (word != BOUNCE_HARD)
		return word ? word : BOUNCE_NO_WORD;
	if (sub == BOUNCE_NO_WORD)
		return BOUNCE_NO_SIGN;
	return sub ? sub : word;
}

/* The first row of the causes that has the type and class: what a name alone says. */
static enum bounce_cause
of_type(const struct normal *ev)
{
	for (int cause = BOUNCE_NONE + 1; cause <= BOUNCE_COMPLAINT; cause++)
		if (slice_is(ev->type, bounce_rows[cause].type) &&
			slice_eq(ev->bounce_class, slice_of(bounce_rows[cause].bounce_class)))
			return (enum bounce_cause)cause;
	return BOUNCE_NONE;
}

void
bounce_settle(struct normal *ev)
{
	const struct bounce_facts facts = {
		.word = ev->cause ? ev->cause : of_type(ev),
		.code = ev->smtp_code,
		.enhanced = ev->smtp_enhanced,
		.text = ev->reason,
	};

	if (!facts.word)
		return;
	ev->cause = bounce_judge(&facts);
	ev->type = slice_of(bounce_rows[ev->cause].type);
	ev->bounce_class = slice_of(bounce_rows[ev->cause].bounce_class);
}
