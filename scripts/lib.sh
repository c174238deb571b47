# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by every script below scripts/: sourced, never run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=$TOP/out
ME=${0##*/}
export LC_ALL=C

# One line on stderr, and out. 2 is kept for "called wrongly".
die()
{
	echo "$ME: $*" >&2
	exit 1
}

usage_error()
{
	echo "$ME: $*" >&2
	exit 2
}

note()
{
	echo "$ME: $*"
}

# step TEXT: TEXT with the time since the script began.
step()
{
	printf '%s: [%3d:%02d] %s\n' "$ME" $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

have_package()
{
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# missing_packages PACKAGE...: those that are not installed, one a line.
missing_packages()
{
	local p

	for p in "$@"; do
		have_package "$p" || echo "$p"
	done
}

# need PACKAGE...: installs what is missing, or says how to.
need()
{
	local missing log

	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -eq 0 ] && return 0
	is_root ||
		die "missing packages, run: sudo apt-get install ${missing[*]}"
	mkdir -p "$OUT/log"
	log=$OUT/log/apt.log
	step "installing ${missing[*]}"
	apt-get update >"$log" 2>&1 ||
		die "apt-get update failed (no network?), see $log"
	DEBIAN_FRONTEND=noninteractive apt-get install -y \
		--no-install-recommends "${missing[@]}" >>"$log" 2>&1 ||
		die "cannot install ${missing[*]} (no network?), see $log"
}

# need_space GIB: free space below out/.
need_space()
{
	local free

	mkdir -p "$OUT" || die "cannot write below $TOP"
	free=$(df --output=avail -BG "$OUT" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$1" ] ||
		die "$free GiB free in $OUT, $1 GiB needed"
}

# one_of NAME VALUE WORD...: VALUE must be one of the words.
one_of()
{
	local name=$1 value=$2 w

	shift 2
	for w in "$@"; do
		[ "$value" = "$w" ] && return 0
	done
	die "$name=$value is unknown, it can be: $*"
}

# source_version DIR: 6.12.117 for a kernel tree, nothing for anything else.
source_version()
{
	sed -n '/^VERSION = /h; /^PATCHLEVEL = /H; /^SUBLEVEL = /{
		H; g; s/[A-Z]* = //g; s/\n/./gp; q }' "$1/Makefile" 2>/dev/null
}

# prepare_kernels CMA...: release kernels and the root image for their VMs.
prepare_kernels()
{
	local k

	"$TOP/scripts/setup" vm || exit
	for k in "$@"; do
		CMA=$k CONFIG=release "$TOP/scripts/build" || exit
	done
	"$TOP/scripts/rootfs" || exit
}

# two_nodes MIB: what tells QEMU to have two nodes of that size, a CPU on each.
two_nodes()
{
	local n words='-smp 2,sockets=2'

	for n in 0 1; do
		words+=" -object memory-backend-ram,id=m$n,size=$1M"
		words+=" -numa node,nodeid=$n,cpus=$n,memdev=m$n"
	done
	echo "$words"
}

# The only base kernel we have hooks for.
KERNEL=${KERNEL:-6.12}
one_of KERNEL "$KERNEL" 6.12
# shellcheck disable=SC2034 # for those who source this file
{
	ORIG=$OUT/src/linux-$KERNEL-orig
	TREE=$OUT/src/linux-$KERNEL
}
