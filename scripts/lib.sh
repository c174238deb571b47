# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by every script below scripts/: sourced, never run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=${OUT:-$TOP/out}
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

# One answer that is lost on the way is no verdict.
apt_get()
{
	apt-get -o Acquire::Retries=5 "$@"
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
	apt_get update >"$log" 2>&1 ||
		die "apt-get update failed (no network?), see $log"
	DEBIAN_FRONTEND=noninteractive apt_get install -y \
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

# run_case DIR NAME COMMAND...: a case that is a command, which passes if that does.
# Leaves DIR/NAME/cases and seconds, as scripts/try does; prints what failed, and a
# line that tells how it went.
run_case()
{
	local dir=$1/$2 name=$2 start=$SECONDS verdict=ok

	shift 2
	mkdir -p "$dir" || die "cannot write $dir"
	"$@" >"$dir/log" 2>&1 || verdict='not ok'
	cat "$dir/log"
	if [ "$verdict" = ok ]; then
		echo "ok $name" >"$dir/cases"
	else
		echo "not ok $name: $(grep -a . "$dir/log" | tail -n 1 |
			cut -c 1-200)" >"$dir/cases"
	fi
	echo $((SECONDS - start)) >"$dir/seconds"
	echo "$verdict $name, $((SECONDS - start)) s"
	[ "$verdict" = ok ]
}

# kernel_dir CMA-CONFIG: where scripts/build leaves it.
kernel_dir()
{
	echo "$OUT/$KERNEL-${ARCH:-x86_64}-$1"
}

# build_kernel CMA-CONFIG
build_kernel()
{
	CMA=${1%-*} CONFIG=${1#*-} "$TOP/scripts/build"
}

# prepare_kernels CMA...: release kernels and the disks for their VMs.
prepare_kernels()
{
	local k

	for k in "$@"; do
		build_kernel "$k-release" || exit
	done
	"$TOP/scripts/rootfs" base tools tests || exit
}

# vm ARGUMENT...: scripts/boot in the background, so that a signal finds this shell;
# its exit status. Who calls it has "trap stop_vm EXIT", and may name a function in
# VM_PROGRESS that tells every now and then how far it is.
vm()
{
	local status last=$SECONDS

	"$TOP/scripts/boot" "$@" 9>&- &
	VM_PID=$!
	while [ -n "${VM_PROGRESS:-}" ] && sleep 1 && kill -0 "$VM_PID" 2>/dev/null; do
		[ $((SECONDS - last)) -ge 20 ] || continue
		last=$SECONDS
		"$VM_PROGRESS"
	done
	wait "$VM_PID"
	status=$?
	VM_PID=''
	return "$status"
}

# shellcheck disable=SC2317 # called by traps
stop_vm()
{
	[ -z "${VM_PID:-}" ] || kill "$VM_PID" 2>/dev/null
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
