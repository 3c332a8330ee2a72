/* input - see input.h. */
#include "input.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/field.h"

static const int64_t TIME_MAX = 253402300799999; /* the last ms of the year 9999 */

int64_t
input_time(const struct event *ev)
{
	return ev->ts < (uint64_t)TIME_MAX ? (int64_t)ev->ts : TIME_MAX;
}

static struct slice
absent_if_empty(struct slice text)
{
	return text.n > 0 ? text : (struct slice){NULL, 0};
}

struct slice
input_text(const struct event *ev, const char *key, size_t most)
{
	return absent_if_empty(slice_cut(field_str(&ev->data, key), most));
}

/* A text, or a whole number as its decimal text. */
static struct slice
id_text(struct input *in, const char *key)
{
	const msgpack_object *obj = field_get(&in->ev->data, key);
	char *number;

	if (!obj || (obj->type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
			    obj->type != MSGPACK_OBJECT_NEGATIVE_INTEGER))
		return absent_if_empty(field_str(&in->ev->data, key));
	number = in->numbers[in->numbers_used++];
	if (obj->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		snprintf(number, sizeof *in->numbers, "%" PRIu64, obj->via.u64);
	else
		snprintf(number, sizeof *in->numbers, "%" PRIi64, obj->via.i64);
	return slice_of(number);
}

static bool
read_email(struct input *in, struct error *why)
{
	struct slice text = field_str(&in->ev->data, "email");
	struct error cause;

	if (!text.p)
		text = in->ev->email;
	if (!address_read(text, in->lower, &in->address, &cause))
		return error_set(why, "data.email %s", cause.text);
	in->email = (struct slice){in->lower, in->address.n};
	return true;
}

static bool
read_message_id(struct input *in, struct error *why)
{
	in->message_id = id_text(in, "message_id");
	if (in->message_id.n > INPUT_MESSAGE_ID_MAX)
		return error_set(
			why, "data.message_id is longer than %d bytes", INPUT_MESSAGE_ID_MAX);
	return true;
}

#define READ_ID(name, most) in->name = slice_cut(id_text(in, #name), most);
#define READ_TEXT(name, most) in->name = input_text(in->ev, #name, most);

static void
read_texts(struct input *in, const struct event *ev)
{
	memset(in, 0, sizeof *in);
	in->ev = ev;
	in->at = input_time(ev);
	INPUT_IDS(READ_ID)
	INPUT_TEXTS(READ_TEXT)
	in->has_smtp_code = field_int(&ev->data, "smtp_code", &in->smtp_code);
}

bool
input_read(struct input *in, const struct event *ev, struct error *why)
{
	read_texts(in, ev);
	return read_email(in, why) && read_message_id(in, why);
}

bool
input_is_anonymous(const struct event *ev)
{
	return field_bool(&ev->data, "anonymous", false);
}

bool
input_read_anonymous(struct input *in, const struct event *ev, struct error *why)
{
	read_texts(in, ev);
	in->email = in->address = slice_of("");
	return read_message_id(in, why);
}
