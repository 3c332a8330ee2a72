/* samples - what each provider says of a message, as data: one table a provider, all of our own
 * writing, shaped after its documents. See sample.h for what @-words stand for. */
#include "sample.h"

/* clang-format off */
#define JSON(...) #__VA_ARGS__

/* ---- the native format, and the standards that carry it ---- */

static const struct sample_event native[] = {
	{"email_accepted", "email_accepted", JSON({"event_type": "email_accepted"}), NULL},
	{"email_delivered", "email_delivered", JSON({"event_type": "email_delivered"}), NULL},
	{"email_deferred", "email_deferred", JSON({"event_type": "email_deferred", "data": {"reason": "452 4.2.2 mailbox full"}}), NULL},
	{"email_bounced", "email_bounced:hard", JSON({"event_type": "email_bounced", "data": {"bounce_class": "hard", "smtp_code": 550}}), NULL},
	{"email_blocked", "email_blocked", JSON({"event_type": "email_blocked", "data": {"reason": "554 5.7.1 refused by policy"}}), NULL},
	{"email_complained", "email_complained", JSON({"event_type": "email_complained"}), NULL},
	{"email_opened", "email_opened", JSON({"event_type": "email_opened"}), NULL},
	{"email_clicked", "email_clicked", JSON({"event_type": "email_clicked", "data": {"url": "@url"}}), NULL},
	{"email_unsubscribed", "email_unsubscribed", JSON({"event_type": "email_unsubscribed"}), NULL},
	{"email_subscribed", "email_subscribed", JSON({"event_type": "email_subscribed"}), NULL},
};
#define NATIVE_BASE JSON({"event_id": "@id", "timestamp": "@seconds", "data": {"email": "@email", "message_id": "@message"}})

/* ---- SendGrid ---- */

static const struct sample_event sendgrid[] = {
	{"processed", "email_accepted", JSON({"event": "processed"}), NULL},
	{"delivered", "email_delivered", JSON({"event": "delivered", "response": "250 OK"}), NULL},
	{"deferred", "email_deferred", JSON({"event": "deferred", "response": "452 4.2.2 mailbox full", "attempt": "2"}), NULL},
	{"bounce", "email_bounced:hard", JSON({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user here"}), NULL},
	{"expired", "email_bounced:soft", JSON({"event": "bounce", "type": "expired", "reason": "unable to get mx info"}), NULL},
	{"blocked", "email_blocked", JSON({"event": "bounce", "type": "blocked", "status": "5.7.1", "reason": "554 5.7.1 refused by policy"}), NULL},
	{"dropped", "email_rejected", JSON({"event": "dropped", "reason": "Bounced Address"}), NULL},
	{"open", "email_opened", JSON({"event": "open", "useragent": "@agent", "ip": "192.0.2.7", "sg_machine_open": false}), NULL},
	{"click", "email_clicked", JSON({"event": "click", "useragent": "@agent", "ip": "192.0.2.7", "url": "@url"}), NULL},
	{"spamreport", "email_complained", JSON({"event": "spamreport"}), NULL},
	{"unsubscribe", "email_unsubscribed", JSON({"event": "unsubscribe"}), NULL},
	{"group_unsubscribe", "email_unsubscribed", JSON({"event": "group_unsubscribe", "asm_group_id": 10}), NULL},
	{"group_resubscribe", "email_subscribed", JSON({"event": "group_resubscribe", "asm_group_id": 10}), NULL},
	{"account_status_change", "system_account_status", JSON({"event": "account_status_change", "type": "compliance_suspend"}), NULL},
};

/* ---- Mailgun ---- */

static const struct sample_event mailgun[] = {
	{"accepted", "email_accepted", JSON({"event-data": {"event": "accepted"}}), NULL},
	{"delivered", "email_delivered", JSON({"event-data": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}}}), NULL},
	{"rejected", "email_rejected", JSON({"event-data": {"event": "rejected", "reject": {"reason": "Sandbox subdomains are for test purposes only"}}}), NULL},
	{"failed_permanent", "email_bounced:hard", JSON({"event-data": {"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "550 5.1.1 no such user here"}}}), NULL},
	{"failed_permanent_4xx", "email_bounced:soft", JSON({"event-data": {"event": "failed", "severity": "permanent", "reason": "old", "delivery-status": {"code": 452, "enhanced-code": "4.2.2", "message": "452 4.2.2 mailbox full"}}}), NULL},
	{"failed_temporary", "email_deferred", JSON({"event-data": {"event": "failed", "severity": "temporary", "reason": "generic", "delivery-status": {"code": 452, "message": "452 4.2.2 mailbox full"}}}), NULL},
	{"failed_suppressed", "email_rejected", JSON({"event-data": {"event": "failed", "severity": "permanent", "reason": "suppress-bounce", "delivery-status": {"code": 605, "message": "Not delivering to previously bounced address"}}}), NULL},
	{"opened", "email_opened", JSON({"event-data": {"event": "opened", "ip": "192.0.2.7", "client-info": {"user-agent": "@agent"}}}), NULL},
	{"clicked", "email_clicked", JSON({"event-data": {"event": "clicked", "ip": "192.0.2.7", "url": "@url", "client-info": {"user-agent": "@agent"}}}), NULL},
	{"unsubscribed", "email_unsubscribed", JSON({"event-data": {"event": "unsubscribed"}}), NULL},
	{"complained", "email_complained", JSON({"event-data": {"event": "complained"}}), NULL},
	{"stored", "email_received", JSON({"event-data": {"event": "stored"}}), NULL},
	{"list_member_uploaded", "system_notice", JSON({"event-data": {"event": "list_member_uploaded"}}), NULL},
	{"list_member_upload_error", "system_notice", JSON({"event-data": {"event": "list_member_upload_error"}}), NULL},
	{"list_uploaded", "system_notice", JSON({"event-data": {"event": "list_uploaded"}}), NULL},
};

/* ---- Postmark ---- */

static const struct sample_event postmark[] = {
	{"Delivery", "email_delivered", JSON({"RecordType": "Delivery", "Recipient": "@email", "DeliveredAt": "@iso", "Details": "250 OK"}), NULL},
	{"HardBounce", "email_bounced:hard", JSON({"RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "ID": "@number", "Email": "@email", "BouncedAt": "@iso", "Details": "550 5.1.1 no such user here"}), NULL},
	{"SoftBounce", "email_bounced:soft", JSON({"RecordType": "Bounce", "Type": "SoftBounce", "TypeCode": 4096, "ID": "@number", "Email": "@email", "BouncedAt": "@iso", "Details": "452 4.2.2 mailbox full"}), NULL},
	{"Transient", "email_deferred", JSON({"RecordType": "Bounce", "Type": "Transient", "TypeCode": 2, "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"Blocked", "email_blocked", JSON({"RecordType": "Bounce", "Type": "Blocked", "TypeCode": 100006, "ID": "@number", "Email": "@email", "BouncedAt": "@iso", "Details": "554 5.7.1 refused by policy"}), NULL},
	{"BadEmailAddress", "email_rejected", JSON({"RecordType": "Bounce", "Type": "BadEmailAddress", "TypeCode": 100000, "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"AutoResponder", "email_autoresponded", JSON({"RecordType": "Bounce", "Type": "AutoResponder", "TypeCode": 32, "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"SpamComplaint", "email_complained", JSON({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"Open", "email_opened", JSON({"RecordType": "Open", "Recipient": "@email", "ReceivedAt": "@iso", "FirstOpen": true, "UserAgent": "@agent", "Geo": {"IP": "192.0.2.7"}}), NULL},
	{"Click", "email_clicked", JSON({"RecordType": "Click", "Recipient": "@email", "ReceivedAt": "@iso", "OriginalLink": "@url", "UserAgent": "@agent", "Geo": {"IP": "192.0.2.7"}}), NULL},
	{"ManualSuppression", "email_unsubscribed", JSON({"RecordType": "SubscriptionChange", "Recipient": "@email", "ChangedAt": "@iso", "SuppressSending": true, "SuppressionReason": "ManualSuppression"}), NULL},
	{"Reactivation", "email_subscribed", JSON({"RecordType": "SubscriptionChange", "Recipient": "@email", "Origin": "Recipient", "ChangedAt": "@iso", "SuppressSending": false, "SuppressionReason": null}), NULL},
	{"SMTPApiError", "email_failed", JSON({"RecordType": "SMTPApiError", "Email": "@email", "ReceivedAt": "@iso", "Details": "template not found"}), NULL},
	{"DnsError", "email_deferred", JSON({"RecordType": "Bounce", "Type": "DnsError", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"SpamNotification", "email_blocked", JSON({"RecordType": "Bounce", "Type": "SpamNotification", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"DMARCPolicy", "email_blocked", JSON({"RecordType": "Bounce", "Type": "DMARCPolicy", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"VirusNotification", "email_blocked", JSON({"RecordType": "Bounce", "Type": "VirusNotification", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"ManuallyDeactivated", "email_rejected", JSON({"RecordType": "Bounce", "Type": "ManuallyDeactivated", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"Unconfirmed", "email_rejected", JSON({"RecordType": "Bounce", "Type": "Unconfirmed", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"AddressChange", "email_autoresponded", JSON({"RecordType": "Bounce", "Type": "AddressChange", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"ChallengeVerification", "email_autoresponded", JSON({"RecordType": "Bounce", "Type": "ChallengeVerification", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"Unsubscribe", "email_unsubscribed", JSON({"RecordType": "Bounce", "Type": "Unsubscribe", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"Subscribe", "email_subscribed", JSON({"RecordType": "Bounce", "Type": "Subscribe", "ID": "@number", "Email": "@email", "BouncedAt": "@iso"}), NULL},
	{"Inbound", "email_received", JSON({"FromFull": {"Email": "bob@example.net"}, "OriginalRecipient": "@email", "Subject": "hello", "TextBody": "hello"}), NULL},
};

/* ---- Amazon SES ---- */

static const struct sample_event ses[] = {
	{"Send", "email_accepted", JSON({"eventType": "Send", "send": {}}), NULL},
	{"Delivery", "email_delivered", JSON({"eventType": "Delivery", "delivery": {"timestamp": "@iso", "recipients": ["@email"], "smtpResponse": "250 OK"}}), NULL},
	{"DeliveryDelay", "email_deferred", JSON({"eventType": "DeliveryDelay", "deliveryDelay": {"timestamp": "@iso", "delayType": "MailboxFull", "delayedRecipients": [{"emailAddress": "@email", "status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 mailbox full"}]}}), NULL},
	{"Bounce", "email_bounced:hard", JSON({"eventType": "Bounce", "bounce": {"timestamp": "@iso", "feedbackId": "@id", "bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [{"emailAddress": "@email", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 no such user here"}]}}), NULL},
	{"TransientBounce", "email_bounced:soft", JSON({"eventType": "Bounce", "bounce": {"timestamp": "@iso", "feedbackId": "@id", "bounceType": "Transient", "bounceSubType": "MailboxFull", "bouncedRecipients": [{"emailAddress": "@email"}]}}), NULL},
	{"UndeterminedBounce", "email_bounced:undetermined", JSON({"eventType": "Bounce", "bounce": {"timestamp": "@iso", "feedbackId": "@id", "bounceType": "Undetermined", "bounceSubType": "Undetermined", "bouncedRecipients": [{"emailAddress": "@email"}]}}), NULL},
	{"SuppressedBounce", "email_rejected", JSON({"eventType": "Bounce", "bounce": {"timestamp": "@iso", "feedbackId": "@id", "bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList", "bouncedRecipients": [{"emailAddress": "@email"}]}}), NULL},
	{"Complaint", "email_complained", JSON({"eventType": "Complaint", "complaint": {"timestamp": "@iso", "feedbackId": "@id", "complaintFeedbackType": "abuse", "complainedRecipients": [{"emailAddress": "@email"}]}}), NULL},
	{"Reject", "email_rejected", JSON({"eventType": "Reject", "reject": {"reason": "Bad content"}}), NULL},
	{"Rendering Failure", "email_failed", JSON({"eventType": "Rendering Failure", "failure": {"templateName": "welcome", "errorMessage": "attribute name is not present"}}), NULL},
	{"Open", "email_opened", JSON({"eventType": "Open", "open": {"timestamp": "@iso", "userAgent": "@agent", "ipAddress": "192.0.2.7"}}), NULL},
	{"Click", "email_clicked", JSON({"eventType": "Click", "click": {"timestamp": "@iso", "link": "@url", "userAgent": "@agent", "ipAddress": "192.0.2.7"}}), NULL},
	{"Unsubscription", "email_unsubscribed", JSON({"eventType": "Subscription", "subscription": {"timestamp": "@iso", "contactList": "news", "newTopicPreferences": {"unsubscribeAll": true}, "oldTopicPreferences": {"unsubscribeAll": false}}}), NULL},
	{"Subscription", "email_subscribed", JSON({"eventType": "Subscription", "subscription": {"timestamp": "@iso", "contactList": "news", "newTopicPreferences": {"unsubscribeAll": false}, "oldTopicPreferences": {"unsubscribeAll": true}}}), NULL},
	{"Received", "email_received", JSON({"notificationType": "Received", "receipt": {"timestamp": "@iso", "recipients": ["@email"]}}), NULL},
};

/* ---- SparkPost ---- */

#define TRACK JSON([{"msys": {"track_event": "@event"}}])
#define UNSUBSCRIBE JSON([{"msys": {"unsubscribe_event": "@event"}}])
#define GENERATION JSON([{"msys": {"gen_event": "@event"}}])

static const struct sample_event sparkpost[] = {
	{"injection", "email_accepted", JSON({"type": "injection"}), NULL},
	{"delivery", "email_delivered", JSON({"type": "delivery"}), NULL},
	{"delay", "email_deferred", JSON({"type": "delay", "raw_reason": "452 4.2.2 mailbox full", "bounce_class": "22"}), NULL},
	{"bounce", "email_bounced:hard", JSON({"type": "bounce", "bounce_class": "10", "error_code": "550", "raw_reason": "550 5.1.1 no such user here"}), NULL},
	{"bounce_soft", "email_bounced:soft", JSON({"type": "bounce", "bounce_class": "22", "error_code": "452", "raw_reason": "452 4.2.2 mailbox full"}), NULL},
	{"bounce_block", "email_blocked", JSON({"type": "bounce", "bounce_class": "51", "error_code": "554", "raw_reason": "554 5.7.1 refused by policy"}), NULL},
	{"bounce_undetermined", "email_bounced:undetermined", JSON({"type": "bounce", "bounce_class": "1"}), NULL},
	{"out_of_band", "email_bounced:hard", JSON({"type": "out_of_band", "bounce_class": "30"}), NULL},
	{"auto_reply", "email_autoresponded", JSON({"type": "out_of_band", "bounce_class": "60"}), NULL},
	{"spam_complaint", "email_complained", JSON({"type": "spam_complaint", "fbtype": "abuse"}), NULL},
	{"policy_rejection", "email_rejected", JSON({"type": "policy_rejection", "raw_reason": "recipient is on the suppression list"}), NULL},
	{"generation_failure", "email_failed", JSON({"type": "generation_failure", "raw_reason": "substitution failed"}), GENERATION},
	{"generation_rejection", "email_rejected", JSON({"type": "generation_rejection", "raw_reason": "over the limit"}), GENERATION},
	{"open", "email_opened", JSON({"type": "open", "user_agent": "@agent", "ip_address": "192.0.2.7"}), TRACK},
	{"initial_open", "email_opened", JSON({"type": "initial_open", "user_agent": "@agent", "ip_address": "192.0.2.7"}), TRACK},
	{"click", "email_clicked", JSON({"type": "click", "user_agent": "@agent", "ip_address": "192.0.2.7", "target_link_url": "@url"}), TRACK},
	{"list_unsubscribe", "email_unsubscribed", JSON({"type": "list_unsubscribe"}), UNSUBSCRIBE},
	{"link_unsubscribe", "email_unsubscribed", JSON({"type": "link_unsubscribe"}), UNSUBSCRIBE},
	{"relay_message", "email_received", JSON({"msg_from": "bob@example.net", "content": {"subject": "hello"}}), JSON([{"msys": {"relay_message": "@event"}}])},
};

/* ---- Mandrill ---- */

static const struct sample_event mandrill[] = {
	{"send", "email_accepted", JSON({"event": "send", "msg": {"state": "sent"}}), NULL},
	{"delivered", "email_delivered", JSON({"event": "delivered", "msg": {"state": "sent"}}), NULL},
	{"deferral", "email_deferred", JSON({"event": "deferral", "msg": {"state": "deferred", "diag": "452 4.2.2 mailbox full"}}), NULL},
	{"hard_bounce", "email_bounced:hard", JSON({"event": "hard_bounce", "msg": {"state": "bounced", "bounce_description": "bad_mailbox", "diag": "550 5.1.1 no such user here"}}), NULL},
	{"soft_bounce", "email_bounced:soft", JSON({"event": "soft_bounce", "msg": {"state": "soft-bounced", "bounce_description": "mailbox_full", "diag": "452 4.2.2 mailbox full"}}), NULL},
	{"reject", "email_rejected", JSON({"event": "reject", "msg": {"state": "rejected"}}), NULL},
	{"open", "email_opened", JSON({"event": "open", "ip": "192.0.2.7", "user_agent": "@agent", "msg": {"state": "sent"}}), NULL},
	{"click", "email_clicked", JSON({"event": "click", "ip": "192.0.2.7", "user_agent": "@agent", "url": "@url", "msg": {"state": "sent"}}), NULL},
	{"spam", "email_complained", JSON({"event": "spam", "msg": {"state": "spam"}}), NULL},
	{"unsub", "email_unsubscribed", JSON({"event": "unsub", "msg": {"state": "unsub"}}), NULL},
	{"inbound", "email_received", JSON({"event": "inbound", "msg": {"from_email": "bob@example.net", "subject": "hello"}}), NULL},
	{"blacklist", "system_notice", JSON({"type": "blacklist", "action": "add", "reject": {"email": "@email", "reason": "hard-bounce"}}), NULL},
};

/* ---- Mailjet ---- */

static const struct sample_event mailjet[] = {
	{"sent", "email_delivered", JSON({"event": "sent", "smtp_reply": "250 OK"}), NULL},
	{"open", "email_opened", JSON({"event": "open", "ip": "192.0.2.7", "agent": "@agent"}), NULL},
	{"click", "email_clicked", JSON({"event": "click", "ip": "192.0.2.7", "agent": "@agent", "url": "@url"}), NULL},
	{"hard_bounce", "email_bounced:hard", JSON({"event": "bounce", "blocked": false, "hard_bounce": true, "error_related_to": "recipient", "error": "user unknown", "comment": "550 5.1.1 no such user here"}), NULL},
	{"soft_bounce", "email_bounced:soft", JSON({"event": "bounce", "blocked": false, "hard_bounce": false, "error_related_to": "mailbox", "error": "quota exceeded", "comment": "452 4.2.2 mailbox full"}), NULL},
	{"greylisted", "email_deferred", JSON({"event": "bounce", "blocked": false, "hard_bounce": false, "error": "greylisted"}), NULL},
	{"blocked", "email_rejected", JSON({"event": "blocked", "error_related_to": "recipient", "error": "preblocked"}), NULL},
	{"spam", "email_complained", JSON({"event": "spam", "source": "JMRPP"}), NULL},
	{"unsub", "email_unsubscribed", JSON({"event": "unsub", "mj_list_id": 1, "ip": "192.0.2.7", "agent": "@agent"}), NULL},
};

/* ---- Brevo ---- */

static const struct sample_event brevo[] = {
	{"request", "email_accepted", JSON({"event": "request"}), NULL},
	{"delivered", "email_delivered", JSON({"event": "delivered"}), NULL},
	{"deferred", "email_deferred", JSON({"event": "deferred", "reason": "452 4.2.2 mailbox full"}), NULL},
	{"hard_bounce", "email_bounced:hard", JSON({"event": "hard_bounce", "reason": "550 5.1.1 no such user here"}), NULL},
	{"soft_bounce", "email_bounced:soft", JSON({"event": "soft_bounce", "reason": "452 4.2.2 mailbox full"}), NULL},
	{"blocked", "email_rejected", JSON({"event": "blocked", "reason": "blocked : due to blacklist user"}), NULL},
	{"invalid_email", "email_rejected", JSON({"event": "invalid_email"}), NULL},
	{"error", "email_failed", JSON({"event": "error", "reason": "template could not be rendered"}), NULL},
	{"spam", "email_complained", JSON({"event": "spam"}), NULL},
	{"opened", "email_opened", JSON({"event": "opened"}), NULL},
	{"unique_opened", "email_opened", JSON({"event": "unique_opened"}), NULL},
	{"proxy_open", "email_opened", JSON({"event": "proxy_open"}), NULL},
	{"unique_proxy_open", "email_opened", JSON({"event": "unique_proxy_open"}), NULL},
	{"click", "email_clicked", JSON({"event": "click", "link": "@url"}), NULL},
	{"unsubscribed", "email_unsubscribed", JSON({"event": "unsubscribed"}), NULL},
	{"list_addition", "system_notice", JSON({"event": "list_addition", "list_id": [3], "email": ["@email"]}), NULL},
	{"contact_updated", "system_notice", JSON({"event": "contact_updated"}), NULL},
	{"contact_deleted", "system_notice", JSON({"event": "contact_deleted"}), NULL},
	{"reply", "email_replied", JSON({"event": "reply"}), NULL},
};

/* ---- Resend ---- */

static const struct sample_event resend[] = {
	{"email.sent", "email_accepted", JSON({"type": "email.sent"}), NULL},
	{"email.scheduled", "email_accepted", JSON({"type": "email.scheduled"}), NULL},
	{"email.delivered", "email_delivered", JSON({"type": "email.delivered"}), NULL},
	{"email.delivery_delayed", "email_deferred", JSON({"type": "email.delivery_delayed"}), NULL},
	{"email.bounced", "email_bounced:hard", JSON({"type": "email.bounced", "data": {"bounce": {"type": "Permanent", "subType": "General", "message": "550 5.1.1 no such user here"}}}), NULL},
	{"email.bounced_transient", "email_bounced:soft", JSON({"type": "email.bounced", "data": {"bounce": {"type": "Transient", "subType": "MailboxFull", "message": "452 4.2.2 mailbox full"}}}), NULL},
	{"email.bounced_undetermined", "email_bounced:undetermined", JSON({"type": "email.bounced", "data": {"bounce": {"type": "Undetermined", "subType": "Undetermined", "message": "cannot tell"}}}), NULL},
	{"email.suppressed", "email_rejected", JSON({"type": "email.suppressed", "data": {"suppressed": {"message": "address is on the suppression list"}}}), NULL},
	{"email.failed", "email_failed", JSON({"type": "email.failed", "data": {"failed": {"reason": "reached_daily_quota"}}}), NULL},
	{"email.complained", "email_complained", JSON({"type": "email.complained"}), NULL},
	{"email.opened", "email_opened", JSON({"type": "email.opened", "data": {"open": {"ipAddress": "192.0.2.7", "userAgent": "@agent"}}}), NULL},
	{"email.clicked", "email_clicked", JSON({"type": "email.clicked", "data": {"click": {"ipAddress": "192.0.2.7", "userAgent": "@agent", "link": "@url"}}}), NULL},
	{"email.received", "email_received", JSON({"type": "email.received"}), NULL},
	{"contact.created", "system_notice", JSON({"type": "contact.created", "data": {"email": "@email"}}), NULL},
	{"domain.updated", "system_notice", JSON({"type": "domain.updated", "data": {"name": "example.com", "to": []}}), NULL},
	{"contact.updated", "system_notice", JSON({"type": "contact.updated", "data": {"email": "@email", "unsubscribed": false}}), NULL},
	{"contact.deleted", "system_notice", JSON({"type": "contact.deleted", "data": {"email": "@email"}}), NULL},
	{"domain.created", "system_notice", JSON({"type": "domain.created", "data": {"name": "example.com", "to": []}}), NULL},
	{"domain.deleted", "system_notice", JSON({"type": "domain.deleted", "data": {"name": "example.com", "to": []}}), NULL},
	{"suppression.added", "system_notice", JSON({"type": "suppression.added", "data": {"email": "@email", "to": []}}), NULL},
	{"suppression.removed", "system_notice", JSON({"type": "suppression.removed", "data": {"email": "@email", "to": []}}), NULL},
};

/* ---- MailerSend ---- */

static const struct sample_event mailersend[] = {
	{"activity.sent", "email_accepted", JSON({"type": "activity.sent"}), NULL},
	{"activity.delivered", "email_delivered", JSON({"type": "activity.delivered"}), NULL},
	{"activity.deferred", "email_deferred", JSON({"type": "activity.deferred"}), NULL},
	{"activity.hard_bounced", "email_bounced:hard", JSON({"type": "activity.hard_bounced", "data": {"morph": {"object": "recipient_bounce", "reason": "550 5.1.1 no such user here"}}}), NULL},
	{"activity.soft_bounced", "email_bounced:soft", JSON({"type": "activity.soft_bounced", "data": {"morph": {"object": "recipient_bounce", "reason": "452 4.2.2 mailbox full"}}}), NULL},
	{"activity.opened", "email_opened", JSON({"type": "activity.opened", "data": {"morph": {"object": "open", "ip": "192.0.2.7"}}}), NULL},
	{"activity.opened_unique", "email_opened", JSON({"type": "activity.opened_unique", "data": {"morph": {"object": "open", "ip": "192.0.2.7"}}}), NULL},
	{"activity.clicked", "email_clicked", JSON({"type": "activity.clicked", "data": {"morph": {"object": "click", "ip": "192.0.2.7", "url": "@url"}}}), NULL},
	{"activity.clicked_unique", "email_clicked", JSON({"type": "activity.clicked_unique", "data": {"morph": {"object": "click", "ip": "192.0.2.7", "url": "@url"}}}), NULL},
	{"activity.unsubscribed", "email_unsubscribed", JSON({"type": "activity.unsubscribed"}), NULL},
	{"activity.spam_complaint", "email_complained", JSON({"type": "activity.spam_complaint"}), NULL},
	{"inbound.message", "email_received", JSON({"type": "inbound.message", "data": {"recipients": {"rcptTo": [{"email": "@email"}]}}}), NULL},
	{"maintenance.start", "system_maintenance", JSON({"type": "maintenance.start"}), NULL},
	{"sender_identity.verified", "system_account_status", JSON({"type": "sender_identity.verified"}), NULL},
	{"webhook.test", "system_notice", JSON({"type": "webhook.test"}), NULL},
	{"activity.rejected", "email_rejected", JSON({"type": "activity.rejected"}), NULL},
	{"activity.survey_opened", "system_notice", JSON({"type": "activity.survey_opened"}), NULL},
	{"activity.survey_submitted", "system_notice", JSON({"type": "activity.survey_submitted"}), NULL},
	{"survey_opened", "system_notice", JSON({"type": "survey_opened"}), NULL},
	{"survey_submitted", "system_notice", JSON({"type": "survey_submitted"}), NULL},
	{"inbound_message.rejected", "system_notice", JSON({"type": "inbound_message.rejected"}), NULL},
	{"inbound_forward.failed", "system_error", JSON({"type": "inbound_forward.failed"}), NULL},
	{"recipient.on_hold_added", "system_notice", JSON({"type": "recipient.on_hold_added"}), NULL},
	{"recipient.on_hold_removed", "system_notice", JSON({"type": "recipient.on_hold_removed"}), NULL},
	{"email_single.verified", "system_notice", JSON({"type": "email_single.verified"}), NULL},
	{"email_list.verified", "system_notice", JSON({"type": "email_list.verified"}), NULL},
	{"bulk_email.completed", "system_notice", JSON({"type": "bulk_email.completed"}), NULL},
	{"maintenance.end", "system_maintenance", JSON({"type": "maintenance.end"}), NULL},
};

/* ---- Postal ---- */

static const struct sample_event postal[] = {
	{"MessageSent", "email_delivered", JSON({"event": "MessageSent", "payload": {"status": "Sent", "output": "250 OK", "message": {}}}), NULL},
	{"MessageDelayed", "email_deferred", JSON({"event": "MessageDelayed", "payload": {"status": "SoftFail", "output": "452 4.2.2 mailbox full", "message": {}}}), NULL},
	{"MessageHeld", "email_deferred", JSON({"event": "MessageHeld", "payload": {"status": "Held", "details": "credential is in holding mode", "message": {}}}), NULL},
	{"MessageDeliveryFailed", "email_bounced:hard", JSON({"event": "MessageDeliveryFailed", "payload": {"status": "HardFail", "output": "550 5.1.1 no such user here", "message": {}}}), NULL},
	{"MessageBounced", "email_bounced:hard", JSON({"event": "MessageBounced", "payload": {"message": "@none", "original_message": {"id": "@number", "to": "@email"}, "bounce": {"id": 2, "subject": "undelivered"}}}), NULL},
	{"MessageLinkClicked", "email_clicked", JSON({"event": "MessageLinkClicked", "payload": {"url": "@url", "ip_address": "192.0.2.7", "user_agent": "@agent", "message": {}}}), NULL},
	{"MessageLoaded", "email_opened", JSON({"event": "MessageLoaded", "payload": {"ip_address": "192.0.2.7", "user_agent": "@agent", "message": {}}}), NULL},
	{"DomainDNSError", "system_error", JSON({"event": "DomainDNSError", "payload": {"message": "@none", "domain": "example.com", "spf_status": "Missing"}}), NULL},
	{"SendLimitApproaching", "system_rate_limit", JSON({"event": "SendLimitApproaching", "payload": {"message": "@none", "volume": 900, "limit": 1000}}), NULL},
	{"SendLimitExceeded", "system_rate_limit", JSON({"event": "SendLimitExceeded", "payload": {"message": "@none", "volume": 1000, "limit": 1000}}), NULL},
};

/* ---- all of them ---- */

#define SET(name, list, base, wrap) {(name), (base), (wrap), (list), sizeof(list) / sizeof *(list)}

const struct sample_set sample_sets[] = {
	SET("trotline", native, NATIVE_BASE, NULL),
	SET("generic", native, NATIVE_BASE, NULL),
	SET("sendgrid", sendgrid, JSON({"email": "@email", "timestamp": "@seconds", "sg_event_id": "@id", "sg_message_id": "@message", "category": ["try-out"]}), JSON(["@event"])),
	SET("mailgun", mailgun, JSON({"signature": {"timestamp": "@seconds_text", "token": "@token", "signature": "@mac"}, "event-data": {"id": "@id", "timestamp": "@seconds", "recipient": "@email", "message": {"headers": {"message-id": "@message", "to": "@email"}}, "tags": ["try-out"]}}), NULL),
	SET("postmark", postmark, JSON({"MessageID": "@message", "MessageStream": "outbound", "Tag": "try-out"}), NULL),
	SET("ses", ses, JSON({"mail": {"timestamp": "@iso", "messageId": "@message", "source": "shop@example.com", "destination": ["@email"], "tags": {"campaign": ["try-out"]}}}), NULL),
	SET("sparkpost", sparkpost, JSON({"event_id": "@id", "timestamp": "@seconds_text", "rcpt_to": "@email", "raw_rcpt_to": "@email", "transmission_id": "@message", "rcpt_tags": ["try-out"]}), JSON([{"msys": {"message_event": "@event"}}])),
	SET("mandrill", mandrill, JSON({"_id": "@message", "ts": "@seconds", "msg": {"_id": "@message", "ts": "@seconds", "email": "@email", "tags": ["try-out"]}}), JSON(["@event"])),
	SET("mailjet", mailjet, JSON({"time": "@seconds", "MessageID": "@number", "Message_GUID": "@id", "email": "@email", "customcampaign": "try-out", "mj_campaign_id": 0}), JSON(["@event"])),
	SET("brevo", brevo, JSON({"email": "@email", "id": 1, "message-id": "@bracketed", "ts_epoch": "@ms", "ts_event": "@seconds", "tags": ["try-out"]}), NULL),
	SET("resend", resend, JSON({"created_at": "@iso", "data": {"email_id": "@message", "created_at": "@iso", "from": "shop@example.com", "to": ["@email"], "subject": "hello"}}), NULL),
	SET("mailersend", mailersend, JSON({"created_at": "@iso", "data": {"object": "activity", "id": "@id", "created_at": "@iso", "email": {"message": {"id": "@message"}, "recipient": {"email": "@email"}, "tags": ["try-out"]}}}), NULL),
	SET("postal", postal, JSON({"uuid": "@id", "timestamp": "@seconds", "payload": {"message": {"id": "@number", "token": "@token", "direction": "outgoing", "message_id": "@message", "to": "@email", "from": "shop@example.com"}}}), NULL),
};
const size_t sample_sets_count = sizeof sample_sets / sizeof *sample_sets;
/* clang-format on */
