/* frames - the document of what travels between the stages, from the tables of frame.h. */
#include <stdio.h>

#include "cli.h"
#include "proto/frame.h"

static const char *const kind_names[] = {
	[FIELD_UINT] = "unsigned integer",
	[FIELD_STR] = "text",
	[FIELD_NSTR] = "text or nil",
	[FIELD_NEW2] = "text or nil, since version 2",
	[FIELD_NEW3] = "text or nil, since version 3",
	[FIELD_BIN] = "bytes",
	[FIELD_OBJ] = "any value",
	[FIELD_SEQS] = "array of unsigned integers",
};

static void
print_schema(const struct frame_schema *schema)
{
	printf("%s\n  %-10s version of this frame: %u (unsigned integer)\n", schema->name, "v",
		schema->version);
	for (size_t i = 0; i < schema->count; i++) {
		const struct frame_field *f = &schema->fields[i];
		char max[48] = "";

		if (f->max)
			snprintf(max, sizeof max, ", at most %zu%s", f->max,
				f->kind >= FIELD_OBJ ? " entries" : "");
		printf("  %-10s %s (%s%s)\n", f->name, f->doc, kind_names[f->kind], max);
	}
}

int
cli_frames(void)
{
	puts("Each frame is one msgpack map with the keys below, in any order. Earlier versions are read as\n"
	     "well.");
	for (size_t i = 0; i < frame_schemas_count; i++) {
		putchar('\n');
		print_schema(frame_schemas[i]);
	}
	return CLI_DONE;
}
