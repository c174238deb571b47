// SPDX-License-Identifier: GPL-2.0
/*
 * Usage: v4l2-ctl --stream-to=- ... | frame_check [-i PERCENT] [-o FILE] FRAMES
 *
 * Reads exactly that many raw 640x480 YUYV frames from standard input and
 * compares every pixel with the test pattern of the vivid driver: eight
 * vertical bars, without text.
 *
 *   -i PERCENT  intensity of the bars: 75 or 100 (75)
 *   -o FILE     also writes the first frame to FILE, as binary PPM
 *
 * The expected values are computed from the definition of the bars (ITU-R
 * BT.601, limited range), not learnt from a capture. Exit status: 0 all frames
 * show the pattern, 1 one does not, 2 called wrongly, 3 the stream ended early.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH		640
#define HEIGHT		480
#define PIXEL_BYTES	2
#define LINE_BYTES	(WIDTH * PIXEL_BYTES)
#define FRAME_BYTES	(LINE_BYTES * HEIGHT)
#define BARS		8
#define BAR_WIDTH	(WIDTH / BARS)
/* The driver rounds its coefficients, and then its results, downwards. */
#define TOLERANCE	2

enum { STATUS_OK, STATUS_WRONG, STATUS_USAGE, STATUS_SHORT };

struct color {
	int r, g, b;
};

/* White, yellow, cyan, green, magenta, red, blue, black. */
static const struct color bars[BARS] = {
	{ 1, 1, 1 }, { 1, 1, 0 }, { 0, 1, 1 }, { 0, 1, 0 },
	{ 1, 0, 1 }, { 1, 0, 0 }, { 0, 0, 1 }, { 0, 0, 0 },
};

/* One line of the pattern: all lines are equal. */
static unsigned char expected[LINE_BYTES];
static unsigned char frame[FRAME_BYTES];

static int luma(const struct color *c, int level)
{
	int y = 299 * c->r + 587 * c->g + 114 * c->b;

	return 16 + 219 * level * y / 255000;
}

static int chroma_blue(const struct color *c, int level)
{
	int cb = -169 * c->r - 331 * c->g + 500 * c->b;

	return 128 + 224 * level * cb / 255000;
}

static int chroma_red(const struct color *c, int level)
{
	int cr = 500 * c->r - 419 * c->g - 81 * c->b;

	return 128 + 224 * level * cr / 255000;
}

/* Two pixels share their chroma; a bar's width is even. */
static void compute_line(int level)
{
	unsigned char *p = expected;
	const struct color *c;
	int x;

	for (x = 0; x < WIDTH; x += 2, p += 2 * PIXEL_BYTES) {
		c = &bars[x / BAR_WIDTH];
		p[0] = luma(c, level);
		p[1] = chroma_blue(c, level);
		p[2] = luma(c, level);
		p[3] = chroma_red(c, level);
	}
}

/* Returns whether a whole frame came. */
static bool read_frame(void)
{
	size_t got = 0;
	ssize_t ret;

	while (got < FRAME_BYTES) {
		ret = read(STDIN_FILENO, frame + got, FRAME_BYTES - got);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return false;
		got += ret;
	}
	return true;
}

static bool check_frame(int nr)
{
	int i, want, wrong = 0, first = 0;

	for (i = 0; i < FRAME_BYTES; i++) {
		want = expected[i % LINE_BYTES];
		if (abs(frame[i] - want) <= TOLERANCE)
			continue;
		if (!wrong++)
			first = i;
	}
	if (!wrong)
		return true;
	fprintf(stderr,
		"frame_check: frame %d: %d bytes differ, first at line %d byte %d: %d instead of %d\n",
		nr, wrong, first / LINE_BYTES, first % LINE_BYTES, frame[first],
		expected[first % LINE_BYTES]);
	return false;
}

static int clamp_byte(int v)
{
	return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void put_rgb(FILE *f, int y, int cb, int cr)
{
	int base = 298 * (y - 16) + 128;

	cb -= 128;
	cr -= 128;
	putc(clamp_byte((base + 409 * cr) >> 8), f);
	putc(clamp_byte((base - 100 * cb - 208 * cr) >> 8), f);
	putc(clamp_byte((base + 516 * cb) >> 8), f);
}

/* What was captured, not what was expected. */
static int write_ppm(const char *path)
{
	FILE *f = fopen(path, "w");
	const unsigned char *p;

	if (!f)
		return -errno;
	fprintf(f, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
	for (p = frame; p < frame + FRAME_BYTES; p += 2 * PIXEL_BYTES) {
		put_rgb(f, p[0], p[1], p[3]);
		put_rgb(f, p[2], p[1], p[3]);
	}
	return fclose(f) ? -errno : 0;
}

static int check_frames(int frames, const char *ppm)
{
	int nr, ret, status = STATUS_OK;

	for (nr = 1; nr <= frames; nr++) {
		if (!read_frame()) {
			fprintf(stderr, "frame_check: only %d of %d frames came\n",
				nr - 1, frames);
			return STATUS_SHORT;
		}
		if (!check_frame(nr))
			status = STATUS_WRONG;
		ret = ppm && nr == 1 ? write_ppm(ppm) : 0;
		if (ret) {
			fprintf(stderr, "frame_check: %s: %s\n", ppm,
				strerror(-ret));
			return STATUS_USAGE;
		}
	}
	return status;
}

static int usage(void)
{
	fputs("Usage: frame_check [-i 75|100] [-o FILE] FRAMES\n", stderr);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	const char *ppm = NULL;
	int opt, frames, percent = 75;

	while ((opt = getopt(argc, argv, "i:o:")) != -1) {
		if (opt == 'i')
			percent = atoi(optarg);
		else if (opt == 'o')
			ppm = optarg;
		else
			return usage();
	}
	frames = optind == argc - 1 ? atoi(argv[optind]) : 0;
	if (frames < 1 || (percent != 75 && percent != 100))
		return usage();
	compute_line(255 * percent / 100);
	return check_frames(frames, ppm);
}
