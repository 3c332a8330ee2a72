/* steering - see steering.h. */
#include "steering.h"

/* From the first to the last of each, all of one length in UTF-8. */
static const struct {
	uint32_t first, last;
} ranges[] = {
	{0x80, 0x9F},
	{0x61C, 0x61C},
	{0x200E, 0x200F},
	{0x2028, 0x202E},
	{0x2066, 0x2069},
};

static size_t
found(uint32_t c, size_t bytes, uint32_t *code)
{
	if (code)
		*code = c;
	return bytes;
}

size_t
steering_at(const char *text, size_t n, uint32_t *code)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c;

	if (n == 0 || (p[0] >= 0x20 && p[0] < 0x7F))
		return 0;
	if (p[0] <= 0x7F)
		return found(p[0], 1, code);
	if (n >= 2 && (p[0] & 0xE0) == 0xC0)
		c = (p[0] & 0x1FU) << 6 | (p[1] & 0x3FU);
	else if (n >= 3 && p[0] == 0xE2)
		c = 0x2000U | (p[1] & 0x3FU) << 6 | (p[2] & 0x3FU);
	else
		return 0;
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return found(c, c < 0x800 ? 2 : 3, code);
	return 0;
}
