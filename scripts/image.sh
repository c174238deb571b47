# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the scripts that make an image share: sourced after lib.sh, never run.
# Both append what the tools say to the file $LOG.

HEADERS=$OUT/headers

# The tree's own headers for user space, in $HEADERS/usr/include. None of them is
# ours: they change with the base kernel.
make_headers()
{
	"$TOP/scripts/apply" >>"$LOG" || exit
	cmp -s "$TREE/.cma-base" "$HEADERS/.cma-base" && return 0
	make -C "$TREE" O="$HEADERS" ARCH=x86_64 headers >>"$LOG" 2>&1 ||
		die "make headers failed, see $LOG"
	cp "$TREE/.cma-base" "$HEADERS/"
}

# copy_libraries ROOT BINARY: its libraries, to where the loader looks for them.
copy_libraries()
{
	local lib

	while read -r lib; do
		[ -e "$1$lib" ] && continue
		mkdir -p "$1${lib%/*}"
		cp -L "$lib" "$1$lib"
	done < <(ldd "$2" 2>/dev/null | grep -o '/[^ ]*')
}

# make_ext4 DIR IMAGE MIB: the directory as a sparse image. Inode tables are
# written now: done later, by the guest, they would be noise in its
# measurements.
make_ext4()
{
	rm -f "$2.new"
	truncate -s "$3M" "$2.new"
	mke2fs -q -F -t ext4 -O verity -m 0 -N 32768 -b 4096 -J size=16 \
		-E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 \
		-d "$1" "$2.new" >>"$LOG" 2>&1 ||
		die "mke2fs failed, see $LOG"
	mv "$2.new" "$2"
}
