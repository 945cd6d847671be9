#!/bin/bash
# The hardware of a simulated host: a private root file system, a network, and processes 1.
#
#   machine.sh hold SCRATCH CGROUP   holds file system and network as long as its standard input is
#                                    open, and obeys the lines there:
#                                    share FOLDER INSIDE, boot, halt
#   machine.sh start ROOT CGROUP     is process 1 of a boot, until systemd takes over
#   machine.sh switch ROOT           the second half of it, in a cgroup namespace of its own
#
# Everything lives in namespaces: what is left of a holder that was killed, the kernel removes.
set -euo pipefail
umask 022 # whatever the operator's is

# Folders of the machine that do not show through.
readonly EMPTY='data home mnt root usr/local etc/cron.d etc/sudoers.d etc/systemd/system
  usr/lib/systemd/system-generators var/log/journal'

hold() {
  scratch=$1 cgroup=$2
  boot='' init=''
  trap 'halt; remove' EXIT
  trap '' INT HUP
  build
  echo built
  while read -r word arguments; do
    # shellcheck disable=SC2086 # several words on purpose
    "${word}" ${arguments}
    echo "${init}"
  done
}

build() {
  mount -t tmpfs -o mode=755 tmpfs "${scratch}"
  root=${scratch}/root
  mkdir "${scratch}/upper" "${scratch}/work" "${scratch}/block" "${root}"
  cd /
  for folder in ${EMPTY} usr/lib/systemd/system/*.wants; do
    mkdir -p "${scratch}/upper/${folder}"
    setfattr -n trusted.overlay.opaque -v y "${scratch}/upper/${folder}"
  done
  mount -t overlay -o "lowerdir=/,upperdir=${scratch}/upper,workdir=${scratch}/work" \
    overlay "${root}"
  build_devices
  ip link set lo up
  ip address add 169.254.169.254/32 dev lo
  mkdir "${cgroup}"
}

build_devices() {
  mount -t tmpfs -o mode=755 tmpfs "${root}/dev"
  cd "${root}/dev"
  mkdir -p pts shm disk/by-id
  mknod -m 666 null c 1 3
  mknod -m 666 zero c 1 5
  mknod -m 666 full c 1 7
  mknod -m 666 random c 1 8
  mknod -m 666 urandom c 1 9
  mknod -m 666 tty c 5 0
  mknod -m 600 console c 1 3 # says nothing to the machine's
  mknod -m 660 loop-control c 10 237
  ln -s pts/ptmx ptmx
  ln -s /proc/self/fd fd
  ln -s /proc/self/fd/0 stdin
  ln -s /proc/self/fd/1 stdout
  ln -s /proc/self/fd/2 stderr
  cd /
}

share() {
  mkdir -p "${root}$2"
  mount --bind "$1" "${root}$2"
}

boot() {
  setpriv --pdeathsig KILL \
    unshare --fork --kill-child --pid --mount --uts --ipc bash "$0" start "${root}" "${cgroup}" &
  boot=$!
  init=''
  until [[ -n ${init} ]]; do
    kill -0 "${boot}"
    read -r init _ <"/proc/${boot}/task/${boot}/children" || :
  done
}

halt() {
  [[ -n ${boot} ]] || return 0
  kill -KILL "${init}" 2>/dev/null || :
  wait "${boot}" 2>/dev/null || : # until the last process is gone
  boot=''
  init=''
}

remove() {
  until find "${cgroup}" -depth -type d -exec rmdir {} + 2>/dev/null; do
    [[ -d ${cgroup} ]] || break
    sleep 0.01
  done
  umount --lazy "${scratch}" || :
  rmdir "${scratch}"
}

start() {
  root=$1 cgroup=$2
  mount -t proc proc "${root}/proc"
  mount --bind "${root}/proc/sys" "${root}/proc/sys"
  mount -o remount,bind,ro "${root}/proc/sys"
  mount --bind "${root}/dev/null" "${root}/proc/sys/vm/drop_caches" # the machine keeps its caches
  mount -t sysfs -o ro sysfs "${root}/sys"
  mount --bind "${root}/../block" "${root}/sys/block"
  mount -t tmpfs -o mode=755 tmpfs "${root}/run"
  mount -t tmpfs -o mode=1777 tmpfs "${root}/tmp"
  mount -t tmpfs -o mode=1777 tmpfs "${root}/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "${root}/dev/pts"
  echo 0 >"${cgroup}/cgroup.procs"
  exec unshare --cgroup bash "$0" switch "${root}"
}

switch() {
  root=$1
  mount -t cgroup2 cgroup2 "${root}/sys/fs/cgroup"
  cd "${root}"
  mkdir run/machine
  pivot_root . run/machine
  umount --lazy run/machine
  rmdir run/machine
  mount --make-rshared /
  mount --all || :
  exec env --ignore-environment container=simulator NOTIFY_SOCKET=@simulator \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
    /lib/systemd/systemd --system --log-target=journal --show-status=no \
    </dev/null >/dev/null 2>&1
}

word=$1
shift
"${word}" "$@"
