// SPDX-License-Identifier: GPL-2.0
/* Boot options: what is understood, and what is refused in one line. */
#include "option.h"
#include "ktap.h"

/* cma= */

static unsigned int wrong_in_cma(const char *text)
{
	char *option = tight_copy(text, strlen(text));

	reset_options();
	cma_check_boot_option(option);
	free(option);
	return complaints;
}

static bool cma_is_understood(void)
{
	return CHECK(!wrong_in_cma("64M")) && CHECK(!wrong_in_cma("0")) &&
	       CHECK(!wrong_in_cma("64M@1G")) && CHECK(!wrong_in_cma("0x4000000")) &&
	       CHECK(!wrong_in_cma("64M@1G-2G")) && CHECK(!wrong_in_cma("1g"));
}

static bool cma_is_refused(void)
{
	return CHECK(wrong_in_cma("x") == 1) && CHECK(wrong_in_cma("64X") == 1) &&
	       CHECK(wrong_in_cma("64M@") == 1) && CHECK(wrong_in_cma("M") == 1) &&
	       CHECK(wrong_in_cma("64M-128M") == 1) &&
	       CHECK(wrong_in_cma("64M@G") == 1) &&
	       CHECK(wrong_in_cma("64M@1G-") == 1) &&
	       CHECK(wrong_in_cma("64M@1G-2G,") == 1) &&
	       CHECK(wrong_in_cma("-64M") == 1) && CHECK(wrong_in_cma("64 M") == 1);
}

/* cma_lend= */

/* Letters of the policies of all areas, "." for none, "!" if there are complaints. */
static bool lends(const char *text, const char *want)
{
	char *option = tight_copy(text, strlen(text));
	char got[AREAS + 2] = {};
	unsigned int i;

	reset_options();
	cma_save_lend_option(option);
	cma_set_boot_lending();
	free(option);
	for (i = 0; i < AREAS; i++)
		got[i] = cma_areas[i].lend < 0 ? '.' :
			 cma_lend_names[cma_areas[i].lend][0];
	if (complaints)
		got[AREAS] = '!';
	if (!strcmp(got, want))
		return true;
	printf("# cma_lend=%s: %s, not %s\n", text, got, want);
	return false;
}

static bool lend_is_understood(void)
{
	return lends("file", "ffff") && lends("none,file", "ffff") &&
	       lends("all", "aaaa") && lends("camera:none", "..n.") &&
	       lends("linux,cma:file", ".f..") && lends("all:file", "...f") &&
	       lends("none,linux,cma:file,camera:all", "nfan");
}

static bool lend_is_refused(void)
{
	return lends("", "....!") && lends("nobody", "....!") &&
	       lends("camera:", "....!") && lends("video:none", "....!") &&
	       lends("camera:none:", "....!") && lends("camera: none", "....!") &&
	       lends("file,", "ffff!") && lends(",file", "ffff!") &&
	       lends("linux,dma:file", "....!") && lends(":none", "....!") &&
	       lends("None", "....!");
}

static bool lend_without_value_is_ignored(void)
{
	reset_options();
	cma_save_lend_option(NULL);
	cma_set_boot_lending();
	return CHECK(!complaints) && CHECK(cma_areas[0].lend < 0);
}

/* cma_test= */

static bool declares(const char *text, unsigned int nr, unsigned int refused)
{
	char *option = tight_copy(text, strlen(text));

	reset_options();
	cma_test_setup(option);
	free(option);
	cma_test_reserve();
	if (declared.nr == nr && complaints == refused)
		return true;
	printf("# cma_test=%s: %u declared, %u refused\n", text, declared.nr,
	       complaints);
	return false;
}

static bool test_is_understood(void)
{
	return declares("test:128M,whole:16M,bits:32M/4", 3, 0) &&
	       CHECK(!strcmp(declared.name, "bits")) &&
	       CHECK(declared.size == 32 << 20) && CHECK(declared.base == 0) &&
	       CHECK(declared.order_per_bit == 4) && CHECK(!declared.fixed) &&
	       CHECK(declared.nid == NUMA_NO_NODE) &&
	       declares("a_-9:0x1000@1G/10%63", 1, 0) &&
	       CHECK(declared.size == 0x1000) && CHECK(declared.base == 1 << 30) &&
	       CHECK(declared.fixed) && CHECK(declared.order_per_bit == 10) &&
	       CHECK(declared.nid == 63) && declares("test:4M%0", 1, 0) &&
	       CHECK(declared.nid == 0) && declares(",test:4M,,", 1, 0) &&
	       declares("", 0, 0);
}

static bool test_is_refused(void)
{
	return declares("test", 0, 1) && declares("test:", 0, 1) &&
	       declares(":4M", 0, 1) && declares("test:0", 0, 1) &&
	       declares("a b:4M", 0, 1) && declares("test:4M:4M", 0, 1) &&
	       declares("test:4Mx", 0, 1) && declares("test:-4M", 0, 1) &&
	       declares("test:4M@", 0, 1) && declares("test:4M/11", 0, 1) &&
	       declares("test:4M%64", 0, 1) && declares("test:4M%-1", 0, 1) &&
	       declares("test:4M%1/4", 0, 1) && declares("camera:4M", 0, 1) &&
	       declares("x:4M,test,y:4M", 2, 1);
}

/* A unit is no number. */
static bool test_wants_numbers(void)
{
	return declares("test:M", 0, 1) && declares("test:4M@K", 0, 1) &&
	       declares("test:4M/K", 0, 1) && declares("test:4M%M", 0, 1);
}

static bool names_end_somewhere(void)
{
	char text[CMA_MAX_NAME + 4];

	memset(text, 'a', sizeof(text));
	memcpy(text + CMA_MAX_NAME - 1, ":4M", 4);
	if (!declares(text, 1, 0))
		return false;
	memset(text, 'a', CMA_MAX_NAME);
	memcpy(text + CMA_MAX_NAME, ":4M", 4);
	return declares(text, 0, 1);
}

static bool too_long_is_ignored(void)
{
	char text[sizeof(cma_test_option) + 1];

	memset(text, ',', sizeof(text));
	memcpy(text, "test:4M", 7);
	text[sizeof(text) - 2] = '\0';
	if (!declares(text, 1, 0))
		return false;
	text[sizeof(text) - 2] = ',';
	text[sizeof(text) - 1] = '\0';
	reset_options();
	cma_test_setup(NULL);
	return CHECK(complaints == 1) && declares(text, 0, 1);
}

static const struct ktap_case cases[] = {
	{ "cma= is understood", cma_is_understood },
	{ "cma= is refused", cma_is_refused },
	{ "cma_lend= is understood", lend_is_understood },
	{ "cma_lend= is refused", lend_is_refused },
	{ "cma_lend without a value is ignored", lend_without_value_is_ignored },
	{ "cma_test= is understood", test_is_understood },
	{ "cma_test= is refused", test_is_refused },
	{ "cma_test= wants numbers", test_wants_numbers },
	{ "names end somewhere", names_end_somewhere },
	{ "an option that is too long is ignored", too_long_is_ignored },
};

int main(void)
{
	return ktap_run(cases, ARRAY_SIZE(cases));
}
