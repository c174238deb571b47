// SPDX-License-Identifier: GPL-2.0
/*
 * cma_lend=: there is a complaint if, and only if, a word is not [AREA:]POLICY; what
 * is set is what a plain reading says, and what is set can be said and read again.
 */
#include "fuzz_option.h"

struct lending {
	int of[AREAS];
};

static bool skip_word(const char **pos, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*pos, word, len))
		return false;
	*pos += len;
	return true;
}

/* An area's number, or AREAS for all of them. */
static unsigned int skip_area(const char **pos)
{
	char name[CMA_MAX_NAME + 1];
	unsigned int i;

	for (i = 0; i < AREAS; i++) {
		snprintf(name, sizeof(name), "%s:", cma_areas[i].name);
		if (skip_word(pos, name))
			break;
	}
	return i;
}

static int skip_policy(const char **pos)
{
	int i;

	for (i = 0; i < CMA_LEND_POLICIES; i++)
		if (skip_word(pos, cma_lend_names[i]))
			return i;
	return -1;
}

static bool read_plainly(const char *text, struct lending *lending)
{
	unsigned int area, i;
	int policy;

	memset(lending, -1, sizeof(*lending));
	for (;;) {
		area = skip_area(&text);
		policy = skip_policy(&text);
		if (policy < 0 || (*text && *text != ','))
			return false;
		for (i = 0; i < AREAS; i++)
			if (area == AREAS || area == i)
				lending->of[i] = policy;
		if (!*text)
			return true;
		text++;
	}
}

static void parse(char *text)
{
	reset_options();
	cma_save_lend_option(text);
	cma_set_boot_lending();
}

static bool is_set(const struct lending *lending)
{
	unsigned int i;

	for (i = 0; i < AREAS; i++)
		if (cma_areas[i].lend != lending->of[i])
			return false;
	return true;
}

static void say(char *text, size_t size, const struct lending *lending)
{
	size_t len = 0;
	unsigned int i;

	text[0] = '\0';
	for (i = 0; i < AREAS; i++)
		if (lending->of[i] >= 0)
			len += snprintf(text + len, size - len, "%s%s:%s",
					len ? "," : "", cma_areas[i].name,
					cma_lend_names[lending->of[i]]);
}

int fuzz_one(const unsigned char *data, size_t size)
{
	char *text = tight_copy(data, strnlen((const char *)data, size));
	struct lending lending;
	char again[256];
	bool good;

	reset_options();
	good = read_plainly(text, &lending);
	parse(text);
	MUST(good == !complaints);
	free(text);
	if (!good)
		return 0;
	MUST(is_set(&lending));
	say(again, sizeof(again), &lending);
	parse(again);
	MUST(!complaints && is_set(&lending));
	return 0;
}
