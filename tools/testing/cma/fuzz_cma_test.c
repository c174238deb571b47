// SPDX-License-Identifier: GPL-2.0
/*
 * cma_test=: an area is accepted if, and only if, it is NAME:SIZE[@BASE][/ORDER][%NID]
 * with numbers that make sense; said again, it is read as the same.
 */
#include "fuzz_option.h"

#define NAME_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool read_name(const char **pos, char *name, size_t size)
{
	size_t len = strspn(*pos, NAME_CHARS);
	unsigned int i;

	if (!len || len >= size || (*pos)[len] != ':')
		return false;
	memcpy(name, *pos, len);
	name[len] = '\0';
	*pos += len;
	for (i = 0; i < AREAS; i++)
		if (!strcmp(name, cma_areas[i].name))
			return false;
	return true;
}

/* Read plainly, with the marks in their order; numbers that wrap are not judged. */
static bool read_plainly(const char *text, char *name,
			 struct cma_test_spec *want, bool *wrapped)
{
	u64 order = 0, nid = NUMA_NO_NODE;

	*wrapped = false;
	want->name = name;
	want->size = 0;
	want->base = 0;
	if (!read_name(&text, name, CMA_MAX_NAME) ||
	    !skip_marked(&text, ':', &want->size, wrapped) ||
	    !skip_marked(&text, '@', &want->base, wrapped) ||
	    !skip_marked(&text, '/', &order, wrapped) ||
	    !skip_marked(&text, '%', &nid, wrapped) || *text)
		return false;
	want->order_per_bit = order;
	want->nid = nid;
	return *wrapped || (want->size && order <= MAX_PAGE_ORDER &&
			    (nid < MAX_NUMNODES || want->nid == NUMA_NO_NODE));
}

static bool same(const struct cma_test_spec *a, const struct cma_test_spec *b)
{
	return !strcmp(a->name, b->name) && a->size == b->size &&
	       a->base == b->base && a->order_per_bit == b->order_per_bit &&
	       a->nid == b->nid;
}

static void say(char *text, size_t size, const struct cma_test_spec *spec)
{
	int len = snprintf(text, size, "%s:%llu@%llu/%lu", spec->name,
			   spec->size, spec->base, spec->order_per_bit);

	if (spec->nid != NUMA_NO_NODE)
		snprintf(text + len, size - len, "%%%ld", spec->nid);
}

static void one_area(const char *text, size_t size)
{
	char *copy = tight_copy(text, size), name[CMA_MAX_NAME], again[256];
	struct cma_test_spec spec, want, reread;
	bool wrapped, good = read_plainly(copy, name, &want, &wrapped);
	int err = cma_test_parse(copy, &spec);

	if (!err) {
		MUST(good && (wrapped || same(&spec, &want)));
		MUST(spec.size && spec.order_per_bit <= MAX_PAGE_ORDER);
		say(again, sizeof(again), &spec);
		MUST(!cma_test_parse(again, &reread) && same(&spec, &reread));
	} else {
		MUST(!good || wrapped);
	}
	free(copy);
}

/* Every word is declared or complained about, once. */
static void whole_option(const char *text, size_t size)
{
	char *copy = tight_copy(text, size), *rest, *word;
	unsigned int words = 0;

	reset_options();
	cma_test_setup(copy);
	MUST(complaints == (size >= sizeof(cma_test_option)));
	cma_test_reserve();
	for (rest = copy; !(size >= sizeof(cma_test_option)) &&
	     (word = strsep(&rest, ",")) != NULL;)
		words += *word != '\0';
	MUST(declared.nr + complaints == words ||
	     size >= sizeof(cma_test_option));
	free(copy);
}

int fuzz_one(const unsigned char *data, size_t size)
{
	const char *text = (const char *)data;

	size = strnlen(text, size);
	reset_options();
	one_area(text, size);
	whole_option(text, size);
	return 0;
}
