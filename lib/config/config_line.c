/* config_line - on which line of a YAML text a key stands. Pure. */
#include "config_private.h"

#include <stdlib.h>
#include <yaml.h>

/* The next step of a key such as `sources[0].name`: a name, or with *index a place in a list. */
static bool
next_step(const char **key, struct slice *name, bool *index)
{
	const char *p = *key;

	if (!*p)
		return false;
	*index = *p == '[';
	p += *p == '[' || *p == '.';
	name->p = p;
	name->n = strcspn(p, *index ? "]" : ".[");
	*key = p + name->n + (*index && p[name->n] == ']');
	return true;
}

static const yaml_node_t *
list_entry(yaml_document_t *doc, const yaml_node_t *list, struct slice index)
{
	size_t i = strtoul(index.p, NULL, 10);
	const yaml_node_item_t *start = list->data.sequence.items.start;

	if (list->type != YAML_SEQUENCE_NODE ||
		i >= (size_t)(list->data.sequence.items.top - start))
		return NULL;
	return yaml_document_get_node(doc, start[i]);
}

/* The last pair of that name, whose key's line goes to *line. */
static const yaml_node_t *
map_value(yaml_document_t *doc, const yaml_node_t *map, struct slice name, size_t *line)
{
	const yaml_node_t *value = NULL;

	if (map->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
		pair < map->data.mapping.pairs.top; pair++) {
		const yaml_node_t *k = yaml_document_get_node(doc, pair->key);

		if (k->type != YAML_SCALAR_NODE ||
			!slice_eq(name, (struct slice){(const char *)k->data.scalar.value,
						k->data.scalar.length}))
			continue;
		value = yaml_document_get_node(doc, pair->value);
		*line = k->start_mark.line + 1;
	}
	return value;
}

static size_t
line_in(yaml_document_t *doc, const char *key)
{
	const yaml_node_t *node = yaml_document_get_root_node(doc);
	struct slice step;
	bool index;
	size_t line = 0;

	while (node && next_step(&key, &step, &index)) {
		node = index ? list_entry(doc, node, step) : map_value(doc, node, step, &line);
		if (node && index)
			line = node->start_mark.line + 1;
	}
	return node ? line : 0;
}

size_t
config_line(struct slice text, const char *key, const char **fault)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	size_t line = 0;

	*fault = NULL;
	if (!yaml_parser_initialize(&parser))
		return 0;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	if (yaml_parser_load(&parser, &doc)) {
		line = line_in(&doc, key);
		yaml_document_delete(&doc);
	} else {
		line = parser.problem_mark.line + 1;
		*fault = parser.problem;
	}
	yaml_parser_delete(&parser);
	return line;
}
