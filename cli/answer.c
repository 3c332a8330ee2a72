/* answer - see answer.h. */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/object.h"
#include "text.h"

/* The answer as one JSON object; a body that is no JSON becomes a text. */
static void
print_object(const char *url, const char *id, const struct fetch_answer *answer)
{
	struct json_reader *reader = json_reader_new();
	struct object line = {0};
	msgpack_object body;
	msgpack_zone zone;
	char *text;

	msgpack_zone_init(&zone, 8192);
	object_text(&line, "url", slice_of(url));
	if (id)
		object_text(&line, "event_id", slice_of(id));
	object_uint(&line, "status", (uint64_t)answer->status);
	if (reader && json_read(reader, answer->body, &zone, &body, NULL))
		object_set(&line, slice_of("body"), body);
	else
		object_text(&line, "body", answer->body);
	text = object_line(&line);
	puts(text ? text : "{}");
	free(text);
	object_clear(&line);
	msgpack_zone_destroy(&zone);
	json_reader_destroy(&reader);
}

void
answer_print(bool json, const char *url, const char *id, const struct fetch_answer *answer)
{
	if (json) {
		print_object(url, id, answer);
		return;
	}
	printf("%ld ", answer->status);
	text_print(answer->body, 0);
	putchar('\n');
}
